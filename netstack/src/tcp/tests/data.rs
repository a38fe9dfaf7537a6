//! Payload from the peer: RFC 9293, section 3.10.7.4, and when it is acknowledged.

use core::time::Duration;

use crate::app::Call;
use crate::testkit::*;

#[test]
fn in_order_and_acknowledged_late() {
    let mut kit = Kit::connected(65_535, 1460);
    kit.recv(data(1, 1, "hello"));
    assert_eq!(kit.received(), b"hello");
    kit.call(Call::RecvDone { flow: kit.flow, bytes: 5 });
    assert_eq!(kit.out(), []);
    let sent = kit.wait(Duration::from_secs(1));
    assert_eq!(sent, [(40, seg(ACK, 1, 6))]);
}

#[test]
fn a_reply_carries_the_ack() {
    let mut kit = Kit::connected(65_535, 1460);
    kit.recv(data(1, 1, "ping"));
    kit.send("pong");
    assert_eq!(kit.out(), [data(1, 5, "pong").window(65_531).flags(ACK | PSH)]);
    kit.recv(seg(ACK, 5, 5));
    assert_eq!(kit.wait(Duration::from_secs(1)), []);
}

#[test]
fn the_second_full_segment_is_acknowledged_at_once() {
    let mut kit = Kit::connected(65_535, 1000);
    kit.recv(data(1, 1, [1; 1000]));
    assert_eq!(kit.out(), []);
    kit.recv(data(1001, 1, [2; 1000]));
    assert_eq!(kit.out(), [seg(ACK, 1, 2001).window(65_535 - 2000)]);
}

#[test]
fn out_of_order_is_held_until_the_gap_is_filled() {
    let mut kit = Kit::connected(65_535, 1460);
    kit.recv(data(4, 1, "d"));
    assert_eq!(kit.out(), [seg(ACK, 1, 1)]);
    kit.recv(data(2, 1, "bc"));
    assert_eq!(kit.out(), [seg(ACK, 1, 1)]);
    kit.recv(data(5, 1, "e").flags(ACK | FIN));
    kit.out();
    assert_eq!(kit.saw(), []);
    kit.recv(data(1, 1, "a"));
    let expected = ["a", "bc", "d", "e"].map(|bytes| Saw::Recv(bytes.into()));
    let saw = kit.saw();
    assert_eq!((&saw[..4], &saw[4..]), (&expected[..], &[Saw::PeerClosed][..]));
    assert_eq!(kit.out(), [seg(ACK, 1, 7).window(65_530)]);
    assert_eq!(kit.counters().tcp_out_of_order, 3);
}

#[test]
fn of_what_comes_twice_the_first_copy_counts() {
    let mut kit = Kit::connected(65_535, 1460);
    kit.recv(data(3, 1, "CD"));
    kit.recv(data(3, 1, "xy"));
    assert_eq!(kit.counters().drop_tcp_duplicate, 1);
    kit.recv(data(4, 1, "xEF"));
    kit.recv(data(1, 1, "ABxxxxGH"));
    // What lies behind what was held comes again.
    kit.recv(data(7, 1, "GH"));
    assert_eq!(kit.received(), b"ABCDEFGH");
    kit.recv(data(5, 1, "xxxxI"));
    assert_eq!(kit.received(), b"I");
    kit.recv(data(1, 1, "old"));
    assert_eq!((kit.received(), kit.counters().drop_tcp_duplicate), (vec![], 2));
    assert_eq!(kit.out(), [seg(ACK, 1, 10).window(65_535 - 9)]);
}

#[test]
fn what_is_held_out_of_order_is_bounded() {
    let mut kit = Kit::connected(65_535, 1460);
    for n in 0..80 {
        kit.recv(data(3 + 2 * n, 1, "x"));
        kit.out();
    }
    assert_eq!((kit.counters().tcp_out_of_order, kit.counters().drop_tcp_out_of_order_full), (63, 17));
}

#[test]
fn the_window_closes_and_reopens_with_the_app() {
    let mut kit = Kit::connected(65_535, 1460);
    let mut seq = 1;
    for _ in 0..44 {
        kit.recv(data(seq, 1, [7; 1460]));
        seq += 1460;
        kit.out();
    }
    // More than the window is cut to it.
    kit.recv(data(seq, 1, [7; 1460]));
    assert_eq!(kit.received().len(), 65_535);
    kit.wait(Duration::from_millis(100));
    kit.recv(data(65_536, 1, "x")); // a probe
    assert_eq!(kit.out(), [seg(ACK, 1, 65_536).window(0)]);
    assert_eq!(kit.received(), b"");
    kit.call(Call::RecvDone { flow: kit.flow, bytes: 1000 });
    assert_eq!(kit.out(), [], "too little to tell");
    kit.call(Call::RecvDone { flow: kit.flow, bytes: 1920 });
    assert_eq!(kit.out(), [seg(ACK, 1, 65_536).window(2920)]);
    kit.call(Call::RecvDone { flow: kit.flow, bytes: u32::MAX });
    assert_eq!(kit.out(), [seg(ACK, 1, 65_536)]);
    kit.recv(data(65_536, 1, "x"));
    assert_eq!(kit.received(), b"x");
}

#[test]
fn outside_the_window_is_answered_and_dropped() {
    let mut kit = Kit::connected(65_535, 1460);
    kit.recv(data(65_536, 1, "beyond"));
    assert_eq!(kit.out(), [seg(ACK, 1, 1)]);
    kit.recv(seg(ACK, 0, 1)); // a keep-alive
    assert_eq!(kit.out(), [seg(ACK, 1, 1)]);
    assert_eq!((kit.counters().drop_tcp_out_of_window, kit.saw()), (2, vec![]));
}

#[test]
fn a_thousand_segments_of_one_byte() {
    let mut kit = Kit::connected(65_535, 1460);
    let bytes: Vec<u8> = (0..1000u32).map(|n| n as u8).collect();
    for (chunk, at) in bytes.chunks(200).zip((1..).step_by(200)) {
        for (byte, seq) in chunk.iter().zip(at..) {
            kit.recv(data(seq, 1, [*byte]));
        }
        assert_eq!(kit.received(), chunk);
    }
    assert_eq!(kit.out(), []);
    assert_eq!(kit.wait(Duration::from_secs(1)), [(40, seg(ACK, 1, 1001).window(65_535 - 1000))]);
}

#[test]
fn events_bound_a_batch() {
    let mut kit = Kit::connected(65_535, 1460);
    let frames: Vec<_> = (1..=300).map(|seq| kit.build(&data(seq, 1, "x"))).collect();
    let mut received = 0;
    for chunk in frames.chunks(60) {
        let mut batch = netdrv::nic::Batch::new();
        for frame in chunk {
            assert!(batch.push_back(kit.buffer(frame)).is_ok());
        }
        while !batch.is_empty() {
            let now = kit.now;
            let before = batch.len();
            kit.stack.as_mut().unwrap().ingress(&mut batch, now, &mut kit.events);
            if batch.len() == before {
                received += kit.received().len();
            }
        }
    }
    assert_eq!(received + kit.received().len(), 300);
}
