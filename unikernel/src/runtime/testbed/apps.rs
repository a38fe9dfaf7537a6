//! The two ends: a server that sends back what it gets, and a client that checks it.

use core::net::SocketAddrV4;
use std::collections::{BTreeMap, VecDeque};

use netdrv::pktbuf::{PktBuf, Pool};
use netstack::app::{App, Call, Calls, Cookie, Event, Events, Flow, Movable, Progress, Turn};

use super::{PORT, SERVER};

/// Free calls without which nothing is begun.
const MIN_CALLS: usize = 4;

/// Byte `at` of the stream of connection `stream`.
fn pattern(stream: u32, at: u64) -> u8 {
    (at.wrapping_mul(31) ^ at >> 8 ^ u64::from(stream).wrapping_mul(7)) as u8
}

fn buffer(pool: &'static Pool, bytes: impl IntoIterator<Item = u8>) -> Option<PktBuf> {
    let mut buffer = pool.alloc()?;
    let bytes: Vec<u8> = bytes.into_iter().collect();
    buffer.extend_from_slice(&bytes)?;
    Some(buffer)
}

/// A connection of the server.
pub(in super::super) struct Echoed {
    flow: Flow,
    credit: u32,
    backlog: VecDeque<u8>,
    peer_closed: bool,
}

/// Sends back what it gets, as far as its credit goes.
pub(in super::super) struct Echo {
    connections: BTreeMap<Cookie, Echoed>,
    next: Cookie,
    bytes: u64,
    pool: &'static Pool,
}

impl Echo {
    /// Replies lie in buffers of `pool`, the core's.
    pub(super) fn new(pool: &'static Pool) -> Echo {
        Echo { connections: BTreeMap::new(), next: 0, bytes: 0, pool }
    }

    fn work(&mut self, cookie: Cookie, calls: &mut Calls) {
        let pool = self.pool;
        let Some(connection) = self.connections.get_mut(&cookie) else { return };
        while calls.len() + MIN_CALLS <= calls.capacity() && !connection.backlog.is_empty() && connection.credit > 0 {
            let len = connection.backlog.len().min(connection.credit as usize).min(1400);
            let Some(payload) = buffer(pool, connection.backlog.drain(..len)) else { panic!("the pool is empty") };
            connection.credit -= len as u32;
            self.bytes += len as u64;
            calls.push_back(Call::Send { flow: connection.flow, payload, done: 0 }).unwrap();
        }
        if connection.peer_closed && connection.backlog.is_empty() {
            connection.peer_closed = false;
            calls.push_back(Call::Close { flow: connection.flow }).unwrap();
        }
    }
}

impl App for Echo {
    fn run(&mut self, _: Turn<'_>, events: &mut Events, calls: &mut Calls) -> Progress {
        let waiting: Vec<Cookie> =
            self.connections.iter().filter(|(_, c)| !c.backlog.is_empty()).map(|(k, _)| *k).collect();
        waiting.into_iter().for_each(|cookie| self.work(cookie, calls));
        while calls.len() + 2 * MIN_CALLS <= calls.capacity()
            && let Some(event) = events.pop_front()
        {
            let cookie = match event {
                Event::Knock { flow, .. } => {
                    self.next += 1;
                    let connection = Echoed { flow, credit: 0, backlog: VecDeque::new(), peer_closed: false };
                    self.connections.insert(self.next, connection);
                    calls.push_back(Call::Accept { flow, cookie: self.next }).unwrap();
                    continue;
                }
                Event::Connected { cookie, credit, .. } | Event::Sent { cookie, credit, .. } => {
                    self.connections.get_mut(&cookie).unwrap().credit += credit;
                    cookie
                }
                Event::Recv { cookie, payload } => {
                    let connection = self.connections.get_mut(&cookie).unwrap();
                    connection.backlog.extend(payload.bytes());
                    calls.push_back(Call::RecvDone { flow: connection.flow, bytes: payload.len() as u32 }).unwrap();
                    cookie
                }
                Event::PeerClosed { cookie } => {
                    self.connections.get_mut(&cookie).unwrap().peer_closed = true;
                    cookie
                }
                Event::Dead { cookie, .. } => {
                    assert!(self.connections.remove(&cookie).is_some(), "an unknown connection died");
                    continue;
                }
                Event::UdpRecv { .. } => continue,
            };
            self.work(cookie, calls);
        }
        if events.is_empty() { Progress::Done } else { Progress::More }
    }

    fn requests(&self) -> u64 {
        self.bytes
    }
}

/// A connection of the client.
struct Called {
    flow: Option<Flow>,
    credit: u32,
    sent: u64,
    checked: u64,
    closing: bool,
}

/// Opens connections, sends a stream of its own on each, and checks that it comes back.
pub(in super::super) struct Caller {
    connections: BTreeMap<Cookie, Called>,
    unopened: u32,
    opened: u32,
    limit: u64,
    closing: bool,
    pool: &'static Pool,
    /// Bytes checked, on all connections.
    pub(in super::super) checked: u64,
}

impl Caller {
    /// For this many connections.
    pub(super) fn new(connections: u32, pool: &'static Pool) -> Caller {
        let unopened = connections;
        Caller { connections: BTreeMap::new(), unopened, opened: 0, limit: u64::MAX, closing: false, pool, checked: 0 }
    }

    /// Sends no more than this on each connection.
    pub(in super::super) fn limit(&mut self, bytes: u64) {
        self.limit = bytes;
    }

    /// Whether all has come back.
    pub(in super::super) fn is_done(&self) -> bool {
        self.unopened == 0 && self.connections.values().all(|connection| connection.checked == self.limit)
    }

    /// Closes each connection when all of its stream has come back.
    pub(in super::super) fn close(&mut self) {
        self.limit = self.connections.values().map(|connection| connection.sent).max().unwrap_or(0);
        self.closing = true;
    }

    /// Whether all connections have ended.
    pub(in super::super) fn is_closed(&self) -> bool {
        self.connections.is_empty()
    }

    fn work(&mut self, cookie: Cookie, calls: &mut Calls) {
        let Some(connection) = self.connections.get_mut(&cookie) else { return };
        let Some(flow) = connection.flow else { return };
        // Not more under way than a few segments: what counts is the number of exchanges.
        let window = 600 + u64::from(cookie % 5) * 200;
        while calls.len() + MIN_CALLS <= calls.capacity() {
            let open = (connection.checked + window).min(self.limit).saturating_sub(connection.sent);
            let len = open.min(connection.credit.into()).min(1 + (connection.sent * 7 + u64::from(cookie)) % 500);
            if len == 0 {
                break;
            }
            let Some(payload) = buffer(self.pool, (0..len).map(|n| pattern(cookie, connection.sent + n))) else {
                break;
            };
            connection.sent += len;
            connection.credit -= len as u32;
            calls.push_back(Call::Send { flow, payload, done: 0 }).unwrap();
        }
        if self.closing && !connection.closing && connection.checked == connection.sent && connection.sent == self.limit
        {
            connection.closing = true;
            calls.push_back(Call::Close { flow }).unwrap();
        }
    }
}

impl Movable for Echo {
    type State = (u32, Vec<u8>, bool);

    fn export(&mut self, cookie: Cookie, input: &mut Vec<PktBuf>) -> Option<Self::State> {
        let Echoed { credit, mut backlog, peer_closed, .. } = self.connections.remove(&cookie)?;
        // Some of it as input, so that buffers travel too.
        let pool = self.pool;
        let kept: Vec<u8> = backlog.drain(..backlog.len() / 2).collect();
        for chunk in kept.chunks(1000) {
            input.push(buffer(pool, chunk.iter().copied())?);
        }
        Some((credit, backlog.into(), peer_closed))
    }

    fn import(
        &mut self,
        flow: Flow,
        (credit, rest, peer_closed): Self::State,
        input: &mut Vec<PktBuf>,
    ) -> Option<Cookie> {
        self.next += 1;
        let mut backlog: VecDeque<u8> = input.drain(..).flat_map(|buffer| buffer.bytes().to_vec()).collect();
        backlog.extend(rest);
        self.connections.insert(self.next, Echoed { flow, credit, backlog, peer_closed });
        Some(self.next)
    }
}

impl Movable for Caller {
    type State = ();

    fn export(&mut self, _: Cookie, _: &mut Vec<PktBuf>) -> Option<()> {
        unreachable!("the client has one core")
    }

    fn import(&mut self, _: Flow, (): (), _: &mut Vec<PktBuf>) -> Option<Cookie> {
        unreachable!("the client has one core")
    }
}

impl App for Caller {
    fn run(&mut self, _: Turn<'_>, events: &mut Events, calls: &mut Calls) -> Progress {
        if self.unopened > 0 {
            self.unopened -= 1;
            self.opened += 1;
            let cookie = self.opened;
            let called = Called { flow: None, credit: 0, sent: 0, checked: 0, closing: false };
            self.connections.insert(cookie, called);
            calls.push_back(Call::Connect { cookie, remote: SocketAddrV4::new(SERVER, PORT) }).unwrap();
        }
        while calls.len() + 2 * MIN_CALLS <= calls.capacity()
            && let Some(event) = events.pop_front()
        {
            match event {
                Event::Connected { cookie, flow, credit } => {
                    let connection = self.connections.get_mut(&cookie).unwrap();
                    connection.flow = Some(flow);
                    connection.credit += credit;
                }
                Event::Sent { cookie, credit, .. } => self.connections.get_mut(&cookie).unwrap().credit += credit,
                Event::Recv { cookie, payload } => {
                    let connection = self.connections.get_mut(&cookie).unwrap();
                    for byte in payload.bytes() {
                        assert_eq!(
                            *byte,
                            pattern(cookie, connection.checked),
                            "byte {} of {cookie}",
                            connection.checked
                        );
                        connection.checked += 1;
                    }
                    self.checked += payload.len() as u64;
                    let flow = connection.flow.unwrap();
                    calls.push_back(Call::RecvDone { flow, bytes: payload.len() as u32 }).unwrap();
                }
                Event::Dead { cookie, reason } => {
                    let connection = self.connections.remove(&cookie).unwrap();
                    assert!(connection.closing, "connection {cookie} died: {reason:?}");
                }
                Event::PeerClosed { .. } | Event::UdpRecv { .. } => {}
                Event::Knock { .. } => unreachable!("nobody connects to the client"),
            }
        }
        let cookies: Vec<Cookie> = self.connections.keys().copied().collect();
        cookies.into_iter().for_each(|cookie| self.work(cookie, calls));
        if events.is_empty() { Progress::Done } else { Progress::More }
    }
}
