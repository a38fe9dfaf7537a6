//! UDP (RFC 768), as far as DHCP needs it.

use core::net::Ipv4Addr;

use crate::checksum::Sum;
use crate::counters::DropCounter;
use crate::ipv4::{Header, protocol};

/// Bytes of the header.
pub(crate) const HEADER_LEN: usize = 8;

/// The ports and the payload of a datagram, or the counter to drop it under.
pub(crate) fn parse<'a>(datagram: &'a [u8], ip: &Header) -> Result<(u16, u16, &'a [u8]), DropCounter> {
    let malformed: DropCounter = |c| &mut c.drop_udp_malformed;
    let header = datagram.first_chunk::<HEADER_LEN>().ok_or(malformed)?;
    let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let len = half(4);
    if usize::from(len) < HEADER_LEN {
        return Err(malformed);
    }
    let datagram = datagram.get(..len.into()).ok_or(malformed)?;
    // A checksum of zero means none.
    if half(6) != 0 && !Sum::pseudo_header(ip.src, ip.dst, protocol::UDP, len).add(datagram).is_valid() {
        return Err(|c| &mut c.drop_udp_checksum);
    }
    Ok((half(0), half(2), &datagram[HEADER_LEN..]))
}

/// Writes a header in front of the payload that follows it in `datagram`.
pub(crate) fn emit(datagram: &mut [u8], src: (Ipv4Addr, u16), dst: (Ipv4Addr, u16)) {
    let len = datagram.len() as u16;
    datagram[0..2].copy_from_slice(&src.1.to_be_bytes());
    datagram[2..4].copy_from_slice(&dst.1.to_be_bytes());
    datagram[4..6].copy_from_slice(&len.to_be_bytes());
    datagram[6..8].fill(0);
    let checksum = Sum::pseudo_header(src.0, dst.0, protocol::UDP, len).add(datagram).checksum();
    // All ones is the same number as zero, which would mean none.
    datagram[6..8].copy_from_slice(if checksum == [0, 0] { &[0xff, 0xff] } else { &checksum });
}
