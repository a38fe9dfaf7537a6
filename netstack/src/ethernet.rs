//! Ethernet II. 802.1Q tags are not taken yet.

pub(crate) use smoltcp::wire::EthernetAddress as Mac;
use smoltcp::wire::{EthernetFrame, EthernetProtocol};

use crate::counters::DropCounter;

/// Bytes of the header.
pub(crate) const HEADER_LEN: usize = 14;

/// 802.1Q and 802.1ad tags.
const TAGGED: [u16; 2] = [0x8100, 0x88a8];

/// What a frame for us carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// ARP.
    Arp,
    /// IPv4.
    Ipv4,
}

/// Looks at a frame's header: its sender and what it carries, or the counter to drop it under.
pub(crate) fn parse(bytes: &[u8], own: Mac) -> Result<(Mac, Payload), DropCounter> {
    let frame = EthernetFrame::new_checked(bytes).map_err(|_| {
        let drop: DropCounter = |c| &mut c.drop_eth_truncated;
        drop
    })?;
    if frame.dst_addr() != own && !frame.dst_addr().is_broadcast() {
        return Err(|c| &mut c.drop_eth_not_for_us);
    }
    match frame.ethertype() {
        EthernetProtocol::Arp => Ok((frame.src_addr(), Payload::Arp)),
        EthernetProtocol::Ipv4 => Ok((frame.src_addr(), Payload::Ipv4)),
        EthernetProtocol::Unknown(tag) if TAGGED.contains(&tag) => Err(|c| &mut c.drop_eth_vlan),
        _ => Err(|c| &mut c.drop_eth_unknown_type),
    }
}

/// Writes a header to the first [`HEADER_LEN`] bytes.
pub(crate) fn emit(header: &mut [u8; HEADER_LEN], src: Mac, dst: Mac, payload: Payload) {
    header[0..6].copy_from_slice(&dst.0);
    header[6..12].copy_from_slice(&src.0);
    header[12..14].copy_from_slice(match payload {
        Payload::Arp => &[0x08, 0x06],
        Payload::Ipv4 => &[0x08, 0x00],
    });
}
