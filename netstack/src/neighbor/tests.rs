use netdrv::pktbuf::{Pool, PoolMemory};

use super::*;
use Lookup::{Ask, Confirm, Unreachable, Wait};

const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

struct Bench {
    neighbors: Neighbors,
    counters: Counters,
    pool: &'static Pool,
}

impl Bench {
    fn new() -> Bench {
        let pool = Pool::leak(PoolMemory::leak(256));
        Bench { neighbors: Neighbors::new(&mut Keys::new(&[3; 16])), counters: Counters::default(), pool }
    }

    fn lookup(&mut self, ip: Ipv4Addr, ms: u64) -> Lookup {
        self.neighbors.lookup(ip, at(ms), &mut self.counters)
    }

    fn learn(&mut self, ip: Ipv4Addr, ms: u64) -> Option<usize> {
        self.neighbors.learn(ip, MAC, at(ms), &mut self.counters).map(|held| held.len())
    }

    fn hold(&mut self, ip: Ipv4Addr) {
        self.neighbors.hold(ip, self.pool.alloc().unwrap(), &mut self.counters);
    }

    fn held(&self) -> usize {
        self.pool.capacity() - self.pool.available()
    }

    /// What is overdue, timer by timer, until `ms`.
    fn overdue_until(&mut self, ms: u64) -> Vec<(u64, Overdue)> {
        let mut seen = Vec::new();
        while let Some(next) = self.neighbors.next_deadline().filter(|next| *next <= at(ms)) {
            while let Some(overdue) = self.neighbors.overdue(next, &mut self.counters) {
                seen.push((next.as_micros() / 1000, overdue));
            }
        }
        seen
    }
}

fn at(ms: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(ms)
}

fn ip(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0000 + n)
}

#[test]
fn three_requests_backing_off_and_then_silence() {
    let mut bench = Bench::new();
    assert_eq!((bench.lookup(ip(1), 0), bench.lookup(ip(1), 0)), (Ask, Wait));
    let asked = [(1000, Overdue::Ask(ip(1))), (3000, Overdue::Ask(ip(1))), (7000, Overdue::GivenUp)];
    assert_eq!(bench.overdue_until(9_999), asked);
    assert_eq!(bench.lookup(ip(1), 9_999), Unreachable);
    assert_eq!(bench.overdue_until(10_000), []);
    assert_eq!((bench.lookup(ip(1), 10_000), bench.counters.neighbor_unreachable), (Ask, 1));
}

#[test]
fn an_answer_ends_the_asking() {
    let mut bench = Bench::new();
    bench.lookup(ip(1), 0);
    bench.hold(ip(1));
    bench.hold(ip(1));
    assert_eq!(bench.learn(ip(1), 500), Some(2));
    assert_eq!(bench.overdue_until(100_000), []);
    assert_eq!((bench.lookup(ip(1), 600), bench.held()), (Lookup::Known(MAC), 0));
    assert_eq!(bench.learn(ip(1), 700), None, "known already");
}

#[test]
fn a_late_answer_counts() {
    let mut bench = Bench::new();
    bench.lookup(ip(1), 0);
    bench.overdue_until(8000);
    assert!(bench.neighbors.is_expected(ip(1)));
    assert_eq!(bench.learn(ip(1), 8000), Some(0));
    assert_eq!(bench.lookup(ip(1), 8001), Lookup::Known(MAC));
}

#[test]
fn what_is_used_is_confirmed_before_it_expires() {
    let mut bench = Bench::new();
    bench.learn(ip(1), 0);
    assert_eq!(bench.lookup(ip(1), 59_999), Lookup::Known(MAC));
    assert_eq!(bench.lookup(ip(1), 60_000), Confirm(MAC));
    assert_eq!(bench.lookup(ip(1), 60_001), Lookup::Known(MAC), "it is used meanwhile");
    bench.learn(ip(1), 60_002);
    assert_eq!(bench.lookup(ip(1), 120_001), Lookup::Known(MAC));
}

#[test]
fn what_is_not_confirmed_is_asked_for_anew() {
    let mut bench = Bench::new();
    bench.learn(ip(1), 0);
    let asked: Vec<u64> = (60_000..80_000).filter(|ms| bench.lookup(ip(1), *ms) == Confirm(MAC)).collect();
    assert_eq!(asked, [60_000, 61_000, 63_000]);
    assert_eq!(bench.lookup(ip(1), 80_000), Wait, "asked for by broadcast since 67 s");
    assert!(bench.neighbors.pending.lookup(ip(1)).is_some());
}

#[test]
fn what_was_not_used_for_long_is_not_believed() {
    let mut bench = Bench::new();
    bench.learn(ip(1), 0);
    assert_eq!((bench.lookup(ip(1), 299_999), bench.lookup(ip(1), 300_000)), (Confirm(MAC), Ask));
}

#[test]
fn packets_that_wait_are_few() {
    let mut bench = Bench::new();
    for n in 0..100 {
        bench.lookup(ip(n), 0);
        (0..10).for_each(|_| bench.hold(ip(n)));
        assert!(bench.held() <= pending::HELD_IN_ALL);
    }
    assert_eq!((bench.held(), bench.counters.drop_unresolved), (pending::HELD_IN_ALL, 1000 - 64));
    bench.overdue_until(8000);
    assert_eq!((bench.held(), bench.counters.drop_unresolved), (0, 1000));
    bench.hold(ip(1));
    assert_eq!(bench.counters.drop_unresolved, 1001, "nothing waits for the unreachable");
}

#[test]
fn each_neighbor_has_its_share_of_packets() {
    let mut bench = Bench::new();
    bench.lookup(ip(1), 0);
    (0..10).for_each(|_| bench.hold(ip(1)));
    assert_eq!(bench.learn(ip(1), 1), Some(pending::HELD_EACH));
    assert_eq!(bench.neighbors.pending.lookup(ip(1)), None);
}

#[test]
fn addresses_nobody_has_push_out_no_neighbor() {
    let mut bench = Bench::new();
    (0..100).for_each(|n| _ = bench.learn(ip(n), 0));
    for n in 1000..11_000 {
        bench.lookup(ip(n), n.into());
    }
    assert!((0..100).all(|n| bench.lookup(ip(n), 11_000) == Lookup::Known(MAC)));
    let (requests, limit) = (11_000 - 1000 - bench.counters.arp_requests_suppressed, 256 * 11);
    assert!(requests <= limit, "{requests}");
}

#[test]
fn strangers_push_out_nobody_that_is_used() {
    let mut bench = Bench::new();
    bench.learn(ip(0), 0);
    bench.lookup(ip(0), 0);
    for n in 1..100_000 {
        bench.learn(ip(n), 1);
        if n % 100 == 0 {
            assert_eq!(bench.lookup(ip(0), 2), Lookup::Known(MAC));
        }
    }
    assert!(bench.counters.neighbor_evicted >= 100_000 - known::CAPACITY as u64);
}

#[test]
fn an_announcement_changes_only_what_is_known() {
    let mut bench = Bench::new();
    let other = Mac([2, 0, 0, 0, 0, 9]);
    assert!(!bench.neighbors.update(ip(1), other, at(0)));
    assert_eq!(bench.lookup(ip(1), 0), Ask);
    bench.learn(ip(1), 0);
    assert!(bench.neighbors.update(ip(1), other, at(1)));
    assert_eq!(bench.lookup(ip(1), 1), Lookup::Known(other));
}
