//! DHCP messages: what the client sends, and what it understands of the answers.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr};

use super::{CLIENT_PORT, SERVER_PORT};
use crate::address::Address;
use crate::ethernet::Mac;
use crate::interface::Interface;
use crate::ipv4::protocol;
use crate::neighbor::Hint;
use crate::time::Instant;
use crate::udp;

const MASK_OPTION: u8 = 1;
const ROUTER_OPTION: u8 = 3;
const LEASE_OPTION: u8 = 51;
/// What a server says that names no lease time.
const DEFAULT_LEASE_SECONDS: u32 = 3600;

/// What a server offers or grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) address: Address,
    pub(super) server: Ipv4Addr,
    /// T1, T2, and the end, from the time of the answer.
    pub(super) renew: Duration,
    pub(super) rebind: Duration,
    pub(super) duration: Duration,
}

/// An answer to our request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Offer(Lease),
    Ack(Lease),
    Nak,
}

/// What the client asks (RFC 2131, table 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Discover,
    /// An offer is taken.
    Request(Lease),
    /// More time, from the server that granted it.
    Renew(Lease),
    /// More time, from any server.
    Rebind(Lease),
}

/// A message to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) kind: Kind,
    pub(super) xid: u32,
    /// Since the client began.
    pub(super) seconds: u16,
}

/// Reads an answer to `xid`.
pub(super) fn parse(bytes: &[u8], mac: Mac, xid: u32) -> Option<Answer> {
    let packet = DhcpPacket::new_checked(bytes).ok()?;
    let repr = DhcpRepr::parse(&packet).ok()?;
    if repr.transaction_id != xid || repr.client_hardware_address != mac {
        return None;
    }
    // A server may list several routers, the best first.
    let router = packet
        .options()
        .find(|option| option.kind == ROUTER_OPTION)
        .and_then(|option| option.data.first_chunk::<4>().map(|first| Ipv4Addr::from_octets(*first)));
    match repr.message_type {
        DhcpMessageType::Offer => Some(Answer::Offer(lease(&repr, router)?)),
        DhcpMessageType::Ack => Some(Answer::Ack(lease(&repr, router)?)),
        DhcpMessageType::Nak => Some(Answer::Nak),
        _ => None,
    }
}

/// The lease in a message, if it is one that we can live with.
fn lease(repr: &DhcpRepr<'_>, router: Option<Ipv4Addr>) -> Option<Lease> {
    let ip = repr.your_ip;
    let server = repr.server_identifier?;
    if ip.is_unspecified() || ip.is_multicast() || ip.is_loopback() || ip.octets()[0] >= 240 {
        return None;
    }
    let mask = repr.subnet_mask.unwrap_or(Ipv4Addr::new(255, 255, 255, 0)).to_bits();
    let prefix = mask.leading_ones();
    if prefix + mask.trailing_zeros() < 32 {
        return None;
    }
    let seconds = repr.lease_duration.unwrap_or(DEFAULT_LEASE_SECONDS).max(60);
    let duration = Duration::from_secs(seconds.into());
    let rebind = repr.rebind_duration.map_or(duration / 8 * 7, |s| Duration::from_secs(s.into())).min(duration);
    let renew = repr.renew_duration.map_or(duration / 2, |s| Duration::from_secs(s.into())).min(rebind);
    let address = Address { ip, prefix: prefix as u8, gateway: router.filter(|router| !router.is_unspecified()) };
    Some(Lease { address, server, renew, rebind, duration })
}

/// Queues a message for egress. A renewal whose server's link address is unknown is left to the next try.
pub(super) fn send(request: Request, iface: &mut Interface, now: Instant) {
    let repr = repr(&request, iface);
    let (mac, ip) = match request.kind {
        Kind::Renew(lease) => match iface.resolve(lease.server, &mut Hint::default(), now) {
            Some(mac) => (mac, lease.server),
            None => return,
        },
        _ => (Mac::BROADCAST, Ipv4Addr::BROADCAST),
    };
    let src = iface.address.map_or(Ipv4Addr::UNSPECIFIED, |address| address.ip);
    let Some(mut buf) = iface.alloc() else { return };
    let Some(bytes) = buf.append(repr.buffer_len()) else { return };
    bytes.fill(0);
    if repr.emit(&mut DhcpPacket::new_unchecked(bytes)).is_err() {
        return;
    }
    let ports = (SocketAddrV4::new(src, CLIENT_PORT), SocketAddrV4::new(ip, SERVER_PORT));
    if udp::emit(&mut buf, ports.0, ports.1).is_some() && iface.encapsulate(&mut buf, mac, ip, protocol::UDP).is_some()
    {
        iface.counters.dhcp_sent += 1;
        iface.reply(buf);
    }
}

fn repr(request: &Request, iface: &Interface) -> DhcpRepr<'static> {
    let (message_type, client_ip, requested_ip, server_identifier) = match request.kind {
        Kind::Discover => (DhcpMessageType::Discover, None, None, None),
        Kind::Request(lease) => (DhcpMessageType::Request, None, Some(lease.address.ip), Some(lease.server)),
        Kind::Renew(lease) | Kind::Rebind(lease) => (DhcpMessageType::Request, Some(lease.address.ip), None, None),
    };
    DhcpRepr {
        message_type,
        transaction_id: request.xid,
        secs: request.seconds,
        client_hardware_address: iface.mac,
        client_ip: client_ip.unwrap_or(Ipv4Addr::UNSPECIFIED),
        your_ip: Ipv4Addr::UNSPECIFIED,
        server_ip: Ipv4Addr::UNSPECIFIED,
        router: None,
        subnet_mask: None,
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: false,
        requested_ip,
        client_identifier: Some(iface.mac),
        server_identifier,
        parameter_request_list: Some(&[MASK_OPTION, ROUTER_OPTION, LEASE_OPTION]),
        dns_servers: None,
        max_size: Some(iface.mtu.min(1500)),
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    }
}
