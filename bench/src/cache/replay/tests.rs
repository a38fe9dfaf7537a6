//! Caches whose hits are known.

use super::*;
use crate::cache::trace::{Extent, Operation, Synthetic};
use crate::cache::{Memcached, Ours};

static GO_ON: AtomicBool = AtomicBool::new(false);

/// Requests by their keys, one letter each, a second apart; upper-case ones expire after two seconds.
struct Letters<'a>(std::iter::Enumerate<std::slice::Iter<'a, u8>>);

fn letters(text: &str) -> Letters<'_> {
    Letters(text.as_bytes().iter().enumerate())
}

impl Source for Letters<'_> {
    fn next(&mut self, request: &mut Request) -> Result<bool, CacheError> {
        let Some((number, &letter)) = self.0.next() else { return Ok(false) };
        *request = Request {
            number: number as u64,
            time_us: number as u64 * 1_000_000,
            operation: Operation::Get,
            key: vec![letter],
            value_len: 99,
            ttl_s: if letter.is_ascii_uppercase() { 2 } else { 0 },
        };
        Ok(true)
    }

    fn requests(&self) -> u64 {
        self.0.len() as u64
    }
}

fn hits(text: &str, cache: &mut dyn Cache) -> f64 {
    let replayed = replay(&mut letters(text), cache, Pace::Free, 0, &GO_ON).unwrap();
    assert_eq!(replayed.tally.lookups(), text.len() as u64);
    replayed.tally.hit_ratio() * text.len() as f64
}

#[test]
fn the_least_recently_used_goes() {
    // Two items fit.
    assert_eq!(hits("abababab", &mut Lru::new(200)), 6.0);
    assert_eq!(hits("abcabcabc", &mut Lru::new(200)), 0.0);
    assert_eq!(hits("abacab", &mut Lru::new(200)), 2.0);
    assert_eq!(hits("abcabc", &mut Lru::new(300)), 3.0);
}

#[test]
fn what_has_expired_is_missed() {
    assert_eq!(hits("AAAAAA", &mut Lru::new(200)), 3.0);
    assert_eq!(hits("aaaaaa", &mut Lru::new(200)), 5.0);
}

#[test]
fn where_all_fits_only_first_look_ups_miss() {
    let extent = Extent { bytes: 4 << 20, requests: 30_000, rate: 10_000, seed: 5 };
    let trace = || Synthetic::new("zipf-0.9".parse().unwrap(), extent).unwrap();
    let mut caches: Vec<Box<dyn Cache>> = vec![
        Box::new(Lru::new(64 << 20)),
        Box::new(Ours::new(64 << 20, 1).unwrap()),
        Box::new(Memcached::start(64).expect("memcached is on this host")),
    ];
    let found: Vec<_> = caches
        .iter_mut()
        .map(|cache| replay(&mut trace(), &mut **cache, Pace::Free, 10_000, &GO_ON).unwrap())
        .collect();
    for replayed in &found {
        assert_eq!(replayed.tally, found[0].tally, "{replayed:?}");
        assert_eq!(replayed.held.items, found[0].held.items, "{replayed:?}");
        assert_eq!((replayed.held.evictions, replayed.held.refused), (0, 0), "{replayed:?}");
    }
    let tally = found[0].tally;
    assert_eq!(tally.lookups() - found[0].held.items, (tally.hit_ratio_of_all() * 30_000.0).round() as u64);
    assert!(tally.hit_ratio() > tally.hit_ratio_of_all());
}

#[test]
fn a_full_cache_evicts_and_misses() {
    let extent = Extent { bytes: 32 << 20, requests: 200_000, rate: 10_000, seed: 5 };
    let ratio = |cache: &mut dyn Cache| {
        let mut trace = Synthetic::new("zipf-0.9".parse().unwrap(), extent).unwrap();
        let Replayed { tally, held, .. } = replay(&mut trace, cache, Pace::Free, 50_000, &GO_ON).unwrap();
        assert!(held.evictions > 1000 && held.items > 10_000, "{held:?}");
        // memcached takes more than it is told to: a page for each class.
        assert!(held.item_bytes <= held.arena_bytes.unwrap_or(8 << 20), "{held:?}");
        tally.hit_ratio()
    };
    let lru = ratio(&mut Lru::new(8 << 20));
    let ours = ratio(&mut Ours::new(8 << 20, 1).unwrap());
    let memcached = ratio(&mut Memcached::start(8).unwrap());
    assert!(
        lru > 0.4 && lru < 0.9 && (lru - ours).abs() < 0.2 && (lru - memcached).abs() < 0.2,
        "{lru} {ours} {memcached}"
    );
}

#[test]
fn timed_requests_take_their_time() {
    let extent = Extent { bytes: 1 << 20, requests: 1000, rate: 5000, seed: 5 };
    let mut trace = Synthetic::new("ttl".parse().unwrap(), extent).unwrap();
    let replayed = replay(&mut trace, &mut Lru::new(1 << 20), Pace::Timed, 0, &GO_ON).unwrap();
    assert!(replayed.seconds >= 0.199, "{replayed:?}");
}

#[test]
fn an_interrupt_ends_it() {
    let interrupted = AtomicBool::new(true);
    let ended = replay(&mut letters("abc"), &mut Lru::new(200), Pace::Free, 0, &interrupted);
    assert!(matches!(ended, Err(CacheError::Peer(PeerError::Interrupted))));
}
