//! Errors that come back about what we sent (RFC 792, RFC 1122, section 3.2.2, RFC 1191).
//!
//! Anybody can make one up. What it quotes is only taken apart here; TCP believes it only about a segment in flight
//! (RFC 5927, section 4.1).

use core::net::Ipv4Addr;

use super::{HEADER_LEN, kind};
use crate::counters::DropCounter;
use crate::ipv4::{self, protocol};

/// Ports and sequence number: what is quoted of a segment at least.
const QUOTED_LEN: usize = 8;

/// The least path MTU that is believed (552, as in other stacks: a segment of 512 bytes). A path that takes less cannot carry
/// our packets, which may not be fragmented.
const LEAST_PATH_MTU: u16 = 552;

/// Likely MTUs of a path (RFC 1191, section 7.1), for routers that do not say theirs.
const PLATEAUS: &[u16] = &[32_000, 17_914, 8166, 4352, 2002, 1492, 1006, LEAST_PATH_MTU];

/// An error about a segment of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) kind: Kind,
    /// Whom the segment was for, its ports, and its sequence number.
    pub(crate) remote: Ipv4Addr,
    pub(crate) local_port: u16,
    pub(crate) remote_port: u16,
    pub(crate) seq: u32,
}

/// What happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It was too big for a link on the way, which takes packets of `mtu` bytes.
    TooBig {
        /// At least 552 bytes.
        mtu: u16,
    },
    /// The host has no TCP, or nobody at the port.
    Hard,
    /// It did not arrive, which may pass.
    Soft,
}

/// Takes an error apart: its header, and what it quotes of a packet of `own`; or names the counter to drop it under.
pub(super) fn parse(header: &[u8; HEADER_LEN], quote: &[u8], own: Ipv4Addr) -> Result<Error, DropCounter> {
    let malformed: DropCounter = |c| &mut c.drop_icmp_malformed;
    let ip = quote.first_chunk::<{ ipv4::HEADER_LEN }>().ok_or(malformed)?;
    let half = |bytes: &[u8], at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let header_len = usize::from(ip[0] & 0x0f) * 4;
    let segment = quote.get(header_len..).and_then(|rest| rest.first_chunk::<QUOTED_LEN>()).ok_or(malformed)?;
    if ip[0] >> 4 != 4 || header_len < ipv4::HEADER_LEN {
        return Err(malformed);
    }
    let address = |at: usize| Ipv4Addr::new(ip[at], ip[at + 1], ip[at + 2], ip[at + 3]);
    let is_fragment = half(ip, 6) & 0x3fff != 0;
    if ip[9] != protocol::TCP || address(12) != own || is_fragment {
        return Err(|c| &mut c.drop_icmp_ignored);
    }
    let kind = match (header[0], header[1]) {
        (kind::UNREACHABLE, 4) => Kind::TooBig { mtu: path_mtu(half(header, 6), half(ip, 2)).ok_or(malformed)? },
        (kind::UNREACHABLE, 2 | 3) => Kind::Hard,
        (kind::UNREACHABLE, 0..=15) | (kind::TIME_EXCEEDED, 0..=1) | (kind::PARAMETER_PROBLEM, 0..=2) => Kind::Soft,
        _ => return Err(|c| &mut c.drop_icmp_ignored),
    };
    Ok(Error {
        kind,
        remote: address(16),
        local_port: half(segment, 0),
        remote_port: half(segment, 2),
        seq: u32::from_be_bytes([segment[4], segment[5], segment[6], segment[7]]),
    })
}

/// The MTU of a path that did not take a packet of `sent` bytes, whose router says `told`. `None` if that cannot be: a packet that
/// fits is not too big.
fn path_mtu(told: u16, sent: u16) -> Option<u16> {
    let mtu = match told {
        0 => *PLATEAUS.iter().find(|plateau| **plateau < sent)?,
        told => told.max(LEAST_PATH_MTU),
    };
    (mtu < sent).then_some(mtu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_narrower_than_what_it_did_not_take() {
        assert_eq!(path_mtu(1400, 1500), Some(1400));
        assert_eq!(path_mtu(1500, 1500), None);
        assert_eq!(path_mtu(65_535, 1500), None);
        assert_eq!(path_mtu(1, 1500), Some(552));
        assert_eq!(path_mtu(68, 553), Some(552));
        assert_eq!(path_mtu(68, 552), None);
        assert_eq!(path_mtu(0, 1500), Some(1492));
        assert_eq!(path_mtu(0, 1492), Some(1006));
        assert_eq!(path_mtu(0, 1006), Some(552));
        assert_eq!(path_mtu(0, 552), None);
        assert_eq!(path_mtu(0, 40), None);
    }
}
