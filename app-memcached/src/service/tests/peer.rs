//! A stack with scripted peers: fills events, executes calls, and checks that the contract is kept.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};

use netdrv::pktbuf::{Pool, PoolMemory};
use netstack::app::{MAX_DATAGRAM, MAX_SEND, MIN_ROOM, Reason};
use netstack::reserves;

use super::super::*;
use crate::protocol::{Dialect, Permissions, Settings};
use crate::store::{StoreMemory, WhenFull};

/// How much a peer lets the service send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credit {
    /// So many bytes in flight.
    Window(u32),
    /// The same, but nothing is acknowledged by itself.
    Late(u32),
    /// Nothing is acknowledged.
    Stalled,
}

/// One peer and its connection.
pub(super) struct Peer {
    pub(super) cookie: Option<Cookie>,
    pub(super) replies: Vec<u8>,
    pub(super) rejected: bool,
    pub(super) closed: bool,
    pub(super) aborted: bool,
    pub(super) credit: Credit,
    room: u32,
    in_flight: VecDeque<PktBuf>,
    /// Bytes received by the service and not done with.
    pub(super) window_used: u32,
    dead: bool,
}

/// A service and its peers.
pub(super) struct Stack {
    pub(super) service: Service,
    pub(super) pool: &'static Pool,
    pub(super) peers: Vec<Peer>,
    /// What was sent by UDP.
    pub(super) datagrams: Vec<Vec<u8>>,
    events: Events,
    calls: Calls,
    now: Instant,
}

struct NoStatistics;

impl Statistics for NoStatistics {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        visit("drop_nothing", 0);
    }
}

/// Who sends datagrams.
const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 9), 4000);

/// Of the item hash.
pub(super) const SEED: u64 = 3;

pub(super) const CONFIG: Settings = Settings {
    conn_limit: 8,
    max_item_size: 1 << 20,
    when_full: WhenFull::Evict,
    port: 11211,
    udp_port: 11211,
    http_port: 8080,
    permissions: Permissions { flush_all: true, dumping: true, watching: true, shutdown: false },
    dialect: Dialect::DEFAULT,
    threads: 1,
    auth: None,
    cluster: None,
};

impl Stack {
    pub(super) fn new(buffers: usize) -> Stack {
        Stack::with_memory(buffers, StoreMemory::leak(8 << 20))
    }

    /// A stack whose service has its items in `memory`.
    pub(super) fn with_memory(buffers: usize, memory: StoreMemory) -> Stack {
        Stack::of(&mut Shared::new(CONFIG, SEED, memory).ok().unwrap(), buffers)
    }

    /// A stack for more connections than usual.
    pub(super) fn with_places(buffers: usize, conn_limit: u32) -> Stack {
        let config = Settings { conn_limit, ..CONFIG };
        Stack::of(&mut Shared::new(config, SEED, StoreMemory::leak(8 << 20)).ok().unwrap(), buffers)
    }

    /// A stack with the next of the services that share something.
    pub(super) fn of(shared: &mut Shared, buffers: usize) -> Stack {
        let pool = Pool::leak(PoolMemory::leak(buffers));
        let service = shared.service(pool).unwrap();
        let (events, calls) = (Events::new(), Calls::new());
        Stack { service, pool, peers: Vec::new(), datagrams: Vec::new(), events, calls, now: Instant::ZERO }
    }

    /// Connects a peer; its number.
    pub(super) fn connect(&mut self, credit: Credit) -> usize {
        self.connect_to(CONFIG.port, credit)
    }

    /// Connects a peer to a port; its number.
    pub(super) fn connect_to(&mut self, local_port: u16, credit: Credit) -> usize {
        let (number, flow) = self.knock(local_port, credit);
        self.settle();
        if let Some(cookie) = self.peers[number].cookie {
            let credit = self.grant(number);
            self.event(Event::Connected { cookie, flow, credit });
            self.settle();
        }
        number
    }

    /// Connects so many peers, all at once.
    pub(super) fn crowd(&mut self, peers: usize) {
        let flows: Vec<_> = (0..peers).map(|_| self.knock(CONFIG.port, Credit::Window(1 << 16))).collect();
        self.settle();
        for (number, flow) in flows {
            if let Some(cookie) = self.peers[number].cookie {
                let credit = self.grant(number);
                self.event(Event::Connected { cookie, flow, credit });
            }
        }
        self.settle();
    }

    /// A peer comes; its number and its flow.
    fn knock(&mut self, local_port: u16, credit: Credit) -> (usize, Flow) {
        let number = self.peers.len();
        let flow = Flow { index: number as u32, generation: 0 };
        self.peers.push(Peer {
            cookie: None,
            replies: Vec::new(),
            rejected: false,
            closed: false,
            aborted: false,
            credit,
            room: 0,
            in_flight: VecDeque::new(),
            window_used: 0,
            dead: false,
        });
        self.event(Event::Knock { flow, local_port, remote: "10.0.0.1:1000".parse().unwrap() });
        (number, flow)
    }

    /// Delivers one segment. `false` if the pool has no buffer for it.
    pub(super) fn deliver(&mut self, number: usize, bytes: &[u8]) -> bool {
        let peer = &mut self.peers[number];
        let Some(cookie) = peer.cookie.filter(|_| !peer.dead) else { return true };
        let Some(mut payload) = self.pool.alloc() else { return false };
        payload.extend_from_slice(bytes).unwrap();
        peer.window_used += bytes.len() as u32;
        self.event(Event::Recv { cookie, payload });
        true
    }

    /// Delivers `bytes` in segments of at most `size` bytes, and lets everything settle after each.
    pub(super) fn send(&mut self, number: usize, bytes: &[u8], size: usize) {
        for segment in bytes.chunks(size) {
            assert!(self.deliver(number, segment), "no buffer");
            self.settle();
        }
    }

    /// Delivers a datagram. `false` if the pool has no buffer for it.
    pub(super) fn datagram(&mut self, bytes: &[u8]) -> bool {
        let Some(mut payload) = self.pool.alloc() else { return false };
        payload.extend_from_slice(bytes).unwrap();
        self.event(Event::UdpRecv { local_port: CONFIG.udp_port, remote: CLIENT, payload });
        true
    }

    /// Delivers the peer's FIN.
    pub(super) fn finish(&mut self, number: usize) {
        if let Some(cookie) = self.peers[number].cookie.filter(|_| !self.peers[number].dead) {
            self.event(Event::PeerClosed { cookie });
            self.settle();
        }
    }

    /// Ends a connection.
    pub(super) fn kill(&mut self, number: usize) {
        let peer = &mut self.peers[number];
        if let Some(cookie) = peer.cookie.filter(|_| !peer.dead) {
            peer.dead = true;
            peer.in_flight.clear();
            self.event(Event::Dead { cookie, reason: Reason::Reset });
            self.settle();
        }
    }

    /// Lets a peer take what it may, from now on.
    pub(super) fn set_credit(&mut self, number: usize, credit: Credit) {
        self.peers[number].credit = credit;
        self.settle();
    }

    /// Whether the service has asked for the end of the machine.
    pub(super) fn is_over(&self) -> bool {
        self.service.is_over(self.now)
    }

    /// Runs turns until nothing moves.
    pub(super) fn settle(&mut self) {
        for _ in 0..200_000 {
            let before = self.calls.len();
            assert_eq!(before, 0);
            let progress = self.run();
            let moved = self.execute() || self.acknowledge();
            if progress != Progress::More && !moved && self.events.is_empty() {
                return;
            }
        }
        panic!("the service never settles");
    }

    /// Everything came back.
    pub(super) fn assert_nothing_leaked(&mut self) {
        for number in 0..self.peers.len() {
            self.kill(number);
        }
        assert_eq!(self.pool.available(), self.pool.capacity(), "packet buffers leaked");
        assert_eq!(self.service.server.store.pinned_segments(), 0, "pins leaked");
        assert_eq!(self.service.inputs.in_use(), 0, "links leaked");
        assert_eq!(self.service.server.all_connections().current, 0);
    }

    pub(super) fn sleep(&mut self, seconds: u64) {
        self.sleep_ms(1000 * seconds);
    }

    pub(super) fn sleep_ms(&mut self, ms: u64) {
        self.now = self.now + core::time::Duration::from_millis(ms);
        self.settle();
    }

    fn event(&mut self, event: Event) {
        if self.events.is_full() {
            self.settle();
        }
        self.events.push_back(event).unwrap();
    }

    fn run(&mut self) -> Progress {
        let unix_seconds = 1_700_000_000 + self.now.as_micros() / 1_000_000;
        let turn = Turn { now: self.now, unix_seconds, statistics: &NoStatistics };
        self.service.run(turn, &mut self.events, &mut self.calls)
    }

    /// Executes the calls; whether there were any.
    fn execute(&mut self) -> bool {
        let any = !self.calls.is_empty();
        while let Some(call) = self.calls.pop_front() {
            match call {
                Call::Accept { flow, cookie } => self.peers[flow.index as usize].cookie = Some(cookie),
                Call::Reject { flow } => self.peers[flow.index as usize].rejected = true,
                Call::Send { flow, payload, done } => {
                    let peer = &mut self.peers[flow.index as usize];
                    peer.take(payload);
                    peer.is_done_with(done);
                }
                Call::RecvDone { flow, bytes } => self.peers[flow.index as usize].is_done_with(bytes),
                Call::Close { flow } => self.peers[flow.index as usize].closed = true,
                Call::Abort { flow } => self.peers[flow.index as usize].aborted = true,
                Call::Connect { remote, .. } => panic!("a connection to {remote}"),
                Call::UdpSend { local_port, remote, payload } => {
                    assert_eq!((local_port, remote), (CONFIG.udp_port, CLIENT));
                    assert!(payload.is_unique() && payload.len() <= MAX_DATAGRAM);
                    self.datagrams.push(payload.bytes().to_vec());
                }
            }
        }
        any
    }

    /// Acknowledges what is in flight; whether there was anything.
    fn acknowledge(&mut self) -> bool {
        let mut any = false;
        for number in 0..self.peers.len() {
            let peer = &mut self.peers[number];
            let Some(cookie) = peer.cookie.filter(|_| !peer.dead) else { continue };
            if !matches!(peer.credit, Credit::Window(_)) || peer.in_flight.is_empty() || self.events.is_full() {
                continue;
            }
            any = true;
            self.acknowledge_of(number, cookie);
        }
        any
    }

    fn acknowledge_of(&mut self, number: usize, cookie: Cookie) {
        let acked = self.peers[number].in_flight.drain(..).map(|buffer| buffer.frame_len() as u32).sum();
        let credit = self.grant(number);
        self.event(Event::Sent { cookie, acked, credit });
    }

    /// Acknowledges what a peer has in flight.
    pub(super) fn acknowledge_late(&mut self, number: usize) {
        let peer = &self.peers[number];
        if let Some(cookie) = peer.cookie.filter(|_| !peer.dead && !peer.in_flight.is_empty()) {
            self.acknowledge_of(number, cookie);
        }
    }

    /// Delivers one segment as the stack would: with what it acknowledges, and unless its payload is refused. Whether it was
    /// taken.
    pub(super) fn request(&mut self, number: usize, bytes: &[u8]) -> bool {
        self.acknowledge_late(number);
        let refused = reserves::buffers(self.pool, reserves::PAYLOAD) + self.events.len();
        self.pool.available() > refused && self.deliver(number, bytes)
    }

    /// Fills up the room of a peer with nothing in flight, and returns by how much.
    fn grant(&mut self, number: usize) -> u32 {
        let peer = &mut self.peers[number];
        let whole = match peer.credit {
            Credit::Window(window) | Credit::Late(window) => window.max(MIN_ROOM as u32),
            Credit::Stalled => MIN_ROOM as u32,
        };
        let credit = whole.saturating_sub(peer.room); // what was given is not taken back
        peer.room += credit;
        credit
    }
}

impl Peer {
    fn is_done_with(&mut self, bytes: u32) {
        self.window_used = self.window_used.checked_sub(bytes).expect("done with more than received");
    }

    fn take(&mut self, payload: PktBuf) {
        assert!(payload.len() <= MAX_SEND && payload.frame_len() > 0 && payload.is_unique());
        assert!(!self.closed, "sent after closing");
        self.room = self.room.checked_sub(payload.frame_len() as u32).expect("sent beyond the credit");
        self.replies.extend_from_slice(payload.bytes());
        if let Some(body) = payload.attachment().and_then(|attachment| attachment.body) {
            self.replies.extend_from_slice(body.bytes());
        }
        if !self.dead {
            self.in_flight.push_back(payload);
        }
    }
}
