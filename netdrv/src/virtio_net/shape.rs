//! What a frame asks of the device, and whether the device can do it.

use super::header::{Cwr, Words, to_cut, to_transmit};
use crate::pktbuf::{Attachment, Checksum, Fragment, PktBuf, Segmentation};
use crate::virtio::Features;

/// An Ethernet header: no frame is shorter.
const MIN_FRAME: usize = 14;
/// An Ethernet header, a VLAN tag and the largest IP packet: no frame is longer, before it is cut.
const MAX_FRAME: usize = 14 + 4 + 65_535;

/// Where a TCP header has its checksum and its flag CWR (RFC 3168, section 6.1), in bytes from its start.
const TCP_CHECKSUM: u8 = 16;
const TCP_FLAGS: usize = 13;
const CWR: u8 = 0x80;
/// Bytes of the shortest TCP header.
const MIN_TCP_HEADER: usize = 20;

/// Why a frame cannot go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is no Ethernet frame.
    Length,
    /// The device does not complete its checksum.
    Checksum,
    /// The device cannot send what is attached to it, or not cut it so.
    Attachment,
}

/// The virtio header of a frame whose headers lie in its first `len` bytes, but for what is attached to it.
#[inline]
pub(super) fn plain_header(len: usize, checksum: Checksum, features: Features) -> Result<Words, Unfit> {
    if len < MIN_FRAME {
        return Err(Unfit::Length);
    }
    if let Checksum::Partial { start, field } = checksum {
        let within = usize::from(start) + usize::from(field) + 2 <= len;
        if !within || !features.contains(Features::NET_CSUM) {
            return Err(Unfit::Checksum);
        }
    }
    Ok(to_transmit(checksum))
}

/// How a frame that has an attachment goes into the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// The virtio header.
    pub(super) header: Words,
    /// What follows the bytes of the buffer, not empty.
    pub(super) body: Option<Fragment>,
    /// Bytes of the whole frame.
    pub(super) len: usize,
}

impl Shape {
    /// The shape of `frame` for a device with these features.
    pub(super) fn of(frame: &PktBuf, features: Features) -> Result<Shape, Unfit> {
        let plain = plain_header(frame.len(), frame.checksum(), features)?;
        let Attachment { body, segmentation } = frame.attachment().unwrap_or_default();
        let body = body.filter(|body| !body.is_empty());
        let len = frame.len() + body.map_or(0, |body| body.len());
        if len > MAX_FRAME {
            return Err(Unfit::Attachment);
        }
        let header = match segmentation {
            // What fits one piece is not cut: devices take it for an error.
            Some(cut) if len > usize::from(cut.header_bytes) + usize::from(cut.payload_bytes.get()) => {
                let cwr = judge_cut(cut, frame, features).ok_or(Unfit::Attachment)?;
                to_cut(plain, cut, cwr)
            }
            _ => plain,
        };
        Ok(Shape { header, body, len })
    }

    /// Slots of the ring that it takes.
    pub(super) fn slots(&self) -> u16 {
        if self.body.is_some() { 2 } else { 1 }
    }
}

/// Whether a frame that the device can cut so has the flag CWR, which it then must know to keep from all pieces but the
/// first. (A device that was not told repeats it, which does no harm.)
fn judge_cut(cut: Segmentation, frame: &PktBuf, features: Features) -> Option<Cwr> {
    let Checksum::Partial { start, field: TCP_CHECKSUM } = frame.checksum() else { return None };
    let tcp = usize::from(start);
    let headers = usize::from(cut.header_bytes);
    let consistent = tcp + MIN_TCP_HEADER <= headers && headers <= frame.len();
    if !consistent || !features.contains(Features::NET_HOST_TSO4) {
        return None;
    }
    let reduced = frame.bytes().get(tcp + TCP_FLAGS)? & CWR != 0;
    Some(if reduced && features.contains(Features::NET_HOST_ECN) { Cwr::Set } else { Cwr::Clear })
}
