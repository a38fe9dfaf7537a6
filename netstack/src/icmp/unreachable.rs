//! Errors that we send: nobody takes what a packet carries (RFC 1122, section 3.2.2.1).

use super::{HEADER_LEN, Icmp, Out, kind, send, wrap};
use crate::ethernet::Mac;
use crate::ipv4::Header;
use crate::link::Link;

/// Bytes quoted beyond the IPv4 header (RFC 792): no more, so that we send no more than we got.
const QUOTED_LEN: usize = 8;

/// What is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The protocol.
    Protocol = 2,
    /// The port.
    Port = 3,
}

impl Icmp {
    /// Answers `packet`, which came from the station `to` and passed all checks: it was sent to us alone, by a host, and is
    /// no ICMP message.
    pub(crate) fn unreachable(
        &mut self,
        code: Code,
        packet: &[u8],
        ip: &Header,
        to: Mac,
        link: &mut Link,
        out: &mut Out<'_>,
    ) {
        if !self.errors.allow(out.now) {
            out.counters.icmp_suppressed += 1;
            return;
        }
        let quote = &packet[..packet.len().min(ip.header_len + QUOTED_LEN)];
        let error = out.pool.alloc().and_then(|mut error| {
            let header = error.append(HEADER_LEN)?;
            header.fill(0);
            (header[0], header[1]) = (kind::UNREACHABLE, code as u8);
            error.extend_from_slice(quote)?;
            wrap(error, ip, to, link)
        });
        if send(error, link, out) {
            out.counters.icmp_unreachables += 1;
        }
    }
}
