//! The window that we offer: RFC 9293, section 3.8.6; RFC 7323, section 2.

use crate::app::Call;
use crate::reserves;
use crate::testkit::*;

const SEGMENT: u32 = 1000;

fn open() -> Kit {
    Kit::opened(Seg { mss: Some(1460), shift: Some(7), ..seg(SYN, 0, 0) })
}

/// The peer fills the window with whole segments; the app takes `keeps` of each. Returns where the next byte goes.
fn fill(kit: &mut Kit, mut seq: u32, until: u32, done: u32) -> u32 {
    while seq + SEGMENT <= until {
        kit.recv(data(seq, 1, [7; SEGMENT as usize]));
        kit.saw();
        kit.call(Call::RecvDone { flow: kit.flow, bytes: done });
        seq += SEGMENT;
    }
    seq
}

/// Where the window ends that the last segment of ours told.
fn edge(out: &[Seg]) -> u32 {
    let last = out.last().unwrap();
    last.ack + (u32::from(last.window) << 5)
}

#[test]
fn a_window_that_is_used_grows_to_its_maximum_share() {
    let mut kit = open();
    let (mut seq, mut end, mut largest) = (1, 65_536, 0);
    for _ in 0..20 {
        seq = fill(&mut kit, seq, end, SEGMENT);
        let out = kit.out();
        assert!(edge(&out) >= end, "never taken back");
        end = edge(&out);
        largest = largest.max(end - seq);
    }
    // A quarter of 512 buffers, beside the 64 KiB that everybody has.
    assert!((65_535 + 128 * 1460..65_535 + 128 * 1460 + 64).contains(&largest), "{largest}");
}

#[test]
fn an_app_that_takes_nothing_gets_no_larger_window() {
    let mut kit = open();
    let seq = fill(&mut kit, 1, 65_536, 0);
    assert_eq!(seq, 65_001);
    let told = edge(&kit.out());
    assert!((65_536..65_536 + 64).contains(&told), "{told}");
    kit.call(Call::RecvDone { flow: kit.flow, bytes: 10_000 });
    let told = edge(&kit.out());
    assert!((75_536..75_536 + 64).contains(&told), "{told}");
}

#[test]
fn single_bytes_neither_shrink_a_scaled_window_nor_push_it_on() {
    let mut kit = open();
    let mut told = 0;
    for seq in 1..200 {
        kit.recv(data(seq, 1, "x"));
        kit.recv(data(seq, 1, "x")); // answered at once
        kit.saw();
        let now = edge(&kit.out());
        assert!(now + 31 >= told, "less than a unit");
        assert!(now < 65_536 + 64);
        told = told.max(now);
    }
    // What was told is taken, to the last byte.
    kit.recv(data(told - 1, 1, "x"));
    assert_eq!(kit.counters().tcp_out_of_order, 1);
    kit.recv(data(told + 64, 1, "x"));
    assert_eq!(kit.counters().drop_tcp_out_of_window, 1);
}

#[test]
fn windows_halve_while_buffers_are_short() {
    let mut kit = open();
    let mut hostages: Vec<_> = core::iter::from_fn(|| kit.pool.alloc()).collect();
    drop(hostages.split_off(hostages.len() - 20));
    let seq = fill(&mut kit, 1, 20_000, SEGMENT);
    let out = kit.out();
    assert_eq!(edge(&out[..1]).max(65_536), 65_536, "what was told stays told");
    let seq = fill(&mut kit, seq, 64_536, SEGMENT);
    let narrow = edge(&kit.out()) - seq;
    assert!(narrow < 10_000, "{narrow}");
    drop(hostages);
    let mut end = seq + narrow;
    let mut at = seq;
    for _ in 0..10 {
        at = fill(&mut kit, at, end, SEGMENT);
        end = end.max(kit.out().last().map_or(0, |seg| seg.ack + (u32::from(seg.window) << 5)));
    }
    assert!(end - at > 60_000, "and widen again");
}

#[test]
fn payload_is_refused_while_buffers_run_out_and_what_it_acknowledges_is_taken() {
    let mut kit = open();
    kit.send("reply");
    kit.out();
    let mut hostages: Vec<_> = core::iter::from_fn(|| kit.pool.alloc()).collect();
    drop(hostages.split_off(hostages.len() + 1 - kit.pool.capacity() / reserves::PAYLOAD));
    let free = kit.pool.available();
    kit.recv(data(1, 6, "next"));
    assert_eq!((kit.saw(), kit.out()), (vec![], vec![]), "not acknowledged");
    assert_eq!((kit.counters().drop_tcp_no_buffers, kit.pool.available()), (1, free + 1), "the reply's buffer is free");
    // It is not refused for ever, nor is what needs no buffer.
    drop(hostages.pop());
    kit.recv(data(1, 6, "next"));
    assert_eq!(kit.saw(), vec![Saw::Recv(b"next".to_vec())]);
    kit.recv(data(1, 6, "next"));
    assert_eq!(kit.out().len(), 1, "what comes again is acknowledged");
    hostages.extend(core::iter::from_fn(|| kit.pool.alloc()));
    drop(hostages.pop());
    kit.recv(seg(FIN | ACK, 5, 6));
    assert_eq!(kit.saw(), vec![Saw::PeerClosed]);
    assert_eq!(kit.counters().drop_tcp_no_buffers, 1);
    drop(hostages);
}
