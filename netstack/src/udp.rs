//! UDP (RFC 768), as far as the DHCP client needs it. Sockets for the app come later.

use core::net::{Ipv4Addr, SocketAddrV4};

use netdrv::pktbuf::{Checksum, PktBuf};
use smoltcp::wire::UdpPacket;

use crate::checksum::Sum;
use crate::counters::DropReason;
use crate::ipv4::{Header, protocol};

const HEADER_LEN: usize = 8;

/// Ports of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) src: u16,
    pub(crate) dst: u16,
}

/// Checks a datagram and strips its header from `buf`.
pub(crate) fn parse(header: &Header, buf: &mut PktBuf) -> Result<Ports, DropReason> {
    let Ok(packet) = UdpPacket::new_checked(buf.bytes()) else {
        return Err(|c| &mut c.drop_udp_malformed);
    };
    let ports = Ports { src: packet.src_port(), dst: packet.dst_port() };
    let len = packet.len();
    // A checksum of zero means that there is none.
    if packet.checksum() != 0 && buf.checksum() != Checksum::Verified {
        let pseudo_header = Sum::pseudo_header(header.src, header.dst, protocol::UDP, len);
        if !pseudo_header.add(&buf.bytes()[..len.into()]).is_valid() {
            return Err(|c| &mut c.drop_udp_checksum);
        }
    }
    buf.truncate(len.into());
    buf.trim_front(HEADER_LEN);
    Ok(ports)
}

/// Puts a header before a payload.
pub(crate) fn emit(buf: &mut PktBuf, src: SocketAddrV4, dst: SocketAddrV4) -> Option<()> {
    let len = (HEADER_LEN + buf.len()) as u16;
    let header = buf.prepend(HEADER_LEN)?;
    header[0..2].copy_from_slice(&src.port().to_be_bytes());
    header[2..4].copy_from_slice(&dst.port().to_be_bytes());
    header[4..6].copy_from_slice(&len.to_be_bytes());
    header[6..8].fill(0);
    let checksum = checksum(*src.ip(), *dst.ip(), buf.bytes());
    buf.bytes_mut()?[6..8].copy_from_slice(&checksum);
    Some(())
}

/// The checksum of a datagram; a sum of zero is sent as all ones.
fn checksum(src: Ipv4Addr, dst: Ipv4Addr, datagram: &[u8]) -> [u8; 2] {
    match Sum::pseudo_header(src, dst, protocol::UDP, datagram.len() as u16).add(datagram).checksum() {
        [0, 0] => [0xff, 0xff],
        checksum => checksum,
    }
}
