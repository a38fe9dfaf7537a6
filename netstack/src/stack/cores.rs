//! What a stack needs to be one of several, a core each.
//!
//! The first core's stack obtains the address and answers for it; the others follow. Each knows its own neighbors, and
//! has the flows of its flow groups; a segment of another's comes out as a stray.

use netdrv::nic::toeplitz::Toeplitz;
use netdrv::pktbuf::{PktBuf, Pool};

use super::{Addressing, Config, Stack};
use crate::address::Address;
use crate::steering::GroupSet;
use crate::time::Instant;

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
