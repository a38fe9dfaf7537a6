//! The application: it takes what knocks, sends a known pattern within its credit, and checks that what it receives is one.

use std::collections::VecDeque;
use std::net::SocketAddrV4;

use netdrv::pktbuf::{Attachment, Fragment, Pool};
use netstack::app::{Call, Calls, Cookie, Event, Events, Flow, MAX_SEND};

/// The byte at a place of every stream, in both directions.
const fn pattern(at: u32) -> u8 {
    (at.wrapping_mul(7) ^ (at >> 8)) as u8
}

/// After so many bytes the pattern begins again.
const PERIOD: usize = 1 << 16;
/// The longest body that is lent for one buffer.
const MOST_BODY: usize = 16 << 10;

/// The pattern, long enough for a body from any place.
static PATTERN: [u8; PERIOD + MOST_BODY] = {
    let mut bytes = [0; PERIOD + MOST_BODY];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = pattern(at as u32);
        at += 1;
    }
    bytes
};

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

/// Where what is sent lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// In packet buffers.
    Copied,
    /// A few bytes in a packet buffer, the rest in memory that is lent.
    Lent,
}

/// Whether what arrives on a connection is the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Pattern,
    Anything,
}

/// A connection of the app.
pub(crate) struct Connection {
    /// `None` while it is being opened by us.
    flow: Option<Flow>,
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
    pub(crate) sending: Sending,
    /// Bytes of lent memory that have not come back.
    lent: usize,
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

/// Bytes copied in front of lent ones: as large as a reply's head.
const LENT_BEHIND: usize = 40;
/// Buffers left for the stack.
const RESERVE: usize = 128;

impl App {
    pub(crate) fn new() -> App {
        App {
            connections: Vec::new(),
            knocked: VecDeque::new(),
            admission: Admission::AtOnce,
            reading: Reading::Yes,
            sending: Sending::Copied,
            lent: 0,
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

    /// Opens a connection to a port of the peer, unless there is one.
    pub(crate) fn connect(&mut self, remote: SocketAddrV4) {
        if self.connection(remote.port()).is_none() {
            let cookie = self.admit(None, remote.port(), Stream::Anything);
            self.asked.push_back(Call::Connect { cookie, remote });
        }
    }

    pub(crate) fn close(&mut self, port: u16) {
        if let Some(connection) = self.connection(port)
            && let Some(flow) = connection.flow
        {
            connection.is_open = false;
            self.asked.push_back(Call::Close { flow });
        }
    }

    pub(crate) fn abort(&mut self, port: u16) {
        if let Some(connection) = self.connection(port)
            && let Some(flow) = connection.flow
        {
            connection.is_open = false;
            self.asked.push_back(Call::Abort { flow });
        }
    }

    pub(crate) fn abort_all(&mut self) {
        for connection in self.connections.iter_mut().flatten() {
            connection.is_open = false;
            self.asked.extend(connection.flow.map(|flow| Call::Abort { flow }));
        }
    }

    /// Whether a call waits for room.
    pub(crate) fn has_calls(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Whether all has ended, and all that was lent is back.
    pub(crate) fn is_idle(&self) -> bool {
        self.connections.iter().flatten().count() == 0 && self.knocked.is_empty() && self.lent == 0
    }

    /// Takes the events and makes calls, as many as there is room for. `stream_of` says what a new connection will carry.
    pub(crate) fn run(
        &mut self,
        pool: &'static Pool,
        events: &mut Events,
        calls: &mut Calls,
        mut stream_of: impl FnMut(SocketAddrV4) -> Stream,
    ) {
        while let Some(body) = pool.take_back() {
            self.lent = self.lent.checked_sub(body.len()).expect("memory came back twice");
        }
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
        let (reading, sending) = (self.reading, self.sending);
        for connection in self.connections.iter_mut().flatten() {
            connection.read(reading, calls);
            self.lent += connection.send(sending, pool, calls);
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
            Event::Knock { flow, remote, .. } => {
                self.knocked.push_back(Knock { flow, port: remote.port(), stream: stream_of(remote) });
            }
            Event::Connected { cookie, flow, credit } => {
                let greeting = self.greeting;
                let connection = self.of(cookie);
                assert_eq!(*connection.flow.get_or_insert(flow), flow);
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
                let flow = connection.flow.expect("a connection that is open");
                let _ = calls.push_back(Call::Close { flow }); // room: checked by `run`
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
                _ => Call::Accept { flow, cookie: self.admit(Some(flow), port, stream) },
            };
            let _ = calls.push_back(call);
        }
    }

    fn admit(&mut self, flow: Option<Flow>, port: u16, stream: Stream) -> Cookie {
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

    /// Returns what was read.
    fn read(&mut self, reading: Reading, calls: &mut Calls) {
        if let Some(flow) = self.flow
            && self.unread > 0
            && reading == Reading::Yes
            && !calls.is_full()
        {
            let _ = calls.push_back(Call::RecvDone { flow, bytes: self.unread });
            self.unread = 0;
        }
    }

    /// Sends what the credit allows. Returns how much memory was lent for it.
    fn send(&mut self, sending: Sending, pool: &'static Pool, calls: &mut Calls) -> usize {
        let mut lent = 0;
        while let Some(flow) = self.flow
            && self.is_open
            && self.wanted.min(self.credit) > 0
            && !calls.is_full()
            && pool.available() > RESERVE
        {
            let most = if sending == Sending::Lent { MOST_BODY } else { MAX_SEND };
            let len = self.wanted.min(self.credit).min(most as u32) as usize;
            let copied = if sending == Sending::Lent { len.min(LENT_BEHIND) } else { len };
            let Some(mut payload) = pool.alloc() else { break };
            let Some(()) = payload.extend_from_slice(&pattern_from(self.sent, copied)) else { break };
            if len > copied {
                let from = self.sent.wrapping_add(copied as u32) as usize % PERIOD;
                let body = Some(Fragment::lent_for_ever(&PATTERN[from..from + len - copied]));
                let Some(()) = payload.attach(Attachment { body, segmentation: None }) else { break };
                lent += len - copied;
            }
            self.sent = self.sent.wrapping_add(len as u32);
            self.wanted -= len as u32;
            self.credit -= len as u32;
            let _ = calls.push_back(Call::Send { flow, payload, done: 0 });
        }
        lent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_begins_again() {
        assert!(
            (0..MOST_BODY as u32)
                .all(|at| pattern(at) == pattern(at + PERIOD as u32) && pattern(at) == PATTERN[at as usize])
        );
    }
}
