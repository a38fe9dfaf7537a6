//! Ethernet headers at their limits, and IEEE 802.1Q.

use smoltcp::wire::{EthernetProtocol, IpProtocol};

use crate::counters::Counters;
use crate::testkit::*;

/// A frame that goes no further than IPv4, under a counter of its own.
fn good() -> Vec<u8> {
    ipv4(IpProtocol::Unknown(200), PEER_IP, IP, b"payload")
}

/// Puts a tag into a frame.
fn tagged(mut frame: Vec<u8>, protocol: u16, control: u16) -> Vec<u8> {
    let [a, b] = protocol.to_be_bytes();
    let [c, d] = control.to_be_bytes();
    frame.splice(12..12, [a, b, c, d]);
    frame
}

fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = good();
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}

type Get = fn(&Counters) -> u64;
const PASSES: Get = |c| c.drop_ip_unknown_protocol;
const VLAN: Get = |c| c.drop_eth_vlan;
const TRUNCATED: Get = |c| c.drop_eth_truncated;

/// Each frame is counted once, where it should be; all others counters of frames stand still.
fn check(mut kit: Kit, cases: Vec<(Vec<u8>, Get)>) {
    for (n, (frame, get)) in cases.into_iter().enumerate() {
        let before = kit.counters();
        kit.frame(&frame);
        assert_eq!(get(&kit.counters()), get(&before) + 1, "case {n}");
        kit.frames();
    }
}

#[test]
fn every_field_at_its_limits() {
    let typed = |ethertype: u16| with(12, &ethertype.to_be_bytes());
    let cases: Vec<(Vec<u8>, Get)> = vec![
        (good(), PASSES),
        (with(0, &[255; 6]), |c| c.drop_ip_link_broadcast),
        (with(0, &PEER_MAC), |c| c.drop_eth_not_for_us),
        (with(0, &[0; 6]), |c| c.drop_eth_not_for_us),
        (with(0, &[1, 0, 0x5e, 0, 0, 1]), |c| c.drop_eth_not_for_us),
        (with(6, &[0; 6]), |c| c.drop_eth_bad_source),
        (with(6, &[255; 6]), |c| c.drop_eth_bad_source),
        (with(6, &[1, 0, 0x5e, 0, 0, 1]), |c| c.drop_eth_bad_source),
        (with(6, &MAC), PASSES), // under uhyve both ends of the tap have one address
        (typed(0), |c| c.drop_eth_unknown_type), // IEEE 802.3: a length
        (typed(46), |c| c.drop_eth_unknown_type),
        (typed(0x07ff), |c| c.drop_eth_unknown_type),
        (typed(0x0801), |c| c.drop_eth_unknown_type),
        (typed(0x86dd), |c| c.drop_eth_unknown_type),
        (typed(0xffff), |c| c.drop_eth_unknown_type),
        (typed(0x88a8), VLAN),
        (vec![], TRUNCATED),
        (good()[..13].to_vec(), TRUNCATED),
        (good()[..14].to_vec(), |c| c.drop_ip_malformed),
        (tagged(good(), 0x8100, 0)[..14].to_vec(), TRUNCATED),
        (tagged(good(), 0x8100, 0)[..17].to_vec(), TRUNCATED),
        (tagged(good(), 0x8100, 0)[..18].to_vec(), |c| c.drop_ip_malformed),
    ];
    check(Kit::new(), cases);
}

#[test]
fn without_a_vlan_only_priority_tags_are_taken() {
    let cases = vec![
        (tagged(good(), 0x8100, 0), PASSES),
        (tagged(good(), 0x8100, 0xf000), PASSES), // highest priority, drop eligible
        (tagged(good(), 0x8100, 1), VLAN),
        (tagged(good(), 0x8100, 4094), VLAN),
        (tagged(good(), 0x8100, 4095), VLAN),
        (tagged(good(), 0x88a8, 0), VLAN),
        (tagged(tagged(good(), 0x8100, 0), 0x8100, 0), VLAN),
        (tagged(tagged(good(), 0x8100, 0), 0x88a8, 0), VLAN),
    ];
    check(Kit::new(), cases);
}

#[test]
fn in_a_vlan_only_its_frames_are_taken() {
    let cases = vec![
        (tagged(good(), 0x8100, 100), PASSES),
        (tagged(good(), 0x8100, 0xf000 | 100), PASSES),
        (good(), VLAN),
        (tagged(good(), 0x8100, 0), VLAN),
        (tagged(good(), 0x8100, 99), VLAN),
        (tagged(tagged(good(), 0x8100, 100), 0x8100, 100), VLAN),
        (tagged(ethernet(MAC, PEER_MAC, EthernetProtocol::Ipv6, &[0; 40]), 0x8100, 100), |c| c.drop_eth_unknown_type),
    ];
    check(Kit::in_vlan(100), cases);
}

#[test]
fn in_a_vlan_everything_sent_is_tagged() {
    let mut kit = Kit::in_vlan(100);
    let leaves = |kit: &mut Kit, frame: Vec<u8>| {
        kit.frame(&tagged(frame, 0x8100, 100));
        let mut frames = kit.frames();
        assert_eq!((frames.len(), &frames[0][12..16]), (1, &[0x81, 0, 0, 100][..]));
        frames[0].drain(12..16);
        frames.remove(0)
    };
    let announcement = kit.frames().remove(0);
    assert_eq!(announcement[12..18], [0x81, 0, 0, 100, 8, 6]);
    let answer = leaves(&mut kit, arp(1, PEER_MAC, PEER_IP, IP));
    assert_eq!((answer[12..14].to_vec(), answer[21]), (vec![8, 6], 2));
    let syn = kit.build(&seg(SYN, 0, 0));
    let (syn_ack, _) = read(&leaves(&mut kit, syn)).unwrap();
    assert_eq!(syn_ack.flags, SYN | ACK);
    let stray = build(&seg(ACK, 5, 5), 50_000, 0);
    let (reset, _) = read(&leaves(&mut kit, stray)).unwrap();
    assert_eq!(reset.flags, RST);
}

#[test]
fn a_device_that_sums_is_told_where_the_segment_begins() {
    for (vlan, start) in [(None, 34), (Some(100), 38)] {
        let mut kit = Kit::of(|config| {
            config.vlan = vlan;
            config.tx_checksum = netdrv::nic::TxChecksum::Device;
        });
        for frame in [arp(1, PEER_MAC, PEER_IP, IP), kit.build(&seg(SYN, 0, 0))] {
            kit.frame(&if let Some(vlan) = vlan { tagged(frame, 0x8100, vlan) } else { frame });
        }
        let frames = kit.frames_held();
        let checksum = frames.last().unwrap().checksum();
        assert_eq!(checksum, netdrv::pktbuf::Checksum::Partial { start, field: 16 });
    }
}
