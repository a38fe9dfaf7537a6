//! IPv4 (RFC 791) without fragments: they are refused, and what we send may not be fragmented.

use core::net::Ipv4Addr;

use smoltcp::wire::Ipv4Packet;

use crate::address::Address;
use crate::checksum::Sum;
use crate::counters::Counters;

/// Bytes of the header that we send: no options.
pub(crate) const HEADER_LEN: usize = 20;

/// Protocol numbers.
pub(crate) mod protocol {
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
}

/// The header of a packet that passed every check but that of its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Source address: unicast, or unspecified from a host without one.
    pub(crate) src: Ipv4Addr,
    /// Destination address.
    pub(crate) dst: Ipv4Addr,
    /// Protocol number.
    pub(crate) protocol: u8,
    /// Bytes before the payload.
    pub(crate) header_len: usize,
    /// Bytes of header and payload; what follows in the frame is padding.
    pub(crate) total_len: usize,
}

/// Checks a packet's header, or names the counter to drop it under.
pub(crate) fn parse(bytes: &[u8]) -> Result<Header, fn(&mut Counters) -> &mut u64> {
    let packet = match Ipv4Packet::new_checked(bytes) {
        Ok(packet) if packet.version() == 4 => packet,
        _ => return Err(|c| &mut c.drop_ip_malformed),
    };
    let header_len = usize::from(packet.header_len());
    if !Sum::new().add(&bytes[..header_len]).is_valid() {
        return Err(|c| &mut c.drop_ip_checksum);
    }
    if packet.more_frags() || packet.frag_offset() != 0 {
        return Err(|c| &mut c.drop_ip_fragment);
    }
    let src = packet.src_addr();
    if !is_host(src) && !src.is_unspecified() {
        return Err(|c| &mut c.drop_ip_bad_source);
    }
    Ok(Header {
        src,
        dst: packet.dst_addr(),
        protocol: packet.next_header().into(),
        header_len,
        total_len: usize::from(packet.total_len()),
    })
}

impl Header {
    /// Whether the packet is for the host of `address`, by unicast, from a host that can be answered.
    pub(crate) fn is_unicast_for(&self, address: &Address) -> Result<(), fn(&mut Counters) -> &mut u64> {
        if self.dst != address.ip {
            return Err(|c| &mut c.drop_ip_not_for_us);
        }
        if self.src == address.ip || self.src.octets()[0] == 0 || address.is_broadcast(self.src) {
            return Err(|c| &mut c.drop_ip_bad_source);
        }
        Ok(())
    }
}

/// Whether a host can have an address (RFC 1122, section 3.2.1.3; RFC 1812, section 5.3.7): not in networks 0 and 127, no group, and
/// not reserved.
pub(crate) fn is_host(ip: Ipv4Addr) -> bool {
    !matches!(ip.octets()[0], 0 | 127 | 224..)
}

/// Writes a header: TTL 64, no options, may not be fragmented and hence without an identification (RFC 6864).
pub(crate) fn emit(header: &mut [u8; HEADER_LEN], src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, payload_len: usize) {
    let total_len = (HEADER_LEN + payload_len) as u16;
    *header = [0; HEADER_LEN];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&total_len.to_be_bytes());
    header[6] = 0x40; // don't fragment
    header[8] = 64;
    header[9] = protocol;
    header[12..16].copy_from_slice(&src.octets());
    header[16..20].copy_from_slice(&dst.octets());
    let checksum = Sum::new().add(header).checksum();
    header[10..12].copy_from_slice(&checksum);
}
