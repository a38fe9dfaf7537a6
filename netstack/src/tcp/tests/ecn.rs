//! Explicit congestion notification: RFC 3168, section 6.1.

use core::net::SocketAddrV4;
use core::time::Duration;

use crate::app::Call;
use crate::checksum::Sum;
use crate::stack::EcnUse;
use crate::testkit::*;

const ECE: u8 = 0x40;
const CWR: u8 = 0x80;
/// Codepoints.
const NOT_CAPABLE: u8 = 0;
const CAPABLE: u8 = 2;
const CONGESTED: u8 = 3;

fn kit(uses: EcnUse) -> Kit {
    let mut kit = Kit::of(|config| config.tcp.ecn = uses);
    kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
    kit.frames();
    kit
}

fn agreed() -> Kit {
    let mut kit = kit(EcnUse::Offered);
    kit.recv(Seg { mss: Some(1000), ..seg(SYN | ECE | CWR, 0, 0) });
    assert_eq!(kit.out()[0].flags, SYN | ACK | ECE);
    kit.recv(seg(ACK, 1, 1));
    kit.saw();
    kit.call(Call::Accept { flow: kit.flow, cookie: 7 });
    kit.saw();
    kit
}

/// A segment of the peer that a router has marked.
fn recv_marked(kit: &mut Kit, segment: Seg) {
    let mut frame = kit.build(&segment);
    frame[15] |= CONGESTED;
    frame[24..26].fill(0);
    let checksum = Sum::new().add(&frame[14..34]).checksum();
    frame[24..26].copy_from_slice(&checksum);
    kit.frame(&frame);
}

/// Flags and codepoints of what leaves now; every frame is checked by the reader too.
fn leaving(kit: &mut Kit) -> Vec<(u8, u8)> {
    let frames = kit.frames();
    frames.iter().filter_map(|frame| Some((read(frame)?.0.flags, frame[15]))).collect()
}

#[test]
fn it_is_agreed_on_only_if_both_want_it() {
    for (uses, asks, answers) in [
        (EcnUse::Never, ECE | CWR, 0),
        (EcnUse::Offered, ECE | CWR, ECE),
        (EcnUse::Offered, ECE, 0),
        (EcnUse::Offered, CWR, 0),
        (EcnUse::Offered, 0, 0),
    ] {
        let mut kit = kit(uses);
        kit.recv(seg(SYN | asks, 0, 0));
        assert_eq!(leaving(&mut kit), [(SYN | ACK | answers, NOT_CAPABLE)]);
        kit.recv(seg(RST, 1, 0));
    }
}

#[test]
fn marks_are_told_until_the_peer_has_slowed_down() {
    let mut kit = agreed();
    recv_marked(&mut kit, data(1, 1, "a"));
    kit.send("x");
    assert_eq!(leaving(&mut kit), [(ACK | PSH | ECE, CAPABLE)]);
    kit.recv(data(2, 2, "b"));
    kit.wait(Duration::from_millis(10));
    kit.recv(data(2, 2, "b"));
    assert_eq!(leaving(&mut kit), [(ACK | ECE, NOT_CAPABLE)]);
    kit.recv(data(3, 2, "c").flags(ACK | CWR));
    kit.recv(data(3, 2, "c"));
    assert_eq!(leaving(&mut kit), [(ACK, NOT_CAPABLE)]);
    recv_marked(&mut kit, seg(ACK, 4, 2)); // no payload: not of those that may be marked
    kit.recv(data(3, 2, "c"));
    assert_eq!((leaving(&mut kit), kit.counters().tcp_ecn_marks), (vec![(ACK, NOT_CAPABLE)], 1));
}

#[test]
fn we_slow_down_once_a_window_and_say_so() {
    let mut kit = agreed();
    for n in 0..10 {
        kit.send([n; 1000]);
    }
    assert!(leaving(&mut kit).iter().all(|(flags, mark)| flags & CWR == 0 && *mark == CAPABLE));
    kit.recv(seg(ACK | ECE, 1, 2001));
    kit.recv(seg(ACK | ECE, 1, 4001));
    kit.recv(seg(ACK | ECE, 1, 10_001));
    assert_eq!(kit.counters().tcp_ecn_reductions, 1);
    kit.saw();
    kit.send([1; 1000]);
    kit.send([2; 1000]);
    assert_eq!(leaving(&mut kit), [(ACK | CWR, CAPABLE), (ACK | PSH, CAPABLE)]);
    kit.recv(seg(ACK | ECE, 1, 12_001)); // it was marked again
    assert_eq!(kit.counters().tcp_ecn_reductions, 2);
    assert_eq!(kit.counters().tcp_retransmits, 0);
}

#[test]
fn what_is_sent_again_takes_no_part() {
    let mut kit = agreed();
    kit.send([1; 100]);
    assert_eq!(leaving(&mut kit), [(ACK | PSH, CAPABLE)]);
    let deadline = kit.next_deadline().unwrap();
    kit.now = deadline + Duration::from_secs(1);
    kit.expire();
    assert_eq!(leaving(&mut kit), [(ACK | PSH, NOT_CAPABLE)]);
    kit.recv(seg(ACK, 1, 101));
}

#[test]
fn we_ask_when_we_open_and_do_without_when_that_gets_no_answer() {
    let mut kit = kit(EcnUse::Offered);
    kit.port = 11_211;
    kit.call(Call::Connect { cookie: 7, remote: SocketAddrV4::new(PEER_IP, 11_211) });
    assert_eq!(kit.out()[0].flags, SYN | ECE | CWR);
    let sent = kit.wait(Duration::from_millis(1500));
    assert_eq!(sent[0].1.flags, SYN);
    kit.recv(seg(SYN | ACK | ECE, 0, 1));
    kit.saw();
    kit.out();
    kit.send("x");
    assert_eq!(leaving(&mut kit), [(ACK | PSH, NOT_CAPABLE)]);
}

#[test]
fn an_answer_that_reflects_our_bits_agrees_to_nothing() {
    for (answer, mark) in [(ECE, CAPABLE), (ECE | CWR, NOT_CAPABLE), (0, NOT_CAPABLE)] {
        let mut kit = kit(EcnUse::Offered);
        kit.port = 11_211;
        kit.call(Call::Connect { cookie: 7, remote: SocketAddrV4::new(PEER_IP, 11_211) });
        kit.out();
        kit.recv(seg(SYN | ACK | answer, 0, 1));
        kit.saw();
        kit.out();
        kit.send("x");
        assert_eq!(leaving(&mut kit), [(ACK | PSH, mark)]);
    }
}

#[test]
fn without_agreement_marks_and_bits_mean_nothing() {
    let mut kit = Kit::connected(65_535, 1000);
    for n in 0..4 {
        kit.send([n; 1000]);
    }
    assert!(leaving(&mut kit).iter().all(|(_, mark)| *mark == NOT_CAPABLE));
    recv_marked(&mut kit, data(1, 2001, "x").flags(ACK | ECE | CWR));
    kit.wait(Duration::from_millis(50));
    let counters = kit.counters();
    assert_eq!((counters.tcp_ecn_marks, counters.tcp_ecn_reductions), (0, 0));
    kit.recv(seg(ACK, 2, 4001));
    kit.saw();
}
