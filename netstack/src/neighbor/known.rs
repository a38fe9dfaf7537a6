//! Neighbors that have answered.

use alloc::boxed::Box;
use alloc::vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use super::{Lookup, MAX_TRIES, wait_after};
use crate::counters::Counters;
use crate::ethernet::Mac;
use crate::keys::{Keys, SetHash};
use crate::time::Instant;

const SET_BITS: u32 = 8;
const WAYS: usize = 4;
/// Neighbors known at most.
#[cfg(test)]
pub(super) const CAPACITY: usize = WAYS << SET_BITS;

/// How old an answer may be before the neighbor is asked again, by unicast, while it goes on being used (RFC 1122, section
/// 2.3.2.1, method 2): so a busy flow never waits for an entry that expires.
const CONFIRM_AFTER: Duration = Duration::from_secs(60);
/// How old an answer may be to be used at all.
const LIFETIME: Duration = Duration::from_secs(300);

#[derive(Clone, Copy)]
struct Entry {
    ip: Ipv4Addr,
    mac: Mac,
    /// When it was last heard of.
    heard: Instant,
    /// When it is to be asked for confirmation next, and how often it was since.
    ask_at: Instant,
    tries: u8,
    /// Whether we have sent to it since its set was last full.
    used: bool,
}

/// The table.
pub(super) struct Known {
    sets: Box<[[Option<Entry>; WAYS]]>,
    hash: SetHash,
}

impl Known {
    pub(super) fn new(keys: &mut Keys) -> Known {
        Known { sets: vec![[None; WAYS]; 1 << SET_BITS].into(), hash: SetHash::new(keys, SET_BITS) }
    }

    /// The neighbor, unless its entry has expired: then that is gone.
    pub(super) fn lookup(&mut self, ip: Ipv4Addr, now: Instant) -> Option<Lookup> {
        let slot = self.set(ip).iter_mut().find(|slot| slot.is_some_and(|entry| entry.ip == ip))?;
        let entry = slot.as_mut()?;
        if !entry.used {
            entry.used = true;
        }
        if now < entry.ask_at {
            return Some(Lookup::Known(entry.mac));
        }
        if now >= entry.heard + LIFETIME || entry.tries >= MAX_TRIES {
            *slot = None;
            return None;
        }
        entry.tries += 1;
        entry.ask_at = (now + wait_after(entry.tries)).min(entry.heard + LIFETIME);
        Some(Lookup::Confirm(entry.mac))
    }

    pub(super) fn contains(&mut self, ip: Ipv4Addr) -> bool {
        self.set(ip).iter().flatten().any(|entry| entry.ip == ip)
    }

    /// Adds a neighbor that is not known. In a full set it takes the place of the one not heard of for longest, first among those that we do
    /// not send to: strangers who announce themselves cannot push out our router.
    pub(super) fn learn(&mut self, ip: Ipv4Addr, mac: Mac, now: Instant, counters: &mut Counters) {
        let set = self.set(ip);
        let rank = |way: &usize| set[*way].map(|entry| (entry.used, entry.heard));
        let way = (0..WAYS).min_by_key(rank).unwrap_or(0);
        if let Some(evicted) = set[way] {
            counters.neighbor_evicted += 1;
            if evicted.used {
                set.iter_mut().flatten().for_each(|entry| entry.used = false);
            }
        }
        set[way] = Some(Entry { ip, mac, heard: now, ask_at: now + CONFIRM_AFTER, tries: 0, used: false });
    }

    /// Notes an answer of a neighbor that is known. Says whether it is.
    pub(super) fn update(&mut self, ip: Ipv4Addr, mac: Mac, now: Instant) -> bool {
        let Some(entry) = self.set(ip).iter_mut().flatten().find(|entry| entry.ip == ip) else { return false };
        *entry = Entry { mac, heard: now, ask_at: now + CONFIRM_AFTER, tries: 0, ..*entry };
        true
    }

    pub(super) fn clear(&mut self) {
        self.sets.fill([None; WAYS]);
    }

    fn set(&mut self, ip: Ipv4Addr) -> &mut [Option<Entry>; WAYS] {
        &mut self.sets[self.hash.of(ip)]
    }
}
