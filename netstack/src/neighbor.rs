//! The neighbor cache (RFC 1122, section 2.3.2): link addresses of the hosts on our network.
//!
//! Bounded and set-associative, with a keyed hash, so that no stranger chooses whom an entry throws out. Entries are made
//! by our own questions and by questions to us, whose sender will want an answer; other ARP packets only update.

use alloc::boxed::Box;
use alloc::vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use siphasher::sip::SipHasher13;

use crate::ethernet::Mac;
use crate::time::Instant;

const SETS: usize = 256;
const WAYS: usize = 4;

/// Older than this, an entry is used, but its neighbor is asked again.
const FRESH: Duration = Duration::from_secs(30);
/// Older than this, an entry is not used.
const STALE: Duration = Duration::from_secs(120);
/// Between two questions about one neighbor.
pub(crate) const ASK_EVERY: Duration = Duration::from_secs(1);

/// Where a neighbor was found the last time: saves the hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hint(u16);

/// What the cache says of a neighbor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lookup {
    /// Its link address, if that is known.
    pub(crate) mac: Option<Mac>,
    /// Whether it should be asked now. The cache takes it as done.
    pub(crate) ask: bool,
}

#[derive(Clone, Copy)]
struct Entry {
    /// Unspecified if the entry is free.
    ip: Ipv4Addr,
    /// When it last told us `mac`; `None` if it never did.
    confirmed: Option<Instant>,
    mac: Mac,
    asked: Option<Instant>,
}

const FREE: Entry = Entry { ip: Ipv4Addr::UNSPECIFIED, confirmed: None, mac: Mac([0; 6]), asked: None };

/// The cache.
pub(crate) struct NeighborCache {
    entries: Box<[Entry]>,
    hasher: SipHasher13,
    evicted: u64,
}

impl NeighborCache {
    /// An empty cache.
    pub(crate) fn new(hasher: SipHasher13) -> NeighborCache {
        NeighborCache { entries: vec![FREE; SETS * WAYS].into_boxed_slice(), hasher, evicted: 0 }
    }

    /// Looks a neighbor up, and makes room for its answer if it is not there.
    pub(crate) fn look_up(&mut self, ip: Ipv4Addr, hint: &mut Hint, now: Instant) -> Lookup {
        if self.entries[usize::from(hint.0)].ip != ip {
            hint.0 = self.find(ip).unwrap_or_else(|| self.make_room(ip)) as u16;
        }
        let entry = &mut self.entries[usize::from(hint.0)];
        let age = entry.confirmed.map_or(Duration::MAX, |at| now.since(at));
        let ask = age >= FRESH && entry.asked.is_none_or(|at| now.since(at) >= ASK_EVERY);
        if ask {
            entry.asked = Some(now);
        }
        Lookup { mac: (age < STALE).then_some(entry.mac), ask }
    }

    /// Notes what an ARP packet says of its sender. Only a question to us makes a new entry. Returns whether there is an
    /// entry now.
    pub(crate) fn learn(&mut self, ip: Ipv4Addr, mac: Mac, now: Instant, source: Source) -> bool {
        let at = match (self.find(ip), source) {
            (Some(at), _) => at,
            (None, Source::Request) => self.make_room(ip),
            (None, Source::Other) => return false,
        };
        self.entries[at] = Entry { ip, confirmed: Some(now), mac, asked: None };
        true
    }

    /// Forgets everything: we are on another network.
    pub(crate) fn clear(&mut self) {
        self.entries.fill(FREE);
    }

    /// Entries thrown out for others so far.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    fn find(&self, ip: Ipv4Addr) -> Option<usize> {
        self.set(ip).find(|at| self.entries[*at].ip == ip)
    }

    /// Gives the entry of the set that was confirmed longest ago, or never, to `ip`.
    fn make_room(&mut self, ip: Ipv4Addr) -> usize {
        let set = self.set(ip);
        let first = set.start;
        let at = set.min_by_key(|at| (self.entries[*at].ip != FREE.ip, self.entries[*at].confirmed)).unwrap_or(first);
        self.evicted += u64::from(self.entries[at].ip != FREE.ip);
        self.entries[at] = Entry { ip, ..FREE };
        at
    }

    fn set(&self, ip: Ipv4Addr) -> core::ops::Range<usize> {
        let set = self.hasher.hash(&ip.octets()) as usize % SETS;
        set * WAYS..(set + 1) * WAYS
    }
}

/// Where knowledge of a neighbor comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// It asked for our address, so it is about to send us something.
    Request,
    /// A reply or an announcement.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn cache() -> NeighborCache {
        NeighborCache::new(SipHasher13::new_with_keys(1, 2))
    }

    #[test]
    fn asks_once_a_second_until_answered() {
        let (mut cache, mut hint) = (cache(), Hint::default());
        let mut look_up = |cache: &mut NeighborCache, s| cache.look_up(IP, &mut hint, at(s));
        assert_eq!(look_up(&mut cache, 5), Lookup { mac: None, ask: true });
        assert_eq!(look_up(&mut cache, 5), Lookup { mac: None, ask: false });
        assert_eq!(look_up(&mut cache, 6), Lookup { mac: None, ask: true });
        assert!(cache.learn(IP, MAC, at(6), Source::Other));
        assert_eq!(look_up(&mut cache, 7), Lookup { mac: Some(MAC), ask: false });
        assert_eq!(look_up(&mut cache, 40), Lookup { mac: Some(MAC), ask: true }, "stale, and still used");
        assert_eq!(look_up(&mut cache, 200), Lookup { mac: None, ask: true }, "too old");
    }

    #[test]
    fn strangers_make_no_entries() {
        let mut cache = cache();
        assert!(!cache.learn(IP, MAC, at(0), Source::Other));
        assert!(cache.learn(IP, MAC, at(0), Source::Request));
        assert_eq!(cache.look_up(IP, &mut Hint::default(), at(1)).mac, Some(MAC));
        cache.clear();
        assert_eq!(cache.look_up(IP, &mut Hint::default(), at(1)).mac, None);
    }

    #[test]
    fn stays_bounded() {
        let mut cache = cache();
        for n in 0..100_000u32 {
            cache.learn(Ipv4Addr::from_bits(0x0a00_0001 + n), MAC, at(n.into()), Source::Request);
        }
        assert_eq!(cache.evicted(), 100_000 - (SETS * WAYS) as u64);
        assert_eq!(cache.look_up(Ipv4Addr::from_bits(0x0a00_0001 + 99_999), &mut Hint(7), at(100_000)).mac, Some(MAC));
    }
}
