//! Which core a frame belongs to, where several cores run a stack each.
//!
//! All state of a TCP flow is on the core that its flow group points to. What is of no flow is handled by the core it came to,
//! with two exceptions: one core alone speaks DHCP, and ARP is for every core, as each knows its own neighbors.
//!
//! Only as much of a frame is looked at as that takes: it is checked where it ends up.

use core::net::Ipv4Addr;

use netdrv::nic::steering::flow_group;
use netdrv::nic::toeplitz::Toeplitz;

use crate::dhcp;
use crate::ipv4::protocol;

/// The most flow groups, and sets of them, a bit each.
pub use netdrv::nic::steering::FLOW_GROUPS;

/// Some flow groups, a bit each.
pub type GroupSet = u128;

const _: () = assert!(FLOW_GROUPS == GroupSet::BITS as usize);

/// Whom a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The core it came to.
    Here,
    /// The first core.
    First,
    /// A copy for each core.
    All,
    /// The core of this flow group.
    Group(u8),
}

/// Where fields are, in bytes from the beginning of their header.
const ETHERTYPE: usize = 12;
const TAG_BYTES: usize = 4;
const ETHERNET_BYTES: usize = 14;
const IP_PROTOCOL: usize = 9;
const IP_FRAGMENT: usize = 6;
const IP_SOURCE: usize = 12;
const IP_DESTINATION: usize = 16;

/// EtherTypes.
const IPV4: [u8; 2] = [0x08, 0x00];
const ARP: [u8; 2] = [0x08, 0x06];
const VLAN: [u8; 2] = [0x81, 0x00];

/// ICMP errors, which carry the beginning of the packet that they are about, behind a header of 8 bytes.
const ICMP_ERRORS: [u8; 3] = [3, 11, 12];
const ICMP_HEADER_BYTES: usize = 8;

/// Whether a frame looks like TCP over IPv4: the NIC's steering, where it has ours, has brought that to its core already.
pub fn is_tcp(frame: &[u8]) -> bool {
    ip_packet(frame).is_some_and(|(ethertype, ip)| ethertype == IPV4 && ip.get(IP_PROTOCOL) == Some(&protocol::TCP))
}

/// Whom `frame` is for.
pub fn destination(frame: &[u8], hash: &Toeplitz) -> Destination {
    match ip_packet(frame) {
        Some((ARP, _)) => Destination::All,
        Some((IPV4, packet)) => of_packet(packet, hash).unwrap_or(Destination::Here),
        _ => Destination::Here,
    }
}

/// The flow group of a flow.
pub(crate) fn group_of(hash: &Toeplitz, remote: (Ipv4Addr, u16), local: (Ipv4Addr, u16)) -> u8 {
    flow_group(hash.with_ports(remote.0.to_bits(), local.0.to_bits(), remote.1, local.1)) as u8
}

/// The EtherType of a frame, behind a VLAN tag if there is one, and what follows it.
fn ip_packet(frame: &[u8]) -> Option<([u8; 2], &[u8])> {
    let ethertype = *frame.get(ETHERTYPE..)?.first_chunk()?;
    if ethertype != VLAN {
        return Some((ethertype, &frame[ETHERNET_BYTES..]));
    }
    let ethertype = *frame.get(ETHERTYPE + TAG_BYTES..)?.first_chunk()?;
    Some((ethertype, &frame[ETHERNET_BYTES + TAG_BYTES..]))
}

/// `None` if the packet is of no flow.
fn of_packet(packet: &[u8], hash: &Toeplitz) -> Option<Destination> {
    let payload = payload(packet)?;
    match packet[IP_PROTOCOL] {
        protocol::TCP => {
            let (source, destination) = ports(payload)?;
            let (remote, local) = (address(packet, IP_SOURCE)?, address(packet, IP_DESTINATION)?);
            Some(Destination::Group(group_of(hash, (remote, source), (local, destination))))
        }
        protocol::UDP => dhcp::is_for_client(payload).then_some(Destination::First),
        protocol::ICMP if payload.first().is_some_and(|kind| ICMP_ERRORS.contains(kind)) => {
            // About a packet of ours: the other way round.
            let about = payload.get(ICMP_HEADER_BYTES..)?;
            let (source, destination) = ports(self::payload(about)?)?;
            if about[IP_PROTOCOL] != protocol::TCP {
                return None;
            }
            let (local, remote) = (address(about, IP_SOURCE)?, address(about, IP_DESTINATION)?);
            Some(Destination::Group(group_of(hash, (remote, destination), (local, source))))
        }
        _ => None,
    }
}

/// What follows the header of an IPv4 packet that is no fragment.
fn payload(packet: &[u8]) -> Option<&[u8]> {
    let whole = packet.get(IP_FRAGMENT)? & 0x3f == 0 && packet.get(IP_FRAGMENT + 1)? == &0;
    let header_len = usize::from(packet.first()? & 0xf) * 4;
    if whole && header_len >= 20 { packet.get(header_len..) } else { None }
}

fn address(packet: &[u8], at: usize) -> Option<Ipv4Addr> {
    packet.get(at..)?.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets))
}

fn ports(segment: &[u8]) -> Option<(u16, u16)> {
    let &[a, b, c, d] = segment.first_chunk::<4>()?;
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

#[cfg(test)]
mod tests;
