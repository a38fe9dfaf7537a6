//! Echo: RFC 792.

use smoltcp::wire::{IpProtocol, Ipv4Packet};

use crate::checksum::Sum;
use crate::testkit::*;

fn message(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, 0, 0, 0, 1, 2, 3, 4], payload].concat();
    let checksum = Sum::new().add(&message).checksum();
    message[2..4].copy_from_slice(&checksum);
    ipv4(IpProtocol::Icmp, PEER_IP, IP, &message)
}

#[test]
fn a_request_is_answered() {
    for len in [0, 1, 56, 1472] {
        let payload = vec![0xab; len];
        let mut kit = Kit::new();
        kit.frame(&message(8, &payload));
        let frames = kit.frames();
        assert_eq!((frames.len(), &frames[0][..6]), (1, &PEER_MAC[..]));
        let packet = Ipv4Packet::new_checked(&frames[0][14..]).unwrap();
        assert!(packet.verify_checksum());
        assert_eq!((packet.src_addr(), packet.dst_addr()), (IP, PEER_IP));
        let reply = packet.payload();
        assert!(Sum::new().add(reply).is_valid());
        assert_eq!((reply[0], &reply[4..8], &reply[8..]), (0, &[1, 2, 3, 4][..], &payload[..]));
    }
}

#[test]
fn anything_else_is_counted() {
    let mut kit = Kit::new();
    kit.frame(&message(0, b"reply"));
    kit.frame(&message(3, b"unreachable"));
    kit.frame(&ipv4(IpProtocol::Icmp, PEER_IP, IP, &[8, 0, 0, 0, 1, 2, 3]));
    kit.frame(&ipv4(IpProtocol::Icmp, PEER_IP, IP, &[8, 0, 0, 0, 1, 2, 3, 4]));
    let counters = kit.counters();
    assert_eq!((counters.drop_icmp_ignored, counters.drop_icmp_malformed, counters.drop_icmp_checksum), (2, 1, 1));
    assert_eq!(kit.frames().len(), 0);
}
