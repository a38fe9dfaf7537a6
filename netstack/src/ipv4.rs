//! IPv4 (RFC 791) without fragments: they are refused, and what we send may not be fragmented.

use core::net::Ipv4Addr;

use smoltcp::wire::Ipv4Packet;

use crate::address::Address;
use crate::checksum::Sum;
use crate::counters::DropCounter;
use crate::ethernet::Cast;

/// Bytes of the header that we send: no options.
pub(crate) const HEADER_LEN: usize = 20;

/// Protocol numbers.
pub(crate) mod protocol {
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
}

/// Kinds of options.
mod option {
    pub(super) const END: u8 = 0;
    pub(super) const NOP: u8 = 1;
    pub(super) const LOOSE_SOURCE_ROUTE: u8 = 131;
    pub(super) const STRICT_SOURCE_ROUTE: u8 = 137;
}

/// The codepoints of explicit congestion notification (RFC 3168, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codepoint {
    /// Not-ECT: routers drop it where they would mark others.
    NotCapable,
    /// ECT(0), which is what we send, or ECT(1).
    Capable,
    /// CE: marked by a router.
    Congested,
}

impl Codepoint {
    /// From the two bits of the header.
    fn of(bits: u8) -> Codepoint {
        match bits & 3 {
            0 => Codepoint::NotCapable,
            3 => Codepoint::Congested,
            _ => Codepoint::Capable,
        }
    }
}

/// Says in a header that was just written what routers may make of the packet.
pub(crate) fn set_codepoint(header: &mut [u8; HEADER_LEN], mark: Codepoint) {
    header[1] = match mark {
        Codepoint::NotCapable => 0,
        Codepoint::Capable => 2,
        Codepoint::Congested => 3,
    };
    header[10..12].fill(0);
    let checksum = Sum::new().add(header).checksum();
    header[10..12].copy_from_slice(&checksum);
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
    /// What routers have made of it.
    pub(crate) mark: Codepoint,
}

/// Checks a packet's header, or names the counter to drop it under.
pub(crate) fn parse(bytes: &[u8]) -> Result<Header, DropCounter> {
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
    check_options(&bytes[HEADER_LEN..header_len])?;
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
        mark: Codepoint::of(packet.ecn()),
    })
}

/// Options mean nothing here and are skipped, but they have to be options; and none may say which way the answer has to take
/// (RFC 7126, section 4.3 and 4.4).
fn check_options(mut options: &[u8]) -> Result<(), DropCounter> {
    loop {
        options = match *options {
            [] | [option::END, ..] => return Ok(()),
            [option::NOP, ref rest @ ..] => rest,
            [option::LOOSE_SOURCE_ROUTE | option::STRICT_SOURCE_ROUTE, ..] => {
                return Err(|c| &mut c.drop_ip_source_route);
            }
            [_, len, ..] if len >= 2 && usize::from(len) <= options.len() => &options[len.into()..],
            _ => return Err(|c| &mut c.drop_ip_malformed),
        };
    }
}

impl Header {
    /// Whether the packet is for the host of `address`, by unicast, from a host that can be answered.
    pub(crate) fn is_unicast_for(&self, address: &Address, cast: Cast) -> Result<(), DropCounter> {
        if self.dst != address.ip {
            return Err(|c| &mut c.drop_ip_not_for_us);
        }
        // To us, but sent to everybody: RFC 1122, section 3.3.6.
        if cast == Cast::Broadcast {
            return Err(|c| &mut c.drop_ip_link_broadcast);
        }
        let is_host = !address.is_broadcast(self.src) && !address.is_network(self.src);
        if self.src == address.ip || self.src.is_unspecified() || !is_host {
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
