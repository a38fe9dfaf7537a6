//! What precedes each frame (virtio 1.2, section 5.1.6), as the device sees it.

use netdrv::pktbuf::Checksum;

/// Bytes of it.
pub(super) const HEADER_BYTES: usize = 12;

/// `flags`: the transport checksum is partial, or checked.
const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;
/// `gso_type`: the frame goes out as it is.
const GSO_NONE: u8 = 0;

/// Where `csum_start`, `csum_offset` and `num_buffers` begin.
const CSUM_START: usize = 6;
const CSUM_OFFSET: usize = 8;
const NUM_BUFFERS: usize = 10;

/// The header of a frame from the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    flags: u8,
}

impl Header {
    /// Reads it; `None` if it asks for what was not offered.
    #[inline]
    pub(super) fn parse(bytes: &[u8; HEADER_BYTES]) -> Option<Header> {
        let [flags, gso_type, ..] = *bytes;
        (gso_type == GSO_NONE && flags & !(NEEDS_CSUM | DATA_VALID) == 0).then_some(Header { flags })
    }

    /// Whether the checksum was left to us.
    #[inline]
    pub(super) fn is_partial(self) -> bool {
        self.flags & NEEDS_CSUM != 0
    }

    /// The header of a frame to the guest, which is one buffer. A partial checksum is left as it is: the guest knows that the
    /// frame never was on a wire.
    #[inline]
    pub(super) fn to_guest(checksum: Checksum) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[NUM_BUFFERS] = 1;
        match checksum {
            Checksum::None => {}
            Checksum::Verified => bytes[0] = DATA_VALID,
            Checksum::Partial { start, field } => {
                bytes[0] = NEEDS_CSUM;
                bytes[CSUM_START] = start;
                bytes[CSUM_OFFSET] = field;
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_written() {
        let partial = Header::to_guest(Checksum::Partial { start: 34, field: 16 });
        assert_eq!(partial, [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 1, 0]);
        assert!(Header::parse(&partial).unwrap().is_partial());
        assert!(!Header::parse(&Header::to_guest(Checksum::None)).unwrap().is_partial());
        assert_eq!(Header::to_guest(Checksum::Verified)[0], DATA_VALID);
        for bad in [[0, 1], [1, 0x81], [4, 0], [0xff, 0]] {
            let mut bytes = [0; HEADER_BYTES];
            bytes[..2].copy_from_slice(&bad);
            assert_eq!(Header::parse(&bytes), None, "{bad:?}");
        }
    }
}
