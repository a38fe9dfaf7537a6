//! The application: it takes what knocks, sends a known pattern within its credit, and checks that what it receives is one.

use std::collections::VecDeque;
use std::net::SocketAddrV4;

use netdrv::pktbuf::Pool;
use netstack::app::{Call, Calls, Cookie, Event, Events, Flow, MAX_SEND};

/// The byte at a place of every stream, in both directions.
pub(crate) fn pattern(at: u32) -> u8 {
    (at.wrapping_mul(7) ^ (at >> 8)) as u8
}

/// `len` bytes of the stream from a place on.
pub(crate) fn pattern_from(at: u32, len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| pattern(at.wrapping_add(n))).collect()
}

/// When what knocks is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    AtOnce,
    /// Once it is changed back.
    Later,
    /// Never: it is reset.
    Refused,
}

/// Whether received bytes are returned to the window at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Yes,
    /// The window closes.
    No,
}

/// Whether what arrives on a connection is the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Pattern,
    Anything,
}

/// A connection of the app.
pub(crate) struct Connection {
    pub(crate) flow: Flow,
    pub(crate) port: u16,
    stream: Stream,
    /// Bytes sent and received.
    pub(crate) sent: u32,
    pub(crate) received: u32,
    credit: u32,
    /// Bytes to be sent, beyond those.
    wanted: u32,
    /// Received bytes that are not returned yet.
    unread: u32,
    /// Whether it may send: it is connected and was not closed.
    is_open: bool,
}

/// The application.
pub(crate) struct App {
    connections: Vec<Option<Connection>>,
    /// Connections that knocked and were not let in yet.
    knocked: VecDeque<Knock>,
    pub(crate) admission: Admission,
    pub(crate) reading: Reading,
    /// Bytes that a new connection sends at once.
    pub(crate) greeting: u32,
    /// Calls that the input asked for.
    asked: VecDeque<Call>,
}

/// A connection that knocked.
#[derive(Debug)]
struct Knock {
    flow: Flow,
    port: u16,
    stream: Stream,
}

/// Buffers left for the stack.
const RESERVE: usize = 128;

impl App {
    pub(crate) fn new() -> App {
        App {
            connections: Vec::new(),
            knocked: VecDeque::new(),
            admission: Admission::AtOnce,
            reading: Reading::Yes,
            greeting: 0,
            asked: VecDeque::new(),
        }
    }

    /// The live connection with a port of the peer.
    pub(crate) fn connection(&mut self, port: u16) -> Option<&mut Connection> {
        self.connections.iter_mut().flatten().find(|connection| connection.port == port)
    }

    /// What arrives from the ports of `concerned` may be anything from now on.
    pub(crate) fn expect_anything(&mut self, concerned: impl Fn(u16) -> bool) {
        let knocked = self.knocked.iter_mut().map(|knock| (knock.port, &mut knock.stream));
        let connections =
            self.connections.iter_mut().flatten().map(|connection| (connection.port, &mut connection.stream));
        for (_, stream) in knocked.chain(connections).filter(|(port, _)| concerned(*port)) {
            *stream = Stream::Anything;
        }
    }

    /// Has `bytes` more sent to `port`, as credit allows.
    pub(crate) fn send(&mut self, port: u16, bytes: u32) {
        if let Some(connection) = self.connection(port) {
            connection.wanted = connection.wanted.saturating_add(bytes).min(1 << 20);
        }
    }

    pub(crate) fn close(&mut self, port: u16) {
        if let Some(connection) = self.connection(port) {
            connection.is_open = false;
            let flow = connection.flow;
            self.asked.push_back(Call::Close { flow });
        }
    }

    pub(crate) fn abort(&mut self, port: u16) {
        if let Some(connection) = self.connection(port) {
            connection.is_open = false;
            let flow = connection.flow;
            self.asked.push_back(Call::Abort { flow });
        }
    }

    pub(crate) fn abort_all(&mut self) {
        for connection in self.connections.iter_mut().flatten() {
            connection.is_open = false;
            self.asked.push_back(Call::Abort { flow: connection.flow });
        }
    }

    /// Whether a call waits for room.
    pub(crate) fn has_calls(&self) -> bool {
        !self.asked.is_empty()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.connections.iter().flatten().count() == 0 && self.knocked.is_empty()
    }

    /// Takes the events and makes calls, as many as there is room for. `stream_of` says what a new connection will carry.
    pub(crate) fn run(
        &mut self,
        pool: &'static Pool,
        events: &mut Events,
        calls: &mut Calls,
        mut stream_of: impl FnMut(SocketAddrV4) -> Stream,
    ) {
        while !calls.is_full()
            && let Some(event) = events.pop_front()
        {
            self.take(event, pool, calls, &mut stream_of);
        }
        while !calls.is_full()
            && let Some(call) = self.asked.pop_front()
        {
            let _ = calls.push_back(call);
        }
        self.answer_knocks(calls);
        let reading = self.reading;
        for connection in self.connections.iter_mut().flatten() {
            connection.work(reading, pool, calls);
        }
    }

    fn take(
        &mut self,
        event: Event,
        pool: &'static Pool,
        calls: &mut Calls,
        stream_of: &mut impl FnMut(SocketAddrV4) -> Stream,
    ) {
        match event {
            Event::Knock { flow, remote } => {
                self.knocked.push_back(Knock { flow, port: remote.port(), stream: stream_of(remote) });
            }
            Event::Connected { cookie, credit, .. } => {
                let greeting = self.greeting;
                let connection = self.of(cookie);
                assert!(!connection.is_open, "connected twice");
                connection.is_open = true;
                connection.credit += credit;
                connection.wanted += greeting;
            }
            Event::Recv { cookie, payload } => self.of(cookie).receives(payload.bytes()),
            Event::Sent { cookie, credit, .. } => self.of(cookie).credit += credit,
            Event::PeerClosed { cookie } => {
                let connection = self.of(cookie);
                connection.is_open = false;
                let _ = calls.push_back(Call::Close { flow: connection.flow }); // room: checked by `run`
            }
            // A datagram is echoed, as far as there are buffers.
            Event::UdpRecv { local_port, remote, payload } => {
                if let Some(mut echo) = pool.alloc()
                    && echo.extend_from_slice(payload.bytes()).is_some()
                {
                    let _ = calls.push_back(Call::UdpSend { local_port, remote, payload: echo }); // room: as above
                }
            }
            Event::Dead { cookie, .. } => {
                self.of(cookie);
                self.connections[cookie as usize] = None;
            }
        }
    }

    fn answer_knocks(&mut self, calls: &mut Calls) {
        while self.admission != Admission::Later
            && !calls.is_full()
            && let Some(Knock { flow, port, stream }) = self.knocked.pop_front()
        {
            let call = match self.admission {
                Admission::Refused => Call::Reject { flow },
                _ => Call::Accept { flow, cookie: self.admit(flow, port, stream) },
            };
            let _ = calls.push_back(call);
        }
    }

    fn admit(&mut self, flow: Flow, port: u16, stream: Stream) -> Cookie {
        let (sent, received, credit, wanted, unread) = (0, 0, 0, 0, 0);
        let connection = Connection { flow, port, stream, sent, received, credit, wanted, unread, is_open: false };
        let free = self.connections.iter().position(Option::is_none).unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        self.connections[free] = Some(connection);
        free as Cookie
    }

    fn of(&mut self, cookie: Cookie) -> &mut Connection {
        self.connections.get_mut(cookie as usize).and_then(Option::as_mut).expect("an event of no connection")
    }
}

impl Connection {
    fn receives(&mut self, payload: &[u8]) {
        assert!(!payload.is_empty(), "an empty payload");
        if self.stream == Stream::Pattern {
            assert_eq!(payload, pattern_from(self.received, payload.len()), "received at {}", self.received);
        }
        self.received = self.received.wrapping_add(payload.len() as u32);
        self.unread += payload.len() as u32;
    }

    /// Returns what was read, and sends what the credit allows.
    fn work(&mut self, reading: Reading, pool: &'static Pool, calls: &mut Calls) {
        if self.unread > 0 && reading == Reading::Yes && !calls.is_full() {
            let _ = calls.push_back(Call::RecvDone { flow: self.flow, bytes: self.unread });
            self.unread = 0;
        }
        while self.is_open && self.wanted.min(self.credit) > 0 && !calls.is_full() && pool.available() > RESERVE {
            let len = self.wanted.min(self.credit).min(MAX_SEND as u32);
            let Some(mut payload) = pool.alloc() else { return };
            let Some(()) = payload.extend_from_slice(&pattern_from(self.sent, len as usize)) else { return };
            self.sent = self.sent.wrapping_add(len);
            self.wanted -= len;
            self.credit -= len;
            let _ = calls.push_back(Call::Send { flow: self.flow, payload });
        }
    }
}
