//! ICMP (RFC 792): answers echo requests in their own buffer. All other messages are counted and dropped.

use netdrv::pktbuf::PktBuf;
use smoltcp::wire::{Icmpv4Message, Icmpv4Packet};

use crate::checksum::Sum;
use crate::counters::DropReason;
use crate::ethernet::Mac;
use crate::interface::Interface;
use crate::ipv4::{Header, protocol};

/// Takes a message, without its IPv4 header; the answer goes back to the station the frame came from.
pub(crate) fn receive(iface: &mut Interface, header: &Header, mut buf: PktBuf, from: Mac) -> Result<(), DropReason> {
    let Ok(packet) = Icmpv4Packet::new_checked(buf.bytes()) else {
        return Err(|c| &mut c.drop_icmp_malformed);
    };
    let (message, code) = (packet.msg_type(), packet.msg_code());
    if !Sum::new().add(buf.bytes()).is_valid() {
        return Err(|c| &mut c.drop_icmp_checksum);
    }
    if message != Icmpv4Message::EchoRequest || code != 0 {
        return Err(|c| &mut c.drop_icmp_ignored);
    }
    let Some(bytes) = buf.bytes_mut() else { return Err(|c| &mut c.tx_no_buffer) };
    bytes[0] = Icmpv4Message::EchoReply.into();
    bytes[2..4].fill(0);
    let checksum = Sum::new().add(bytes).checksum();
    bytes[2..4].copy_from_slice(&checksum);
    buf.set_checksum(netdrv::pktbuf::Checksum::None);
    if iface.encapsulate(&mut buf, from, header.src, protocol::ICMP).is_some() {
        iface.counters.icmp_echo_replies += 1;
        iface.reply(buf);
    }
    Ok(())
}
