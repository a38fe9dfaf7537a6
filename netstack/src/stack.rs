//! The stack of one core: the stages of a turn, composed of the protocols.

use core::net::Ipv4Addr;

use netdrv::nic::{Batch, TxChecksum};
use netdrv::pktbuf::{PktBuf, Pool};

use crate::address::Address;
use crate::app::{Calls, Events};
use crate::arp;
use crate::counters::{Counters, DropReason};
use crate::dhcp::{self, Change};
use crate::ethernet::{self, Mac, Payload};
use crate::icmp;
use crate::interface::Interface;
use crate::ipv4::{self, protocol};
use crate::keys::Keys;
use crate::neighbor::NeighborCache;
use crate::tcp::Tcp;
use crate::time::Instant;
use crate::udp;

/// How the host gets its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// From a DHCP server.
    Dhcp,
    /// From the configuration.
    Static {
        /// The address.
        ip: Ipv4Addr,
        /// Length of the network prefix, in bits.
        prefix: u8,
        /// The router to other networks.
        gateway: Option<Ipv4Addr>,
    },
}

/// What a stack is made of.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// The NIC's Ethernet address.
    pub mac: [u8; 6],
    /// The largest IP packet on the link, in bytes.
    pub mtu: u16,
    /// Who completes the TCP checksum of what is sent.
    pub tx_checksum: TxChecksum,
    /// Where the address comes from.
    pub address: Addressing,
    /// The ports that are listened on.
    pub listen: &'a [u16],
    /// Connections at a time; as many again may be in TIME-WAIT.
    pub conn_limit: usize,
    /// Random bytes that nobody else knows.
    pub seed: [u8; 16],
}

/// The TCP/IP stack of one core.
///
/// A turn calls, in this order: [`expire`](Stack::expire), [`ingress`](Stack::ingress), then the app, then
/// [`execute`](Stack::execute), then [`egress`](Stack::egress). No stage can overflow the array of events: what it has no
/// room for stays with its connection until the next [`expire`](Stack::expire), [`ingress`](Stack::ingress) or
/// [`notify`](Stack::notify).
pub struct Stack {
    iface: Interface,
    tcp: Tcp,
    dhcp: Option<dhcp::Client>,
}

impl Stack {
    /// Makes a stack, with all memory that it will ever have: about 640 bytes for each connection of the limit, its
    /// TIME-WAIT record included, 24 for each buffer of the pool, and 100 KiB besides. Packets come from and go to `pool`.
    pub fn new(config: Config<'_>, pool: &'static Pool, now: Instant) -> Stack {
        let mut keys = Keys::new(&config.seed);
        let mut stack = Stack {
            iface: Interface {
                mac: Mac(config.mac),
                mtu: config.mtu,
                tx_checksum: config.tx_checksum,
                address: None,
                neighbors: NeighborCache::new(keys.table_hasher()),
                replies: heapless::Deque::new(),
                pool,
                counters: Counters::default(),
            },
            tcp: Tcp::new(config.listen, config.conn_limit, pool.capacity(), &mut keys, now),
            dhcp: None,
        };
        match config.address {
            Addressing::Dhcp => stack.dhcp = Some(dhcp::Client::new(keys, now)),
            Addressing::Static { ip, prefix, gateway } => {
                stack.readdress(Change::Acquired(Address { ip, prefix, gateway }), now);
            }
        }
        stack
    }

    /// Fires the timers that are due by `now`, and makes events.
    pub fn expire(&mut self, now: Instant, events: &mut Events) {
        self.tcp.expire(&mut self.iface, now);
        if let Some(dhcp) = &mut self.dhcp {
            let change = dhcp.poll(&mut self.iface, now);
            self.readdress(change, now);
        }
        self.notify(events, now);
    }

    /// Takes received frames from the front of `batch`, and makes events. If the events of earlier frames still wait for
    /// room, it takes none: call again after the app has run. Otherwise it takes all.
    pub fn ingress(&mut self, batch: &mut Batch, now: Instant, events: &mut Events) {
        self.notify(events, now);
        if self.tcp.has_events() {
            return;
        }
        while let Some(frame) = batch.pop_front() {
            self.iface.counters.rx_frames += 1;
            if let Err(reason) = self.receive(frame, now) {
                self.iface.counters.dropped(reason);
            }
        }
        self.notify(events, now);
    }

    /// Makes the events that are due, as far as there is room: for a runtime that wants the answers to the app's calls
    /// (`Connected`, `Dead`) in the same turn.
    pub fn notify(&mut self, events: &mut Events, now: Instant) {
        self.tcp.make_events(events, &mut self.iface, now);
    }

    /// Executes all of the app's calls.
    pub fn execute(&mut self, calls: &mut Calls, now: Instant) {
        while let Some(call) = calls.pop_front() {
            self.tcp.call(call, &mut self.iface, now);
        }
    }

    /// Puts frames into `batch` until it is full, holds `room` more, or nothing is left to send. Returns whether more is
    /// waiting: for room, or for buffers.
    pub fn egress(&mut self, now: Instant, room: usize, batch: &mut Batch) -> bool {
        for _ in 0..room {
            if batch.is_full() {
                break;
            }
            let Some(frame) = self.iface.replies.pop_front().or_else(|| self.tcp.emit(&mut self.iface, now)) else {
                break;
            };
            self.iface.counters.tx_frames += 1;
            let _ = batch.push_back(frame); // it is not full
        }
        !self.iface.replies.is_empty() || self.tcp.is_dirty()
    }

    /// When the stack has to be called next, if nothing arrives: [`Instant::ZERO`] if events are waiting already.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.tcp.has_events() {
            return Some(Instant::ZERO);
        }
        let dhcp = self.dhcp.as_ref().map(dhcp::Client::deadline);
        [self.tcp.next_deadline(), dhcp].into_iter().flatten().min()
    }

    /// The host's address, once it has one.
    pub fn address(&self) -> Option<Address> {
        self.iface.address
    }

    /// Connections that exist now, from the end of their handshake to their last event.
    pub fn connections(&self) -> usize {
        self.tcp.connections()
    }

    /// What the stack has done.
    pub fn counters(&self) -> Counters {
        Counters { neighbor_evicted: self.iface.neighbors.evicted(), ..self.iface.counters }
    }

    /// Takes a frame.
    fn receive(&mut self, mut frame: PktBuf, now: Instant) -> Result<(), DropReason> {
        let (from, payload) = ethernet::parse(frame.bytes(), self.iface.mac)?;
        frame.trim_front(ethernet::HEADER_LEN);
        match payload {
            Payload::Ipv4 => self.receive_ipv4(frame, from, now),
            Payload::Arp => {
                arp::receive(&mut self.iface, frame, now)?;
                self.tcp.unpark();
                Ok(())
            }
        }
    }

    fn receive_ipv4(&mut self, mut packet: PktBuf, from: Mac, now: Instant) -> Result<(), DropReason> {
        let header = ipv4::parse(packet.bytes())?;
        packet.truncate(header.total_len);
        packet.trim_front(header.header_len);
        if header.protocol == protocol::UDP {
            return self.receive_udp(&header, packet, now);
        }
        let Some(address) = self.iface.address else { return Err(|c| &mut c.drop_ip_no_address) };
        header.is_unicast_for(&address)?;
        match header.protocol {
            protocol::TCP => self.tcp.receive(&header, packet, from, &mut self.iface, now),
            protocol::ICMP => icmp::receive(&mut self.iface, &header, packet, from),
            _ => Err(|c| &mut c.drop_ip_unknown_protocol),
        }
    }

    /// Takes a datagram: to us, to everybody, or, without an address, whatever comes to our Ethernet address, as a DHCP
    /// server may use the address that it is about to give us.
    fn receive_udp(&mut self, header: &ipv4::Header, mut datagram: PktBuf, now: Instant) -> Result<(), DropReason> {
        if let Some(address) = self.iface.address
            && header.dst != address.ip
            && !address.is_broadcast(header.dst)
        {
            return Err(|c| &mut c.drop_ip_not_for_us);
        }
        let ports = udp::parse(header, &mut datagram)?;
        match &mut self.dhcp {
            Some(dhcp) if ports == dhcp::PORTS => {
                let change = dhcp.receive(&datagram, &mut self.iface, now)?;
                self.readdress(change, now);
                Ok(())
            }
            _ => Err(|c| &mut c.drop_udp_no_port),
        }
    }

    /// Takes up or gives up an address. Connections end with the address that they were made to.
    fn readdress(&mut self, change: Change, now: Instant) {
        let address = match change {
            Change::None => return,
            Change::Lost => None,
            Change::Acquired(address) => Some(address),
        };
        if self.iface.address == address {
            return;
        }
        if self.iface.address.map(|old| old.ip) != address.map(|new| new.ip) {
            self.tcp.lose_address(&mut self.iface, now);
        }
        self.iface.neighbors.clear();
        self.iface.address = address;
        arp::announce(&mut self.iface);
    }
}
