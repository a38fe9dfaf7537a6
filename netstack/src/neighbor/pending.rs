//! Neighbors that have not answered, and the first packets for them (RFC 1122, section 2.3.2.2).

use core::net::Ipv4Addr;
use core::time::Duration;

use netdrv::pktbuf::PktBuf;

use super::{Lookup, MAX_TRIES, wait_after};
use crate::counters::Counters;
use crate::keys::{Keys, SetHash};
use crate::time::Instant;

const SET_BITS: u32 = 4;
const WAYS: usize = 4;
/// Addresses asked for, or given up, at most.
pub(super) const CAPACITY: usize = WAYS << SET_BITS;

/// Packets that wait for one neighbor at most, and for all: what strangers can make the pool hold.
pub(super) const HELD_EACH: usize = 3;
pub(super) const HELD_IN_ALL: usize = 64;

/// How long an address that does not answer is not asked for again. Short: a link that loses much may have lost all three
/// requests, and whoever connects gives up after half a minute.
const UNREACHABLE_FOR: Duration = Duration::from_secs(3);

/// The packets that wait for a neighbor, in order, without Ethernet headers.
pub(crate) type Held = heapless::Deque<PktBuf, HELD_EACH>;

/// A neighbor whose answer is overdue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// It is to be asked again.
    Ask(Ipv4Addr),
    /// It is given up.
    GivenUp,
}

struct Entry {
    ip: Ipv4Addr,
    /// Requests sent; [`MAX_TRIES`] and one more once it is given up.
    tries: u8,
    /// When the answer is overdue, or the address forgotten.
    due: Instant,
    held: Held,
}

/// The table.
pub(super) struct Pending {
    entries: [Option<Entry>; CAPACITY],
    hash: SetHash,
    /// Nothing is due before.
    next: Option<Instant>,
    held: usize,
}

impl Pending {
    pub(super) fn new(keys: &mut Keys) -> Pending {
        let entries = core::array::from_fn(|_| None);
        Pending { entries, hash: SetHash::new(keys, SET_BITS), next: None, held: 0 }
    }

    /// Whether the address is asked for or given up.
    pub(super) fn lookup(&mut self, ip: Ipv4Addr) -> Option<Lookup> {
        let entry = self.entry(ip)?;
        Some(if entry.tries > MAX_TRIES { Lookup::Unreachable } else { Lookup::Wait })
    }

    /// Notes the first request, in the place of the oldest address of a full set.
    pub(super) fn begin(&mut self, ip: Ipv4Addr, now: Instant, counters: &mut Counters) {
        let first = WAYS * self.hash.of(ip);
        // Given up before asked for, and those that were asked for longest.
        let rank = |at: &usize| {
            self.entries[*at].as_ref().map(|entry| (entry.tries <= MAX_TRIES, u8::MAX - entry.tries, entry.due))
        };
        let at = (first..first + WAYS).min_by_key(rank).unwrap_or(first);
        if let Some(evicted) = self.entries[at].take() {
            self.drop_held(evicted.held, counters);
        }
        let due = now + wait_after(1);
        self.entries[at] = Some(Entry { ip, tries: 1, due, held: Held::new() });
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
    }

    /// Keeps a packet, if the neighbor is asked for and there is room; else it is dropped and counted.
    pub(super) fn hold(&mut self, ip: Ipv4Addr, packet: PktBuf, counters: &mut Counters) {
        let room = self.held < HELD_IN_ALL;
        let entry = self.entry(ip).filter(|entry| room && entry.tries <= MAX_TRIES);
        match entry.map(|entry| entry.held.push_back(packet)) {
            Some(Ok(())) => self.held += 1,
            _ => counters.drop_unresolved += 1,
        }
    }

    /// Takes an address out: it has answered.
    pub(super) fn take(&mut self, ip: Ipv4Addr) -> Option<Held> {
        let at = self.find(ip)?;
        let entry = self.entries[at].take()?;
        self.held -= entry.held.len();
        Some(entry.held)
    }

    /// The next address that is overdue. Call until `None`.
    pub(super) fn overdue(&mut self, now: Instant, counters: &mut Counters) -> Option<Overdue> {
        while self.next.is_some_and(|next| next <= now) {
            let (at, due) = self.earliest()?;
            self.next = Some(due);
            if due > now {
                return None;
            }
            let entry = self.entries[at].as_mut()?;
            entry.tries += 1;
            if entry.tries <= MAX_TRIES {
                entry.due = now + wait_after(entry.tries);
                return Some(Overdue::Ask(entry.ip));
            }
            if entry.tries == MAX_TRIES + 1 {
                entry.due = now + UNREACHABLE_FOR;
                let held = core::mem::take(&mut entry.held);
                self.drop_held(held, counters);
                counters.neighbor_unreachable += 1;
                return Some(Overdue::GivenUp);
            }
            self.entries[at] = None; // it may be asked for again
            self.next = self.earliest().map(|(_, due)| due);
        }
        None
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.next
    }

    pub(super) fn clear(&mut self, counters: &mut Counters) {
        for at in 0..CAPACITY {
            if let Some(entry) = self.entries[at].take() {
                self.drop_held(entry.held, counters);
            }
        }
        self.next = None;
    }

    /// The entry that is due first: O(capacity), when a timer fires.
    fn earliest(&mut self) -> Option<(usize, Instant)> {
        let dues = self.entries.iter().enumerate().filter_map(|(at, entry)| Some((at, entry.as_ref()?.due)));
        let earliest = dues.min_by_key(|(_, due)| *due);
        if earliest.is_none() {
            self.next = None;
        }
        earliest
    }

    fn drop_held(&mut self, held: Held, counters: &mut Counters) {
        self.held -= held.len();
        counters.drop_unresolved += held.len() as u64;
    }

    fn entry(&mut self, ip: Ipv4Addr) -> Option<&mut Entry> {
        let at = self.find(ip)?;
        self.entries[at].as_mut()
    }

    fn find(&self, ip: Ipv4Addr) -> Option<usize> {
        let first = WAYS * self.hash.of(ip);
        (first..first + WAYS).find(|at| self.entries[*at].as_ref().is_some_and(|entry| entry.ip == ip))
    }
}
