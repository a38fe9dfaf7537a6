//! ICMP (RFC 792): echo requests are answered, errors about our segments are handed to TCP, and datagrams nobody takes are
//! answered by an error. All that is sent is rate-limited; whatever means nothing here is counted.

mod error;
mod unreachable;

use netdrv::pktbuf::{PktBuf, Pool};

use crate::checksum::Sum;
use crate::counters::Counters;
use crate::ethernet::{Mac, Payload};
use crate::ipv4::{self, Header, protocol};
use crate::link::Link;
use crate::rate_limit::RateLimit;
use crate::time::Instant;
pub(crate) use error::{Error, Kind};
pub(crate) use unreachable::Code;

const HEADER_LEN: usize = 8;

/// Message types (RFC 792).
mod kind {
    pub(super) const ECHO_REPLY: u8 = 0;
    pub(super) const UNREACHABLE: u8 = 3;
    pub(super) const ECHO_REQUEST: u8 = 8;
    pub(super) const TIME_EXCEEDED: u8 = 11;
    pub(super) const PARAMETER_PROBLEM: u8 = 12;
}

/// Echo replies a second, and errors (RFC 1812, section 4.3.2.8).
const ECHOES_PER_SECOND: u32 = 1000;
const ERRORS_PER_SECOND: u32 = 100;

/// What ICMP remembers: how much it has said.
pub(crate) struct Icmp {
    mtu: u16,
    echoes: RateLimit,
    errors: RateLimit,
}

impl Icmp {
    pub(crate) fn new(mtu: u16) -> Icmp {
        Icmp { mtu, echoes: RateLimit::new(ECHOES_PER_SECOND), errors: RateLimit::new(ERRORS_PER_SECOND) }
    }

    /// Takes a message from the station `from`. Returns what it says about a segment of ours, if anything.
    pub(crate) fn input(
        &mut self,
        message: &[u8],
        ip: &Header,
        from: Mac,
        link: &mut Link,
        out: &mut Out<'_>,
    ) -> Option<Error> {
        let Some(header) = message.first_chunk::<HEADER_LEN>() else {
            out.counters.drop_icmp_malformed += 1;
            return None;
        };
        if !Sum::new().add(message).is_valid() {
            out.counters.drop_icmp_checksum += 1;
            return None;
        }
        match header[0] {
            kind::ECHO_REQUEST if header[1] == 0 => {
                self.echo(message, ip, from, link, out);
                None
            }
            kind::UNREACHABLE | kind::TIME_EXCEEDED | kind::PARAMETER_PROBLEM => {
                let error = error::parse(header, &message[HEADER_LEN..], ip.dst);
                match error {
                    Ok(error) => Some(error),
                    Err(reason) => {
                        out.counters.count(reason);
                        None
                    }
                }
            }
            _ => {
                out.counters.drop_icmp_ignored += 1;
                None
            }
        }
    }

    fn echo(&mut self, message: &[u8], ip: &Header, to: Mac, link: &mut Link, out: &mut Out<'_>) {
        if message.len() + ipv4::HEADER_LEN > self.mtu.into() {
            out.counters.drop_icmp_malformed += 1; // the reply would need fragments
            return;
        }
        if !self.echoes.allow(out.now) {
            out.counters.icmp_suppressed += 1;
            return;
        }
        let reply = out.pool.alloc().and_then(|mut reply| {
            reply.extend_from_slice(message)?;
            reply.bytes_mut()?[0] = kind::ECHO_REPLY;
            wrap(reply, ip, to, link)
        });
        if send(reply, link, out) {
            out.counters.icmp_echo_replies += 1;
        }
    }
}

/// What sending an answer takes.
pub(crate) struct Out<'a> {
    pub(crate) now: Instant,
    pub(crate) pool: &'static Pool,
    pub(crate) counters: &'a mut Counters,
}

/// The frame of a message that answers the packet of `ip`, from the station `to`: checksum, and headers in front.
fn wrap(mut message: PktBuf, ip: &Header, to: Mac, link: &Link) -> Option<PktBuf> {
    let len = message.len();
    let bytes = message.bytes_mut()?;
    bytes.get_mut(2..4)?.fill(0);
    let checksum = Sum::new().add(bytes).checksum();
    bytes.get_mut(2..4)?.copy_from_slice(&checksum);
    ipv4::emit(message.prepend(ipv4::HEADER_LEN)?.first_chunk_mut()?, ip.dst, ip.src, protocol::ICMP, len);
    link.station().prepend(&mut message, to, Payload::Ipv4)?;
    Some(message)
}

/// Queues an answer. Says whether there was a buffer for it.
fn send(frame: Option<PktBuf>, link: &mut Link, out: &mut Out<'_>) -> bool {
    match frame {
        Some(frame) => {
            link.reply(frame, out.counters);
            true
        }
        None => {
            out.counters.tx_no_buffer += 1;
            false
        }
    }
}
