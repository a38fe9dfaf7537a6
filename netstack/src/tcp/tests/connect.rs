//! Active open: RFC 9293, sections 3.5 and 3.10.7.3.

use core::net::SocketAddrV4;
use core::time::Duration;

use crate::app::{Call, Reason};
use crate::testkit::*;

const PEER_PORT: u16 = 11_211;

/// The app has asked for a connection to the peer, and its SYN has left.
fn calling() -> (Kit, Seg) {
    let mut kit = Kit::new();
    call(&mut kit);
    let out = kit.out();
    let [syn] = &out[..] else { panic!("{out:?}") };
    (kit, syn.clone())
}

fn call(kit: &mut Kit) {
    kit.port = PEER_PORT;
    kit.call(Call::Connect { cookie: 9, remote: SocketAddrV4::new(PEER_IP, PEER_PORT) });
}

fn syn_ack() -> Seg {
    Seg { mss: Some(1460), ..seg(SYN | ACK, 0, 1) }
}

#[test]
fn a_connection_opens() {
    let (mut kit, syn) = calling();
    let expected = Seg { mss: Some(1460), shift: Some(5), sack_permitted: true, ..seg(SYN, 0, 0) };
    assert_eq!(syn, expected.stamps(0, 0));
    kit.now = kit.now + Duration::from_millis(20);
    kit.recv(Seg { shift: Some(7), sack_permitted: true, ..syn_ack() }.stamps(500, 0).window(1000));
    assert_eq!(kit.saw(), [Saw::Connected { credit: 1460 }], "the window of a SYN is not scaled");
    let out = kit.out();
    assert_eq!((out[0].flags, out[0].seq, out[0].ack, out[0].stamps.unwrap().1), (ACK, 1, 1, 500));
    kit.send("get a\r\n");
    assert_eq!(kit.out()[0].data, b"get a\r\n");
    kit.recv(data(1, 8, "END\r\n").stamps(501, 0).window(10));
    assert_eq!(kit.received(), b"END\r\n");
    kit.close();
    assert!(kit.out()[0].has(FIN));
    kit.recv(seg(ACK | FIN, 6, 9).stamps(502, 0));
    assert_eq!(kit.saw().last(), Some(&Saw::Dead(Reason::Closed)));
    let counters = kit.counters();
    assert_eq!((counters.tcp_connects, counters.tcp_connected, counters.tcp_established), (1, 1, 0));
}

#[test]
fn what_the_peer_does_not_want_is_not_used() {
    let (mut kit, _) = calling();
    kit.recv(Seg { mss: None, ..syn_ack() });
    kit.saw();
    assert_eq!(kit.out(), [seg(ACK, 1, 1)], "no timestamps, no scaled window");
    kit.send([0; 600]);
    assert_eq!(kit.out().iter().map(|seg| seg.data.len()).collect::<Vec<_>>(), [536, 64]);
    kit.recv(data(3, 1, "x"));
    assert_eq!(kit.out()[0].sack, []);
}

#[test]
fn a_refusal_ends_it_and_a_forged_one_does_not() {
    let (mut kit, _) = calling();
    kit.recv(seg(RST, 0, 0));
    kit.recv(seg(RST | ACK, 0, 0));
    kit.recv(seg(RST | ACK, 0, 2));
    assert_eq!((kit.saw(), kit.out()), (vec![], vec![]));
    kit.recv(seg(RST | ACK, 0, 1));
    assert_eq!((kit.saw(), kit.stack().tcp().connections()), (vec![Saw::Dead(Reason::Reset)], 0));
}

#[test]
fn answers_to_an_older_connection_are_reset() {
    let (mut kit, _) = calling();
    for wrong in [0, 2, 1 << 31] {
        kit.recv(Seg { ack: wrong, ..syn_ack() });
        assert_eq!(kit.out(), [seg(RST, wrong, 0).window(0)], "{wrong}");
    }
    kit.recv(seg(ACK, 1, 1)); // no SYN
    kit.recv(data(1, 1, "x"));
    kit.recv(seg(FIN, 1, 1));
    assert_eq!((kit.saw(), kit.out()), (vec![], vec![]));
    kit.recv(syn_ack());
    assert_eq!(kit.saw().len(), 1);
}

#[test]
fn a_syn_is_sent_again_later_and_later_and_given_up() {
    let (mut kit, first) = calling();
    let sent = kit.wait(Duration::from_secs(100));
    let at: Vec<u64> = sent.iter().map(|(at, _)| at / 1000).collect();
    assert_eq!(at, [1, 3, 7, 15]);
    assert!(sent.iter().all(|(_, seg)| Seg { stamps: None, ..seg.clone() } == Seg { stamps: None, ..first.clone() }));
    assert_eq!((kit.saw(), kit.stack().tcp().connections()), (vec![Saw::Dead(Reason::TimedOut)], 0));
}

#[test]
fn a_neighbor_that_does_not_answer_times_out_too() {
    let mut kit = Kit::new();
    kit.is_deaf = true;
    kit.port = PEER_PORT;
    let remote = SocketAddrV4::new([10, 0, 0, 77].into(), PEER_PORT);
    kit.call(Call::Connect { cookie: 9, remote });
    kit.wait(Duration::from_secs(100));
    assert_eq!((kit.saw(), kit.stack().tcp().connections()), (vec![Saw::Dead(Reason::TimedOut)], 0));
}

#[test]
fn a_syn_that_waited_for_its_neighbor_is_not_a_lost_one() {
    let mut kit = Kit::new();
    kit.is_deaf = true;
    let late = [10, 0, 0, 77].into();
    kit.call(Call::Connect { cookie: 9, remote: SocketAddrV4::new(late, PEER_PORT) });
    kit.wait(Duration::from_secs(12));
    kit.frame(&arp(2, PEER_MAC, late, IP));
    let syns = |kit: &mut Kit| kit.frames().iter().filter(|frame| frame[12..14] == [8, 0]).count();
    assert_eq!(syns(&mut kit), 1);
    kit.now = kit.now + Duration::from_millis(1100);
    kit.expire();
    assert_eq!(syns(&mut kit), 1, "again after a second");
}

#[test]
fn both_open_at_once() {
    let (mut kit, _) = calling();
    kit.recv(Seg { mss: Some(1000), ..seg(SYN, 0, 0) });
    let out = kit.out();
    assert_eq!((out.len(), out[0].flags, out[0].seq, out[0].ack), (1, SYN | ACK, 0, 1));
    assert_eq!(kit.saw(), []);
    // The peer's SYN-ACK crosses ours: figure 8 of RFC 9293.
    kit.recv(Seg { mss: Some(1000), ..seg(SYN | ACK, 0, 1) });
    assert!(matches!(kit.saw()[..], [Saw::Connected { .. }, ..]));
    assert_eq!(kit.out(), [seg(ACK, 1, 1)]);
    kit.recv(Seg { mss: Some(1000), ..seg(SYN | ACK, 0, 1) });
    assert_eq!(kit.out(), [seg(ACK, 1, 1)], "no SYN-ACK is answered by one for ever");
    kit.recv(data(1, 1, "x"));
    assert_eq!(kit.received(), b"x");
}

#[test]
fn both_open_at_once_and_an_ack_comes_first() {
    let (mut kit, _) = calling();
    kit.recv(seg(SYN, 0, 0));
    kit.out();
    kit.recv(data(1, 1, "x"));
    let saw = kit.saw();
    assert_eq!((saw.len(), saw.last()), (2, Some(&Saw::Recv(b"x".into()))));
}

#[test]
fn a_call_that_cannot_be_is_unavailable() {
    let mut kit = Kit::new();
    for (ip, port) in [
        ([0, 0, 0, 0], 1),
        ([255, 255, 255, 255], 1),
        ([10, 0, 0, 255], 1),
        ([224, 0, 0, 1], 1),
        ([127, 0, 0, 1], 1),
        ([250, 0, 0, 1], 1),
        ([10, 0, 0, 1], 1),
        ([10, 0, 0, 2], 0),
        ([192, 168, 0, 1], 1), // no gateway
    ] {
        kit.call(Call::Connect { cookie: 9, remote: SocketAddrV4::new(ip.into(), port) });
        assert_eq!(kit.saw(), [Saw::Dead(Reason::Unavailable)], "{ip:?}:{port}");
    }
    assert_eq!((kit.counters().tcp_connects_unavailable, kit.out()), (9, vec![]));
}

#[test]
fn connections_beyond_the_table_are_unavailable() {
    let mut kit = Kit::new();
    for _ in 0..200 {
        kit.call(Call::Connect { cookie: 9, remote: SocketAddrV4::new(PEER_IP, PEER_PORT) });
    }
    let slots = kit.stack().tcp().connections();
    assert_eq!(kit.saw().len(), 200 - slots);
    kit.is_deaf = true;
    kit.frames();
    kit.now = kit.now + Duration::from_secs(100);
    for _ in 0..10 {
        kit.expire();
        kit.events.clear();
        kit.frames();
        kit.now = kit.now + Duration::from_secs(100);
    }
    assert_eq!(kit.stack().tcp().connections(), 0);
}

#[test]
fn ports_are_chosen_for_this_core() {
    let mut kit = Kit::new();
    kit.stack().choose_ports_by(Box::new(|local, remote| {
        assert_eq!((*local.ip(), *remote.ip(), remote.port()), (IP, PEER_IP, PEER_PORT));
        local.port() % 8 == 3
    }));
    for _ in 0..10 {
        call(&mut kit);
        kit.out();
        assert_eq!(kit.local_port % 8, 3);
        kit.recv(seg(RST | ACK, 0, 1));
        assert_eq!(kit.saw(), [Saw::Dead(Reason::Reset)]);
    }
}

#[test]
fn an_address_that_is_lost_ends_calls() {
    let (mut kit, _) = calling();
    kit.recv(syn_ack());
    kit.recv(syn_ack());
    assert_eq!(kit.out().len(), 1);
    kit.saw();
    call(&mut kit);
    kit.out();
    kit.call(Call::Abort { flow: kit.flow });
    assert!(kit.out()[0].has(RST));
}
