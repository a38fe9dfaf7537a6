//! The wire that is our own stack: over the queues of a guest, or of a tap device.
//!
//! ```text
//! queues -> host (by destination address) -> stack -> events -> client
//! client -> connection (packet buffers)   -> calls -> stack -> queues
//! ```
//!
//! What came is lent to the client where it lies, and what it sends is written once, into the buffer that leaves. One
//! address has ports for 32,768 connections, so there may be several: each has a stack of its own.

mod connection;
mod host;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time;

use netdrv::nic::{BATCH, Batch, ClosedPair as _, QueuePair, RxQueue, TxChecksum, TxQueue};
use netdrv::pktbuf::{PktBuf, Pool, PoolMemory};
use netstack::time::Instant;

use super::wire::{Client, ConnId, Transport, Wire, WireError};
use connection::Connection;
use host::{Host, HostConfig};

use crate::tap::{FrameRx, FrameTx, queue_pair};
use crate::vhost::{FromGuests, Pairs, ToGuests};

/// Connections of one address: the ports that its stack chooses from, less some that linger.
const CONNECTIONS_PER_HOST: usize = 30_000;
/// Sockets of one address over UDP, each with a port of its own.
const SOCKETS_PER_HOST: usize = 64;
/// Packet buffers that the stack has in any case, and for each connection.
const BUFFERS: usize = 4096;
const BUFFERS_PER_CONNECTION: usize = 2;
/// Packet buffers at most: 1 GiB.
const MOST_BUFFERS: usize = 512 << 10;

/// What a wire on our own stack is made with.
#[derive(Clone, Copy, Debug)]
pub struct StackWireConfig {
    /// The server.
    pub server: SocketAddrV4,
    /// How to talk to it.
    pub transport: Transport,
    /// Our first address; more follow it, if there are too many connections for one.
    pub ip: Ipv4Addr,
    /// Length of the network prefix of all of them, in bits. The server is in that network.
    pub prefix: u8,
    /// Our Ethernet address.
    pub mac: [u8; 6],
    /// Largest IP packet, in bytes.
    pub mtu: u16,
    /// Connections at a time.
    pub connections: usize,
    /// Seed of the stacks' keys.
    pub seed: u64,
}

/// Why there is no such wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StackWireError {
    /// The network has too few addresses.
    #[error("{connections} connections need {addresses} addresses from {ip}/{prefix} on: there are too few")]
    TooFewAddresses {
        /// Connections wanted.
        connections: usize,
        /// Addresses that they need.
        addresses: usize,
        /// The first address.
        ip: Ipv4Addr,
        /// The prefix.
        prefix: u8,
    },
}

/// The wire to a guest, in memory shared with it.
pub type GuestWire = StackWire<FromGuests, ToGuests>;

/// The wire over a tap device.
pub type TapWire = StackWire<FrameRx, FrameTx>;

/// Our stack as a wire.
pub struct StackWire<R, T> {
    queues: QueuePair<R, T>,
    pool: &'static Pool,
    hosts: Vec<Host>,
    connections: Vec<Connection>,
    /// Connections of one host.
    per_host: usize,
    received: Batch,
    outgoing: Batch,
    origin: time::Instant,
    now: Instant,
}

impl GuestWire {
    /// The wire to the guest of a [`BackEnd`](crate::vhost::BackEnd), on the thread that will poll its queues. Nobody computes
    /// checksums: nothing can go wrong on the way.
    pub fn over_guest(pairs: Pairs, config: &StackWireConfig) -> Result<Self, StackWireError> {
        StackWire::new(pairs.open(), TxChecksum::Device, config)
    }
}

impl TapWire {
    /// The wire over a [`Tap`](crate::tap::Tap) that does not block.
    pub fn over_tap(tap: OwnedFd, config: &StackWireConfig) -> Result<Self, StackWireError> {
        StackWire::new(queue_pair(&Rc::new(tap)), TxChecksum::Software, config)
    }
}

impl<R: RxQueue, T: TxQueue> StackWire<R, T> {
    /// A wire over `queues`, where `checksum` says who completes checksums. All memory is allocated here.
    pub fn new(
        mut queues: QueuePair<R, T>,
        checksum: TxChecksum,
        config: &StackWireConfig,
    ) -> Result<Self, StackWireError> {
        let most = match config.transport {
            Transport::Tcp => CONNECTIONS_PER_HOST,
            Transport::Udp => SOCKETS_PER_HOST,
        };
        let addresses = config.connections.div_ceil(most).max(1);
        let per_host = config.connections.div_ceil(addresses).max(1);
        let buffers = (BUFFERS + BUFFERS_PER_CONNECTION * config.connections).min(MOST_BUFFERS);
        let pool = Pool::leak(PoolMemory::leak(buffers));
        let origin = time::Instant::now();
        let hosts = (0..addresses).map(|index| {
            let ip = address(config, index).ok_or(StackWireError::TooFewAddresses {
                connections: config.connections,
                addresses,
                ip: config.ip,
                prefix: config.prefix,
            })?;
            Ok(Host::new(&HostConfig { ip, index, connections: per_host, checksum, wire: config }, pool, Instant::ZERO))
        });
        let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
        queues.rx.refill(pool);
        Ok(StackWire {
            queues,
            pool,
            hosts,
            connections: (0..config.connections).map(|_| Connection::default()).collect(),
            per_host,
            received: Batch::new(),
            outgoing: Batch::new(),
            origin,
            now: Instant::ZERO,
        })
    }

    /// The queues, to read their counters.
    pub fn queues(&self) -> &QueuePair<R, T> {
        &self.queues
    }

    /// What the stacks counted, by name, in the order of the hosts.
    pub fn visit_counters(&self, mut visit: impl FnMut(&str, u64)) {
        self.hosts.iter().for_each(|host| host.visit_counters(&mut visit));
    }

    /// The host that a connection is of; a division only where there are several.
    #[inline]
    fn host_of(&self, conn: ConnId) -> usize {
        if self.hosts.len() == 1 { 0 } else { conn.index() / self.per_host }
    }

    /// Gives each frame to the host that it is for. One that nobody is for goes to the first, which counts it.
    fn sort(&mut self) {
        if let [only] = &mut self.hosts[..] {
            std::mem::swap(&mut only.received, &mut self.received);
            return;
        }
        while let Some(frame) = self.received.pop_front() {
            let host = host_for(&self.hosts, &frame);
            let _ = self.hosts[host].received.push_back(frame); // empty before: it takes a whole batch
        }
    }

    /// Sends what a host has to send, as far as the queue takes it. Returns how many frames.
    fn transmit(&mut self, host: usize) -> usize {
        let mut sent = 0;
        loop {
            let room = self.queues.tx.room();
            self.hosts[host].egress(self.now, room, &mut self.outgoing);
            let full = self.outgoing.is_full();
            let submitted = self.queues.tx.submit(&mut self.outgoing);
            sent += submitted;
            // A batch that was not filled was all there is, or all that the queue takes.
            if !full || submitted == 0 {
                return sent;
            }
        }
    }
}

impl<R: RxQueue, T: TxQueue> Wire for StackWire<R, T> {
    fn open(&mut self, conn: ConnId) -> Result<(), WireError> {
        let host = self.host_of(conn);
        self.connections[conn.index()].open();
        self.hosts[host].open(conn, &self.connections[conn.index()]);
        Ok(())
    }

    fn send(&mut self, conn: ConnId, bytes: &[u8]) -> Result<(), WireError> {
        let host = self.host_of(conn);
        self.hosts[host].send(conn, &mut self.connections[conn.index()], bytes, self.pool);
        Ok(())
    }

    fn close(&mut self, conn: ConnId) {
        let host = self.host_of(conn);
        self.hosts[host].close(&mut self.connections[conn.index()]);
    }

    fn poll(&mut self, client: &mut impl Client) -> Result<bool, WireError> {
        self.now = Instant::ZERO + self.origin.elapsed();
        self.queues.tx.reclaim();
        let mut came = self.queues.rx.poll(&mut self.received, BATCH);
        self.sort();
        for host in &mut self.hosts {
            came += host.turn(self.now, &mut self.connections, client);
        }
        self.queues.rx.refill(self.pool);
        Ok(came > 0)
    }

    fn flush(&mut self) -> Result<(), WireError> {
        for host in 0..self.hosts.len() {
            self.hosts[host].flush(self.now, &mut self.connections, self.pool);
            self.transmit(host);
        }
        self.queues.tx.doorbell();
        Ok(())
    }
}

/// The address of host `index`.
fn address(config: &StackWireConfig, index: usize) -> Option<Ipv4Addr> {
    let first = u32::from(config.ip);
    let ip = first.checked_add(u32::try_from(index).ok()?)?;
    let host_bits = u32::MAX.checked_shr(config.prefix.into()).unwrap_or(0);
    let is_host = ip & host_bits != 0 && ip & host_bits != host_bits;
    let is_free = ip != u32::from(*config.server.ip());
    (is_host && is_free && (ip ^ first) & !host_bits == 0).then(|| Ipv4Addr::from(ip))
}

/// Where addresses lie in a frame without a VLAN tag: the destination of an IPv4 packet, and ARP's target.
const ETHERTYPE: usize = 12;
const DESTINATION: usize = 30;
const TARGET: usize = 38;

/// The host that a frame is for.
fn host_for(hosts: &[Host], frame: &PktBuf) -> usize {
    let bytes = frame.bytes();
    let at = match bytes.get(ETHERTYPE..ETHERTYPE + 2) {
        Some([8, 6]) => TARGET,
        _ => DESTINATION,
    };
    let ip = bytes.get(at..at + 4).map_or([0; 4], |ip| [ip[0], ip[1], ip[2], ip[3]]);
    hosts.iter().position(|host| host.ip.octets() == ip).unwrap_or(0)
}

#[cfg(test)]
mod tests;
