use super::*;
use crate::nic::{Batch, RxQueue, TxQueue};
use crate::pktbuf::{Checksum, Pool, PoolMemory};

const MILLISECOND: u64 = 1_000_000;

/// Sends `count` frames of IPv4 a microsecond apart from the left. Returns what arrives, and when.
fn run(conditions: Conditions, seed: u64, count: u32) -> (Vec<(u64, Vec<u8>)>, LinkCounters) {
    let link = Link::new([conditions, Conditions::default()], Random::new(seed));
    let (left, right) = (link.port(Side::Left), link.port(Side::Right));
    let mut arrivals = Vec::new();
    let mut collect = |link: &Link, until: u64| {
        while let Some(at) = link.next_arrival().filter(|at| *at <= until) {
            link.advance(at);
            while let Some(frame) = right.receive(<[u8]>::to_vec) {
                arrivals.push((at, frame));
            }
        }
        link.advance(until);
    };
    for n in 0..count {
        collect(&link, 1000 * u64::from(n));
        let mut frame = [[0; 12].as_slice(), &IPV4, &n.to_be_bytes()].concat();
        frame.resize(100, 0);
        left.send(&frame);
    }
    collect(&link, u64::MAX);
    (arrivals, link.counters())
}

fn number(frame: &[u8]) -> u32 {
    u32::from_be_bytes(frame[14..18].try_into().unwrap())
}

#[test]
fn a_perfect_link_only_delays() {
    let (arrivals, counters) = run(Conditions { delay_ns: MILLISECOND, ..Conditions::default() }, 1, 100);
    assert!(arrivals.iter().enumerate().all(|(n, (at, frame))| {
        (*at, number(frame)) == (MILLISECOND + 1000 * n as u64, n as u32) && frame.len() == 100
    }));
    assert_eq!((counters.sent, counters.arrived), (100, 100));
}

#[test]
fn a_rate_spaces_frames_and_its_queue_is_finite() {
    let conditions = Conditions { bits_per_s: 8_000_000, queue_ns: MILLISECOND, ..Conditions::default() };
    let (arrivals, counters) = run(conditions, 1, 100);
    assert!(arrivals.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 100_000), "100 bytes take 100 us");
    assert_eq!((arrivals.len(), counters.overflowed), (11, 89));
}

#[test]
fn every_fault_comes_as_often_as_asked() {
    let conditions = Conditions {
        loss_ppm: 50_000,
        reorder_ppm: 50_000,
        reorder_ns: 10_000,
        duplicate_ppm: 50_000,
        corrupt_ppm: 50_000,
        ..Conditions::default()
    };
    let (arrivals, counters) = run(conditions, 1, 20_000);
    for seen in [counters.lost, counters.reordered, counters.duplicated, counters.corrupted] {
        assert!((800..1200).contains(&seen), "{counters:?}");
    }
    let late = arrivals.windows(2).filter(|pair| number(&pair[1].1) < number(&pair[0].1)).count();
    let damaged = arrivals.iter().filter(|(_, frame)| frame[18..].iter().any(|byte| *byte != 0)).count();
    assert!(late > 500 && damaged > 500, "{late} {damaged}");
    assert!(arrivals.iter().all(|(_, frame)| frame[..14] == [[0; 12].as_slice(), &IPV4].concat()));
    assert_eq!(counters.arrived as usize, arrivals.len());
}

#[test]
fn a_seed_replays() {
    let conditions = Conditions {
        loss_ppm: 100_000,
        reorder_ppm: 100_000,
        reorder_ns: 10_000,
        corrupt_ppm: 100_000,
        ..Conditions::default()
    };
    assert_eq!(run(conditions, 7, 500), run(conditions, 7, 500));
    assert_ne!(run(conditions, 7, 500), run(conditions, 8, 500));
}

#[test]
fn arp_is_never_delivered_damaged() {
    let link = Link::new([Conditions { corrupt_ppm: 1_000_000, ..Conditions::default() }; 2], Random::new(1));
    link.port(Side::Right).send(&[0x06; 60]);
    assert_eq!((link.next_arrival(), link.counters().bad_check_sequence), (None, 1));
}

#[test]
fn queues_copy_frames_and_complete_checksums() {
    let pool = Pool::leak(PoolMemory::leak(200));
    let link = Link::new([Conditions::default(); 2], Random::new(1));
    let (mut left, mut right) = (link.queue_pair(Side::Left), link.queue_pair(Side::Right));
    right.rx.refill(pool);
    let mut batch = Batch::new();
    let mut frame = pool.alloc().unwrap();
    frame.extend_from_slice(&[[0; 14].as_slice(), &[0x12, 0x34, 0, 0, 0xff]].concat()).unwrap();
    frame.set_checksum(Checksum::Partial { start: 14, field: 2 });
    batch.push_back(frame).unwrap();
    assert_eq!(left.tx.submit(&mut batch), 1);
    assert_eq!(link.next_arrival(), None, "nothing leaves before the doorbell");
    left.tx.doorbell();
    link.advance(0);
    assert_eq!(right.rx.poll(&mut batch, 64), 1);
    let arrived = batch.pop_front().unwrap();
    assert_eq!(arrived.bytes()[14..], [0x12, 0x34, 0xee, 0xca, 0xff]);
    assert_eq!(arrived.checksum(), Checksum::None);
    drop(arrived);
    assert_eq!(pool.available() + right.rx.posted(), pool.capacity());
}
