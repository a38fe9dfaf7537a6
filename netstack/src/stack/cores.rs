//! What a stack needs to be one of several, a core each.
//!
//! The first core's stack obtains the address and answers for it; the others follow. Each knows its own neighbors, and
//! has the flows of its flow groups; a segment of another's comes out as a stray.

use netdrv::nic::toeplitz::Toeplitz;
use netdrv::pktbuf::{PktBuf, Pool};

use super::{Addressing, Config, Stack};
use crate::address::Address;
use crate::app::{Cookie, Events, Flow};
use crate::steering::GroupSet;
use crate::tcp::Work;
use crate::time::Instant;

pub use crate::tcp::{Connection, Departure, Held, NoDeparture, Place};

/// One core's share of the flows.
#[derive(Clone, Copy)]
pub struct Share {
    /// The hash that says which group a flow is of, the same for all cores.
    pub hash: &'static Toeplitz,
    /// The groups that the core has at first.
    pub groups: GroupSet,
}

/// Who the appliance is on its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The address, if it has one.
    pub address: Option<Address>,
    /// The largest IP packet to send, in bytes.
    pub mtu: u16,
}

impl Stack {
    /// Makes one of several stacks, as [`Stack::new`] makes the only one. All are made with the same seed: a flow that moves
    /// from one to another finds the same secrets there.
    pub fn among(config: Config<'_>, share: Share, pool: &'static Pool, now: Instant) -> Stack {
        Stack::with(config, Some(share), pool, now)
    }

    /// What the other cores' stacks are to follow.
    pub fn identity(&self) -> Identity {
        Identity { address: self.link.address(), mtu: self.mtu }
    }

    /// The first core has become this: so does this one, which follows ([`Addressing::Follow`]).
    pub fn follow(&mut self, identity: Identity, now: Instant) {
        self.take_mtu(identity.mtu);
        if identity.address == self.link.address() {
            return;
        }
        if self.link.address().is_some() {
            self.tcp.address_lost();
        }
        self.take_address(identity.address, now);
    }

    /// The next segment that came here though another core has its flow group.
    pub fn take_stray(&mut self) -> Option<PktBuf> {
        self.strays.pop_front()
    }

    /// Whether this core has a flow group.
    pub fn owns(&mut self, group: u8) -> bool {
        self.tcp.groups().is_none_or(|owned| *owned >> group & 1 == 1)
    }

    /// From now on this core has a flow group: what comes for it begins connections here.
    pub fn adopt(&mut self, group: u8) {
        if let Some(owned) = self.tcp.groups() {
            *owned |= 1 << group;
        }
    }

    /// From now on this core has a flow group no more, but for the connections that it still has.
    pub fn release(&mut self, group: u8) {
        if let Some(owned) = self.tcp.groups() {
            *owned &= !(1 << group);
        }
    }

    /// Takes a connection of a group out, for another core.
    pub fn depart(&mut self, group: u8) -> Result<Departure, NoDeparture> {
        self.tcp.depart(group)
    }

    /// Takes the next segment that a departure holds.
    pub fn next_segment(&mut self, departure: &mut Departure) -> Held {
        self.tcp.next_segment(departure)
    }

    /// Takes a connection in. Its segments follow, then its [`name`](Stack::name) if the app had it, and then
    /// [`settle`](Stack::settle). `None`, and it is no more, if all slots are in use.
    pub fn arrive(&mut self, connection: Connection, now: Instant, events: &mut Events) -> Option<Flow> {
        let mut work = Work { now, counters: &mut self.counters, events };
        self.tcp.arrive(connection, &mut work)
    }

    /// Takes a segment of a connection that has arrived.
    pub fn take_segment(&mut self, flow: Flow, place: Place, payload: PktBuf) {
        self.tcp.take_segment(flow.index, place, payload);
    }

    /// The app has given a connection that has arrived its name.
    pub fn name(&mut self, flow: Flow, cookie: Cookie) {
        self.tcp.name(flow.index, cookie);
    }

    /// A connection has arrived with all that belongs to it. There is room for its events.
    pub fn settle(&mut self, flow: Flow, now: Instant, events: &mut Events) {
        let mut work = Work { now, counters: &mut self.counters, events };
        self.tcp.settle(flow.index, &mut work);
    }

    /// A connection that has arrived finds no place with the app: it is no more. What its peer sends is answered by a reset.
    pub fn turn_away(&mut self, flow: Flow) {
        self.tcp.forget(flow.index);
    }

    /// Sets the largest packet of TCP and UDP.
    pub(super) fn take_mtu(&mut self, mtu: u16) {
        if mtu != self.mtu {
            self.mtu = mtu;
            self.tcp.set_mtu(mtu);
            self.udp.set_mtu(mtu);
        }
    }

    /// Sets the address of link and flows.
    pub(super) fn take_address(&mut self, address: Option<Address>, now: Instant) {
        self.link.set_address(address, now, &mut self.counters);
        if let Some(address) = address {
            self.tcp.set_local(address.ip);
        }
    }

    /// Keeps a segment for another core; `headroom` is where its frame began. One too many is dropped: ingress stops before.
    pub(super) fn stray(&mut self, mut segment: PktBuf, headroom: usize) {
        self.counters.tcp_strays += 1;
        let cut = segment.headroom().saturating_sub(headroom);
        if segment.prepend(cut).is_some() {
            let _ = self.strays.push_back(segment);
        }
    }
}

/// Whether the stack speaks for its address, or another core's does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// It answers ARP, and announces and defends the address.
    Speaks,
    /// It only asks for neighbors, and learns.
    Follows,
}

impl Voice {
    pub(super) fn of(addressing: Addressing) -> Voice {
        if addressing == Addressing::Follow { Voice::Follows } else { Voice::Speaks }
    }
}
