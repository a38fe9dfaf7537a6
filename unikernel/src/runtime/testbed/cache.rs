//! The appliance's own service on several cores, with little memory and large values, and a client that knows what every byte of
//! every reply must be.

use core::net::SocketAddrV4;
use std::collections::VecDeque;

use app_memcached::protocol::{Dialect, Permissions, Settings};
use app_memcached::service::{Service, Shared};
use app_memcached::store::{StoreMemory, WhenFull};
use netdrv::pktbuf::{PktBuf, Pool};
use netstack::app::{App, Call, Calls, Cookie, Event, Events, Flow, Movable, Progress, Reason, Turn};

use super::*;

/// Values have at most so many bytes.
const MOST_BYTES: usize = 20_000;
/// Keys of a connection.
const KEYS: usize = 12;
/// Requests that a connection has under way at most.
const MOST_UNDER_WAY: usize = 8;

/// What an appliance of 24 MiB has: packet buffers of a core, and memory for items.
const LEAST_BUFFERS: usize = 1024;
const STORE_BYTES: usize = 12 << 20;

/// What a get is answered when the value was evicted, and a set when all memory is in use.
const NO_VALUE: &[&[u8]] = &[b"END\r\n", b"SERVER_ERROR out of memory writing get response\r\n"];
const NOT_STORED: &[&[u8]] = &[b"SERVER_ERROR out of memory storing object\r\n"];

/// A reply that is waited for, and what may come instead.
struct Awaited {
    reply: Vec<u8>,
    instead: &'static [&'static [u8]],
}

/// A connection of the client.
struct Asking {
    flow: Option<Flow>,
    credit: u32,
    unsent: VecDeque<u8>,
    awaited: VecDeque<Awaited>,
    received: Vec<u8>,
    /// What each key holds: the version and the length of its value.
    held: [Option<(u64, usize)>; KEYS],
    version: u64,
}

/// Asks for what it has set, on many connections.
pub(super) struct Asker {
    connections: Vec<Asking>,
    opened: usize,
    random: u64,
    pool: &'static Pool,
    /// One in so many requests is a set.
    pub(super) gets_per_set: usize,
    /// No more is asked.
    pub(super) ending: bool,
    /// A connection that died.
    pub(super) dead: Option<(Cookie, Reason)>,
    /// Replies so far, of each connection.
    pub(super) replies: Vec<u64>,
}

/// The value of a version of a key.
fn value(connection: usize, key: usize, version: u64, len: usize) -> impl Iterator<Item = u8> {
    let mut state = (connection as u64) << 40 ^ (key as u64) << 32 ^ version.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    })
}

impl Asker {
    fn new(connections: usize, seed: u64, pool: &'static Pool) -> Asker {
        let asking = |_| Asking {
            flow: None,
            credit: 0,
            unsent: VecDeque::new(),
            awaited: VecDeque::new(),
            received: Vec::new(),
            held: [None; KEYS],
            version: 0,
        };
        Asker {
            connections: (0..connections).map(asking).collect(),
            opened: 0,
            random: seed.wrapping_mul(0xd134_2543_de82_ef95) | 1,
            pool,
            gets_per_set: 3,
            ending: false,
            dead: None,
            replies: vec![0; connections],
        }
    }

    /// Whether no reply is waited for.
    pub(super) fn is_idle(&self) -> bool {
        self.connections.iter().all(|asking| asking.flow.is_some() && asking.awaited.is_empty())
    }

    /// Whether a connection waits for no reply.
    pub(super) fn is_idle_on(&self, connection: usize) -> bool {
        self.connections[connection].awaited.is_empty()
    }

    /// What a connection waits for.
    pub(super) fn state(&self, connection: usize) -> String {
        let Asking { flow, credit, unsent, awaited, received, .. } = &self.connections[connection];
        let first = awaited.front().map_or(0, |awaited| awaited.reply.len());
        format!(
            "connection {connection}: {flow:?}, credit {credit}, {} unsent, {} awaited, {} of {first} received",
            unsent.len(),
            awaited.len(),
            received.len()
        )
    }

    fn random(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 33) as usize % below
    }

    fn ask(&mut self, number: usize) {
        let (key, sets) = (self.random(KEYS), self.random(self.gets_per_set) == 0);
        let len = if self.random(2) == 0 { 1 + self.random(200) } else { 1 + self.random(MOST_BYTES) };
        let asking = &mut self.connections[number];
        let name = format!("key-{number}-{key}");
        if sets || asking.held[key].is_none() {
            asking.version += 1;
            asking.held[key] = Some((asking.version, len));
            asking.unsent.extend(format!("set {name} 0 0 {len}\r\n").bytes());
            asking.unsent.extend(value(number, key, asking.version, len));
            asking.unsent.extend(*b"\r\n");
            asking.awaited.push_back(Awaited { reply: b"STORED\r\n".to_vec(), instead: NOT_STORED });
        } else if let Some((version, len)) = asking.held[key] {
            asking.unsent.extend(format!("get {name}\r\n").bytes());
            let mut reply = format!("VALUE {name} 0 {len}\r\n").into_bytes();
            reply.extend(value(number, key, version, len));
            reply.extend(b"\r\nEND\r\n");
            asking.awaited.push_back(Awaited { reply, instead: NO_VALUE });
        }
    }

    fn work(&mut self, number: usize, calls: &mut Calls) {
        while !self.ending && self.connections[number].awaited.len() < MOST_UNDER_WAY {
            self.ask(number);
        }
        let asking = &mut self.connections[number];
        let Some(flow) = asking.flow else { return };
        while calls.len() + 4 <= calls.capacity() && !asking.unsent.is_empty() && asking.credit > 0 {
            let Some(mut payload) = self.pool.alloc() else { return };
            let len = asking.unsent.len().min(asking.credit as usize).min(1400);
            let bytes: Vec<u8> = asking.unsent.drain(..len).collect();
            payload.extend_from_slice(&bytes).unwrap();
            asking.credit -= len as u32;
            calls.push_back(Call::Send { flow, payload, done: 0 }).unwrap();
        }
    }

    /// Checks all replies that have come whole.
    fn check(&mut self, number: usize) {
        let asking = &mut self.connections[number];
        while let Some(awaited) = asking.awaited.front() {
            let instead = awaited.instead.iter().find(|instead| asking.received.starts_with(instead));
            let taken = if let Some(instead) = instead {
                instead.len()
            } else if awaited.instead.iter().any(|instead| instead.starts_with(&asking.received)) {
                return;
            } else if asking.received.len() >= awaited.reply.len() {
                let len = awaited.reply.len();
                let wrong = asking.received.iter().zip(&awaited.reply).position(|(got, wanted)| got != wanted);
                if let Some(at) = wrong {
                    let around = |bytes: &[u8]| bytes[at..bytes.len().min(at + 40)].escape_ascii().to_string();
                    let (got, wanted) = (around(&asking.received), around(&awaited.reply));
                    panic!("connection {number}, byte {at} of {len}: \"{got}\" instead of \"{wanted}\"");
                }
                len
            } else {
                return;
            };
            asking.received.drain(..taken);
            asking.awaited.pop_front();
            self.replies[number] += 1;
        }
        assert!(asking.received.is_empty(), "bytes that nobody asked for on connection {number}");
    }
}

impl App for Asker {
    fn run(&mut self, _: Turn<'_>, events: &mut Events, calls: &mut Calls) -> Progress {
        if self.opened < self.connections.len() {
            let cookie = self.opened as Cookie;
            self.opened += 1;
            calls.push_back(Call::Connect { cookie, remote: SocketAddrV4::new(SERVER, PORT) }).unwrap();
        }
        while calls.len() + 8 <= calls.capacity()
            && let Some(event) = events.pop_front()
        {
            match event {
                Event::Connected { cookie, flow, credit } => {
                    let asking = &mut self.connections[cookie as usize];
                    asking.flow = Some(flow);
                    asking.credit += credit;
                }
                Event::Sent { cookie, credit, .. } => self.connections[cookie as usize].credit += credit,
                Event::Recv { cookie, payload } => {
                    let asking = &mut self.connections[cookie as usize];
                    asking.received.extend(payload.bytes());
                    let (flow, bytes) = (asking.flow.unwrap(), payload.len() as u32);
                    calls.push_back(Call::RecvDone { flow, bytes }).unwrap();
                    self.check(cookie as usize);
                }
                Event::Dead { cookie, reason } => self.dead = Some((cookie, reason)),
                Event::PeerClosed { cookie } => panic!("connection {cookie} was closed"),
                Event::UdpRecv { .. } | Event::Knock { .. } => unreachable!("nobody calls the client"),
            }
        }
        let first = self.random(self.connections.len());
        for number in 0..self.connections.len() {
            self.work((first + number) % self.connections.len(), calls);
        }
        if events.is_empty() { Progress::Done } else { Progress::More }
    }
}

impl Movable for Asker {
    type State = ();

    fn export(&mut self, _: Cookie, _: &mut Vec<PktBuf>) -> Option<()> {
        unreachable!("the client has one core")
    }

    fn import(&mut self, _: Flow, (): (), _: &mut Vec<PktBuf>) -> Option<Cookie> {
        unreachable!("the client has one core")
    }
}

/// The service on `cores` cores of an appliance with little memory.
pub(super) fn cache(cores: usize, connections: usize, seed: u64) -> Testbed<Service, Asker> {
    let settings = Settings {
        udp_port: 0,
        http_port: 0,
        permissions: Permissions::default(),
        auth: None,
        cluster: None,
        conn_limit: 256,
        max_item_size: 1 << 20,
        when_full: WhenFull::Evict,
        port: PORT,
        dialect: Dialect::DEFAULT,
        threads: cores as u32,
    };
    let mut shared = Shared::new(settings, seed, StoreMemory::leak(STORE_BYTES)).unwrap();
    let server = |pool| shared.service(pool).unwrap();
    Testbed::of(cores, LEAST_BUFFERS, seed, server, |pool| Asker::new(connections, seed, pool))
}
