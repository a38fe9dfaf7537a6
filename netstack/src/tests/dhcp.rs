//! The DHCP client against a server that is a script: RFC 2131.

use core::net::Ipv4Addr;
use core::time::Duration;

use smoltcp::wire::{
    DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress, IpAddress, IpProtocol, Ipv4Packet, UdpPacket,
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
    /// Whom it was sent to.
    to: Ipv4Addr,
    seconds: u16,
}

/// The client's messages among what leaves now. The server answers when it is asked for its Ethernet address.
fn asked(kit: &mut Kit) -> Vec<Asked> {
    let mut frames = kit.frames();
    if frames.iter().any(|frame| frame[12..14] == [8, 6] && frame[38..42] == SERVER.octets()) {
        kit.frame(&arp(2, PEER_MAC, SERVER, IP));
        frames.extend(kit.frames());
    }
    frames.iter().filter_map(|frame| read_message(frame)).collect()
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
    let to = packet.dst_addr();
    assert_eq!((packet.src_addr(), frame[..6] == [255; 6]), (client, to.is_broadcast()));
    Some(Asked { kind, requested, client, transaction: repr.transaction_id, to, seconds: repr.secs })
}

/// What a server says.
#[derive(Clone)]
struct Grant {
    ip: Ipv4Addr,
    mask: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
    lease: Option<u32>,
    t1: Option<u32>,
    t2: Option<u32>,
    options: Vec<(u8, Vec<u8>)>,
}

fn grant() -> Grant {
    Grant {
        ip: IP,
        mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
        server: Some(SERVER),
        lease: Some(1000),
        t1: None,
        t2: None,
        options: vec![(3, SERVER.octets().to_vec())],
    }
}

fn answer(kit: &mut Kit, kind: DhcpMessageType, transaction: u32, ip: Ipv4Addr) {
    say(kit, kind, transaction, &Grant { ip, ..grant() });
}

fn say(kit: &mut Kit, kind: DhcpMessageType, transaction: u32, grant: &Grant) {
    // smoltcp reads these two, but does not write them.
    let times = [(58, grant.t1), (59, grant.t2)].into_iter();
    let times = times.filter_map(|(kind, seconds)| Some((kind, seconds?.to_be_bytes().to_vec())));
    let options: Vec<(u8, Vec<u8>)> = times.chain(grant.options.clone()).collect();
    let options: Vec<DhcpOption<'_>> = options.iter().map(|(kind, data)| DhcpOption { kind: *kind, data }).collect();
    let repr = DhcpRepr {
        message_type: kind,
        transaction_id: transaction,
        secs: 0,
        client_hardware_address: EthernetAddress(MAC),
        client_ip: Ipv4Addr::UNSPECIFIED,
        your_ip: grant.ip,
        server_ip: SERVER,
        router: None,
        subnet_mask: grant.mask,
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: false,
        requested_ip: None,
        client_identifier: None,
        server_identifier: grant.server,
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: grant.lease,
        renew_duration: None,
        rebind_duration: None,
        additional_options: &options,
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

/// A client that has asked for `offer` and was granted it.
fn granted(offer: &Grant) -> Kit {
    let mut kit = Kit::with(Addressing::Dhcp, 8);
    let discover = next(&mut kit);
    assert_eq!(discover.kind, DhcpMessageType::Discover);
    say(&mut kit, DhcpMessageType::Offer, discover.transaction, offer);
    let request = next(&mut kit);
    say(&mut kit, DhcpMessageType::Ack, request.transaction, offer);
    kit
}

/// A client with a lease, which is extended after 500 s by its server, after 875 s by any, and ends after 1000 s.
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
    assert_eq!(renewal.to, SERVER, "by unicast");
    answer(&mut kit, DhcpMessageType::Ack, renewal.transaction, IP);
    assert_eq!((kit.counters().dhcp_leases, kit.frames().len()), (2, 0));
    next(&mut kit);
    assert_eq!(kit.now.since(start).as_secs(), 1000);
}

#[test]
fn asks_its_server_and_then_any() {
    let mut kit = bound();
    let start = kit.now;
    let mut asks = Vec::new();
    loop {
        let asked = next(&mut kit);
        if asked.kind == DhcpMessageType::Discover {
            assert_eq!((asked.requested, kit.now.since(start).as_secs()), (Some(IP), 1000), "prefers what it had");
            break;
        }
        asks.push((kit.now.since(start).as_secs(), asked.to, u64::from(asked.seconds)));
    }
    let any = Ipv4Addr::BROADCAST;
    let expected = [(500, SERVER), (687, SERVER), (781, SERVER), (841, SERVER), (875, any), (937, any), (997, any)];
    assert_eq!(asks, expected.map(|(at, to)| (at, to, at - 500)));
}

#[test]
fn another_server_may_extend_only_what_any_was_asked_for() {
    let other = Grant { server: Some(PEER_IP), ..grant() };
    let mut kit = bound();
    let renewal = next(&mut kit);
    say(&mut kit, DhcpMessageType::Ack, renewal.transaction, &other);
    say(&mut kit, DhcpMessageType::Nak, renewal.transaction, &other);
    assert_eq!((kit.counters().drop_dhcp_unexpected, kit.counters().dhcp_leases), (2, 1));
    let start = kit.now;
    let rebinding = core::iter::from_fn(|| Some(next(&mut kit))).find(|asked| asked.to.is_broadcast()).unwrap();
    assert_eq!(kit.now.since(start).as_secs(), 375);
    say(&mut kit, DhcpMessageType::Ack, rebinding.transaction, &other);
    assert_eq!(kit.counters().dhcp_leases, 2);
    kit.now = kit.next_deadline().unwrap();
    kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
    kit.frames();
    assert_eq!(next(&mut kit).to, PEER_IP, "whose lease it is now");
}

#[test]
fn an_extension_of_another_address_is_none() {
    let mut kit = bound();
    let renewal = next(&mut kit);
    answer(&mut kit, DhcpMessageType::Ack, renewal.transaction, PEER_IP);
    assert_eq!((kit.counters().drop_dhcp_unexpected, kit.stack().address().unwrap().ip), (1, IP));
}

#[test]
fn a_refused_rebinding_loses_the_address() {
    let mut kit = bound();
    let rebinding = core::iter::from_fn(|| Some(next(&mut kit))).find(|asked| asked.to.is_broadcast()).unwrap();
    say(&mut kit, DhcpMessageType::Nak, rebinding.transaction, &Grant { server: Some(PEER_IP), ..grant() });
    assert_eq!((kit.stack().address(), kit.counters().dhcp_naks), (None, 1));
}

/// When a lease is first extended, and when it ends, in seconds after it was granted.
fn times(lease: Option<u32>, t1: Option<u32>, t2: Option<u32>) -> (u64, u64) {
    let mut kit = granted(&Grant { lease, t1, t2, ..grant() });
    let start = kit.now;
    let renewal = next(&mut kit);
    assert_eq!(renewal.kind, DhcpMessageType::Request);
    let renewed = kit.now.since(start).as_secs();
    while next(&mut kit).kind == DhcpMessageType::Request {}
    (renewed, kit.now.since(start).as_secs())
}

#[test]
fn the_times_of_a_lease_at_their_limits() {
    assert_eq!(times(Some(1000), Some(100), Some(200)), (100, 1000));
    assert_eq!(times(Some(1000), None, Some(200)), (200, 1000));
    assert_eq!(times(Some(1000), Some(2000), Some(3000)), (500, 1000), "not in order");
    assert_eq!(times(Some(1000), Some(900), Some(100)), (100, 1000));
    assert_eq!(times(Some(1000), Some(0), Some(0)), (0, 1000));
    assert_eq!(times(Some(1000), Some(u32::MAX), Some(u32::MAX)), (500, 1000));
    assert_eq!(times(Some(1), None, None), (0, 1));
    assert_eq!(times(Some(10), None, None), (5, 10));
    assert_eq!(times(None, None, None), (1800, 3600));
    assert_eq!(times(Some(u32::MAX - 1), None, None).1, u64::from(u32::MAX - 1));
}

#[test]
fn a_lease_may_be_for_ever() {
    let mut kit = granted(&Grant { lease: Some(u32::MAX), t1: Some(5), t2: Some(10), ..grant() });
    kit.wait(Duration::from_secs(10));
    assert_eq!((kit.next_deadline(), kit.stack().address().map(|own| own.ip)), (None, Some(IP)));
}

#[test]
fn a_lease_of_no_time_is_none() {
    let mut kit = Kit::with(Addressing::Dhcp, 8);
    let discover = next(&mut kit);
    say(&mut kit, DhcpMessageType::Offer, discover.transaction, &Grant { lease: Some(0), ..grant() });
    assert_eq!((next(&mut kit).kind, kit.counters().drop_dhcp_unexpected), (DhcpMessageType::Discover, 1));
}

#[test]
fn offers_no_host_can_take_are_not_taken() {
    let mask = |octets: [u8; 4]| Grant { mask: Some(octets.into()), ..grant() };
    let ip = |octets: [u8; 4]| Grant { ip: octets.into(), ..grant() };
    let mut offers = vec![mask([255, 0, 255, 0]), mask([0; 4]), mask([0, 0, 0, 255]), mask([255, 255, 255, 1])];
    offers.extend([[0; 4], [255; 4], [224, 0, 0, 1], [127, 0, 0, 1], [10, 0, 0, 255], [10, 0, 0, 0]].map(ip));
    offers.extend(
        [None, Some([0; 4]), Some([255; 4]), Some([224, 0, 0, 1])]
            .map(|server: Option<[u8; 4]>| Grant { server: server.map(Ipv4Addr::from), ..grant() }),
    );
    for (n, offer) in offers.iter().enumerate() {
        let mut kit = Kit::with(Addressing::Dhcp, 8);
        let discover = next(&mut kit);
        say(&mut kit, DhcpMessageType::Offer, discover.transaction, offer);
        assert_eq!((next(&mut kit).kind, n), (DhcpMessageType::Discover, n));
        assert_eq!(kit.counters().drop_dhcp_unexpected, 1, "case {n}");
    }
}

#[test]
fn the_router_is_the_first_that_can_be_one() {
    let (near, far) = ([10, 0, 0, 77], [192, 168, 0, 1]);
    let routers = |list: &[[u8; 4]]| (3, list.concat());
    type Options = Vec<(u8, Vec<u8>)>;
    let cases: Vec<(Options, Option<[u8; 4]>)> = vec![
        (vec![], None),
        (vec![routers(&[near])], Some(near)),
        (vec![routers(&[near, SERVER.octets()])], Some(near)),
        (vec![routers(&[far, [0; 4], [10, 0, 0, 255], [10, 0, 0, 1], near])], Some(near)),
        (vec![routers(&[far])], None),
        (vec![(3, vec![10, 0, 0])], None),
        (vec![(3, vec![])], None),
        (vec![(3, vec![10, 0, 0, 77, 9])], Some(near)),
        // RFC 3442: the classless routes alone count.
        (vec![routers(&[SERVER.octets()]), (121, vec![0, 10, 0, 0, 77])], Some(near)),
        (vec![(121, vec![24, 172, 16, 5, 10, 0, 0, 9, 0, 10, 0, 0, 77])], Some(near)),
        (vec![(121, vec![33, 1, 2, 3, 4, 5, 10, 0, 0, 9, 0, 10, 0, 0, 77])], Some(near)),
        (vec![routers(&[near]), (121, vec![24, 172, 16, 5, 10, 0, 0, 9])], None),
        (vec![(121, vec![0, 192, 168, 0, 1])], None),
        (vec![(121, vec![0, 10, 0, 0])], None),
        (vec![(121, vec![255])], None),
        (vec![(121, vec![])], None),
    ];
    for (n, (options, router)) in cases.into_iter().enumerate() {
        let mut kit = granted(&Grant { options, ..grant() });
        assert_eq!((kit.stack().address().unwrap().gateway, n), (router.map(Ipv4Addr::from), n));
    }
}

#[test]
fn a_network_of_ourselves_alone_has_a_router_elsewhere() {
    let router = Ipv4Addr::new(10, 9, 9, 1);
    let options = vec![(121, [&[0][..], &router.octets()].concat())];
    let mut kit = granted(&Grant { mask: Some([255; 4].into()), options, ..grant() });
    kit.recv(seg(SYN, 0, 0));
    let frames = kit.frames();
    assert!(frames.iter().any(|frame| frame[38..42] == router.octets()), "the router is asked for");
    kit.frame(&arp(2, PEER_MAC, router, IP));
    assert_eq!(kit.out()[0].flags, SYN | ACK);
}

#[test]
fn a_network_may_take_smaller_packets() {
    for (told, mss) in [(1400u16, 1360), (576, 536), (575, 1460), (68, 1460), (0, 1460), (1500, 1460), (9000, 1460)] {
        let options = vec![(26, told.to_be_bytes().to_vec())];
        let mut kit = granted(&Grant { options, ..grant() });
        kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
        kit.frames();
        kit.recv(Seg { mss: Some(1460), ..seg(SYN, 0, 0) });
        assert_eq!((kit.out()[0].mss, told), (Some(mss), told));
    }
}

#[test]
fn options_that_lie_about_their_length_end_the_message() {
    for options in [vec![(26, vec![5])], vec![(26, vec![1, 2, 3])], vec![(1, vec![255; 3]), (51, vec![0; 5])]] {
        let mut kit = granted(&Grant { options, ..grant() });
        assert_eq!(kit.stack().address().map(|own| own.ip), Some(IP));
    }
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
