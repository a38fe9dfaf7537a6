//! ICMP echo (RFC 792), as `ping` does it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::checksum::internet_checksum;

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(5);
const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
const PAYLOAD: &[u8] = b"memstorm: are you there? 0123456789";

/// Sends an echo request and returns how long its reply took. Needs root.
pub fn ping(address: Ipv4Addr) -> Result<Duration> {
    let fd = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp)
        .context("cannot open a raw socket")?;
    setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::milliseconds(100))?;
    let identifier = std::process::id() as u16;
    let request = echo_request(identifier, 1);
    let sent = Instant::now();
    sendto(fd.as_raw_fd(), &request, &SockaddrIn::from(SocketAddrV4::new(address, 0)), MsgFlags::empty())
        .context("cannot send an echo request")?;
    let mut packet = [0; 2048];
    while sent.elapsed() < PATIENCE {
        match recv(fd.as_raw_fd(), &mut packet, MsgFlags::empty()) {
            Ok(length) if is_reply(&packet[..length], &request) => return Ok(sent.elapsed()),
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot receive an echo reply"),
        }
    }
    bail!("{address} does not answer an ICMP echo request within {PATIENCE:?}")
}

/// The ICMP message, its checksum included.
fn echo_request(identifier: u16, sequence: u16) -> Vec<u8> {
    let mut message = vec![ECHO_REQUEST, 0, 0, 0];
    message.extend(identifier.to_be_bytes());
    message.extend(sequence.to_be_bytes());
    message.extend(PAYLOAD);
    let checksum = internet_checksum(&[&message]);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message
}

/// Whether the IPv4 packet carries the reply to `request`: the same identifier, sequence and payload.
fn is_reply(packet: &[u8], request: &[u8]) -> bool {
    let header = usize::from(packet.first().copied().unwrap_or(0) & 0x0f) * 4;
    let message = packet.get(header..).unwrap_or_default();
    message.first() == Some(&ECHO_REPLY) && message.get(4..) == request.get(4..) && internet_checksum(&[message]) == 0
}
