//! What precedes each frame in a buffer (virtio 1.2, section 5.1.6).
//!
//! ```text
//! 0      1         2        4         6           8             10            12
//! | flags | gso_type | hdr_len | gso_size | csum_start | csum_offset | num_buffers | frame
//! ```

use crate::pktbuf::{Checksum, Segmentation};

/// Bytes of the header.
pub(crate) const HEADER_BYTES: usize = 12;

/// `flags`: the transport checksum is partial. To transmit: complete it. Received: it never left the host.
pub(crate) const NEEDS_CSUM: u8 = 1;
/// `flags`: the device has checked the transport checksum.
pub(crate) const DATA_VALID: u8 = 2;

/// The header of a received frame, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) flags: u8,
    pub(super) num_buffers: u16,
}

impl Received {
    /// Reads a header.
    pub(super) fn parse(header: &[u8; HEADER_BYTES]) -> Received {
        Received { flags: header[0], num_buffers: u16::from_le_bytes([header[10], header[11]]) }
    }
}

/// A header to transmit as two words: its first 8 bytes, and its last 4 with what pads it.
pub(super) type Words = [u64; 2];

/// Where fields begin in the first word, in bits.
const GSO_TYPE: u32 = 8;
const HDR_LEN: u32 = 16;
const GSO_SIZE: u32 = 32;
const CSUM_START: u32 = 48;

/// `gso_type`: TCP over IPv4.
const GSO_TCPV4: u64 = 1;
/// `gso_type`: with ECN's CWR flag, which only the first piece is to have.
const GSO_ECN: u64 = 0x80;

/// The header of a frame to transmit whole.
pub(super) fn to_transmit(checksum: Checksum) -> Words {
    match checksum {
        Checksum::None | Checksum::Verified => [0; 2],
        Checksum::Partial { start, field } => [u64::from(NEEDS_CSUM) | u64::from(start) << CSUM_START, field.into()],
    }
}

/// Whether a frame that is cut has ECN's CWR flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cwr {
    Clear,
    Set,
}

/// The header of a TCP segment that the device cuts; `whole` is what it would have otherwise.
pub(super) fn to_cut(whole: Words, segmentation: Segmentation, cwr: Cwr) -> Words {
    let gso_type = if cwr == Cwr::Set { GSO_TCPV4 | GSO_ECN } else { GSO_TCPV4 };
    let Segmentation { header_bytes, payload_bytes } = segmentation;
    let [first, second] = whole;
    let cut = gso_type << GSO_TYPE | u64::from(header_bytes) << HDR_LEN | u64::from(payload_bytes.get()) << GSO_SIZE;
    [first | cut, second]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: Words) -> Vec<u8> {
        words.map(u64::to_le_bytes).concat()
    }

    #[test]
    fn a_partial_checksum_is_described() {
        let header = to_transmit(Checksum::Partial { start: 34, field: 16 });
        assert_eq!(bytes(header), [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(to_transmit(Checksum::None), [0; 2]);
    }

    #[test]
    fn a_segment_to_cut_is_described() {
        let segmentation = Segmentation { header_bytes: 66, payload_bytes: 1448.try_into().unwrap() };
        let whole = to_transmit(Checksum::Partial { start: 34, field: 16 });
        let cut = |cwr| bytes(to_cut(whole, segmentation, cwr));
        assert_eq!(cut(Cwr::Clear), [1, 1, 66, 0, 0xa8, 0x05, 34, 0, 16, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(cut(Cwr::Set)[..2], [1, 0x81]);
    }

    #[test]
    fn a_received_header_is_read() {
        let header = Received::parse(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 1]);
        assert_eq!(header, Received { flags: DATA_VALID, num_buffers: 0x103 });
    }
}
