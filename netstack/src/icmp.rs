//! ICMP (RFC 792): echo requests are answered, all else is counted.

use netdrv::pktbuf::{PktBuf, Pool};

use crate::address::Address;
use crate::checksum::Sum;
use crate::counters::Counters;
use crate::ethernet::{Mac, Payload};
use crate::ipv4::{self, Header, protocol};
use crate::link::Link;

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
const HEADER_LEN: usize = 8;

/// Takes an ICMP message from the station `from`.
pub(crate) fn input(
    message: &[u8],
    ip: &Header,
    from: Mac,
    link: &mut Link,
    pool: &'static Pool,
    counters: &mut Counters,
) {
    if message.len() < HEADER_LEN {
        counters.drop_icmp_malformed += 1;
        return;
    }
    if !Sum::new().add(message).is_valid() {
        counters.drop_icmp_checksum += 1;
        return;
    }
    if message[0] != ECHO_REQUEST || message[1] != 0 {
        counters.drop_icmp_ignored += 1;
        return;
    }
    let Some(address) = link.address() else { return };
    match echo_reply(message, ip, from, &address, link, pool) {
        Some(reply) => {
            counters.icmp_echo_replies += 1;
            link.reply(reply, counters);
        }
        None => counters.tx_no_buffer += 1,
    }
}

fn echo_reply(message: &[u8], ip: &Header, to: Mac, own: &Address, link: &Link, pool: &'static Pool) -> Option<PktBuf> {
    let mut frame = pool.alloc()?;
    let reply = frame.append(message.len())?;
    reply.copy_from_slice(message);
    reply[0] = ECHO_REPLY;
    reply[2..4].fill(0);
    let checksum = Sum::new().add(reply).checksum();
    reply[2..4].copy_from_slice(&checksum);
    let header = frame.prepend(ipv4::HEADER_LEN)?.first_chunk_mut()?;
    ipv4::emit(header, own.ip, ip.src, protocol::ICMP, message.len());
    link.station().prepend(&mut frame, to, Payload::Ipv4)?;
    Some(frame)
}
