//! Losses that a peer with SACK lets us see: RFC 2018, 2883, 6675, 6937 and 8985.

use core::time::Duration;

use crate::app::Call;
use crate::testkit::*;

const MSS: u16 = 1000;
const RTT: Duration = Duration::from_millis(20);

/// A connection with SACK that has sent `n` segments, numbered by their bytes, on a path whose round trip is 20 ms.
fn sent(n: u8) -> Kit {
    let mut kit = Kit::new();
    kit.recv(Seg { mss: Some(MSS), sack_permitted: true, ..seg(SYN, 0, 0) });
    kit.out();
    pass(&mut kit, RTT);
    kit.recv(seg(ACK, 1, 1));
    kit.saw();
    kit.call(Call::Accept { flow: kit.flow, cookie: 7 });
    kit.saw();
    (0..n).for_each(|byte| kit.send([byte; MSS as usize]));
    assert_eq!(kit.out().len(), usize::from(n));
    kit
}

/// Lets time pass in which nothing is to happen.
fn pass(kit: &mut Kit, time: Duration) {
    assert_eq!(kit.wait(time), []);
}

/// An ACK of the first `ack` segments, and of those in `blocks`.
fn sack(ack: u32, blocks: &[(u32, u32)]) -> Seg {
    let at = |n: u32| 1 + n * u32::from(MSS);
    let blocks: Vec<(u32, u32)> = blocks.iter().map(|&(start, end)| (at(start), at(end))).collect();
    seg(ACK, 1, at(ack)).sack(&blocks)
}

/// The numbers of the segments that leave now.
fn numbers(kit: &mut Kit) -> Vec<u8> {
    kit.out().iter().map(|seg| seg.data[0]).collect()
}

fn at_ms(sent: &[(u64, Seg)]) -> Vec<(u64, u8)> {
    sent.iter().map(|(at, seg)| (*at, seg.data[0])).collect()
}

#[test]
fn three_segments_delivered_beyond_a_hole_show_the_loss() {
    let mut kit = sent(10);
    pass(&mut kit, RTT);
    for end in [2, 3] {
        kit.recv(sack(0, &[(1, end)]));
        assert_eq!(numbers(&mut kit), [], "it may be reordered");
    }
    kit.recv(sack(0, &[(1, 4)]));
    assert_eq!(numbers(&mut kit), [0]);
    assert_eq!((kit.counters().tcp_fast_retransmits, kit.counters().tcp_timeouts), (1, 0));
    pass(&mut kit, RTT);
    kit.recv(sack(10, &[]));
    assert_eq!((numbers(&mut kit), kit.credited().0), (vec![], 10_000));
    pass(&mut kit, Duration::from_secs(10));
}

#[test]
fn every_hole_is_filled_in_one_round_trip() {
    let mut kit = sent(10); // 0, 2, 4 and 6 are lost
    pass(&mut kit, RTT);
    let blocks: [(u32, u32); 4] = [(7, 10), (5, 6), (3, 4), (1, 2)];
    (1..=4).for_each(|n| kit.recv(sack(0, &blocks[4 - n..])));
    let mut out = numbers(&mut kit);
    // The rest as the retransmissions are delivered: the rate is halved, not the window emptied.
    for n in 0..4u32 {
        pass(&mut kit, RTT / 4);
        kit.recv(sack(2 * n + 1, &blocks[..(3 - n) as usize]));
        out.extend(numbers(&mut kit));
    }
    out.sort_unstable();
    assert_eq!(out, [0, 2, 4, 6], "each once");
    kit.recv(sack(10, &[]));
    assert_eq!((kit.counters().tcp_retransmits, kit.counters().tcp_timeouts), (4, 0));
    assert_eq!(kit.counters().tcp_fast_retransmits, 1, "one recovery");
    kit.credited();
}

#[test]
fn what_is_only_reordered_is_waited_for() {
    let mut kit = sent(4);
    pass(&mut kit, RTT);
    kit.recv(sack(0, &[(1, 2)]));
    // A quarter of the round trip.
    let late = kit.wait(RTT / 2);
    assert_eq!(at_ms(&late), [(5, 0)]);
    assert_eq!(kit.counters().tcp_timeouts, 0);
    let mut kit = sent(4);
    pass(&mut kit, RTT);
    kit.recv(sack(0, &[(1, 2)]));
    pass(&mut kit, RTT / 5);
    kit.recv(sack(4, &[]));
    pass(&mut kit, Duration::from_secs(1));
    assert_eq!(kit.counters().tcp_retransmits, 0);
    kit.credited();
}

#[test]
fn reports_of_duplicates_widen_the_reordering_window() {
    let mut kit = sent(4);
    pass(&mut kit, RTT);
    kit.recv(sack(0, &[(1, 2)]));
    assert_eq!(at_ms(&kit.wait(RTT / 2)), [(5, 0)]);
    kit.recv(sack(2, &[]));
    kit.recv(sack(4, &[(0, 1)])); // it came twice
    kit.credited();
    (4..8).for_each(|byte| kit.send([byte; MSS as usize]));
    assert_eq!(numbers(&mut kit), [4, 5, 6, 7]);
    pass(&mut kit, RTT);
    kit.recv(sack(4, &[(5, 6)]));
    let late = kit.wait(RTT);
    assert!((8..=11).contains(&late[0].0), "two quarters, of some round trip: {late:?}");
    kit.recv(sack(8, &[]));
    kit.credited();
}

#[test]
fn a_lost_retransmission_is_found_by_what_was_sent_after_it() {
    let mut kit = sent(10);
    pass(&mut kit, RTT);
    kit.recv(sack(0, &[(1, 4)]));
    assert_eq!(numbers(&mut kit), [0]);
    pass(&mut kit, RTT / 2);
    kit.recv(sack(0, &[(1, 10)]));
    (10..14).for_each(|byte| kit.send([byte; MSS as usize]));
    let new = numbers(&mut kit);
    assert!(!new.is_empty(), "SACKed segments make room");
    pass(&mut kit, RTT);
    kit.recv(sack(0, &[(1, 10 + new.len() as u32)]));
    assert!(numbers(&mut kit).contains(&0), "without a timeout");
    assert_eq!(kit.counters().tcp_timeouts, 0);
    kit.recv(sack(10 + new.len() as u32, &[]));
    kit.saw();
}

#[test]
fn a_lost_tail_is_probed_before_the_timeout() {
    let mut kit = sent(4);
    pass(&mut kit, RTT);
    kit.recv(sack(2, &[])); // 2 and 3 are lost
    let probe = kit.wait(Duration::from_millis(70));
    assert_eq!(probe.len(), 1);
    let (at, seg) = &probe[0];
    assert!((35..=45).contains(at) && seg.data[0] == 3, "two round trips: {probe:?}");
    kit.recv(sack(2, &[(3, 4)]));
    assert_eq!(numbers(&mut kit), [2]);
    kit.recv(sack(4, &[]));
    assert_eq!((kit.counters().tcp_tail_probes, kit.counters().tcp_timeouts), (1, 0));
    kit.credited();
    pass(&mut kit, Duration::from_secs(10));
}

#[test]
fn a_probe_that_waits_for_the_ring_is_dropped_once_all_is_acknowledged() {
    let mut kit = sent(2);
    kit.room = 0;
    pass(&mut kit, Duration::from_millis(70));
    assert_eq!(kit.counters().tcp_tail_probes, 1);
    kit.recv(sack(2, &[]).window(0));
    kit.send([9; 100]);
    kit.room = 64;
    assert_eq!(numbers(&mut kit), [], "nothing is under way that could be lost, and the window is shut");
}

#[test]
fn a_probe_that_repairs_a_loss_is_a_sign_of_congestion() {
    for (report, window) in [(&[(3, 4)][..], 10_000), (&[], 7000)] {
        let mut kit = sent(4);
        pass(&mut kit, RTT);
        assert_eq!(kit.wait(RTT * 3).len(), 1);
        kit.recv(sack(4, report));
        kit.send([4; MSS as usize]);
        assert_eq!(numbers(&mut kit), [4]);
        kit.recv(sack(5, &[]));
        kit.credited();
        let tcb = kit.stack().tcp().tcbs.iter().flatten().next().unwrap();
        assert_eq!(tcb.send.congestion.window(), window, "{report:?}");
        assert_eq!(kit.counters().tcp_tail_probes, 1);
    }
}

#[test]
fn a_peer_that_forgets_what_it_held_gets_it_again() {
    let mut kit = sent(4);
    pass(&mut kit, RTT);
    kit.recv(sack(0, &[(0, 4)])); // held, it says, but not acknowledged
    kit.saw();
    let again = kit.wait(Duration::from_secs(3));
    assert!(again.iter().any(|(_, seg)| seg.data[0] == 0), "{again:?}");
    kit.recv(sack(1, &[]));
    let mut left: Vec<u8> = numbers(&mut kit);
    kit.recv(sack(2, &[]));
    left.extend(numbers(&mut kit));
    assert!(left.contains(&1) && left.contains(&2), "{left:?}");
    kit.recv(sack(4, &[]));
    kit.credited();
}

#[test]
fn absurd_blocks_mean_nothing() {
    for blocks in [[(5, 3), (4, 100)], [(2, 2), (1 << 20, 1 << 21)], [(40, 50), (11, 12)]] {
        let mut kit = sent(10);
        pass(&mut kit, RTT);
        for _ in 0..5 {
            kit.recv(sack(0, &blocks));
        }
        assert_eq!(numbers(&mut kit), [], "{blocks:?}");
        kit.recv(sack(10, &[]));
        assert_eq!(kit.credited().0, 10_000);
        assert_eq!(kit.counters().tcp_fast_retransmits, 0);
    }
}

#[test]
fn the_rate_is_reduced_in_proportion() {
    let mut kit = sent(10);
    pass(&mut kit, RTT);
    let (mut left, mut next) = (Vec::new(), 10);
    for end in 2..=10 {
        kit.recv(sack(0, &[(1, end)]));
        for _ in 0..kit.credited().1 / u32::from(MSS) {
            kit.send([next; MSS as usize]);
            next += 1;
        }
        left.extend(numbers(&mut kit));
    }
    assert_eq!(left[..3], [10, 11, 0], "limited transmit, until the loss is certain");
    assert!((7..=8).contains(&left.len()), "then, with CUBIC, seven for ten: {left:?}");
    pass(&mut kit, RTT);
    kit.recv(sack(u32::from(next), &[]));
    assert_eq!(kit.credited().1, 7000, "the window is the threshold");
}

#[test]
fn a_short_path_is_not_probed_for_every_pause_of_the_peer() {
    let mut kit = Kit::new();
    kit.recv(Seg { mss: Some(MSS), sack_permitted: true, ..seg(SYN, 0, 0) });
    kit.out();
    pass(&mut kit, Duration::from_micros(50));
    kit.recv(seg(ACK, 1, 1));
    kit.saw();
    kit.call(Call::Accept { flow: kit.flow, cookie: 7 });
    kit.saw();
    (0..2).for_each(|byte| kit.send([byte; MSS as usize]));
    assert_eq!(numbers(&mut kit), [0, 1]);
    pass(&mut kit, Duration::from_micros(1900));
    assert_eq!(at_ms(&kit.wait(Duration::from_millis(1))).len(), 1);
    kit.recv(sack(2, &[(1, 2)]));
    kit.credited();
}
