//! Servers to compare: each on its core and with its memory, reached over a wire of its own, and ended whatever happens.
//!
//! ```text
//! peer     which there are, by name                cores      whose core is whose, and what one has done
//! network  wires in network namespaces             child      a process that does not outlive us
//! host     memcached and redis on the host         guest      memcached in a Linux guest
//! appliance  ours, by the control plane               huge_pages  memory set aside for guests
//! ```
//!
//! Called by `compare`; calls `orchestrator` for the appliance.

mod appliance;
mod child;
mod cores;
mod error;
mod guest;
mod host;
mod huge_pages;
mod network;
mod peer;
mod server;

pub use appliance::Appliance;
pub use child::{Child, cpu_time, resident_bytes};
pub use cores::{CoreTime, Cores, on_cores};
pub use error::PeerError;
pub use huge_pages::HugePages;
pub use network::{CLIENT, Network, PREFIX, Route, SERVER};
pub use peer::{Kind, Peer, Wanted, default_peers};
pub use server::{Boot, Server, start};

use std::path::PathBuf;

use orchestrator::Memory;

/// The port that servers of the memcached protocol are given.
pub const PORT: u16 = 11211;
/// Whom memcached runs as: by changing it, it would lose the signal that ends it with us.
const MEMCACHED_USER: &str = "root";
/// Connections beyond those of the load: for the loader, and for those that end while others begin.
const SPARE_CONNECTIONS: usize = 1024;
/// Memory of a machine beside the items and connections, in MiB: code, buffers, and a guest's operating system.
const MACHINE_MIB: u32 = 192;
/// Bytes of a machine's memory for each connection: the appliance gives an eighth of it to packet buffers, and needs one for
/// each connection and some to spare, of 2 KiB.
const CONNECTION_BYTES: usize = 8 * 5 / 4 * 2048;

/// What all servers of a comparison are given alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Memory for items, in MiB.
    pub memory_mib: u32,
    /// Connections of the load.
    pub connections: usize,
    /// Cores: threads of a server, or cores of its machine.
    pub cores: usize,
}

impl Needs {
    /// The most connections at a time.
    pub fn connection_limit(&self) -> usize {
        self.connections + SPARE_CONNECTIONS
    }
}

/// The way to a server.
#[derive(Debug)]
pub enum Reach {
    /// Through network namespaces.
    Network(Network),
    /// By the socket of a vhost-user back end, which is the client.
    Socket(PathBuf),
    /// By the loopback device.
    Loopback,
}

/// The memory of a guest, Linux or ours: whole huge pages.
pub fn machine_memory(needs: &Needs) -> Memory {
    let connections_mib = (needs.connection_limit() * CONNECTION_BYTES).div_ceil(1 << 20) as u32;
    Memory { mib: (needs.memory_mib + MACHINE_MIB + connections_mib).next_multiple_of(2) }
}

#[cfg(test)]
mod tests;
