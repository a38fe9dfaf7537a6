//! What strangers can make the stack hold, and how much work one of their frames is.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use smoltcp::wire::IpProtocol;

use crate::app::Call;
use crate::checksum::Sum;
use crate::stack::Addressing;
use crate::testkit::*;

/// A stack on a link of many addresses.
fn on_a_wide_link(conn_limit: usize) -> Kit {
    let mut kit = Kit::of(|config| {
        config.address = Addressing::Static { ip: IP, prefix: 8, gateway: None };
        config.conn_limit = conn_limit;
        config.tcp.syn_backlog = usize::MAX;
    });
    kit.frames();
    kit
}

fn stranger(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a01_0000 + n)
}

fn ping(from: Ipv4Addr) -> Vec<u8> {
    let mut message = [8, 0, 0, 0, 0, 1, 0, 1, 7, 7];
    let checksum = Sum::new().add(&message).checksum();
    message[2..4].copy_from_slice(&checksum);
    ipv4(IpProtocol::Icmp, from, IP, &message)
}

#[test]
fn connections_without_a_neighbor_try_again_a_share_at_a_time() {
    let mut kit = on_a_wide_link(4000);
    for n in 0..1000 {
        kit.frame(&build_from(stranger(n), &seg(SYN, 0, 0), 40_000, 0));
        kit.frames();
    }
    let lookups = |kit: &Kit| kit.counters().arp_requests_suppressed;
    let before = lookups(&kit);
    kit.frame(&arp(1, PEER_MAC, stranger(5000), IP));
    let mut shares = Vec::new();
    while kit.next_deadline().is_some_and(|next| next <= kit.now + Duration::from_millis(1)) {
        let before = lookups(&kit);
        kit.frames();
        shares.push(lookups(&kit) - before);
    }
    assert!(shares.iter().all(|share| *share <= 64), "{shares:?}");
    assert!(lookups(&kit) - before > 700, "and all of them do: {shares:?}");
}

#[test]
fn an_answer_that_somebody_waits_for_is_not_kept_from_him() {
    let mut kit = on_a_wide_link(4000);
    for n in 0..200 {
        kit.frame(&build_from(stranger(n), &seg(SYN, 0, 0), 40_000, 0));
        kit.frames();
    }
    kit.recv(seg(SYN, 0, 0));
    kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
    let answered = (0..8).any(|_| {
        let frames = kit.frames();
        frames.iter().any(|frame| frame[..6] == PEER_MAC && read(frame).is_some_and(|(seg, _)| seg.has(SYN)))
    });
    assert!(answered);
}

#[test]
fn nothing_that_strangers_send_is_held_without_bound() {
    let mut kit = on_a_wide_link(64);
    let all = kit.pool.available();
    kit.room = 0; // the transmit ring is full
    for n in 0..3000u32 {
        let from = stranger(n);
        kit.frame(&arp(1, PEER_MAC, from, IP));
        kit.frame(&ping(from));
        kit.frame(&ipv4(IpProtocol::Udp, from, IP, &[0, 9, 0, 9, 0, 8, 0, 0]));
        kit.frame(&ipv4(IpProtocol::Udp, from, IP, &[0, 9, 0x2b, 0xcb, 0, 8, 0, 0]));
        kit.frame(&build_from(from, &seg(ACK, 1, 1), 40_000, 0));
        kit.frame(&build_from(from, &seg(SYN, 0, 0), 40_000, 0));
        kit.frame(&ipv4(IpProtocol::Unknown(99), from, IP, b"?"));
        // An app that answers whoever asks, and somebody who is not there.
        for to in [from, stranger(100_000 + n)] {
            kit.saw();
            let payload = kit.buffer(b"answer");
            kit.call(Call::UdpSend { local_port: PORT, remote: SocketAddrV4::new(to, 9), payload });
        }
        kit.now = kit.now + Duration::from_micros(100);
        kit.expire();
        kit.frames();
        // Replies, datagrams, and what waits for neighbors.
        assert!(all - kit.pool.available() <= 64 + 256 + 64, "{}", all - kit.pool.available());
    }
    let counters = kit.counters();
    assert!(counters.drop_reply_queue_full > 0 && counters.drop_datagram_queue_full > 0);
    assert!(counters.drop_unresolved > 0 && counters.icmp_suppressed > 0);
    kit.room = 64;
}

#[test]
fn an_answer_queue_full_of_one_kind_leaves_the_app_its_own() {
    let mut kit = Kit::new();
    kit.room = 0;
    for n in 0..100 {
        kit.frame(&arp(1, PEER_MAC, [10, 0, 0, 100 + n].into(), IP));
    }
    let payload = kit.buffer(b"answer");
    kit.call(Call::UdpSend { local_port: PORT, remote: SocketAddrV4::new(PEER_IP, 9), payload });
    kit.room = 64;
    let left = kit.frames().len() + kit.frames().len();
    assert_eq!((left, kit.counters().drop_datagram_queue_full), (65, 0));
}
