//! UDP: RFC 768.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use netdrv::nic::TxChecksum;
use netdrv::pktbuf::{Checksum, PktBuf};
use smoltcp::wire::{EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, UdpPacket};

use crate::app::{Call, MAX_DATAGRAM};
use crate::counters::Counters;
use crate::stack::Addressing;
use crate::testkit::*;

const PEER: SocketAddrV4 = SocketAddrV4::new(PEER_IP, 5000);

fn datagram(src: Ipv4Addr, dst: Ipv4Addr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut datagram = UdpPacket::new_unchecked(vec![0; 8 + payload.len()]);
    datagram.set_src_port(ports.0);
    datagram.set_dst_port(ports.1);
    datagram.set_len(8 + payload.len() as u16);
    datagram.payload_mut().copy_from_slice(payload);
    datagram.fill_checksum(&IpAddress::Ipv4(src), &IpAddress::Ipv4(dst));
    ipv4(IpProtocol::Udp, src, dst, &datagram.into_inner())
}

/// A datagram of ours: to whom, from which port, and what.
fn read(frame: &[u8]) -> ([u8; 6], SocketAddrV4, u16, Vec<u8>) {
    let packet = Ipv4Packet::new_checked(&frame[14..]).unwrap();
    assert!(packet.verify_checksum());
    assert_eq!((packet.src_addr(), packet.next_header(), packet.dont_frag()), (IP, IpProtocol::Udp, true));
    let datagram = UdpPacket::new_checked(packet.payload()).unwrap();
    assert!(datagram.checksum() != 0);
    assert!(datagram.verify_checksum(&IpAddress::Ipv4(IP), &IpAddress::Ipv4(packet.dst_addr())));
    let remote = SocketAddrV4::new(packet.dst_addr(), datagram.dst_port());
    (frame[..6].try_into().unwrap(), remote, datagram.src_port(), datagram.payload().to_vec())
}

fn send(kit: &mut Kit, remote: SocketAddrV4, bytes: &[u8]) {
    let payload = kit.buffer(bytes);
    kit.call(Call::UdpSend { local_port: PORT, remote, payload });
}

/// The app returns every datagram to its sender.
fn echo(kit: &mut Kit) {
    for saw in kit.saw() {
        let Saw::UdpRecv { local_port: PORT, remote, payload } = saw else { panic!("{saw:?}") };
        send(kit, remote, &payload);
    }
}

#[test]
fn an_app_that_echoes() {
    for len in [0, 1, 2, 1399, 1471, 1472] {
        let payload: Vec<u8> = (0..len).map(|n| n as u8).collect();
        let mut kit = Kit::new();
        kit.frame(&datagram(PEER_IP, IP, (5000, PORT), &payload));
        echo(&mut kit);
        let frames = kit.frames();
        assert_eq!((frames.len(), read(&frames[0])), (1, (PEER_MAC, PEER, PORT, payload)));
        assert_eq!((kit.counters().udp_in, kit.counters().udp_out), (1, 1));
    }
}

#[test]
fn many_in_one_turn_leave_in_order() {
    let mut kit = Kit::new();
    for n in 0..200 {
        kit.frame(&datagram(PEER_IP, IP, (5000, PORT), &[n]));
    }
    echo(&mut kit);
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.extend(kit.frames().iter().map(|frame| read(frame).3[0]));
    }
    assert_eq!(sent, (0..200).collect::<Vec<u8>>());
}

#[test]
fn more_than_egress_takes_is_dropped() {
    let mut kit = Kit::new();
    kit.room = 0;
    for _ in 0..300 {
        send(&mut kit, PEER, b"x");
    }
    assert_eq!(kit.counters().drop_datagram_queue_full, 300 - 256);
    kit.room = 64;
    assert!((0..4).all(|_| kit.frames().len() == 64));
}

#[test]
fn the_first_wait_for_their_neighbor() {
    let mut kit = Kit::of(|_| {});
    kit.frames();
    for n in 0..5 {
        send(&mut kit, PEER, &[n]);
    }
    let asks = kit.frames();
    assert_eq!((asks.len(), &asks[0][12..14]), (1, &[8, 6][..]));
    kit.frame(&arp(2, PEER_MAC, PEER_IP, IP));
    let sent: Vec<u8> = kit.frames().iter().map(|frame| read(frame).3[0]).collect();
    assert_eq!((sent, kit.counters().drop_unresolved), (vec![0, 1, 2], 2));
}

#[test]
fn to_those_who_do_not_answer_nothing_waits() {
    let mut kit = Kit::of(|_| {});
    kit.frames();
    let before = kit.pool.available();
    for n in 0..=255 {
        send(&mut kit, SocketAddrV4::new([10, 0, 0, n].into(), 5000), b"x");
    }
    kit.frames();
    assert!(before - kit.pool.available() <= 64, "{}", before - kit.pool.available());
    kit.is_deaf = true;
    kit.wait(Duration::from_secs(10));
    kit.frames();
    assert_eq!(kit.pool.available(), before);
}

#[test]
fn a_device_may_sum() {
    for (vlan, start) in [(None, 34), (Some(7), 38)] {
        let mut kit = Kit::of(|config| (config.vlan, config.tx_checksum) = (vlan, TxChecksum::Device));
        let mut ask = arp(1, PEER_MAC, PEER_IP, IP);
        vlan.into_iter().for_each(|vlan: u16| _ = ask.splice(12..12, [0x81, 0, 0, vlan as u8]));
        kit.frame(&ask);
        kit.frames();
        send(&mut kit, PEER, b"abc");
        let frame = &kit.frames_held()[0];
        assert_eq!(frame.checksum(), Checksum::Partial { start, field: 6 });
        // What a device does: sum from `start` on, and store the result.
        let datagram = &frame.bytes()[start.into()..];
        let field = crate::checksum::Sum::new().add(datagram).checksum();
        let mut datagram = datagram.to_vec();
        datagram[6..8].copy_from_slice(&field);
        let datagram = UdpPacket::new_checked(datagram).unwrap();
        assert!(datagram.verify_checksum(&IpAddress::Ipv4(IP), &IpAddress::Ipv4(PEER_IP)));
    }
}

#[test]
fn a_device_may_vouch() {
    let mut kit = Kit::new();
    let mut frame = datagram(PEER_IP, IP, (5000, PORT), b"x");
    frame[41] ^= 1;
    kit.frame(&frame);
    assert_eq!(kit.counters().drop_udp_checksum, 1);
    let mut buffer = kit.buffer(&frame);
    buffer.set_checksum(Checksum::Verified);
    kit.buffer_arrives(buffer);
    assert_eq!(kit.counters().udp_in, 1);
}

#[test]
fn calls_that_break_the_contract_are_counted() {
    let mut kit = Kit::new();
    let to = |ip: [u8; 4], port| SocketAddrV4::new(ip.into(), port);
    let mut call = |local_port, remote, payload: PktBuf| {
        let before = kit.counters().app_violations;
        kit.call(Call::UdpSend { local_port, remote, payload });
        assert_eq!((kit.counters().app_violations - before, kit.frames().len()), (1, 0), "{remote} {local_port}");
    };
    let pool = Kit::new();
    let buffer = |len: usize| pool.buffer(&vec![0; len]);
    call(PORT + 1, PEER, buffer(1)); // not bound
    call(PORT, to([10, 0, 0, 2], 0), buffer(1));
    for ip in [[10, 0, 0, 255], [255; 4], [0; 4], [224, 0, 0, 1], [127, 0, 0, 1], IP.octets()] {
        call(PORT, to(ip, 5000), buffer(1));
    }
    call(PORT, PEER, buffer(MAX_DATAGRAM + 1));
    let shared = buffer(1);
    call(PORT, PEER, shared.clone());
    let mut cramped = buffer(1);
    cramped.reset(10);
    call(PORT, PEER, cramped);
    drop(shared);
}

#[test]
fn every_field_at_its_limits() {
    let with = |at: usize, bytes: &[u8]| {
        let mut frame = datagram(PEER_IP, IP, (5000, PORT), b"1234");
        frame[34 + at..34 + at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    let unsummed = |at: usize, bytes: &[u8]| {
        let mut frame = with(at, bytes);
        frame[40..42].fill(0);
        frame
    };
    type Get = fn(&Counters) -> u64;
    let (taken, malformed, checksum): (Get, Get, Get) =
        (|c| c.udp_in, |c| c.drop_udp_malformed, |c| c.drop_udp_checksum);
    let to = |ip: [u8; 4]| datagram(PEER_IP, ip.into(), (5000, PORT), b"x");
    let from = |ip: [u8; 4]| datagram(ip.into(), IP, (5000, PORT), b"x");
    let cases: Vec<(Vec<u8>, Get)> = vec![
        (with(0, &[]), taken),
        (unsummed(0, &[]), taken),
        (unsummed(0, &[0, 1]), taken),
        (unsummed(0, &[255, 255]), taken),
        (unsummed(0, &[0, 0]), malformed),
        (unsummed(2, &[0, 0]), malformed),
        (unsummed(2, &[255, 255]), |c| c.drop_udp_no_port),
        (unsummed(2, &[0, 68]), |c| c.drop_udp_no_port),
        (unsummed(4, &[0, 0]), malformed),
        (unsummed(4, &[0, 7]), malformed),
        (unsummed(4, &[0, 8]), taken), // what follows belongs to nobody
        (unsummed(4, &[0, 13]), malformed),
        (unsummed(4, &[255, 255]), malformed),
        (with(6, &[0, 1]), checksum),
        (with(6, &[255, 255]), checksum),
        (with(8, b"x"), checksum),
        (to([10, 0, 0, 255]), |c| c.drop_ip_not_for_us),
        (to([255; 4]), |c| c.drop_ip_not_for_us),
        (to([224, 0, 0, 1]), |c| c.drop_ip_not_for_us),
        (from([10, 0, 0, 255]), |c| c.drop_ip_bad_source),
        (from([10, 0, 0, 1]), |c| c.drop_ip_bad_source),
        (from([0; 4]), |c| c.drop_ip_bad_source),
        (ethernet(MAC, PEER_MAC, EthernetProtocol::Ipv4, &with(0, &[])[14..41]), |c| c.drop_ip_malformed),
        (ipv4(IpProtocol::Udp, PEER_IP, IP, &[]), malformed),
        (ipv4(IpProtocol::Udp, PEER_IP, IP, &[0; 7]), malformed),
    ];
    for (n, (frame, get)) in cases.into_iter().enumerate() {
        let mut kit = Kit::new();
        kit.frame(&frame);
        assert_eq!(get(&kit.counters()), 1, "case {n}");
    }
}

#[test]
fn without_an_address_nothing_goes() {
    let mut kit = Kit::with(Addressing::Dhcp, 8);
    kit.frame(&datagram(PEER_IP, IP, (5000, PORT), b"x"));
    send(&mut kit, PEER, b"x");
    assert_eq!((kit.counters().drop_ip_no_address, kit.counters().drop_no_route), (1, 1));
}

#[test]
fn without_a_router_only_the_link_is_reached() {
    let mut kit = Kit::new();
    send(&mut kit, SocketAddrV4::new([192, 168, 9, 9].into(), 5000), b"x");
    assert_eq!((kit.counters().drop_no_route, kit.frames().len()), (1, 0));
}
