//! Packet sockets (packet(7)) on one interface: whole Ethernet frames, past the machine's own stack.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, socket};

/// Which frames a packet socket receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receive {
    /// None: the socket is for sending.
    Nothing,
    /// All that the interface sends and receives.
    Everything,
}

/// A packet socket.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
    mac: [u8; 6],
}

impl PacketSocket {
    /// Opens a socket on `interface` of the calling thread's network namespace. Needs root.
    pub fn open(interface: &str, receive: Receive) -> Result<PacketSocket> {
        let link = getifaddrs()?
            .filter(|entry| entry.interface_name == interface)
            .find_map(|entry| entry.address?.as_link_addr().copied())
            .with_context(|| format!("no interface {interface}"))?;
        let mac = link.addr().context("the interface has no Ethernet address")?;
        let protocol = match receive {
            Receive::Nothing => None,
            Receive::Everything => Some(SockProtocol::EthAll),
        };
        let fd = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)
            .context("cannot open a packet socket")?;
        bind(fd.as_raw_fd(), &link).with_context(|| format!("cannot bind a packet socket to {interface}"))?;
        Ok(PacketSocket { fd, mac })
    }

    /// The interface's Ethernet address.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Sends a frame, which begins with its Ethernet header.
    pub fn send(&self, frame: &[u8]) -> Result<Sent> {
        loop {
            match send(self.fd.as_fd().as_raw_fd(), frame, MsgFlags::empty()) {
                Ok(_) => return Ok(Sent::Queued),
                Err(Errno::ENOBUFS) => return Ok(Sent::NoRoom),
                Err(Errno::EINTR) => {}
                Err(error) => bail!("cannot send a frame of {} bytes: {error}", frame.len()),
            }
        }
    }

    /// Takes a received frame, if one is waiting, into `buffer`. A longer one is cut.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>> {
        match recv(self.fd.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => Ok(Some(&buffer[..length])),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(error) => Err(error).context("cannot receive a frame"),
        }
    }
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The interface has it.
    Queued,
    /// The interface had no room.
    NoRoom,
}
