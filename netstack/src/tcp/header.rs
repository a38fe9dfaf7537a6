//! The TCP header (RFC 9293, section 3.1).

use core::net::Ipv4Addr;

use super::options::Options;
use super::seq::SeqNum;
use crate::checksum::Sum;
use crate::counters::Counters;
use crate::ipv4::{Codepoint, protocol};

/// Bytes of a header without options.
pub(super) const HEADER_LEN: usize = 20;
/// Offset of the checksum.
pub(super) const CHECKSUM: usize = 16;

/// Control bits.
pub(super) mod flag {
    pub(in crate::tcp) const FIN: u8 = 0x01;
    pub(in crate::tcp) const SYN: u8 = 0x02;
    pub(in crate::tcp) const RST: u8 = 0x04;
    pub(in crate::tcp) const PSH: u8 = 0x08;
    pub(in crate::tcp) const ACK: u8 = 0x10;
    pub(in crate::tcp) const ECE: u8 = 0x40;
    pub(in crate::tcp) const CWR: u8 = 0x80;
}

/// The header of a segment that passed the checks that need no connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) src_port: u16,
    pub(super) dst_port: u16,
    pub(super) seq: SeqNum,
    pub(super) ack: SeqNum,
    pub(super) flags: u8,
    /// As on the wire, not scaled.
    pub(super) window: u16,
    /// Bytes before the payload.
    pub(super) header_len: usize,
    pub(super) options: Options,
    /// What routers have made of the packet.
    pub(super) mark: Codepoint,
}

impl Header {
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Parses the header of `segment`, checking its checksum against the pseudo-header if `verify`.
pub(super) fn parse(segment: &[u8], pseudo: Option<Sum>) -> Result<Header, fn(&mut Counters) -> &mut u64> {
    let malformed: fn(&mut Counters) -> &mut u64 = |c| &mut c.drop_tcp_malformed;
    let fixed = segment.first_chunk::<HEADER_LEN>().ok_or(malformed)?;
    let header_len = usize::from(fixed[12] >> 4) * 4;
    let options = segment.get(HEADER_LEN..header_len).ok_or(malformed)?;
    if pseudo.is_some_and(|pseudo| !pseudo.add(segment).is_valid()) {
        return Err(|c| &mut c.drop_tcp_checksum);
    }
    let word = |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let half = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    let flags = fixed[13];
    let exclusive = (flags & (flag::SYN | flag::FIN | flag::RST)).count_ones();
    if half(0) == 0 || half(2) == 0 || exclusive > 1 {
        return Err(malformed);
    }
    Ok(Header {
        src_port: half(0),
        dst_port: half(2),
        seq: SeqNum(word(4)),
        ack: SeqNum(word(8)),
        flags,
        window: half(14),
        header_len,
        options: Options::parse(options),
        mark: Codepoint::NotCapable,
    })
}

/// What a segment that we send says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    pub(crate) seq: SeqNum,
    pub(crate) ack: SeqNum,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    pub(crate) options: Options,
    /// What routers may make of the packet.
    pub(crate) mark: Codepoint,
}

impl Fields {
    /// Bytes of the header.
    pub(super) fn len(&self) -> usize {
        HEADER_LEN + self.options.len()
    }

    /// Writes the header, with a checksum of zero. `out` has [`Fields::len`] bytes.
    pub(super) fn emit(&self, out: &mut [u8]) {
        out[0..2].copy_from_slice(&self.src_port.to_be_bytes());
        out[2..4].copy_from_slice(&self.dst_port.to_be_bytes());
        out[4..8].copy_from_slice(&self.seq.0.to_be_bytes());
        out[8..12].copy_from_slice(&self.ack.0.to_be_bytes());
        out[12] = (out.len() as u8 / 4) << 4;
        out[13] = self.flags;
        out[14..16].copy_from_slice(&self.window.to_be_bytes());
        out[16..20].fill(0);
        self.options.emit(&mut out[HEADER_LEN..]);
    }
}

/// The pseudo-header of a segment of `len` bytes.
pub(super) fn pseudo_header(src: Ipv4Addr, dst: Ipv4Addr, len: usize) -> Sum {
    Sum::pseudo_header(src, dst, protocol::TCP, len as u16)
}
