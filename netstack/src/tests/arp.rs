//! Neighbors: RFC 826.

use core::time::Duration;

use crate::stack::Addressing;
use crate::testkit::*;

fn kit() -> Kit {
    Kit::with(Addressing::Static { ip: IP, prefix: 24, gateway: None }, 8)
}

/// Operation and target of an ARP frame of ours.
fn asked(frame: &[u8]) -> (u8, [u8; 4]) {
    assert_eq!((&frame[12..14], &frame[22..28], &frame[28..32]), (&[8, 6][..], &MAC[..], &IP.octets()[..]));
    (frame[21], frame[38..42].try_into().unwrap())
}

#[test]
fn announces_answers_and_learns() {
    let mut kit = kit();
    let frames = kit.frames();
    assert_eq!((frames.len(), asked(&frames[0])), (1, (1, IP.octets())));
    kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
    let frames = kit.frames();
    assert_eq!((frames.len(), asked(&frames[0])), (1, (2, PEER_IP.octets())));
    assert_eq!(frames[0][..6], PEER_MAC);
    kit.recv(seg(SYN, 0, 0));
    assert_eq!(kit.out().len(), 1, "and has not to ask");
}

#[test]
fn what_waits_for_a_neighbor_goes_on() {
    let mut kit = kit();
    kit.frames();
    kit.recv(seg(SYN, 0, 0));
    let frames = kit.frames();
    assert_eq!((frames.len(), asked(&frames[0])), (1, (1, PEER_IP.octets())));
    assert_eq!(kit.frames().len(), 0);
    kit.frame(&arp(2, PEER_MAC, PEER_IP, IP));
    assert_eq!(kit.out()[0].flags, SYN | ACK);
}

#[test]
fn asks_again_when_no_answer_comes() {
    let mut kit = kit();
    kit.is_deaf = true;
    kit.frames();
    kit.recv(seg(SYN, 0, 0));
    kit.frames();
    kit.wait(Duration::from_secs(600));
    assert!(kit.counters().arp_requests >= 4);
    assert_eq!(kit.stack().tcp().connections(), 0, "and gives up");
}

#[test]
fn a_reply_with_a_lost_request_for_the_neighbor_leaves_in_the_end() {
    let mut kit = Kit::connected(65_535, 1460);
    kit.is_deaf = true;
    kit.wait(Duration::from_secs(400));
    kit.send("late");
    assert_eq!(kit.frames().len(), 1); // the request, which is lost
    for _ in 0..30 {
        kit.now = kit.now + Duration::from_millis(100);
        kit.expire();
        let asks = kit.frames();
        if !asks.is_empty() {
            assert_eq!(asked(&asks[0]), (1, PEER_IP.octets()));
            kit.frame(&arp(2, PEER_MAC, PEER_IP, IP));
            assert_eq!(kit.out()[0].data, b"late");
            return;
        }
    }
    panic!("never asked again");
}

#[test]
fn drops_are_counted() {
    let mut kit = kit();
    kit.frames();
    kit.frame(&arp(2, PEER_MAC, PEER_IP, IP)); // nobody asked
    kit.frame(&arp(1, PEER_MAC, PEER_IP, PEER_IP));
    kit.frame(&arp(1, PEER_MAC, IP, IP));
    kit.frame(&arp(1, PEER_MAC, [192, 168, 0, 1].into(), IP));
    kit.frame(&arp(1, PEER_MAC, [10, 0, 0, 255].into(), IP));
    let mut group = arp(1, PEER_MAC, PEER_IP, IP);
    group[22] |= 1;
    kit.frame(&group);
    kit.frame(&arp(7, PEER_MAC, PEER_IP, IP));
    kit.frame(&arp(1, PEER_MAC, PEER_IP, IP)[..30]);
    let counters = kit.counters();
    assert_eq!((counters.drop_arp_unsolicited, counters.drop_arp_not_for_us, counters.arp_conflicts), (1, 1, 1));
    assert_eq!((counters.drop_arp_bad_sender, counters.drop_arp_malformed), (4, 2));
    assert_eq!(kit.frames().len(), 0);
}

#[test]
fn a_flood_of_requests_is_bounded() {
    let mut kit = kit();
    kit.frames();
    for n in 0..100 {
        kit.frame(&arp(1, PEER_MAC, [10, 0, 0, 100 + n].into(), IP));
    }
    assert_eq!((kit.frames().len(), kit.counters().drop_reply_queue_full), (32, 68));
}
