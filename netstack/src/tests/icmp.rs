//! ICMP: RFC 792, RFC 1191, RFC 5927.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use netdrv::nic::TxChecksum;
use netdrv::pktbuf::{Attachment, Fragment};
use smoltcp::wire::{EthernetProtocol, IpProtocol, Ipv4Packet};

use crate::app::{Call, Reason};
use crate::checksum::Sum;
use crate::counters::Counters;
use crate::testkit::*;

/// A router between us and the peer, as it sends from the peer's station.
const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// A message with `rest`, the second word of its header, in its frame.
fn icmp(src: Ipv4Addr, kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, code, 0, 0], &rest[..], payload].concat();
    let checksum = Sum::new().add(&message).checksum();
    message[2..4].copy_from_slice(&checksum);
    ipv4(IpProtocol::Icmp, src, IP, &message)
}

fn echo(payload: &[u8]) -> Vec<u8> {
    icmp(PEER_IP, 8, 0, [1, 2, 3, 4], payload)
}

/// The error of a router about a frame of ours, of which it quotes what RFC 792 demands.
fn error(kind: u8, code: u8, mtu: u16, frame: &[u8]) -> Vec<u8> {
    let [high, low] = mtu.to_be_bytes();
    icmp(ROUTER, kind, code, [0, 0, high, low], &frame[14..14 + 28])
}

fn too_big(mtu: u16, frame: &[u8]) -> Vec<u8> {
    error(3, 4, mtu, frame)
}

/// A message of ours: its type, its code and what follows its header; whom it is for.
fn answers(kit: &mut Kit) -> Vec<(u8, u8, Vec<u8>)> {
    let read = |frame: Vec<u8>| {
        assert_eq!(frame[..6], PEER_MAC);
        let packet = Ipv4Packet::new_checked(&frame[14..]).unwrap();
        assert!(packet.verify_checksum());
        assert_eq!((packet.src_addr(), packet.dst_addr(), packet.next_header()), (IP, PEER_IP, IpProtocol::Icmp));
        assert!(Sum::new().add(packet.payload()).is_valid());
        (packet.payload()[0], packet.payload()[1], packet.payload()[8..].to_vec())
    };
    kit.frames().into_iter().map(read).collect()
}

#[test]
fn a_request_is_answered() {
    for len in [0, 1, 56, 1472] {
        let payload = vec![0xab; len];
        let mut kit = Kit::new();
        kit.frame(&echo(&payload));
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
fn a_request_beyond_the_mtu_is_not() {
    let mut kit = Kit::new();
    kit.frame(&echo(&[0; 1473]));
    assert_eq!((kit.counters().drop_icmp_malformed, kit.frames().len()), (1, 0));
}

#[test]
fn requests_are_answered_a_thousand_times_a_second() {
    let mut kit = Kit::new();
    let mut replies = 0;
    for _ in 0..5000 {
        kit.frame(&echo(b"x"));
        replies += kit.frames().len();
    }
    assert_eq!((replies, kit.counters().icmp_suppressed), (1000, 4000));
    kit.now = kit.now + Duration::from_secs(1);
    kit.frame(&echo(b"x"));
    assert_eq!(kit.frames().len(), 1);
}

#[test]
fn every_field_at_its_limits() {
    type Get = fn(&Counters) -> u64;
    let (malformed, ignored): (Get, Get) = (|c| c.drop_icmp_malformed, |c| c.drop_icmp_ignored);
    let own = ipv4(IpProtocol::Tcp, IP, PEER_IP, &[0, 1, 0, 2, 0, 0, 0, 0]);
    let own = &own[14..];
    let quoting = |at: usize, bytes: &[u8]| {
        let mut quote = own.to_vec();
        quote[at..at + bytes.len()].copy_from_slice(bytes);
        icmp(ROUTER, 3, 1, [0; 4], &quote)
    };
    let mut cases: Vec<(Vec<u8>, Get)> = vec![
        (echo(b""), |c| c.icmp_echo_replies),
        (icmp(PEER_IP, 8, 1, [0; 4], b""), ignored),
        (icmp(PEER_IP, 8, 255, [0; 4], b""), ignored),
        (ipv4(IpProtocol::Icmp, PEER_IP, IP, &[]), malformed),
        (ipv4(IpProtocol::Icmp, PEER_IP, IP, &[8, 0, 0, 0, 1, 2, 3]), malformed),
        (ipv4(IpProtocol::Icmp, PEER_IP, IP, &[8, 0, 0, 0, 1, 2, 3, 4]), |c| c.drop_icmp_checksum),
        (icmp(ROUTER, 3, 1, [0; 4], b""), malformed),
        (icmp(ROUTER, 3, 1, [0; 4], &own[..19]), malformed),
        (icmp(ROUTER, 3, 1, [0; 4], &own[..20]), malformed),
        (icmp(ROUTER, 3, 1, [0; 4], &own[..27]), malformed),
        (icmp(ROUTER, 3, 1, [0; 4], own), |c| c.drop_icmp_no_connection),
        (icmp(ROUTER, 3, 255, [0; 4], own), ignored),
        (icmp(ROUTER, 11, 2, [0; 4], own), ignored),
        (icmp(ROUTER, 12, 3, [0; 4], own), ignored),
        (icmp(ROUTER, 3, 4, [0; 4], own), malformed), // 28 bytes were too big for nobody
        (quoting(0, &[0x65]), malformed),
        (quoting(0, &[0x44]), malformed),
        (quoting(0, &[0x40]), malformed),
        (quoting(0, &[0x46]), malformed), // with options, ports and sequence number are missing
        (quoting(0, &[0x4f]), malformed),
        (quoting(2, &[0, 0]), |c| c.drop_icmp_no_connection), // some hosts spoil it
        (quoting(6, &[0x20, 0]), ignored),
        (quoting(6, &[0, 1]), ignored),
        (quoting(6, &[0x40, 0]), |c| c.drop_icmp_no_connection),
        (quoting(9, &[17]), ignored),
        (quoting(9, &[1]), ignored),
        (quoting(12, &PEER_IP.octets()), ignored), // not ours
        (quoting(16, &[0; 4]), |c| c.drop_icmp_no_connection),
    ];
    cases.extend([0, 1, 2, 4, 5, 6, 7, 9, 10, 13, 14, 15, 16, 17, 18, 30, 255].map(|kind| {
        let case: (Vec<u8>, Get) = (icmp(PEER_IP, kind, 0, [0; 4], own), ignored);
        case
    }));
    for (n, (frame, get)) in cases.into_iter().enumerate() {
        let mut kit = Kit::new();
        kit.frame(&frame);
        assert_eq!(get(&kit.counters()), 1, "case {n}");
        assert_eq!(kit.frames().len() as u64, kit.counters().icmp_echo_replies, "case {n}");
    }
}

#[test]
fn a_port_nobody_has_is_answered_with_what_came() {
    let mut kit = Kit::new();
    let datagram = ipv4(IpProtocol::Udp, PEER_IP, IP, &[0, 9, 0, 9, 0, 12, 0, 0, 1, 2, 3, 4]);
    kit.frame(&datagram);
    assert_eq!(answers(&mut kit), [(3, 3, datagram[14..14 + 28].to_vec())]);
    kit.frame(&ipv4(IpProtocol::Unknown(200), PEER_IP, IP, b"abc"));
    let [(3, 2, quote)] = &answers(&mut kit)[..] else { panic!("no answer") };
    assert_eq!((quote.len(), &quote[20..]), (23, &b"abc"[..]));
    assert_eq!(kit.counters().icmp_unreachables, 2);
}

#[test]
fn what_may_not_be_answered_is_not() {
    let broadcast = Ipv4Addr::new(10, 0, 0, 255);
    let datagram = |src, dst| ipv4(IpProtocol::Udp, src, dst, &[0, 9, 0, 9, 0, 8, 0, 0]);
    let mut to_all = datagram(PEER_IP, IP);
    to_all[..6].fill(255);
    let mut fragment = datagram(PEER_IP, IP);
    fragment[20] = 0x20;
    fragment[24..26].fill(0);
    let checksum = Sum::new().add(&fragment[14..34]).checksum();
    fragment[24..26].copy_from_slice(&checksum);
    let frames = [
        datagram(PEER_IP, broadcast),
        datagram(PEER_IP, Ipv4Addr::BROADCAST),
        datagram(PEER_IP, Ipv4Addr::new(224, 0, 0, 1)),
        datagram(broadcast, IP),
        datagram(Ipv4Addr::UNSPECIFIED, IP),
        datagram(Ipv4Addr::new(127, 0, 0, 1), IP),
        to_all,
        fragment,
        icmp(PEER_IP, 3, 3, [0; 4], &datagram(IP, PEER_IP)[14..]), // an error about a datagram
        icmp(PEER_IP, 0, 0, [0; 4], b"a reply nobody asked for"),
    ];
    let mut kit = Kit::new();
    for (n, frame) in frames.iter().enumerate() {
        kit.frame(frame);
        assert_eq!(kit.frames().len(), 0, "case {n}");
    }
}

#[test]
fn errors_are_sent_a_hundred_times_a_second() {
    let mut kit = Kit::new();
    let mut sent = 0;
    for port in 0..5000u16 {
        let [high, low] = (port + 1).to_be_bytes();
        kit.frame(&ipv4(IpProtocol::Udp, PEER_IP, IP, &[high, low, 0, 9, 0, 8, 0, 0]));
        sent += kit.frames().len();
    }
    assert_eq!((sent, kit.counters().icmp_suppressed, kit.counters().drop_udp_no_port), (100, 4900, 5000));
}

/// What the segments that leave now carry: sequence number and length.
fn cut(kit: &mut Kit) -> Vec<(u32, usize)> {
    kit.out().iter().map(|seg| (seg.seq, seg.data.len())).collect()
}

/// A connection with `count` full segments in flight, and the first as it was sent.
fn in_flight(count: usize) -> (Kit, Vec<u8>) {
    let mut kit = Kit::connected(65_535, 1460);
    for n in 0..count {
        kit.send(vec![n as u8; 1460]);
    }
    let frames = kit.frames();
    assert_eq!(frames.len(), count);
    (kit, frames[0].clone())
}

#[test]
fn what_was_too_big_is_cut_and_sent_again_at_once() {
    let (mut kit, frame) = in_flight(2);
    kit.frame(&too_big(1400, &frame));
    assert_eq!(cut(&mut kit), [(1, 1360), (1361, 100), (1461, 1360), (2821, 100)]);
    assert_eq!(kit.counters().tcp_path_mtu_reduced, 1);
    kit.recv(seg(ACK, 1, 2921));
    kit.saw();
    kit.send([7; 1460]);
    assert_eq!(cut(&mut kit), [(2921, 1360), (4281, 100)]);
}

#[test]
fn bytes_arrive_whole_through_a_path_that_narrows_twice() {
    let (mut kit, frame) = in_flight(3);
    kit.frame(&too_big(1006, &frame));
    let again = kit.frames();
    kit.frame(&too_big(0, &again[0])); // an old router: the plateau below 1006
    let mut arrived = vec![None; 3 * 1460];
    let segments =
        again.iter().filter_map(|frame| read(frame)).map(|(seg, _)| (seg.seq.wrapping_sub(kit.iss), seg.data));
    let segments: Vec<(u32, Vec<u8>)> = segments.collect();
    let cut_again = kit.out().into_iter().map(|seg| (seg.seq, seg.data));
    for (seq, data) in segments.into_iter().chain(cut_again).filter(|(_, data)| data.len() <= 512) {
        for (at, byte) in (seq as usize - 1..).zip(data) {
            assert_eq!(arrived[at].replace(byte), None, "sent needlessly");
        }
    }
    let sent: Vec<Option<u8>> = (0..3u8).flat_map(|n| [Some(n); 1460]).collect();
    assert_eq!(arrived, sent);
}

#[test]
fn the_path_is_never_believed_to_be_narrower_than_552() {
    let (mut kit, frame) = in_flight(1);
    for mtu in [1, 68, 551] {
        kit.frame(&too_big(mtu, &frame));
    }
    assert_eq!(cut(&mut kit), [(1, 512), (513, 512), (1025, 436)]);
    assert_eq!((kit.counters().tcp_path_mtu_reduced, kit.counters().drop_icmp_not_smaller), (1, 2));
}

#[test]
fn errors_that_nobody_could_send_change_nothing() {
    let (mut kit, frame) = in_flight(2);
    let forged = |at: usize, by: u8| {
        let mut quote = frame[14..42].to_vec();
        quote[at] = quote[at].wrapping_add(by);
        icmp(ROUTER, 3, 4, [0, 0, 4, 0], &quote)
    };
    let before = kit.counters();
    for (at, by) in [(24, 128), (24, 1), (25, 1), (24, 255), (26, 128)] {
        kit.frame(&forged(at, by)); // sequence numbers not in flight
    }
    for at in [19, 21, 23] {
        kit.frame(&forged(at, 1)); // another peer, and other ports
    }
    for mtu in [1500, 1501, 65_535] {
        kit.frame(&too_big(mtu, &frame));
    }
    let counters = kit.counters();
    assert_eq!(counters.drop_icmp_not_in_flight - before.drop_icmp_not_in_flight, 5);
    assert_eq!(counters.drop_icmp_no_connection - before.drop_icmp_no_connection, 3);
    assert_eq!(counters.drop_icmp_malformed - before.drop_icmp_malformed, 3);
    assert_eq!((kit.frames().len(), counters.tcp_path_mtu_reduced), (0, 0));
    kit.recv(seg(ACK, 1, 2921));
    kit.saw();
    kit.frame(&too_big(1400, &frame)); // acknowledged meanwhile
    assert_eq!((kit.counters().drop_icmp_not_in_flight, kit.counters().tcp_path_mtu_reduced), (6, 0));
}

#[test]
fn after_ten_minutes_the_path_may_have_widened() {
    let (mut kit, frame) = in_flight(1);
    kit.frame(&too_big(1400, &frame));
    kit.frames();
    kit.recv(seg(ACK, 1, 1461));
    let mut sent_at = |seconds| {
        kit.now = kit.now + Duration::from_secs(seconds);
        kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
        kit.expire();
        kit.frames();
        kit.saw();
        kit.send([7; 1460]);
        let sent = kit.out();
        let last = sent.last().unwrap();
        let end = last.seq + last.data.len() as u32;
        kit.recv(seg(ACK, 1, end));
        sent.iter().map(|seg| seg.data.len()).collect::<Vec<_>>()
    };
    assert_eq!(sent_at(599), [1360, 100]);
    assert_eq!(sent_at(1), [1460]);
}

#[test]
fn the_next_connection_to_the_host_knows_its_path() {
    let (mut kit, frame) = in_flight(1);
    kit.frame(&too_big(1400, &frame));
    kit.call(Call::Abort { flow: kit.flow });
    kit.frames();
    kit.saw();
    kit.port = 40_001;
    kit.connect(65_535, 1460);
    kit.send([7; 1460]);
    assert_eq!(cut(&mut kit), [(1, 1360), (1361, 100)]);
}

#[test]
fn established_connections_outlive_every_error() {
    let (mut kit, frame) = in_flight(1);
    for (kind, codes) in [(3, 0..16), (11, 0..2), (12, 0..3)] {
        for code in codes.filter(|code| (kind, *code) != (3, 4)) {
            kit.frame(&error(kind, code, 0, &frame));
        }
    }
    assert_eq!((kit.counters().tcp_icmp_soft, kit.saw()), (20, vec![]));
    kit.recv(data(1, 1461, "still here"));
    assert_eq!(kit.counters().tcp_resets_in, 0);
    assert!(kit.saw().contains(&Saw::Recv(b"still here".to_vec())));
}

#[test]
fn the_app_is_told_what_the_network_said() {
    for (answers, reason) in [(false, Reason::Unreachable), (true, Reason::TimedOut)] {
        let (mut kit, frame) = in_flight(2);
        kit.frame(&error(3, 1, 0, &frame));
        if answers {
            kit.recv(seg(ACK, 1, 1461));
        }
        kit.wait(Duration::from_secs(3600));
        assert_eq!(kit.saw().pop(), Some(Saw::Dead(reason)));
    }
}

#[test]
fn a_handshake_that_is_refused_ends() {
    let mut kit = Kit::new();
    kit.recv(Seg { mss: Some(1460), ..seg(SYN, 0, 0) });
    let syn_ack = kit.frames().pop().unwrap();
    kit.frame(&error(3, 1, 0, &syn_ack));
    assert_eq!(kit.stack().tcp().connections(), 1, "the host may be reachable in a while");
    kit.frame(&error(3, 3, 0, &syn_ack));
    assert_eq!((kit.stack().tcp().connections(), kit.counters().tcp_icmp_refused), (0, 1));
}

#[test]
fn a_quote_with_options_is_understood() {
    let (mut kit, frame) = in_flight(1);
    let mut quote = frame[14..42].to_vec();
    quote[0] = 0x46;
    quote.splice(20..20, [1, 1, 1, 0]);
    kit.frame(&icmp(ROUTER, 3, 4, [0, 0, 5, 120], &quote));
    assert_eq!(cut(&mut kit), [(1, 1360), (1361, 100)]);
}

#[test]
fn an_error_in_an_ethernet_broadcast_is_dropped() {
    let (mut kit, frame) = in_flight(1);
    let error = too_big(1400, &frame);
    kit.frame(&ethernet([255; 6], PEER_MAC, EthernetProtocol::Ipv4, &error[14..]));
    assert_eq!((kit.counters().drop_ip_link_broadcast, kit.counters().tcp_path_mtu_reduced), (1, 0));
}

#[test]
fn a_call_that_is_refused_ends() {
    let remote = SocketAddrV4::new(PEER_IP, 11_211);
    for (code, reason) in [(3, Some(Reason::Unreachable)), (1, None)] {
        let mut kit = Kit::new();
        kit.port = remote.port();
        kit.call(Call::Connect { cookie: 9, remote });
        let syn = kit.frames().pop().unwrap();
        kit.frame(&error(3, code, 0, &syn));
        assert_eq!(kit.saw().pop(), reason.map(Saw::Dead), "code {code}");
        kit.wait(Duration::from_secs(3600));
        let later = if reason.is_some() { None } else { Some(Saw::Dead(Reason::Unreachable)) };
        assert_eq!(kit.saw().pop(), later, "code {code}");
    }
}

#[test]
fn a_body_that_the_device_cut_too_large_is_cut_smaller() {
    let mut kit = Kit::of(|config| (config.tso, config.tx_checksum) = (Some(60_000), TxChecksum::Device));
    kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
    kit.frames();
    kit.connect(65_535, 1460);
    let body: &'static [u8] = (0..8000).map(|n| (n % 251) as u8).collect::<Vec<_>>().leak();
    let mut payload = kit.buffer(b"head");
    payload.attach(Attachment { body: Some(Fragment::lent_for_ever(body)), segmentation: None }).unwrap();
    kit.call(Call::Send { flow: kit.flow, payload, done: 0 });
    // The first segment of the first frame, as the router saw it.
    let mut segment = kit.frames_held()[0].bytes()[..42].to_vec();
    segment[16..18].copy_from_slice(&1500u16.to_be_bytes());
    kit.frame(&too_big(1400, &segment));
    let mut arrived = Vec::new();
    for _ in 0..10 {
        for seg in kit.out() {
            assert!(seg.data.len() <= 1360, "{}", seg.data.len());
            assert_eq!(seg.seq as usize, arrived.len() + 1);
            arrived.extend(seg.data);
        }
        kit.recv(seg(ACK, 1, arrived.len() as u32 + 1));
    }
    assert_eq!(arrived, [b"head", body].concat());
    kit.saw();
    while kit.pool.take_back().is_some() {}
}
