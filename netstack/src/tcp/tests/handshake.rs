//! Passive open: RFC 9293, section 3.5.

use core::time::Duration;

use crate::app::{Call, Reason};
use crate::testkit::*;

fn syn() -> Seg {
    Seg { mss: Some(1460), shift: Some(7), ..seg(SYN, 0, 0) }
}

#[test]
fn a_connection_opens_and_knocks_once() {
    let mut kit = Kit::new();
    kit.recv(syn());
    assert_eq!(kit.out(), [Seg { mss: Some(1460), shift: Some(5), ..seg(SYN | ACK, 0, 1) }]);
    assert_eq!(kit.saw(), []);
    kit.recv(seg(ACK, 1, 1));
    kit.recv(seg(ACK, 1, 1));
    assert_eq!(kit.saw(), [Saw::Knock]);
    kit.call(Call::Accept { flow: kit.flow, cookie: 1 });
    assert_eq!(kit.saw(), [Saw::Connected { credit: 14_600 }]); // ten segments; the SYN does not count (RFC 5681, section 3.1)
    assert_eq!(kit.counters().tcp_established, 1);
    assert_eq!(kit.wait(Duration::from_secs(600)), []);
}

#[test]
fn options_are_answered_only_if_they_came() {
    let mut kit = Kit::new();
    kit.recv(seg(SYN, 0, 0));
    assert_eq!(kit.out(), [Seg { mss: Some(1460), ..seg(SYN | ACK, 0, 1) }]);
}

#[test]
fn a_repeated_syn_is_answered_again() {
    let mut kit = Kit::new();
    kit.recv(syn());
    let first = kit.out();
    kit.recv(syn());
    assert_eq!(kit.out(), first);
    assert_eq!((kit.counters().tcp_syns, kit.counters().tcp_syn_retransmits), (1, 1));
}

#[test]
fn another_syn_for_a_half_open_connection_is_challenged() {
    let mut kit = Kit::new();
    kit.recv(syn());
    kit.out();
    kit.recv(Seg { seq: 500, ..syn() });
    assert_eq!(kit.out(), [seg(ACK, 1, 1).window(2048)]); // the peer resets this, and its next SYN opens
    kit.recv(seg(RST, 1, 0));
    kit.recv(Seg { seq: 500, ..syn() });
    assert_eq!(kit.out()[0].ack, 501);
}

#[test]
fn a_syn_ack_is_repeated_and_given_up() {
    let mut kit = Kit::new();
    kit.recv(syn());
    kit.out();
    let sent = kit.wait(Duration::from_secs(600));
    let at: Vec<u64> = sent.iter().map(|(at, _)| at / 1000).collect();
    assert_eq!(at, [1, 3, 7, 15, 31]);
    assert!(sent.iter().all(|(_, seg)| seg.flags == SYN | ACK && seg.seq == 0));
    let counters = kit.counters();
    assert_eq!((counters.tcp_half_open_timeouts, counters.tcp_syn_retransmits), (1, 5));
    assert_eq!((kit.saw(), kit.stack().tcp().connections()), (vec![], 0));
}

#[test]
fn acks_of_no_handshake_are_reset() {
    let mut kit = Kit::new();
    kit.recv(syn());
    kit.out();
    for wrong in [0, u32::MAX, 2, 1 << 31] {
        kit.recv(seg(ACK, 1, wrong));
        assert_eq!(kit.out(), [seg(RST, wrong, 0).window(0)], "{wrong}");
    }
    assert_eq!((kit.saw(), kit.counters().drop_tcp_bad_ack), (vec![], 4));
    kit.recv(seg(ACK, 1, 1));
    assert_eq!(kit.saw(), [Saw::Knock], "the handshake goes on");
}

#[test]
fn half_open_connections_are_bounded() {
    let mut kit = Kit::new();
    for port in 1..=100 {
        kit.port = port;
        kit.recv(syn());
        kit.out();
    }
    assert_eq!(kit.stack().tcp().connections(), 8 / 4 + 64);
    assert_eq!(kit.counters().tcp_cookies_sent, 100 - 66);
    kit.recv(seg(ACK, 1, 1));
    assert_eq!(kit.saw(), [Saw::Knock], "the last one completes");
}

#[test]
fn a_full_table_refuses() {
    let mut kit = Kit::new();
    let slots = 8 + 8 / 4 + 64;
    let mut flows = Vec::new();
    for port in 1..=slots {
        kit.port = port;
        kit.connect(1000, 1460);
        flows.push(kit.flow);
    }
    kit.port = 1000;
    kit.recv(syn());
    assert_eq!((kit.out(), kit.counters().drop_tcp_conn_limit), (vec![], 1));
    kit.port = 1;
    kit.recv(seg(RST, 1, 0));
    kit.port = 1000;
    kit.recv(syn());
    assert_eq!(kit.out().len(), 1, "room again");
    for (port, flow) in (1..).zip(flows) {
        kit.port = port;
        kit.call(Call::Abort { flow });
        kit.out();
    }
}

#[test]
fn data_before_accept_waits_for_it() {
    let mut kit = Kit::new();
    kit.recv(syn());
    kit.out();
    kit.recv(data(1, 1, "get a"));
    kit.recv(data(6, 1, "\r\n").flags(ACK | FIN));
    assert_eq!(kit.saw(), [Saw::Knock]);
    kit.call(Call::Accept { flow: kit.flow, cookie: 1 });
    let Saw::Connected { .. } = kit.saw().remove(0) else { panic!() };
    assert_eq!(kit.out(), [seg(ACK, 1, 9).window(2048)]);
}

#[test]
fn data_before_accept_is_delivered_in_order() {
    let mut kit = Kit::new();
    kit.recv(syn());
    kit.out();
    kit.recv(data(1, 1, "a"));
    kit.recv(data(2, 1, "b").flags(ACK | FIN));
    kit.saw();
    kit.call(Call::Accept { flow: kit.flow, cookie: 1 });
    let a = Saw::Recv(b"a".to_vec());
    let b = Saw::Recv(b"b".to_vec());
    assert_eq!(kit.saw()[1..], [a, b, Saw::PeerClosed]);
}

#[test]
fn a_connection_that_dies_before_its_accept_is_dead() {
    let mut kit = Kit::new();
    kit.recv(syn());
    kit.out();
    kit.recv(seg(ACK, 1, 1));
    kit.recv(seg(RST, 1, 0));
    assert_eq!(kit.saw(), [Saw::Knock]);
    kit.call(Call::Accept { flow: kit.flow, cookie: 1 });
    assert_eq!(kit.saw(), [Saw::Dead(Reason::Reset)], "or the app would wait for ever");
    kit.call(Call::Reject { flow: kit.flow });
    assert_eq!((kit.saw(), kit.counters().app_stale_calls), (vec![], 2));
}

#[test]
fn rejected() {
    let mut kit = Kit::new();
    kit.recv(syn());
    kit.out();
    kit.recv(seg(ACK, 1, 1));
    kit.saw();
    kit.call(Call::Reject { flow: kit.flow });
    assert_eq!(kit.out(), [seg(RST | ACK, 1, 1).window(0)]);
    assert_eq!((kit.saw(), kit.stack().tcp().connections()), (vec![], 0));
}

#[test]
fn closed_ports_and_strangers_are_reset() {
    let mut kit = Kit::new();
    let mut frame = kit.build(&seg(SYN, 0, 0));
    frame = build_to(frame, 80);
    kit.frame(&frame);
    assert_eq!(kit.out(), [seg(RST | ACK, 0, 1).window(0)]);
    kit.recv(seg(ACK, 9, 77));
    assert_eq!(kit.out(), [seg(RST, 77, 0).window(0)]);
    kit.recv(data(9, 77, "abc").flags(FIN));
    assert_eq!(kit.out(), [seg(RST | ACK, 0, 13).window(0)]);
    kit.recv(seg(RST, 9, 0));
    kit.recv(seg(RST | ACK, 9, 9));
    assert_eq!(kit.out(), []);
    assert_eq!((kit.counters().drop_tcp_port_closed, kit.counters().drop_tcp_no_connection), (1, 4));
}

#[test]
fn resets_are_limited() {
    let mut kit = Kit::new();
    for _ in 0..1500 {
        kit.recv(seg(ACK, 9, 77));
        kit.out();
    }
    assert_eq!((kit.counters().tcp_resets_out, kit.counters().tcp_resets_suppressed), (1000, 500));
}

#[test]
fn malformed_segments_are_counted() {
    let mut kit = Kit::new();
    for flags in [SYN | FIN, SYN | RST, FIN | RST] {
        kit.recv(seg(flags, 0, 0));
    }
    kit.port = 0;
    kit.recv(syn());
    kit.port = 40_000;
    let mut frame = kit.build(&syn());
    frame[14 + 20 + 12] = 0x40; // a header of 16 bytes
    kit.frame(&frame);
    frame[14 + 20 + 12] = 0xf0; // and one longer than the segment
    kit.frame(&frame);
    assert_eq!(kit.counters().drop_tcp_malformed, 6);
    let mut frame = kit.build(&syn());
    frame[40] ^= 1;
    kit.frame(&frame);
    assert_eq!((kit.counters().drop_tcp_checksum, kit.out()), (1, vec![]));
}

/// The same segment to another port of ours.
fn build_to(mut frame: Vec<u8>, port: u16) -> Vec<u8> {
    frame[36..38].copy_from_slice(&port.to_be_bytes());
    let (old, new) = (u32::from(PORT), u32::from(port));
    let sum = u32::from(!u16::from_be_bytes([frame[50], frame[51]])) + (0xffff - old) + new;
    let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    frame[50..52].copy_from_slice(&sum.to_be_bytes());
    frame
}
