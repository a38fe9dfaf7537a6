//! Segments in numbers within a connection: RFC 5961, section 7, and who acknowledges byte by byte.

use core::time::Duration;

use crate::testkit::*;

#[test]
fn challenges_are_limited_for_each_connection() {
    let mut kit = Kit::connected(65_535, 1460);
    let mut answers = 0;
    for n in 0..1000 {
        kit.recv(seg(RST, 2 + n, 0));
        kit.recv(seg(SYN, n, 0));
        kit.recv(seg(ACK, 1, 5000 + n));
        answers += kit.out().len();
    }
    let counters = kit.counters();
    assert_eq!((answers, counters.tcp_challenge_acks), (8, 8));
    assert_eq!(counters.tcp_challenges_suppressed, 3000 - 8 * 3, "one ACK answers all of a turn");
    kit.now = kit.now + Duration::from_secs(2);
    kit.recv(seg(RST, 2, 0));
    assert_eq!((kit.out().len(), kit.saw()), (1, vec![]));
}

#[test]
fn challenges_are_limited_for_all_connections() {
    let mut kit = Kit::of(|config| config.conn_limit = 400);
    kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
    kit.frames();
    let flows: Vec<_> = (1..=400)
        .map(|port| {
            kit.port = port;
            kit.connect(1000, 1460);
            (port, kit.flow, kit.iss)
        })
        .collect();
    for (port, _, iss) in &flows {
        (kit.port, kit.iss) = (*port, *iss);
        for _ in 0..8 {
            kit.recv(seg(RST, 2, 0));
            kit.out();
        }
    }
    let sent = kit.counters().tcp_challenge_acks;
    assert!((500..1500).contains(&sent), "{sent}");
    for (port, flow, _) in flows {
        kit.port = port;
        kit.call(crate::app::Call::Abort { flow });
        kit.out();
    }
    kit.saw();
}

#[test]
fn two_ends_that_disagree_do_not_answer_each_other_for_ever() {
    let mut kit = Kit::connected(65_535, 1460);
    let mut turns = 0;
    kit.recv(seg(ACK, 70_000, 1));
    // The other end answers each ACK by another out of our window.
    while !kit.out().is_empty() {
        turns += 1;
        kit.recv(seg(ACK, 70_000, 1));
    }
    assert_eq!(turns, 8);
}

#[test]
fn a_peer_that_acknowledges_one_byte_at_a_time() {
    let mut kit = Kit::connected(65_535, 1000);
    for n in 0..10 {
        kit.send([n; 1000]);
    }
    assert_eq!(kit.out().len(), 10);
    let (mut acked, mut credit) = (0, 0);
    for byte in 2..=2001 {
        kit.recv(seg(ACK, 1, byte));
        let more = kit.credited();
        acked += more.0;
        credit += more.1;
        assert_eq!(kit.out(), []);
    }
    // The congestion window counts bytes, not segments (RFC 3465).
    assert_eq!((acked, credit), (2000, 4000));
    kit.recv(seg(ACK, 1, 10_001));
    assert_eq!(kit.credited().0, 8000);
    assert_eq!(kit.pool.available(), kit.pool.capacity());
}

#[test]
fn a_storm_of_the_same_ack_sends_nothing_new() {
    let mut kit = Kit::connected(65_535, 1000);
    for n in 0..4 {
        kit.send([n; 1000]);
    }
    kit.out();
    let mut sent = 0;
    for _ in 0..10_000 {
        kit.recv(seg(ACK, 1, 1));
        sent += kit.out().len();
    }
    assert!(sent <= 4, "{sent} segments for what was in flight");
    kit.recv(seg(ACK, 1, 4001));
    assert_eq!(kit.credited().0, 4000);
}
