//! The neighbor cache: from an IPv4 address on the link to an Ethernet address. Bounded; sets of a few ways, so that a
//! lookup is a few comparisons.

use core::net::Ipv4Addr;
use core::time::Duration;

use crate::counters::Counters;
use crate::ethernet::Mac;
use crate::time::Instant;

const SETS: usize = 64;
const WAYS: usize = 4;

/// How long an answer is believed.
const LIFETIME: Duration = Duration::from_secs(300);
/// Between two requests for the same address (RFC 1122, section 2.3.2.1).
const ASK_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
struct Entry {
    ip: Ipv4Addr,
    /// `None` while only asked for.
    mac: Option<Mac>,
    /// When it was learned or asked for last.
    since: Instant,
}

/// What the cache says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// It is known.
    Known(Mac),
    /// A request is due.
    Ask,
    /// A request is under way.
    Asked,
}

/// The cache.
pub(crate) struct NeighborCache {
    sets: [[Option<Entry>; WAYS]; SETS],
}

impl NeighborCache {
    pub(crate) fn new() -> NeighborCache {
        NeighborCache { sets: [[None; WAYS]; SETS] }
    }

    /// The address of a neighbor, or whether to ask for it; asking is noted.
    pub(crate) fn lookup(&mut self, ip: Ipv4Addr, now: Instant, counters: &mut Counters) -> Lookup {
        let Some(entry) = self.find(ip) else {
            *self.slot_for(ip, counters) = Some(Entry { ip, mac: None, since: now });
            return Lookup::Ask;
        };
        match entry.mac {
            Some(mac) if now.since(entry.since) < LIFETIME => Lookup::Known(mac),
            None if now.since(entry.since) < ASK_INTERVAL => Lookup::Asked,
            _ => {
                entry.mac = None;
                entry.since = now;
                Lookup::Ask
            }
        }
    }

    /// Whether the neighbor has been asked for, or is known.
    pub(crate) fn is_expected(&mut self, ip: Ipv4Addr) -> bool {
        self.find(ip).is_some()
    }

    /// Notes a neighbor's address.
    pub(crate) fn learn(&mut self, ip: Ipv4Addr, mac: Mac, now: Instant, counters: &mut Counters) {
        let learned = Entry { ip, mac: Some(mac), since: now };
        match self.find(ip) {
            Some(entry) => *entry = learned,
            None => *self.slot_for(ip, counters) = Some(learned),
        }
    }

    fn find(&mut self, ip: Ipv4Addr) -> Option<&mut Entry> {
        self.sets[set_of(ip)].iter_mut().flatten().find(|entry| entry.ip == ip)
    }

    /// A free way of the address's set, or that of the entry not heard of for longest.
    fn slot_for(&mut self, ip: Ipv4Addr, counters: &mut Counters) -> &mut Option<Entry> {
        let set = &mut self.sets[set_of(ip)];
        let oldest = |way: &usize| set[*way].map(|entry| entry.since);
        let way = (0..WAYS).min_by_key(oldest).unwrap_or(0);
        counters.neighbor_evicted += u64::from(set[way].is_some());
        &mut set[way]
    }
}

fn set_of(ip: Ipv4Addr) -> usize {
    (ip.to_bits().wrapping_mul(0x9e37_79b9) >> 26) as usize % SETS
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

    #[test]
    fn asks_once_a_second_and_believes_for_a_while() {
        let (mut cache, mut counters) = (NeighborCache::new(), Counters::default());
        let ip = Ipv4Addr::new(10, 0, 0, 1);
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        assert_eq!(cache.lookup(ip, at(0), &mut counters), Lookup::Ask);
        assert_eq!(cache.lookup(ip, at(0), &mut counters), Lookup::Asked);
        assert_eq!(cache.lookup(ip, at(1), &mut counters), Lookup::Ask);
        cache.learn(ip, MAC, at(2), &mut counters);
        assert_eq!(cache.lookup(ip, at(300), &mut counters), Lookup::Known(MAC));
        assert_eq!(cache.lookup(ip, at(302), &mut counters), Lookup::Ask);
    }

    #[test]
    fn strangers_cannot_grow_it() {
        let (mut cache, mut counters) = (NeighborCache::new(), Counters::default());
        for n in 0..10_000u32 {
            cache.learn(Ipv4Addr::from_bits(0x0a00_0000 + n), MAC, Instant::from_nanos(n.into()), &mut counters);
        }
        assert!(counters.neighbor_evicted >= 10_000 - (SETS * WAYS) as u64);
        let last = Ipv4Addr::from_bits(0x0a00_0000 + 9_999);
        assert_eq!(cache.lookup(last, Instant::ZERO, &mut counters), Lookup::Known(MAC));
    }
}
