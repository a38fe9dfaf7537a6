//! The link: our address on it, the way to a peer, and frames that wait for egress.
//!
//! ```text
//! arp::input -> Neighbors          route, send -> Neighbors -> the way, or a request; the packet waits or is dropped
//! expire -> requests again, announcements          output -> replies, datagrams -> Sink
//! ```

mod arp;
mod sink;

use core::net::Ipv4Addr;

use netdrv::fifo::Fifo;
use netdrv::pktbuf::{PktBuf, Pool};

use crate::address::Address;
use crate::counters::Counters;
use crate::ethernet::{Mac, Payload, Station};
use crate::keys::Keys;
use crate::neighbor::{Lookup, Neighbors};
use crate::plain::Recipient;
use crate::stack::Voice;
use crate::time::Instant;
use arp::Claim;
pub(crate) use sink::Sink;

/// Replies that wait for egress at most: what the frames of one turn can bring.
const REPLIES: usize = netdrv::nic::BATCH;
/// Datagrams that wait for egress at most: what the app's calls of one turn can bring.
const DATAGRAMS: usize = 256;

/// The way of a packet to a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    /// Our IPv4 address and the peer's.
    pub(crate) local: Ipv4Addr,
    pub(crate) remote: Ipv4Addr,
    /// Our end of the link, and the next hop's Ethernet address.
    pub(crate) from: Station,
    pub(crate) to: Mac,
}

/// A next hop as it was found, to be kept by those who send to it again and again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hop {
    to: Mac,
    edition: u32,
}

impl Hop {
    /// None was found yet.
    pub(crate) const UNKNOWN: Hop = Hop { to: Mac([0; 6]), edition: 0 };
}

/// The link.
pub(crate) struct Link {
    station: Station,
    voice: Voice,
    address: Option<Address>,
    recipient: Option<Recipient>,
    claim: Claim,
    neighbors: Neighbors,
    /// Answers to frames, made by ourselves, and datagrams of the app: apart, so that neither crowds out the other.
    replies: Fifo<PktBuf, REPLIES>,
    datagrams: Fifo<PktBuf, DATAGRAMS>,
    pool: &'static Pool,
}

impl Link {
    pub(crate) fn new(station: Station, voice: Voice, keys: &mut Keys, pool: &'static Pool) -> Link {
        Link {
            station,
            voice,
            address: None,
            recipient: None,
            claim: Claim::new(),
            neighbors: Neighbors::new(keys),
            replies: Fifo::new(),
            datagrams: Fifo::new(),
            pool,
        }
    }

    /// Our end.
    pub(crate) fn station(&self) -> Station {
        self.station
    }

    /// Our address, if we have one.
    pub(crate) fn address(&self) -> Option<Address> {
        self.address
    }

    /// Whom plain segments are for, if we have an address.
    #[inline]
    pub(crate) fn recipient(&self) -> Option<&Recipient> {
        self.recipient.as_ref()
    }

    /// Takes an address and tells the neighbors, or gives it up. What was known of other networks' neighbors is forgotten.
    pub(crate) fn set_address(&mut self, address: Option<Address>, now: Instant, counters: &mut Counters) {
        self.neighbors.clear(counters);
        self.address = address;
        self.recipient = address.and_then(|own| Recipient::new(&self.station, own.ip));
        self.claim = Claim::new();
        if address.is_some() && self.voice == Voice::Speaks {
            self.claim.begin(now);
            self.announce(counters);
        }
    }

    /// The way to `remote`; `None` while the next hop's address is not known, which is then asked for.
    pub(crate) fn route(&mut self, remote: Ipv4Addr, now: Instant, counters: &mut Counters) -> Option<Route> {
        let own = self.address?;
        let hop = own.next_hop(remote)?;
        match self.resolve(hop, now, counters) {
            Lookup::Known(to) => Some(Route { local: own.ip, remote, from: self.station, to }),
            _ => None,
        }
    }

    /// What to keep of a route, for [`route_by`](Link::route_by).
    pub(crate) fn hop_of(&self, route: &Route, now: Instant) -> Hop {
        Hop { to: route.to, edition: self.neighbors.edition(now) }
    }

    /// Whether frames to a next hop that was found before are untagged, and it need not be looked up again.
    #[inline]
    pub(crate) fn is_plain_to(&self, hop: &Hop, now: Instant) -> bool {
        hop.edition == self.neighbors.edition(now) && self.station.vlan.is_none()
    }

    /// The way to `remote` by that.
    #[inline]
    pub(crate) fn route_by(&self, hop: &Hop, remote: Ipv4Addr) -> Option<Route> {
        Some(Route { local: self.address?.ip, remote, from: self.station, to: hop.to })
    }

    /// Sends a datagram's packet to `remote`, at once or when its next hop is known. If that does not answer, or too much
    /// waits, the packet is dropped and counted.
    pub(crate) fn send(&mut self, remote: Ipv4Addr, packet: PktBuf, now: Instant, counters: &mut Counters) {
        let Some(hop) = self.address.and_then(|own| own.next_hop(remote)) else {
            counters.drop_no_route += 1;
            return;
        };
        match self.resolve(hop, now, counters) {
            Lookup::Known(to) => self.send_to(to, packet, counters),
            _ => self.neighbors.hold(hop, packet, counters),
        }
    }

    /// Queues a frame that answers another; one too many is dropped and counted.
    pub(crate) fn reply(&mut self, frame: PktBuf, counters: &mut Counters) {
        if self.replies.push_back(frame).is_err() {
            counters.drop_reply_queue_full += 1;
        }
    }

    /// Whether frames wait.
    pub(crate) fn has_output(&self) -> bool {
        !self.replies.is_empty() || !self.datagrams.is_empty()
    }

    /// Sends the frames that wait.
    #[inline]
    pub(crate) fn output(&mut self, sink: &mut Sink<'_>) {
        while self.has_output() && sink.has_room() {
            let Some(frame) = self.replies.pop_front().or_else(|| self.datagrams.pop_front()) else { return };
            sink.push(frame);
        }
    }

    /// The next hop's Ethernet address, asking for it where that is due.
    fn resolve(&mut self, hop: Ipv4Addr, now: Instant, counters: &mut Counters) -> Lookup {
        let lookup = self.neighbors.lookup(hop, now, counters);
        match lookup {
            Lookup::Ask => self.ask(hop, Mac::BROADCAST, counters),
            Lookup::Confirm(mac) => {
                self.ask(hop, mac, counters);
                return Lookup::Known(mac);
            }
            _ => {}
        }
        lookup
    }

    fn send_to(&mut self, to: Mac, mut packet: PktBuf, counters: &mut Counters) {
        let framed = self.station.prepend(&mut packet, to, Payload::Ipv4);
        if framed.is_none() || self.datagrams.push_back(packet).is_err() {
            counters.drop_datagram_queue_full += 1;
        }
    }
}
