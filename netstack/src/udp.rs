//! UDP (RFC 768): datagrams from and to the app, and those of DHCP.

use alloc::vec::Vec;
use core::net::SocketAddrV4;

use netdrv::nic::TxChecksum;
use netdrv::pktbuf::{Checksum, PktBuf};

use crate::checksum::Sum;
use crate::counters::{Counters, DropCounter};
use crate::ipv4::{self, protocol};
use crate::link::Link;
use crate::time::Instant;

/// Bytes of the header.
pub(crate) const HEADER_LEN: usize = 8;
/// Offset of the checksum.
const CHECKSUM: usize = 6;

/// The header of a datagram that passed every check but that of its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    /// Bytes of header and payload.
    pub(crate) len: usize,
}

/// The ports that the app listens on.
pub(crate) struct Udp {
    ports: Vec<u16>,
    mtu: u16,
    tx_checksum: TxChecksum,
}

/// A datagram that the app sends.
pub(crate) struct Datagram {
    pub(crate) local_port: u16,
    pub(crate) remote: SocketAddrV4,
    pub(crate) payload: PktBuf,
}

impl Udp {
    pub(crate) fn new(ports: &[u16], mtu: u16, tx_checksum: TxChecksum) -> Udp {
        Udp { ports: ports.to_vec(), mtu, tx_checksum }
    }

    /// Changes the largest IP packet to be sent.
    pub(crate) fn set_mtu(&mut self, mtu: u16) {
        self.mtu = mtu;
    }

    /// Whether the app listens on `port`.
    pub(crate) fn is_bound(&self, port: u16) -> bool {
        self.ports.contains(&port)
    }

    /// Sends a datagram of the app. One that breaks the contract is dropped and counted.
    pub(crate) fn send(&self, datagram: Datagram, link: &mut Link, now: Instant, counters: &mut Counters) {
        let Datagram { local_port, remote, payload: mut packet } = datagram;
        let Some(own) = link.address() else { return counters.count(|c| &mut c.drop_no_route) };
        let is_bound = self.is_bound(local_port) && remote.port() != 0;
        let fits = packet.len() + HEADER_LEN + ipv4::HEADER_LEN <= self.mtu.into();
        let is_host = !own.is_broadcast(*remote.ip()) && ipv4::is_host(*remote.ip()) && *remote.ip() != own.ip;
        let src = SocketAddrV4::new(own.ip, local_port);
        let start = (link.station().header_len() + ipv4::HEADER_LEN) as u8;
        let allowed = is_bound && fits && is_host;
        if !allowed || self.wrap(&mut packet, src, remote, start).is_none() {
            counters.app_violations += 1;
            return;
        }
        counters.udp_out += 1;
        link.send(*remote.ip(), packet, now, counters);
    }

    /// Writes UDP and IPv4 headers in front of a payload; `start` is where the UDP header will lie in the frame.
    fn wrap(&self, packet: &mut PktBuf, src: SocketAddrV4, dst: SocketAddrV4, start: u8) -> Option<()> {
        packet.prepend(HEADER_LEN)?;
        let len = packet.len();
        emit(packet.bytes_mut()?, src, dst, self.tx_checksum);
        let header = packet.prepend(ipv4::HEADER_LEN)?.first_chunk_mut()?;
        ipv4::emit(header, *src.ip(), *dst.ip(), protocol::UDP, len);
        packet.set_checksum(match self.tx_checksum {
            TxChecksum::Device => Checksum::Partial { start, field: CHECKSUM as u8 },
            TxChecksum::Software => Checksum::None,
        });
        Some(())
    }
}

/// Looks at a datagram's header, or names the counter to drop it under. `checksum` is what the device says of it.
pub(crate) fn parse(datagram: &[u8], ip: &ipv4::Header, checksum: Checksum) -> Result<Header, DropCounter> {
    let malformed: DropCounter = |c| &mut c.drop_udp_malformed;
    let header = datagram.first_chunk::<HEADER_LEN>().ok_or(malformed)?;
    let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let len = half(4);
    let datagram = datagram.get(..len.into()).filter(|datagram| datagram.len() >= HEADER_LEN).ok_or(malformed)?;
    // A checksum of zero means none.
    let is_summed = half(CHECKSUM) != 0 && checksum != Checksum::Verified;
    if is_summed && !Sum::pseudo_header(ip.src, ip.dst, protocol::UDP, len).add(datagram).is_valid() {
        return Err(|c| &mut c.drop_udp_checksum);
    }
    // A port of zero cannot be answered.
    if half(0) == 0 || half(2) == 0 {
        return Err(malformed);
    }
    Ok(Header { src_port: half(0), dst_port: half(2), len: len.into() })
}

/// Writes a header in front of the payload that follows it in `datagram`, with a checksum that is complete, or for the device
/// to complete.
pub(crate) fn emit(datagram: &mut [u8], src: SocketAddrV4, dst: SocketAddrV4, by: TxChecksum) {
    let len = datagram.len() as u16;
    datagram[0..2].copy_from_slice(&src.port().to_be_bytes());
    datagram[2..4].copy_from_slice(&dst.port().to_be_bytes());
    datagram[4..6].copy_from_slice(&len.to_be_bytes());
    datagram[CHECKSUM..HEADER_LEN].fill(0);
    let pseudo = Sum::pseudo_header(*src.ip(), *dst.ip(), protocol::UDP, len);
    let field = match by {
        TxChecksum::Device => pseudo.partial(),
        // All ones is the same number as zero, which would mean none.
        TxChecksum::Software => match pseudo.add(datagram).checksum() {
            [0, 0] => [0xff, 0xff],
            sum => sum,
        },
    };
    datagram[CHECKSUM..HEADER_LEN].copy_from_slice(&field);
}
