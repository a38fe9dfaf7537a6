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
    /// Reads the header at the beginning of `bytes`; `None` if they are too short for one.
    pub(super) fn parse(bytes: &[u8]) -> Option<Received> {
        let header = bytes.first_chunk::<HEADER_BYTES>()?;
        Some(Received { flags: header[0], num_buffers: u16::from_le_bytes([header[10], header[11]]) })
    }
}

/// The three words that a header consists of.
pub(super) type Words = [u32; HEADER_BYTES / 4];

/// `gso_type`: TCP over IPv4.
const GSO_TCPV4: u32 = 1;
/// `gso_type`: with ECN's CWR flag, which only the first piece is to have.
const GSO_ECN: u32 = 0x80;

/// The header of a frame to transmit whole.
pub(super) fn to_transmit(checksum: Checksum) -> Words {
    match checksum {
        Checksum::None | Checksum::Verified => [0; 3],
        Checksum::Partial { start, field } => [u32::from(NEEDS_CSUM), u32::from(start) << 16, u32::from(field)],
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
    let [flags, start, field] = whole;
    let first = flags | gso_type << 8 | u32::from(segmentation.header_bytes) << 16;
    [first, start | u32::from(segmentation.payload_bytes.get()), field]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_checksum_is_described() {
        let words = to_transmit(Checksum::Partial { start: 34, field: 16 });
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(bytes, [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0]);
        assert_eq!(to_transmit(Checksum::None), [0; 3]);
    }

    #[test]
    fn a_segment_to_cut_is_described() {
        let segmentation = Segmentation { header_bytes: 66, payload_bytes: 1448.try_into().unwrap() };
        let whole = to_transmit(Checksum::Partial { start: 34, field: 16 });
        let bytes = |cwr| to_cut(whole, segmentation, cwr).map(u32::to_le_bytes).concat();
        assert_eq!(bytes(Cwr::Clear), [1, 1, 66, 0, 0xa8, 0x05, 34, 0, 16, 0, 0, 0]);
        assert_eq!(bytes(Cwr::Set)[..2], [1, 0x81]);
    }

    #[test]
    fn a_header_needs_its_bytes() {
        assert_eq!(Received::parse(&[0; 11]), None);
        let header = Received::parse(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 1, 9]).unwrap();
        assert_eq!(header, Received { flags: DATA_VALID, num_buffers: 0x103 });
    }
}
