use proptest::prelude::*;
use smoltcp::wire::IpProtocol;

use super::*;
use crate::testkit::{IP, PEER_IP, PEER_MAC, PORT, arp, build, ipv4, seg};

fn hash() -> Toeplitz {
    Toeplitz::new(&core::array::from_fn(|i| (i * 37 + 11) as u8))
}

/// The same frame with a VLAN tag.
fn tagged(frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &[0x81, 0, 0, 5], &frame[12..]].concat()
}

#[test]
fn segments_go_to_their_group_and_icmp_errors_follow() {
    let hash = hash();
    let group = group_of(&hash, (PEER_IP, 40_000), (IP, PORT));
    let segment = build(&seg(2, 0, 0), 40_000, 0);
    assert_eq!(destination(&segment, &hash), Destination::Group(group));
    assert_eq!(destination(&tagged(&segment), &hash), Destination::Group(group));
    assert!(is_tcp(&segment) && is_tcp(&tagged(&segment)));
    // What we sent on that flow comes back in an error.
    let mut ours = segment[14..].to_vec();
    ours[12..16].copy_from_slice(&IP.octets());
    ours[16..20].copy_from_slice(&PEER_IP.octets());
    ours[20..24].copy_from_slice(&[(PORT >> 8) as u8, PORT as u8, (40_000 >> 8) as u8, (40_000 & 0xff) as u8]);
    for (kind, expected) in [(3, Destination::Group(group)), (11, Destination::Group(group)), (8, Destination::Here)] {
        let error = [&[kind, 4, 0, 0, 0, 0, 0, 0], &ours[..28]].concat();
        let frame = ipv4(IpProtocol::Icmp, PEER_IP, IP, &error);
        assert_eq!(destination(&frame, &hash), expected);
        assert!(!is_tcp(&frame));
    }
}

#[test]
fn what_is_of_no_flow() {
    let hash = hash();
    assert_eq!(destination(&arp(1, PEER_MAC, PEER_IP, IP), &hash), Destination::All);
    assert_eq!(destination(&tagged(&arp(2, PEER_MAC, PEER_IP, IP)), &hash), Destination::All);
    let to_port = |port: u8| ipv4(IpProtocol::Udp, PEER_IP, IP, &[0, 67, 0, port, 0, 8, 0, 0]);
    assert_eq!(destination(&to_port(68), &hash), Destination::First);
    assert_eq!(destination(&to_port(69), &hash), Destination::Here);
    let mut fragment = build(&seg(2, 0, 0), 40_000, 0);
    fragment[14 + 6] = 0x20;
    assert_eq!(destination(&fragment, &hash), Destination::Here);
}

#[test]
fn groups_are_used_evenly() {
    let hash = hash();
    let mut counts = [0; FLOW_GROUPS];
    (0..12_800).for_each(|n| counts[usize::from(group_of(&hash, (PEER_IP, 10_000 + n), (IP, PORT)))] += 1);
    assert!(counts.iter().all(|count| (50..150).contains(count)), "{counts:?}");
}

proptest! {
    /// Any bytes, at any length: an answer, and no panic.
    #[test]
    fn takes_any_frame(frame in proptest::collection::vec(any::<u8>(), 0..120), kind in 0..4usize) {
        let mut frame = frame;
        if frame.len() > 23 {
            let kinds: [&[u8]; 4] = [&[8, 0], &[8, 6], &[0x81, 0], &[8, 0, 0x45]];
            frame[12..12 + kinds[kind].len()].copy_from_slice(kinds[kind]);
        }
        let hash = hash();
        destination(&frame, &hash);
        is_tcp(&frame);
    }
}
