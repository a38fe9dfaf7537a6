//! IPv4: what does not pass is counted under its reason.

use smoltcp::wire::IpProtocol;

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

#[test]
fn every_drop_has_its_reason() {
    let mut short = good();
    short.truncate(14 + 19);
    let mut ihl_four = with(0, 0x44);
    fix(&mut ihl_four, 16);
    let mut bad_sum = good();
    bad_sum[24] ^= 1;
    let from = |ip: [u8; 4]| ipv4(IpProtocol::Tcp, ip.into(), IP, b"");
    type Get = fn(&Counters) -> u64;
    let cases: Vec<(Vec<u8>, Get)> = vec![
        (good(), |c| c.drop_ip_unknown_protocol),
        (good()[..14].to_vec(), |c| c.drop_ip_malformed),
        (short, |c| c.drop_ip_malformed),
        (ihl_four, |c| c.drop_ip_malformed),
        (with(0, 0x65), |c| c.drop_ip_malformed),
        (with(0, 0x4f), |c| c.drop_ip_malformed),
        (with(3, 19), |c| c.drop_ip_malformed),
        (with(3, 28), |c| c.drop_ip_malformed),
        (bad_sum, |c| c.drop_ip_checksum),
        (with(6, 0x20), |c| c.drop_ip_fragment),
        (with(7, 1), |c| c.drop_ip_fragment),
        (with(19, 99), |c| c.drop_ip_not_for_us),
        (from([10, 0, 0, 255]), |c| c.drop_ip_bad_source),
        (from(IP.octets()), |c| c.drop_ip_bad_source),
        (from([0, 0, 0, 0]), |c| c.drop_ip_bad_source),
        (from([127, 0, 0, 1]), |c| c.drop_ip_bad_source),
        (from([224, 0, 0, 1]), |c| c.drop_ip_bad_source),
        (from([255, 255, 255, 255]), |c| c.drop_ip_bad_source),
        (from([241, 0, 0, 1]), |c| c.drop_ip_bad_source),
        (ipv4(IpProtocol::Tcp, PEER_IP, IP, &[0; 19]), |c| c.drop_tcp_malformed),
    ];
    let mut kit = Kit::new();
    for (n, (frame, get)) in cases.into_iter().enumerate() {
        let before = get(&kit.counters());
        kit.frame(&frame);
        assert_eq!(get(&kit.counters()), before + 1, "case {n}");
        assert_eq!(kit.frames().len(), 0, "case {n}");
    }
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
fn ip_options_are_skipped() {
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
