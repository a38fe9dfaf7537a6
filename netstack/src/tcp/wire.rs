//! Segments on the wire (RFC 9293, section 3.1): checked and read, or written before a payload in place.

use core::net::Ipv4Addr;

use bitflags::bitflags;
use netdrv::nic::TxChecksum;
use netdrv::pktbuf::{Checksum, PktBuf};
use smoltcp::wire::TcpPacket;

use super::flow_table::FlowKey;
use super::options::SynOptions;
use super::seq::SeqNum;
use crate::checksum::Sum;
use crate::counters::DropReason;
use crate::ethernet::{self, Mac};
use crate::interface::Interface;
use crate::ipv4::{self, protocol};

/// Bytes of a header without options.
const HEADER_LEN: usize = 20;
/// Where the checksum is in it.
const CHECKSUM_OFFSET: usize = 16;
/// Bytes before the payload of a segment without options.
pub(super) const HEADERS_LEN: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN + HEADER_LEN;

bitflags! {
    /// Control bits.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Control: u8 {
        const FIN = 0x01;
        const SYN = 0x02;
        const RST = 0x04;
        const PSH = 0x08;
        const ACK = 0x10;
    }
}

/// A received segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) key: FlowKey,
    pub(super) seq: SeqNum,
    /// Means something only with [`Control::ACK`].
    pub(super) ack: SeqNum,
    pub(super) control: Control,
    /// As sent, not scaled.
    pub(super) window: u16,
    /// Read from SYN segments only.
    pub(super) options: SynOptions,
    /// Bytes of payload.
    pub(super) payload_len: u32,
}

impl Segment {
    /// Its length in sequence numbers: SYN and FIN count.
    pub(super) fn len(&self) -> u32 {
        self.payload_len + u32::from(self.has(Control::SYN)) + u32::from(self.has(Control::FIN))
    }

    /// Whether all of these control bits are set.
    pub(super) fn has(&self, control: Control) -> bool {
        self.control.contains(control)
    }
}

/// Checks a segment from `header.src` and strips its header from `buf`.
pub(super) fn parse(header: &ipv4::Header, buf: &mut PktBuf) -> Result<Segment, DropReason> {
    let Ok(packet) = TcpPacket::new_checked(buf.bytes()) else {
        return Err(|c| &mut c.drop_tcp_malformed);
    };
    if buf.checksum() != Checksum::Verified {
        let pseudo_header = Sum::pseudo_header(header.src, header.dst, protocol::TCP, buf.len() as u16);
        if !pseudo_header.add(buf.bytes()).is_valid() {
            return Err(|c| &mut c.drop_tcp_checksum);
        }
    }
    let control = Control::from_bits_truncate(buf.bytes()[13]);
    let key = FlowKey { remote_ip: header.src, remote_port: packet.src_port(), local_port: packet.dst_port() };
    let contradictory = control.contains(Control::SYN) && control.intersects(Control::FIN | Control::RST);
    if key.remote_port == 0 || key.local_port == 0 || contradictory {
        return Err(|c| &mut c.drop_tcp_malformed);
    }
    let header_len = usize::from(packet.header_len());
    let segment = Segment {
        key,
        seq: SeqNum(packet.seq_number().0 as u32),
        ack: SeqNum(packet.ack_number().0 as u32),
        control,
        window: packet.window_len(),
        options: match control.contains(Control::SYN) {
            true => SynOptions::parse(&buf.bytes()[HEADER_LEN..header_len]),
            false => SynOptions::default(),
        },
        payload_len: (buf.len() - header_len) as u32,
    };
    buf.trim_front(header_len);
    Ok(segment)
}

/// The header of a segment to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) seq: SeqNum,
    pub(super) ack: SeqNum,
    pub(super) control: Control,
    /// As sent, scaled already.
    pub(super) window: u16,
    pub(super) options: SynOptions,
}

/// Puts TCP, IPv4 and Ethernet headers before the payload in `buf`. `None`, with the buffer in any state, if it has no
/// headroom or is shared.
pub(super) fn emit(iface: &Interface, buf: &mut PktBuf, mac: Mac, key: FlowKey, header: Header) -> Option<()> {
    let local_ip = iface.address.map_or(Ipv4Addr::UNSPECIFIED, |address| address.ip);
    let mut options = [0; super::options::MAX_LEN];
    let options_len = header.options.emit(&mut options);
    let header_len = HEADER_LEN + options_len;
    let bytes = buf.prepend(header_len)?;
    bytes[0..2].copy_from_slice(&key.local_port.to_be_bytes());
    bytes[2..4].copy_from_slice(&key.remote_port.to_be_bytes());
    bytes[4..8].copy_from_slice(&header.seq.0.to_be_bytes());
    bytes[8..12].copy_from_slice(&header.ack.0.to_be_bytes());
    bytes[12] = (header_len as u8 / 4) << 4;
    bytes[13] = header.control.bits();
    bytes[14..16].copy_from_slice(&header.window.to_be_bytes());
    bytes[16..20].fill(0);
    bytes[HEADER_LEN..].copy_from_slice(&options[..options_len]);
    fill_checksum(iface.tx_checksum, buf, local_ip, key.remote_ip)?;
    iface.encapsulate(buf, mac, key.remote_ip, protocol::TCP)
}

/// Writes the checksum, or what the device needs to write it.
fn fill_checksum(by: TxChecksum, buf: &mut PktBuf, src: Ipv4Addr, dst: Ipv4Addr) -> Option<()> {
    let pseudo_header = Sum::pseudo_header(src, dst, protocol::TCP, buf.len() as u16);
    let (field, state) = match by {
        TxChecksum::Software => (pseudo_header.add(buf.bytes()).checksum(), Checksum::None),
        TxChecksum::Device => {
            let start = (ethernet::HEADER_LEN + ipv4::HEADER_LEN) as u8;
            (pseudo_header.partial(), Checksum::Partial { start, field: CHECKSUM_OFFSET as u8 })
        }
    };
    buf.bytes_mut()?[CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2].copy_from_slice(&field);
    buf.set_checksum(state);
    Some(())
}
