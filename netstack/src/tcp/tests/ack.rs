//! What we send, what is acknowledged of it, and what is sent again: RFC 5681, RFC 6298, RFC 6582.

use core::time::Duration;

use crate::app::Reason;
use crate::testkit::*;

const MSS: u16 = 1000;
const SECOND: Duration = Duration::from_secs(1);

/// A connection that has sent `n` segments, numbered by their bytes; the round trip is at most a tick.
fn sent(n: u8) -> Kit {
    let mut kit = Kit::connected(65_535, MSS);
    for byte in 0..n {
        kit.send([byte; MSS as usize]);
    }
    assert_eq!(kit.out().len(), usize::from(n));
    kit
}

/// The payload's first bytes of what leaves now.
fn numbers(segs: &[Seg]) -> Vec<u8> {
    segs.iter().map(|seg| seg.data[0]).collect()
}

#[test]
fn acknowledged_bytes_are_credit_again() {
    let mut kit = sent(4);
    kit.recv(seg(ACK, 1, 2001));
    assert_eq!(kit.credited(), (2000, 2000), "a window that is not used does not grow");
    kit.recv(seg(ACK, 1, 2501)); // in the middle of a record
    assert_eq!(kit.credited().0, 500);
    kit.recv(seg(ACK, 1, 4001));
    assert_eq!(kit.credited().0, 1500);
    assert_eq!(kit.pool.available(), kit.pool.capacity());
    assert_eq!(kit.wait(SECOND), []);
}

#[test]
fn a_window_that_is_used_grows() {
    let mut kit = sent(6);
    kit.recv(seg(ACK, 1, 2001));
    assert_eq!(kit.credited(), (2000, 4000), "slow start");
}

#[test]
fn small_replies_are_credited_in_parts() {
    let mut kit = Kit::new();
    let (window, mut credit, mut told) = (10 * u32::from(MSS), kit.connect(65_535, MSS), 0);
    for n in 0..1000 {
        let sent = 1 + 50 * (n + 1);
        kit.send([0; 50]);
        credit -= 50;
        kit.out();
        kit.recv(seg(ACK, 1, sent));
        for saw in kit.saw() {
            let Saw::Sent { acked, credit: further } = saw else { panic!("{saw:?}") };
            assert_eq!(acked, further);
            credit += further;
            told += 1;
        }
        assert!(credit > window - window / 8 && credit <= window, "{credit} of {window}");
    }
    assert_eq!(told, 50_000 / (window / 8));
}

#[test]
fn credit_is_never_more_than_the_window() {
    let mut kit = Kit::new();
    let credit = kit.connect(3000, MSS);
    assert_eq!(credit, 3000);
    for n in 0..3 {
        kit.send([n; 1000]);
    }
    assert_eq!(kit.out().len(), 3);
    kit.recv(seg(ACK, 1, 1001).window(2000));
    assert_eq!(kit.credited(), (1000, 0), "the window's end has not moved");
    kit.recv(seg(ACK, 1, 1001).window(5000));
    assert_eq!(kit.credited(), (0, 3000));
    kit.recv(seg(ACK, 1, 3001).window(0));
    assert_eq!(kit.credited(), (2000, 0), "given is given");
}

#[test]
fn an_idle_flow_has_credit_for_a_small_reply_whatever_the_window() {
    let mut kit = Kit::new();
    assert_eq!(kit.connect(10, MSS), 1460);
    kit.send([1; 1460]);
    kit.out();
    kit.recv(seg(ACK, 1, 11).window(10));
    kit.saw();
    let mut acked = 10;
    for _ in 0..200 {
        kit.wait(Duration::from_secs(60))
            .iter()
            .for_each(|(_, seg)| acked = acked.max(seg.seq - 1 + seg.data.len() as u32));
        kit.recv(seg(ACK, 1, 1 + acked).window(10));
    }
    assert_eq!(kit.credited().1, 1460);
}

#[test]
fn buffers_are_cut_to_a_small_mss() {
    let mut kit = Kit::connected(65_535, 536);
    let bytes: Vec<u8> = (0..1400u32).map(|n| n as u8).collect();
    kit.send(&bytes);
    let out = kit.out();
    assert_eq!(out.iter().map(|seg| seg.data.len()).collect::<Vec<_>>(), [536, 536, 328]);
    assert_eq!(out.iter().flat_map(|seg| seg.data.clone()).collect::<Vec<_>>(), bytes);
    assert_eq!(out.iter().map(|seg| seg.has(PSH)).collect::<Vec<_>>(), [false, false, true]);
    kit.recv(seg(ACK, 1, 1401));
    assert_eq!(kit.credited().0, 1400);
}

#[test]
fn an_absurd_mss_is_not_believed() {
    let mut kit = Kit::connected(65_535, 0);
    kit.send([0; 800]);
    assert_eq!(kit.out().len(), 10);
    kit.recv(seg(ACK, 1, 801));
}

#[test]
fn acks_of_the_future_and_the_long_past_are_challenged() {
    let mut kit = sent(1);
    for wrong in [1002, 1 << 30, (-66_000i32) as u32] {
        kit.recv(data(1, wrong, "x"));
        assert_eq!(kit.out(), [seg(ACK, 1001, 1)], "{wrong}");
    }
    assert_eq!((kit.counters().drop_tcp_bad_ack, kit.saw()), (3, vec![]));
    kit.recv(data(1, 1, "x"));
    assert_eq!(kit.received(), b"x");
}

#[test]
fn unanswered_segments_are_sent_again_later_and_later() {
    let mut kit = sent(2);
    let sent = kit.wait(SECOND * 5);
    let at: Vec<u64> = sent.iter().map(|(at, _)| at / 100).collect();
    assert_eq!(at, [2, 6, 14, 30]);
    assert!(sent.iter().all(|(_, seg)| seg.seq == 1 && seg.data[0] == 0));
    // The first is acknowledged: the second follows at once, and is not backed off.
    kit.recv(seg(ACK, 1, 1001));
    assert_eq!(numbers(&kit.out()), [1]);
    let again = kit.wait(Duration::from_millis(250));
    assert_eq!((again.len(), again[0].1.seq), (1, 1001));
    kit.recv(seg(ACK, 1, 2001));
    assert_eq!((kit.wait(SECOND * 100), kit.counters().tcp_retransmits), (vec![], 6));
}

#[test]
fn a_peer_that_is_silent_for_long_is_given_up() {
    let mut kit = sent(2);
    let sent = kit.wait(SECOND * 1000);
    assert_eq!(sent.len(), 11);
    assert_eq!(sent[10].1.flags, RST | ACK);
    assert_eq!((kit.saw(), kit.counters().tcp_timed_out), (vec![Saw::Dead(Reason::TimedOut)], 1));
    assert_eq!(kit.pool.available(), kit.pool.capacity());
}

#[test]
fn three_duplicates_retransmit_and_partial_acks_fill_the_next_hole() {
    let mut kit = sent(8); // 0 and 3 are lost
    for _ in 0..2 {
        kit.recv(seg(ACK, 1, 1));
        assert_eq!(kit.out(), []);
    }
    kit.recv(seg(ACK, 1, 1));
    assert_eq!(numbers(&kit.out()), [0]);
    kit.recv(seg(ACK, 1, 3001));
    assert_eq!(numbers(&kit.out()), [3]);
    kit.recv(seg(ACK, 1, 8001));
    assert_eq!((kit.out(), kit.credited().0), (vec![], 8000));
    assert_eq!((kit.counters().tcp_fast_retransmits, kit.counters().tcp_timeouts), (1, 0));
    assert_eq!(kit.wait(SECOND), []);
}

#[test]
fn window_updates_and_payload_are_no_duplicates() {
    let mut kit = sent(2);
    for n in 0..5 {
        kit.recv(seg(ACK, 1, 1).window(60_000 + n));
        kit.recv(data(1 + u32::from(n), 1, "x").window(60_000 + n));
    }
    assert!(kit.out().iter().all(|seg| seg.data.is_empty()));
    assert_eq!(kit.counters().tcp_fast_retransmits, 0);
}

#[test]
fn a_retransmission_waits_for_the_ring() {
    let mut kit = Kit::connected(65_535, MSS);
    kit.send([0; 1000]);
    kit.send([1; 1000]);
    let ring = kit.frames_held();
    for _ in 0..3 {
        kit.recv(seg(ACK, 1, 1));
    }
    assert_eq!((kit.out(), kit.counters().tcp_retransmits_deferred), (vec![], 1));
    drop(ring);
    kit.recv(seg(ACK, 1, 1)); // whatever comes next
    assert_eq!(numbers(&kit.out()), [0]);
}

#[test]
fn a_timeout_while_the_ring_is_stuck_is_made_up_for() {
    let mut kit = Kit::connected(65_535, MSS);
    kit.send([0; 1000]);
    let ring = kit.frames_held();
    assert_eq!(kit.wait(SECOND), []);
    drop(ring);
    let sent = kit.wait(SECOND * 2);
    assert_eq!(sent[0].1.data, [0; 1000]);
}

#[test]
fn without_buffers_everything_waits() {
    let mut kit = Kit::connected(65_535, MSS);
    kit.recv(data(1, 1, "request"));
    kit.saw();
    kit.is_deaf = true;
    let hostages: Vec<_> = core::iter::from_fn(|| kit.pool.alloc()).collect();
    assert_eq!(kit.wait(SECOND), []);
    assert!(kit.counters().tx_no_buffer > 0);
    drop(hostages);
    assert_eq!(kit.wait(SECOND)[0].1, seg(ACK, 1, 8).window(65_528));
}

#[test]
fn a_small_ring_is_filled_again_and_again() {
    let mut kit = Kit::connected(65_535, MSS);
    kit.room = 1;
    for byte in 0..5 {
        kit.send([byte; 1000]);
    }
    for byte in 0..5 {
        assert_eq!(numbers(&kit.out()), [byte]);
    }
    assert_eq!(kit.out(), []);
}

#[test]
fn a_congested_path_gets_one_segment_after_a_timeout() {
    let mut kit = sent(8);
    let sent = kit.wait(Duration::from_millis(300));
    assert_eq!((sent.len(), sent[0].1.seq), (1, 1));
    kit.recv(seg(ACK, 1, 1001));
    assert_eq!(numbers(&kit.out()), [1, 2]);
    kit.recv(seg(ACK, 1, 8001));
    assert_eq!(kit.out(), []);
    kit.credited();
}
