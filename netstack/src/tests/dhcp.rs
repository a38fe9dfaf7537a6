//! The DHCP client against a server that is a script: RFC 2131.

use core::net::Ipv4Addr;
use core::time::Duration;

use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, IpAddress, IpProtocol, Ipv4Packet, UdpPacket,
};

use crate::app::Reason;
use crate::stack::Addressing;
use crate::testkit::*;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

/// A message of the client.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    kind: DhcpMessageType,
    requested: Option<Ipv4Addr>,
    client: Ipv4Addr,
    transaction: u32,
}

/// The client's messages among what leaves now.
fn asked(kit: &mut Kit) -> Vec<Asked> {
    kit.frames().iter().filter_map(|frame| read_message(frame)).collect()
}

fn read_message(frame: &[u8]) -> Option<Asked> {
    let packet = Ipv4Packet::new_checked(&frame[14..]).ok().filter(|packet| packet.next_header() == IpProtocol::Udp)?;
    assert!(packet.verify_checksum());
    let datagram = UdpPacket::new_checked(packet.payload()).unwrap();
    assert!(datagram.verify_checksum(&IpAddress::Ipv4(packet.src_addr()), &IpAddress::Ipv4(packet.dst_addr())));
    assert_eq!((datagram.src_port(), datagram.dst_port()), (68, 67));
    let message = DhcpPacket::new_checked(datagram.payload()).unwrap();
    let repr = DhcpRepr::parse(&message).unwrap();
    let (kind, requested, client) = (repr.message_type, repr.requested_ip, repr.client_ip);
    Some(Asked { kind, requested, client, transaction: repr.transaction_id })
}

fn answer(kit: &mut Kit, kind: DhcpMessageType, transaction: u32, your_ip: Ipv4Addr) {
    let repr = DhcpRepr {
        message_type: kind,
        transaction_id: transaction,
        secs: 0,
        client_hardware_address: EthernetAddress(MAC),
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip,
        server_ip: SERVER,
        router: Some(SERVER),
        subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: false,
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(SERVER),
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: Some(1000),
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    };
    let mut datagram = UdpPacket::new_unchecked(vec![0; 8 + repr.buffer_len()]);
    datagram.set_src_port(67);
    datagram.set_dst_port(68);
    datagram.set_len(8 + repr.buffer_len() as u16);
    repr.emit(&mut DhcpPacket::new_unchecked(datagram.payload_mut())).unwrap();
    datagram.fill_checksum(&IpAddress::Ipv4(SERVER), &IpAddress::Ipv4(Ipv4Addr::BROADCAST));
    kit.frame(&ipv4(IpProtocol::Udp, SERVER, Ipv4Addr::BROADCAST, &datagram.into_inner()));
}

/// What the client sends next, whenever that is.
fn next(kit: &mut Kit) -> Asked {
    loop {
        kit.now = kit.next_deadline().unwrap().max(kit.now);
        kit.expire();
        if let Some(message) = asked(kit).pop() {
            return message;
        }
    }
}

/// A client with a lease.
fn bound() -> Kit {
    let mut kit = Kit::with(Addressing::Dhcp, 8);
    let discover = next(&mut kit);
    assert_eq!(discover.kind, DhcpMessageType::Discover);
    answer(&mut kit, DhcpMessageType::Offer, discover.transaction, IP);
    let request = next(&mut kit);
    assert_eq!((request.kind, request.requested, request.client), (DhcpMessageType::Request, Some(IP), [0; 4].into()));
    answer(&mut kit, DhcpMessageType::Ack, request.transaction, IP);
    let address = kit.stack().address().unwrap();
    assert_eq!((address.ip, address.prefix, address.gateway), (IP, 24, Some(SERVER)));
    assert_eq!(kit.frames().len(), 1, "the announcement");
    kit
}

#[test]
fn obtains_a_lease_and_serves() {
    let mut kit = bound();
    kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
    kit.frames();
    kit.connect(1000, 1460);
    assert_eq!((kit.counters().dhcp_leases, kit.counters().dhcp_sent), (1, 2));
}

#[test]
fn asks_again_and_again() {
    let mut kit = Kit::with(Addressing::Dhcp, 8);
    let start = kit.now;
    for _ in 0..10 {
        assert_eq!(next(&mut kit).kind, DhcpMessageType::Discover);
    }
    let took = kit.now.since(start).as_secs();
    assert!((170..300).contains(&took), "{took}");
}

#[test]
fn an_offer_that_is_not_confirmed_is_given_up() {
    let mut kit = Kit::with(Addressing::Dhcp, 8);
    let discover = next(&mut kit);
    answer(&mut kit, DhcpMessageType::Offer, discover.transaction, IP);
    for _ in 0..4 {
        assert_eq!(next(&mut kit).kind, DhcpMessageType::Request);
    }
    assert_eq!(next(&mut kit).kind, DhcpMessageType::Discover);
}

#[test]
fn a_refusal_starts_again() {
    let mut kit = Kit::with(Addressing::Dhcp, 8);
    let discover = next(&mut kit);
    answer(&mut kit, DhcpMessageType::Offer, discover.transaction, IP);
    let request = next(&mut kit);
    answer(&mut kit, DhcpMessageType::Nak, request.transaction, Ipv4Addr::UNSPECIFIED);
    assert_eq!((kit.counters().dhcp_naks, kit.stack().address()), (1, None));
    let again = next(&mut kit);
    assert_eq!(again.kind, DhcpMessageType::Discover);
    assert_ne!(again.transaction, discover.transaction);
}

#[test]
fn extends_the_lease() {
    let mut kit = bound();
    let start = kit.now;
    let renewal = next(&mut kit);
    assert_eq!(kit.now.since(start).as_secs(), 500);
    assert_eq!((renewal.kind, renewal.requested, renewal.client), (DhcpMessageType::Request, None, IP));
    answer(&mut kit, DhcpMessageType::Ack, renewal.transaction, IP);
    assert_eq!((kit.counters().dhcp_leases, kit.frames().len()), (2, 0));
    next(&mut kit);
    assert_eq!(kit.now.since(start).as_secs(), 1000);
}

#[test]
fn a_lease_that_ends_takes_the_connections_with_it() {
    let mut kit = bound();
    kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
    kit.frames();
    kit.connect(1000, 1460);
    while next(&mut kit).kind == DhcpMessageType::Request {}
    assert_eq!((kit.stack().address(), kit.counters().dhcp_expired), (None, 1));
    kit.wait(Duration::from_millis(10));
    assert_eq!(kit.saw(), [Saw::Dead(Reason::TimedOut)]);
    assert_eq!(kit.stack().tcp().connections(), 0);
}

#[test]
fn a_renewal_refused_loses_the_address_at_once() {
    let mut kit = bound();
    let renewal = next(&mut kit);
    answer(&mut kit, DhcpMessageType::Nak, renewal.transaction, Ipv4Addr::UNSPECIFIED);
    assert_eq!(kit.stack().address(), None);
}

#[test]
fn other_peoples_messages_are_dropped() {
    let mut kit = Kit::with(Addressing::Dhcp, 8);
    let discover = next(&mut kit);
    answer(&mut kit, DhcpMessageType::Offer, discover.transaction ^ 1, IP);
    answer(&mut kit, DhcpMessageType::Ack, discover.transaction, IP);
    answer(&mut kit, DhcpMessageType::Offer, discover.transaction, Ipv4Addr::BROADCAST);
    kit.frame(&ipv4(IpProtocol::Udp, SERVER, Ipv4Addr::BROADCAST, &[0, 67, 0, 68, 0, 9, 0, 0, 2]));
    assert_eq!(kit.counters().drop_dhcp_unexpected, 4);
    assert_eq!(next(&mut kit).kind, DhcpMessageType::Discover);
}
