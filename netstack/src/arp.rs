//! ARP for Ethernet and IPv4 (RFC 826): answers questions about our address, asks about neighbors', announces ours.

use core::net::Ipv4Addr;

use netdrv::pktbuf::PktBuf;
use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr};

use crate::counters::DropReason;
use crate::ethernet::{Mac, Payload};
use crate::interface::Interface;
use crate::neighbor::Source;
use crate::time::Instant;

/// Takes a packet, without its Ethernet header. `Ok`: a neighbor's link address is known now, and whoever waits for one
/// can go on.
pub(crate) fn receive(iface: &mut Interface, buf: PktBuf, now: Instant) -> Result<(), DropReason> {
    let packet = ArpPacket::new_checked(buf.bytes()).and_then(|packet| ArpRepr::parse(&packet));
    let Ok(ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: mac,
        source_protocol_addr: ip,
        target_protocol_addr: target,
        ..
    }) = packet
    else {
        return Err(|c| &mut c.drop_arp_malformed);
    };
    let Some(address) = iface.address else { return Err(|c| &mut c.drop_ip_no_address) };
    if !mac.is_unicast() || mac == iface.mac || !is_neighbor(ip) || !address.is_on_link(ip) || address.is_broadcast(ip)
    {
        return Err(|c| &mut c.drop_arp_bad_sender);
    }
    if ip == address.ip {
        iface.counters.arp_conflicts += 1;
        return Err(|c| &mut c.drop_arp_bad_sender);
    }
    let request = operation == ArpOperation::Request && target == address.ip;
    let known = iface.neighbors.learn(ip, mac, now, if request { Source::Request } else { Source::Other });
    match operation {
        ArpOperation::Request if request => {
            iface.counters.arp_replies += 1;
            emit(iface, Interface::recycle(buf), mac, ArpOperation::Reply, (mac, ip));
        }
        ArpOperation::Reply if !known => return Err(|c| &mut c.drop_arp_unsolicited),
        _ if !known => return Err(|c| &mut c.drop_arp_not_for_us),
        _ => {}
    }
    Ok(())
}

/// Asks for the link address of `ip`.
pub(crate) fn request(iface: &mut Interface, ip: Ipv4Addr) {
    let Some(buf) = iface.alloc() else { return };
    iface.counters.arp_requests += 1;
    emit(iface, buf, Mac::BROADCAST, ArpOperation::Request, (Mac([0; 6]), ip));
}

/// Announces our own address (RFC 5227, section 2.3).
pub(crate) fn announce(iface: &mut Interface) {
    if let Some(address) = iface.address {
        request(iface, address.ip);
    }
}

fn is_neighbor(ip: Ipv4Addr) -> bool {
    !ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback() && ip.octets()[0] < 240
}

/// Queues a packet in an empty buffer.
fn emit(iface: &mut Interface, mut buf: PktBuf, dst: Mac, operation: ArpOperation, target: (Mac, Ipv4Addr)) {
    let Some(address) = iface.address else { return };
    let repr = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: iface.mac,
        source_protocol_addr: address.ip,
        target_hardware_addr: target.0,
        target_protocol_addr: target.1,
    };
    let Some(bytes) = buf.append(repr.buffer_len()) else { return };
    repr.emit(&mut ArpPacket::new_unchecked(bytes));
    if iface.encapsulate_ethernet(&mut buf, dst, Payload::Arp).is_some() {
        iface.reply(buf);
    }
}
