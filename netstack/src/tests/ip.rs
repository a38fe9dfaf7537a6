//! IPv4: what does not pass is counted under its reason.

use smoltcp::wire::{EthernetProtocol, IpProtocol};

use crate::counters::Counters;
use crate::stack::Addressing;
use crate::testkit::*;

fn good() -> Vec<u8> {
    ipv4(IpProtocol::Unknown(200), PEER_IP, IP, b"payload")
}

/// Changes a byte of the IPv4 header and makes its checksum right again.
fn with(at: usize, value: u8) -> Vec<u8> {
    let mut frame = good();
    frame[14 + at] = value;
    fix(&mut frame, 20);
    frame
}

fn fix(frame: &mut [u8], header: usize) {
    frame[24..26].fill(0);
    let checksum = crate::checksum::Sum::new().add(&frame[14..14 + header]).checksum();
    frame[24..26].copy_from_slice(&checksum);
}

type Get = fn(&Counters) -> u64;
const PASSES: Get = |c| c.drop_ip_unknown_protocol;
const MALFORMED: Get = |c| c.drop_ip_malformed;
const FRAGMENT: Get = |c| c.drop_ip_fragment;
const SOURCE: Get = |c| c.drop_ip_bad_source;
const NOT_FOR_US: Get = |c| c.drop_ip_not_for_us;

/// Each frame is counted once, where it should be, and only what passes is answered.
fn check(cases: Vec<(Vec<u8>, Get)>) {
    for (n, (frame, get)) in cases.into_iter().enumerate() {
        let mut kit = Kit::new();
        kit.frame(&frame);
        let counters = kit.counters();
        assert_eq!(get(&counters), 1, "case {n}: {counters:?}");
        assert_eq!(kit.frames().len() as u64, counters.drop_ip_unknown_protocol, "case {n}");
    }
}

/// A packet with `options`, padded with zeros.
fn with_options(options: &[u8]) -> Vec<u8> {
    let padded = options.len().next_multiple_of(4);
    let mut frame = good();
    frame.splice(34..34, (0..padded).map(|at| options.get(at).copied().unwrap_or(0)));
    frame[14] = 0x45 + padded as u8 / 4;
    frame[17] += padded as u8;
    fix(&mut frame, 20 + padded);
    frame
}

#[test]
fn every_field_at_its_limits() {
    let len = good().len() - 14;
    let mut short_header = with(0, 0x44);
    fix(&mut short_header, 16);
    let mut bad_sum = good();
    bad_sum[24] ^= 1;
    let two = |at: usize, value: u16| {
        let mut frame = good();
        frame[14 + at..16 + at].copy_from_slice(&value.to_be_bytes());
        fix(&mut frame, 20);
        frame
    };
    check(vec![
        (good(), PASSES),
        (with(0, 0x05), MALFORMED),
        (with(0, 0x35), MALFORMED),
        (with(0, 0x65), MALFORMED),
        (with(0, 0xf5), MALFORMED),
        (with(0, 0x40), MALFORMED),
        (short_header, MALFORMED),
        (with(0, 0x4f), MALFORMED),
        (with(1, 0xff), PASSES), // DSCP and ECN mean nothing here
        (two(2, 0), MALFORMED),
        (two(2, 19), MALFORMED),
        (two(2, 20), PASSES),
        (two(2, len as u16), PASSES),
        (two(2, len as u16 + 1), MALFORMED),
        (two(2, 65_535), MALFORMED),
        (two(4, 0), PASSES),
        (two(4, 65_535), PASSES),
        (two(6, 0x4000), PASSES),
        (two(6, 0x8000), PASSES), // reserved: RFC 791 has no meaning for it
        (two(6, 0x2000), FRAGMENT),
        (two(6, 0x6000), FRAGMENT),
        (two(6, 1), FRAGMENT),
        (two(6, 0x1fff), FRAGMENT),
        (two(6, 0x3fff), FRAGMENT),
        (with(8, 0), PASSES), // RFC 1122, section 3.2.1.7: it has arrived
        (with(8, 1), PASSES),
        (with(8, 255), PASSES),
        (with(9, 0), PASSES),
        (with(9, 255), PASSES),
        (with(9, 41), PASSES),
        (bad_sum, |c| c.drop_ip_checksum),
        (good()[..14].to_vec(), MALFORMED),
        (good()[..14 + 19].to_vec(), MALFORMED),
        (good()[..14 + 20].to_vec(), MALFORMED),
        (good()[..13 + len].to_vec(), MALFORMED),
        (ipv4(IpProtocol::Tcp, PEER_IP, IP, &[0; 19]), |c| c.drop_tcp_malformed),
    ]);
}

#[test]
fn only_hosts_send_and_only_to_us() {
    let from = |ip: [u8; 4]| ipv4(IpProtocol::Unknown(200), ip.into(), IP, b"");
    let to = |ip: [u8; 4]| ipv4(IpProtocol::Unknown(200), PEER_IP, ip.into(), b"");
    let mut cases: Vec<(Vec<u8>, Get)> = vec![
        (from([10, 0, 0, 254]), PASSES),
        (from([1, 0, 0, 0]), PASSES),
        (from([126, 255, 255, 255]), PASSES),
        (from([128, 0, 0, 0]), PASSES),
        (from([223, 255, 255, 255]), PASSES),
        (ethernet([255; 6], PEER_MAC, EthernetProtocol::Ipv4, &good()[14..]), |c| c.drop_ip_link_broadcast),
    ];
    // RFC 1122, section 3.2.1.3; RFC 1812, section 5.3.7; and ourselves, which is the land attack.
    let martians = [
        [0, 0, 0, 0],
        [0, 0, 0, 1],
        [0, 255, 255, 255],
        [127, 0, 0, 0],
        [127, 0, 0, 1],
        [127, 255, 255, 255],
        [224, 0, 0, 0],
        [239, 255, 255, 255],
        [240, 0, 0, 0],
        [255, 255, 255, 254],
        [255, 255, 255, 255],
        [10, 0, 0, 0],
        [10, 0, 0, 255],
        IP.octets(),
    ];
    cases.extend(martians.map(|ip| (from(ip), SOURCE)));
    let others = [[10, 0, 0, 255], [255; 4], [224, 0, 0, 1], [0; 4], [127, 0, 0, 1], [10, 0, 0, 0], [10, 0, 0, 99]];
    cases.extend(others.map(|ip| (to(ip), NOT_FOR_US)));
    check(cases);
}

#[test]
fn options_are_skipped_but_say_no_way() {
    let source_route: Get = |c| c.drop_ip_source_route;
    let record_route = |len: u8| [&[7, len, 4][..], &vec![0; usize::from(len) - 3]].concat();
    check(vec![
        (with_options(&[0]), PASSES),
        (with_options(&[1, 1, 1, 1]), PASSES),
        (with_options(&[1; 40]), PASSES),
        (with_options(&[148, 4, 0, 0]), PASSES), // router alert
        (with_options(&record_route(39)), PASSES),
        (with_options(&[68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0]), PASSES), // timestamps
        (with_options(&[222, 2, 222, 2]), PASSES),
        (with_options(&[0, 131, 200, 7]), PASSES), // behind the end
        (with_options(&[131, 7, 4, 10, 0, 0, 9]), source_route),
        (with_options(&[137, 7, 4, 10, 0, 0, 9]), source_route),
        (with_options(&[1, 1, 7, 3, 4, 131, 3, 4]), source_route),
        (with_options(&[131, 0]), source_route),
        (with_options(&[7, 0]), MALFORMED),
        (with_options(&[7, 1]), MALFORMED),
        (with_options(&[7, 5, 4, 0]), MALFORMED),
        (with_options(&[7, 255, 4, 0]), MALFORMED),
        (with_options(&[1, 1, 1, 7]), MALFORMED),
        (with_options(&record_route(39))[..14 + 59].to_vec(), MALFORMED),
    ]);
}

#[test]
fn a_flood_of_fragments_holds_nothing() {
    let mut kit = Kit::new();
    let before = kit.pool.available();
    for offset in 0..10_000u16 {
        let mut frame = good();
        frame[20..22].copy_from_slice(&(0x2000 | (offset & 0x1fff)).to_be_bytes());
        fix(&mut frame, 20);
        kit.frame(&frame);
    }
    assert_eq!((kit.counters().drop_ip_fragment, kit.pool.available()), (10_000, before));
    assert_eq!(kit.frames().len(), 0);
}

#[test]
fn padding_is_no_payload() {
    let mut kit = Kit::connected(65_535, 1460);
    let mut frame = kit.build(&data(1, 1, "x"));
    frame.resize(64, 0xee);
    kit.frame(&frame);
    assert_eq!(kit.received(), b"x");
}

#[test]
fn a_segment_behind_options_is_found() {
    let mut kit = Kit::new();
    let mut frame = kit.build(&seg(SYN, 0, 0));
    frame.splice(34..34, [1, 1, 1, 0]);
    frame[14] = 0x46;
    frame[17] += 4;
    fix(&mut frame, 24);
    kit.frame(&frame);
    assert_eq!(kit.out().len(), 1);
}

#[test]
fn without_an_address_nothing_is_for_us() {
    let mut kit = Kit::with(Addressing::Dhcp, 8);
    kit.frame(&good());
    kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
    assert_eq!((kit.counters().drop_ip_no_address, kit.counters().drop_arp_not_for_us), (1, 1));
}
