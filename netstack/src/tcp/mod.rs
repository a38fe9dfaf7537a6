//! TCP (RFC 9293).
//!
//! ```text
//! the wire       header, options, seq, timestamps
//! tables         flow_table, segments, tcb (one connection)
//! a segment      input: to which connection, and is it acceptable      listen: passive open, the end of the handshake
//!                connect: active open      ports: the local ones it chooses
//!                syn_cookie: without memory      time_wait: lingering, and its reuse
//!                expected: what nearly all segments are, in one pass
//! arrives        ack: what the peer acknowledges, its window           receive: payload, FIN
//!                reassembly: what came early      receive_window: what we offer
//! loss           delivery: what was delivered      scoreboard: what became of each segment      rack: what is lost
//!                tail_probe: asks when nothing tells      recovery, rate_reduction: until it is made up for
//! how much       congestion (NewReno, CUBIC), ecn       when    rto, timers, keepalive
//! the app        calls: what it asks for
//! out            ready: what nearly all of it is, in one pass
//!                output: what is sent, in one place, at egress      fit, cut: how much of it in one frame
//!                egress: headers in front, and into the batch
//! ```
//!
//! Left out: urgent data, fast open.

mod ack;
mod ahead;
mod calls;
mod challenge;
mod congestion;
mod connect;
mod cut;
mod delivery;
mod ecn;
mod egress;
mod expected;
mod fit;
mod flow_table;
mod groups;
mod header;
mod icmp;
mod input;
mod keepalive;
mod listen;
mod migrate;
mod options;
mod output;
mod path_mtu;
mod ports;
mod rack;
mod rate_reduction;
mod ready;
mod reassembly;
mod receive;
mod receive_window;
mod recovery;
mod rto;
mod scoreboard;
mod segments;
mod seq;
mod settings;
mod syn_cookie;
mod tail_probe;
mod tcb;
mod time_wait;
mod timers;
mod timestamps;

use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};

use netdrv::nic::TxChecksum;
use netdrv::pktbuf::Pool;
use siphasher::sip::SipHasher24;

use crate::app::{Event, Events, Reason};
use crate::counters::Counters;
use crate::index_queue::IndexQueue;
use crate::ipv4::Codepoint;
use crate::keys::Keys;
use crate::rate_limit::RateLimit;
use crate::stack::{Config, LEAST_MTU, Share};
use crate::time::Instant;
use crate::timer::TimerWheel;
pub(crate) use ahead::GROUP;
use flow_table::FlowTable;
use groups::Groups;
pub(crate) use input::Arrival;
use path_mtu::Paths;
use ports::Ports;
use receive_window::Windows;
use segments::Segments;
use syn_cookie::Cookies;
use tcb::{Owner, State, Tcb};

pub use congestion::CongestionControl;
pub use ecn::EcnUse;
pub(crate) use flow_table::FlowKey;
pub use keepalive::Keepalive;
pub use migrate::{Connection, Departure, Held, NoDeparture, Place};

pub(crate) use options::Timestamps;
pub use ports::IsOurs;
pub(crate) use seq::SeqNum;
pub use settings::TcpSettings;

/// Events that one frame, call or timer can cause at most: what was held out of order, delivered at once, and the few
/// around it.
pub(crate) const MOST_EVENTS: usize = reassembly::DELIVERED_AT_ONCE + 8;

/// All connections of one core.
pub(crate) struct Tcp {
    /// By slot, as all that follows. A slot is touched no sooner than it is used.
    tcbs: Vec<Option<Tcb>>,
    generations: Vec<u32>,
    most_slots: usize,
    /// Free slots, and those that can be taken back, oldest first.
    free: IndexQueue,
    time_wait: IndexQueue,
    half_open_limit: usize,
    half_open_count: usize,
    flows: FlowTable,
    segments: Segments,
    wheel: TimerWheel,
    /// Connections with something to send, and those that wait for their next hop's address.
    dirty: IndexQueue,
    unresolved: IndexQueue,
    /// How many of those may try again, as next hops have become known.
    retry_unresolved: u32,
    /// Connections with more held payload to deliver than one frame may.
    deliverable: IndexQueue,
    /// Segments held out of order, of all connections.
    held: usize,
    windows: Windows,
    paths: Paths,
    ports: Ports,
    settings: TcpSettings,
    listen: Vec<u16>,
    isn_hasher: SipHasher24,
    cookies: Cookies,
    resets: RateLimit,
    challenge_acks: RateLimit,
    mss: u16,
    pool: &'static Pool,
    tx_checksum: TxChecksum,
    congestion_control: CongestionControl,
    tso: Option<u32>,
}

/// Resets, and challenge ACKs, sent per second at most.
const ANSWERS_PER_SECOND: u32 = 1000;
/// Connections that look for their next hop again in one turn at most.
const MOST_RETRIES: u32 = 64;

impl Tcp {
    pub(crate) fn new(
        config: &Config<'_>,
        share: Option<Share>,
        keys: &mut Keys,
        pool: &'static Pool,
        now: Instant,
    ) -> Tcp {
        let conn_limit = config.conn_limit;
        // Beside the connections that the app may have: some that are being opened, and some that linger.
        let spare = conn_limit / 4 + 64;
        let slots = conn_limit + spare;
        let groups = share.map(|Share { hash, groups }| Groups::new(hash, groups, slots));
        Tcp {
            tcbs: Vec::with_capacity(slots),
            generations: Vec::with_capacity(slots),
            most_slots: slots,
            free: IndexQueue::new(slots),
            time_wait: IndexQueue::new(slots),
            half_open_limit: spare.min(config.tcp.syn_backlog),
            half_open_count: 0,
            flows: FlowTable::new(slots, [keys.next_u64(), keys.next_u64()], groups),
            segments: Segments::new(pool.capacity()),
            wheel: TimerWheel::new(timers::PER_CONNECTION * slots, now),
            dirty: IndexQueue::new(slots),
            unresolved: IndexQueue::new(slots),
            retry_unresolved: 0,
            deliverable: IndexQueue::new(slots),
            held: 0,
            windows: Windows::new(config.tcp.receive_window, pool),
            paths: Paths::new(keys),
            ports: Ports::new(keys),
            settings: config.tcp,
            listen: config.listen.to_vec(),
            isn_hasher: keys.strong_hasher(),
            cookies: Cookies::new(keys),
            resets: RateLimit::new(ANSWERS_PER_SECOND),
            challenge_acks: RateLimit::varying(ANSWERS_PER_SECOND, keys),
            mss: config.mtu.max(LEAST_MTU) - 40,
            pool,
            tx_checksum: config.tx_checksum,
            congestion_control: config.congestion_control,
            tso: config.tso,
        }
    }

    /// When a timer is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline()
    }

    /// Whether a connection has something to send.
    pub(crate) fn has_output(&self) -> bool {
        !self.dirty.is_empty() || self.retry_unresolved > 0
    }

    /// Whether held payload waits to be delivered.
    pub(crate) fn has_input(&self) -> bool {
        !self.deliverable.is_empty()
    }

    /// A next hop has become known: those that waited try again.
    pub(crate) fn neighbor_learned(&mut self) {
        self.retry_unresolved = self.unresolved.len();
    }

    /// Lets some of those that waited for a next hop try again: a share in each turn, as they may be many.
    fn retry_unresolved(&mut self) {
        if self.retry_unresolved == 0 {
            return;
        }
        let retries = self.retry_unresolved.min(MOST_RETRIES);
        self.retry_unresolved -= retries;
        for _ in 0..retries {
            let Some(index) = self.unresolved.pop() else { return };
            self.dirty.push(index);
        }
    }

    /// What the app was not told yet, as it was not worth it: bytes acknowledged and credit, which it has now.
    #[cfg(test)]
    pub(crate) fn all_news(&mut self, index: u32) -> (u32, u32) {
        self.tcb(index).map_or((0, 0), |tcb| tcb.send.all_news())
    }

    /// Slots in use, in O(n).
    pub(crate) fn connections(&self) -> usize {
        self.tcbs.iter().flatten().count()
    }

    /// Our address, from now on.
    pub(crate) fn set_local(&mut self, ip: Ipv4Addr) {
        if let Some(groups) = &mut self.flows.groups {
            groups.local = ip;
        }
    }

    /// Our address is gone, and all connections with it: each ends when its timer is handled, at once but one by one, as the
    /// app has room for events.
    pub(crate) fn address_lost(&mut self) {
        for index in 0..self.tcbs.len() as u32 {
            if let Some(tcb) = self.tcb(index) {
                tcb.address_lost = true;
                tcb.at_rest = false;
                self.wheel.arm(timers::main(index), Instant::ZERO);
            }
        }
    }

    /// A slot that was never used.
    fn use_another_slot(&mut self) -> Option<u32> {
        if self.tcbs.len() == self.most_slots {
            return None;
        }
        self.tcbs.push(None);
        self.generations.push(0);
        for queue in [&mut self.free, &mut self.time_wait, &mut self.dirty, &mut self.unresolved, &mut self.deliverable]
        {
            queue.extend();
        }
        self.wheel.extend(timers::PER_CONNECTION);
        if let Some(groups) = &mut self.flows.groups {
            groups.extend();
        }
        Some((self.tcbs.len() - 1) as u32)
    }

    fn tcb(&mut self, index: u32) -> Option<&mut Tcb> {
        self.tcbs.get_mut(index as usize)?.as_mut()
    }

    /// Ends a connection: tells the app, if it has it, and frees everything.
    fn end(&mut self, index: u32, reason: Reason, events: &mut Events) {
        self.disown(index, reason, events);
        self.free_slot(index);
    }

    /// Tells the app that a connection is no more, if the app has it.
    fn disown(&mut self, index: u32, reason: Reason, events: &mut Events) {
        let Some(tcb) = self.tcb(index) else { return };
        tcb.at_rest = false;
        if let Owner::App(cookie) = core::mem::replace(&mut tcb.owner, Owner::None) {
            let _ = events.push_back(Event::Dead { cookie, reason }); // room: MOST_EVENTS
        }
    }

    fn free_slot(&mut self, index: u32) {
        self.discard_held(index);
        if let Some(mut tcb) = self.take_out(index) {
            self.segments.clear(&mut tcb.send.queue);
        }
    }

    /// Takes a connection out of its slot, with the segments that it holds.
    fn take_out(&mut self, index: u32) -> Option<Tcb> {
        let tcb = self.tcbs[index as usize].take()?;
        self.windows.give_back(tcb.receive.limit);
        self.flows.remove(tcb.key);
        self.wheel.cancel(timers::main(index));
        self.wheel.cancel(timers::delayed_ack(index));
        if tcb.state == State::SynReceived {
            self.half_open_count -= 1;
        }
        self.generations[index as usize] = tcb.generation.wrapping_add(1);
        self.free.push(index);
        Some(tcb)
    }

    fn remote(key: FlowKey) -> SocketAddrV4 {
        SocketAddrV4::new(key.remote_ip(), key.remote_port())
    }
}

/// The addresses of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    /// The peer's.
    pub(crate) remote: Ipv4Addr,
    /// Ours.
    pub(crate) local: Ipv4Addr,
    /// What routers have made of it on the way.
    pub(crate) mark: Codepoint,
}

impl Addresses {
    /// The 4-tuple as bytes, for hashing.
    fn flow_bytes(self, key: FlowKey) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&key.to_bytes());
        bytes[8..].copy_from_slice(&self.local.octets());
        bytes
    }
}

/// What the phases of TCP share while they work: the clock, the counters and the events.
pub(crate) struct Work<'a> {
    pub(crate) now: Instant,
    pub(crate) counters: &'a mut Counters,
    pub(crate) events: &'a mut Events,
}

#[cfg(test)]
mod tests;
