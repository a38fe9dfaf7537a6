//! The stack in real time, against Linux: on a tap device, or behind a forwarder that loses and delays.
//!
//! ```text
//! device     tap devices: opened, and without offloads
//! queue      a file descriptor that carries frames, as a queue pair
//! forwarder  joins two such descriptors: seeded loss, a delay, a bounded queue
//! stack      our stack with the bulk application, until it is told to stop
//! exchange   what one end gives and the other takes, hashed: the same for both implementations
//! app        the exchange as an application of our stack
//! sockets    the exchange over Linux's sockets: the server, and the client that measures
//! ```
//!
//! Called by `ci`, in network namespaces that it makes. Nothing here knows of namespaces: a descriptor opened in one stays
//! there.

mod app;
mod device;
mod exchange;
mod forwarder;
mod queue;
pub mod sockets;
mod stack;

pub use device::{Tap, disable_offloads};
pub use forwarder::{Forwarded, Forwarder, Path};
pub use queue::{FrameRx, FrameTx, queue_pair};
pub use stack::{StackOptions, run_stack};

use std::io;
use std::os::fd::OwnedFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair, sockopt};

/// The port of the bulk application.
pub const PORT: u16 = 5001;

/// Bytes that a wire holds in each direction: two thousand frames.
const WIRE_BYTES: usize = 4 << 20;

/// Two descriptors joined back to back that carry frames, as a tap's does.
pub fn wire() -> io::Result<[OwnedFd; 2]> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let (left, right) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    for end in [&left, &right] {
        setsockopt(end, sockopt::SndBuf, &WIRE_BYTES)?;
    }
    Ok([left, right])
}
