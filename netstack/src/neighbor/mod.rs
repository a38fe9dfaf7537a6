//! Neighbors: from an IPv4 address on the link to an Ethernet address (RFC 826; RFC 1122, section 2.3.2).
//!
//! ```text
//! unknown -> asked, 3 tries, backing off -> known -> confirmed by unicast while in use -> known
//!                     |                                            | no answer, or long unused
//!                     v                                            v
//!              unreachable for a while                          unknown
//! ```
//!
//! `known` holds those that answered, `pending` those that have not, with the first packets for them. The two are apart so that
//! addresses nobody has cannot push out neighbors that exist. Both are bounded: sets of a few ways, chosen by a keyed
//! hash, so that a lookup is a few comparisons and nobody can aim at a set.

mod known;
mod pending;

use core::net::Ipv4Addr;
use core::time::Duration;

use netdrv::pktbuf::PktBuf;

use crate::counters::Counters;
use crate::ethernet::Mac;
use crate::keys::Keys;
use crate::rate_limit::RateLimit;
use crate::time::Instant;
use known::Known;
use pending::Pending;
pub(crate) use pending::{Held, Overdue};

/// Requests for an address before it counts as unreachable.
const MAX_TRIES: u8 = 3;
/// After the first request; doubled with each (RFC 1122, section 2.3.2.1: at most one a second).
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Requests a second, for all addresses together: what strangers with made-up addresses can make us broadcast.
const ASKS_PER_SECOND: u32 = 256;

/// Nanoseconds of an edition, as a power of two.
const EDITION_SHIFT: u32 = 30;

/// What is known of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// Its Ethernet address.
    Known(Mac),
    /// Its Ethernet address, which should be confirmed by asking it.
    Confirm(Mac),
    /// Nothing: a request is due.
    Ask,
    /// Nothing: a request is under way, or has to wait.
    Wait,
    /// It does not answer.
    Unreachable,
}

/// All neighbors.
pub(crate) struct Neighbors {
    known: Known,
    pending: Pending,
    asks: RateLimit,
    /// Times that something has changed.
    changes: u32,
}

impl Neighbors {
    pub(crate) fn new(keys: &mut Keys) -> Neighbors {
        Neighbors {
            known: Known::new(keys),
            pending: Pending::new(keys),
            asks: RateLimit::new(ASKS_PER_SECOND),
            changes: 1,
        }
    }

    /// What is known of `ip`, which is about to be sent to. A request that it wants is taken as sent.
    pub(crate) fn lookup(&mut self, ip: Ipv4Addr, now: Instant, counters: &mut Counters) -> Lookup {
        if let Some(lookup) = self.known.lookup(ip, now) {
            return lookup;
        }
        if let Some(lookup) = self.pending.lookup(ip) {
            return lookup;
        }
        if !self.asks.allow(now) {
            counters.arp_requests_suppressed += 1;
            return Lookup::Wait;
        }
        self.pending.begin(ip, now, counters);
        Lookup::Ask
    }

    /// What [`lookup`](Neighbors::lookup) has found holds while this is the same. It never is for much longer than a second: who
    /// goes on sending is to look again, so that entries in use are confirmed, and expire.
    #[inline]
    pub(crate) fn edition(&self, now: Instant) -> u32 {
        self.changes.wrapping_add((now.as_nanos() >> EDITION_SHIFT) as u32)
    }

    /// Keeps a packet for a neighbor that was asked for, until it answers or is given up.
    pub(crate) fn hold(&mut self, ip: Ipv4Addr, packet: PktBuf, counters: &mut Counters) {
        self.pending.hold(ip, packet, counters);
    }

    /// Whether the neighbor has been asked for, or is known.
    pub(crate) fn is_expected(&mut self, ip: Ipv4Addr) -> bool {
        self.known.contains(ip) || self.pending.lookup(ip).is_some()
    }

    /// Notes a neighbor's address. If it was not known before, returns the packets that waited for it, if any.
    pub(crate) fn learn(&mut self, ip: Ipv4Addr, mac: Mac, now: Instant, counters: &mut Counters) -> Option<Held> {
        self.changes = self.changes.wrapping_add(1);
        if self.known.update(ip, mac, now) {
            return None;
        }
        self.known.learn(ip, mac, now, counters);
        Some(self.pending.take(ip).unwrap_or_default())
    }

    /// Notes that a neighbor has moved, if it is known. Says whether it is.
    pub(crate) fn update(&mut self, ip: Ipv4Addr, mac: Mac, now: Instant) -> bool {
        self.changes = self.changes.wrapping_add(1);
        self.known.update(ip, mac, now)
    }

    /// The next neighbor whose answer is overdue at `now`. Call until `None`.
    pub(crate) fn overdue(&mut self, now: Instant, counters: &mut Counters) -> Option<Overdue> {
        self.pending.overdue(now, counters)
    }

    /// When [`overdue`](Neighbors::overdue) has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.pending.next_deadline()
    }

    /// Forgets everybody: we are in another network now.
    pub(crate) fn clear(&mut self, counters: &mut Counters) {
        self.changes = self.changes.wrapping_add(1);
        self.known.clear();
        self.pending.clear(counters);
    }
}

/// How long to wait after the request number `tries`, counted from 1.
fn wait_after(tries: u8) -> Duration {
    FIRST_WAIT * (1 << tries.clamp(1, MAX_TRIES).saturating_sub(1))
}

#[cfg(test)]
mod tests;
