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
    assert_eq!(kit.frames().len(), 1, "the defence of our address");
}

#[test]
fn a_flood_of_requests_is_bounded() {
    let mut kit = kit();
    kit.frames();
    for n in 0..100 {
        kit.frame(&arp(1, PEER_MAC, [10, 0, 0, 100 + n].into(), IP));
    }
    assert_eq!((kit.frames().len(), kit.counters().drop_reply_queue_full), (64, 36));
}

#[test]
fn asks_three_times_and_then_leaves_it() {
    let mut kit = kit();
    kit.is_deaf = true;
    kit.frames();
    let start = kit.now;
    kit.recv(seg(SYN, 0, 0));
    let mut asks = Vec::new();
    while kit.now.since(start) < Duration::from_secs(9) {
        asks.extend(kit.frames().iter().map(|frame| (asked(frame), kit.now.since(start).as_secs())));
        kit.now = kit.now + Duration::from_millis(100);
        kit.expire();
    }
    let peer = (1, PEER_IP.octets());
    assert_eq!(asks, [(peer, 0), (peer, 1), ((1, IP.octets()), 2), (peer, 3)], "and an announcement");
    assert_eq!(kit.counters().neighbor_unreachable, 1);
}

#[test]
fn a_busy_flow_does_not_wait_for_confirmation() {
    let mut kit = Kit::opened(seg(SYN, 0, 0).stamps(1, 0));
    kit.wait(Duration::from_secs(3));
    kit.frames(); // the announcement
    let (mut acked, mut confirmations) = (1, 0);
    for _ in 0..400 {
        kit.now = kit.now + Duration::from_secs(1);
        kit.expire();
        let mut frames = kit.frames();
        kit.send("x");
        frames.extend(kit.frames());
        let (arps, segments): (Vec<_>, Vec<_>) = frames.iter().partition(|frame| frame[12..14] == [8, 6]);
        assert_eq!(segments.len(), 1, "data leaves in the same turn");
        for ask in arps {
            assert_eq!((&ask[..6], asked(ask)), (&PEER_MAC[..], (1, PEER_IP.octets())), "by unicast");
            confirmations += 1;
            kit.frame(&arp(2, PEER_MAC, PEER_IP, IP));
        }
        acked += 1;
        kit.recv(seg(ACK, 1, acked).stamps(1, 0));
        kit.events.clear();
    }
    assert_eq!(confirmations, 6, "once a minute");
}

#[test]
fn a_neighbor_that_moves_takes_its_flow_along() {
    let mut kit = Kit::opened(seg(SYN, 0, 0).stamps(1, 0));
    kit.send("x");
    assert_eq!(kit.frames()[0][..6], PEER_MAC);
    let elsewhere = [2, 0, 0, 0, 0, 9];
    let mut announcement = arp(1, elsewhere, PEER_IP, PEER_IP);
    kit.frame(&announcement);
    kit.send("x");
    assert_eq!(kit.frames()[0][..6], elsewhere);
    announcement[31] = 77; // of somebody unknown
    announcement[41] = 77;
    kit.frame(&announcement);
    assert_eq!((kit.counters().arp_announcements, kit.counters().drop_arp_not_for_us), (1, 1));
}

#[test]
fn our_address_is_announced_twice() {
    let mut kit = kit();
    let start = kit.now;
    assert_eq!(kit.frames().len(), 1);
    assert_eq!(kit.next_deadline(), Some(start + Duration::from_secs(2)));
    kit.now = start + Duration::from_secs(2);
    kit.expire();
    assert_eq!(kit.frames().iter().map(|frame| asked(frame)).collect::<Vec<_>>(), [(1, IP.octets())]);
    assert_eq!(kit.next_deadline(), None);
}

#[test]
fn our_address_is_defended_but_not_in_a_duel() {
    let mut kit = Kit::new();
    kit.wait(Duration::from_secs(3));
    let mut defences = 0;
    for _ in 0..100 {
        kit.now = kit.now + Duration::from_millis(250);
        kit.frame(&arp(1, PEER_MAC, IP, IP));
        kit.frame(&arp(2, PEER_MAC, IP, IP));
        let frames = kit.frames();
        assert!(frames.iter().all(|frame| asked(frame) == (1, IP.octets()) && frame[..6] == [255; 6]));
        defences += frames.len();
    }
    assert_eq!((defences, kit.counters().arp_conflicts, kit.counters().arp_defences), (3, 200, 3));
    assert_eq!(kit.stack().address().map(|own| own.ip), Some(IP), "and kept");
}

#[test]
fn every_field_at_its_limits() {
    let good = arp(1, PEER_MAC, PEER_IP, IP);
    let with = |at: usize, bytes: &[u8]| {
        let mut frame = good.clone();
        frame[14 + at..14 + at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    type Get = fn(&crate::counters::Counters) -> u64;
    let (malformed, sender): (Get, Get) = (|c| c.drop_arp_malformed, |c| c.drop_arp_bad_sender);
    let ip = |last: u8| with(14, &[10, 0, 0, last]);
    let cases: Vec<(Vec<u8>, Get)> = vec![
        (good.clone(), |c| c.arp_replies),
        (with(0, &[0, 6]), malformed), // hardware: IEEE 802
        (with(0, &[0, 0]), malformed),
        (with(2, &[0x86, 0xdd]), malformed),
        (with(4, &[5]), malformed),
        (with(4, &[255]), malformed),
        (with(5, &[16]), malformed),
        (with(5, &[0]), malformed),
        (with(6, &[0, 0]), malformed),
        (with(6, &[0, 3]), malformed),
        (with(6, &[255, 255]), malformed),
        (with(8, &[0; 6]), sender),
        (with(8, &[255; 6]), sender),
        (with(8, &[1, 0, 0x5e, 0, 0, 1]), sender),
        (with(8, &MAC), |c| c.arp_replies), // under uhyve both ends of the tap have one address
        (ip(0), sender),
        (ip(255), sender),
        (ip(1), sender), // ours
        (with(14, &[0; 4]), sender),
        (with(14, &[255; 4]), sender),
        (with(14, &[10, 0, 1, 2]), sender),
        (with(14, &[127, 0, 0, 1]), sender),
        (with(24, &[10, 0, 0, 3]), |c| c.drop_arp_not_for_us),
        (with(24, &[0; 4]), |c| c.drop_arp_not_for_us),
        (with(18, &[255; 6]), |c| c.arp_replies), // the target's hardware address means nothing in a request
        (good[..14 + 27].to_vec(), malformed),
        (good[..14].to_vec(), malformed),
        ([&good[..], &[0xee; 18]].concat(), |c| c.arp_replies), // padding
    ];
    for (n, (frame, get)) in cases.into_iter().enumerate() {
        let mut kit = kit();
        kit.frame(&frame);
        assert_eq!(get(&kit.counters()), 1, "case {n}");
    }
}

#[test]
fn a_flood_from_addresses_nobody_has_is_bounded() {
    let mut kit = Kit::of(|config| {
        config.address = Addressing::Static { ip: IP, prefix: 8, gateway: None };
        config.conn_limit = 64;
    });
    kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
    kit.frames();
    kit.connect(65_535, 1460);
    for n in 0..5000u32 {
        let ip = std::net::Ipv4Addr::from_bits(0x0a01_0000 + n);
        kit.frame(&build_from(ip, &seg(SYN, 0, 0), 40_000, 0));
        kit.frames();
        kit.now = kit.now + Duration::from_micros(100);
    }
    assert!(kit.counters().arp_requests <= 256, "{}", kit.counters().arp_requests);
    kit.recv(data(1, 1, "still here"));
    assert_eq!(kit.received(), b"still here");
    kit.send("and answered");
    assert_eq!(kit.out()[0].data, b"and answered");
}
