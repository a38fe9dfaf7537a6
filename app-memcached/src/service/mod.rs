//! The service: protocol sessions over the stack's events and calls.
//!
//! ```text
//! Event::Recv -> (input chain) -> Session::advance -> Outbox -> Call::Send, with what was consumed, or else Call::RecvDone
//! Event::Sent -> credit -> sessions that wait for room           call array full, pool empty -> ready queue -> next run
//! ```
//!
//! - Requests are parsed in the received buffer. Only what cannot be worked on yet is kept, in its buffers, small ones joined;
//!   those bytes are not reported as done, so that a client that does not read its replies stalls itself.
//! - Replies are composed in buffers of the pool, within the flow's credit, the room of the call array and the buffers that
//!   can be spared ([`reserve`]).
//! - A connection whose input can no longer be kept is aborted and counted. That takes a peer which sends requests without reading
//!   the replies: before buffers run out for others, the stack refuses payload, which comes again.
//! - Datagrams are answered one by one, whole or not at all ([`datagrams`]).
//!
//! Called by `unikernel`'s shard, through [`App`].

mod ahead;
mod connection;
mod datagrams;
mod input;
mod migrate;
mod outbox;
mod pump;
mod ready;
mod reserve;
mod shared;
mod silence;
mod watchers;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddrV4;
use core::time::Duration;

use netdrv::pktbuf::{PktBuf, Pool};
use netstack::app::{App, Call, Calls, Cookie, Event, Events, Flow, Progress, Statistics, Turn};
use netstack::time::Instant;

use crate::protocol::{Dataplane, Doing, Ending, Listener, Roster, Seen, Server, Session};
use crate::store::{Adjusting, TooLittleMemory};
use crate::watch::Farewell;
use connection::{Connection, Phase, Waiting};
use datagrams::{Datagram, Datagrams};
use input::Inputs;
use outbox::{Limit, Outbox};
use pump::{End, Pump};
use ready::Ready;
use reserve::{Cause, Reserve};
use shared::Places;
pub use shared::Shared;
use silence::Rounds;
use watchers::{Watchers, tell_closed, tell_opened};

/// Free places in the call array without which nothing is begun: a buffer, `RecvDone`, `Close`, and one to spare.
const MIN_CALLS: usize = 4;

/// Connections that are gone on with in a turn, of those that had much to do in the last.
const RESUMED_A_TURN: usize = 4;

/// How long answers have to leave, and to arrive where one is lost, before a graceful end; and how long one waits for peers that read
/// slowly.
const GRACE: Duration = Duration::from_millis(300);
const LONG_GRACE: Duration = Duration::from_secs(5);

/// Why a service does not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The item memory is too small.
    TooLittleMemory {
        /// Bytes there are.
        bytes: usize,
        /// Bytes that would do.
        needed: usize,
    },
    /// Each of the cores that serve has its service already.
    NoMoreCores,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::TooLittleMemory { bytes, needed } => {
                write!(f, "{bytes} bytes of item memory, at least {needed} are needed")
            }
            Error::NoMoreCores => f.write_str("more services than there are threads"),
        }
    }
}

impl core::error::Error for Error {}

impl From<TooLittleMemory> for Error {
    fn from(TooLittleMemory { bytes, needed }: TooLittleMemory) -> Error {
        Error::TooLittleMemory { bytes, needed }
    }
}

/// The memcached service of one core.
pub struct Service {
    server: Server,
    /// Places for connections, of all cores.
    places: Arc<Places>,
    connections: Vec<Connection>,
    /// Connections that are no more.
    free: Vec<Cookie>,
    inputs: Inputs,
    ready: Ready,
    /// Connections that go on in the next turn, and when the last such turn was.
    paused: VecDeque<Cookie>,
    resumed: Option<Instant>,
    pool: &'static Pool,
    reserve: Reserve,
    datagrams: Datagrams,
    /// Of looking for silent connections.
    rounds: Rounds,
    watchers: Watchers,
    /// Time of the first run.
    started: Option<Instant>,
    /// When a client has asked for the end.
    ending_since: Option<Instant>,
}

impl Service {
    /// The service of one core: for [`Shared::service`].
    fn new(server: Server, places: Arc<Places>, limit: usize, pool: &'static Pool) -> Service {
        Service {
            server,
            places,
            connections: Vec::with_capacity(limit),
            free: Vec::with_capacity(limit),
            inputs: Inputs::new(pool),
            ready: Ready::new(limit),
            paused: VecDeque::with_capacity(limit),
            resumed: None,
            pool,
            reserve: Reserve::new(pool),
            datagrams: Datagrams::new(),
            rounds: Rounds::default(),
            watchers: Watchers::default(),
            started: None,
            ending_since: None,
        }
    }

    /// Heap bytes that each connection of the limit takes, used or not.
    pub const fn bytes_per_connection() -> usize {
        size_of::<Connection>() + 3 * size_of::<Cookie>() + Roster::bytes_per_place()
    }

    /// The state that all sessions share: items, counters, clock.
    pub fn server(&self) -> &Server {
        &self.server
    }

    fn handle(&mut self, event: Event, turn: Turn<'_>, calls: &mut Calls) {
        match event {
            Event::Knock { flow, local_port, remote } => self.knock(flow, local_port, remote, calls),
            Event::Connected { cookie, credit, .. } | Event::Sent { cookie, credit, .. } => {
                let Some(connection) = self.connections.get_mut(cookie as usize) else { return };
                connection.room += credit;
                if connection.waiting == Waiting::Room {
                    self.serve(cookie, None, Cause::Room, turn, calls);
                }
            }
            Event::Recv { cookie, payload } => {
                self.server.roster.hear(cookie, self.server.uptime());
                self.serve(cookie, Some(payload), Cause::Request, turn, calls);
            }
            Event::PeerClosed { cookie } => {
                let Some(connection) = self.connections.get_mut(cookie as usize) else { return };
                connection.peer_closed = true;
                self.serve(cookie, None, Cause::Room, turn, calls);
            }
            Event::Dead { cookie, .. } => self.forget(cookie),
            Event::UdpRecv { local_port, remote, payload } => {
                self.receive(Datagram { local_port, remote, payload }, turn, calls);
            }
        }
    }

    fn knock(&mut self, flow: Flow, local_port: u16, remote: SocketAddrV4, calls: &mut Calls) {
        if !self.places.take() {
            self.server.connections.rejected.add(1);
            return call(calls, Call::Reject { flow });
        }
        let cookie = self.place(flow);
        self.server.connections.current.add(1);
        self.server.connections.total.add(1);
        let listener = if local_port == self.server.settings.port { Listener::Memcached } else { Listener::Http };
        let heard = self.server.uptime();
        if listener == Listener::Http {
            self.connections[cookie as usize].session = Session::http();
        }
        self.server.roster.enter(cookie, Seen { remote, listener, doing: Doing::Reading, heard });
        tell_opened(&self.server, cookie);
        call(calls, Call::Accept { flow, cookie });
    }

    /// A cookie for a connection that comes.
    fn place(&mut self, flow: Flow) -> Cookie {
        match self.free.pop() {
            Some(cookie) => {
                let connection = &mut self.connections[cookie as usize];
                // The ready queue may still hold the cookie: that stays known, so that it never holds it twice.
                *connection = Connection { is_ready: connection.is_ready, ..Connection::new(flow) };
                cookie
            }
            // As many as there are places fit, so that one core may come to have them all.
            None => {
                self.connections.push(Connection::new(flow));
                (self.connections.len() - 1) as Cookie
            }
        }
    }

    /// Works on a connection as far as its input and the room for its output reach.
    fn serve(&mut self, cookie: Cookie, payload: Option<PktBuf>, cause: Cause, turn: Turn<'_>, calls: &mut Calls) {
        let Some(connection) = self.connections.get_mut(cookie as usize) else { return };
        let flow = connection.flow;
        if connection.phase != Phase::Open {
            return self.put_off(cookie, payload, calls);
        }
        self.server.report.client = cookie;
        let below = Below(turn.statistics);
        let cause = if connection.input.is_empty() || cause == Cause::Relief { cause } else { Cause::Room };
        let outbox = Outbox::new(self.pool, self.reserve.allow(cause), calls, flow, connection.room);
        let mut pump = Pump::new(&mut self.inputs, &mut self.server, &below, &self.reserve, outbox);
        let end = pump.run(connection, payload);
        let served = pump.finish();
        connection.room = served.credit;
        let done = served.untold;
        // By far the most frequent: all is answered, as it was before.
        if end == End::Wait(Waiting::Input) && connection.waiting == Waiting::Input && !connection.peer_closed {
            if done > 0 {
                call(calls, Call::RecvDone { flow, bytes: done });
            }
            return;
        }
        self.conclude(cookie, end, served.limit, done, calls);
    }

    /// Notes what has become of a connection that was served, and what it waits for.
    #[inline(never)]
    fn conclude(&mut self, cookie: Cookie, end: End, limit: Limit, mut done: u32, calls: &mut Calls) {
        let Some(connection) = self.connections.get_mut(cookie as usize) else { return };
        let flow = connection.flow;
        match end {
            End::Wait(waiting)
                if connection.peer_closed && (waiting == Waiting::Input || connection.session.is_watching()) =>
            {
                // As memcached says of one that watched.
                let reason = if connection.session.is_watching() { Farewell::Error } else { Farewell::Normal };
                tell_closed(&self.server, cookie, reason);
                self.server.roster.note(cookie, Doing::Closing);
                done += connection.close(&mut self.inputs, &mut self.server);
                call(calls, Call::Close { flow });
            }
            End::Wait(waiting) => {
                if waiting != connection.waiting {
                    let doing = if connection.session.is_watching() { Doing::Watching } else { waiting.doing() };
                    self.server.roster.note(cookie, doing);
                }
                connection.waiting = waiting;
                if waiting == Waiting::News {
                    self.watchers.note(cookie);
                }
                if waiting == Waiting::Turn {
                    connection.phase = Phase::Paused;
                    self.paused.push_back(cookie);
                }
                if waiting == Waiting::Room && limit != Limit::Credit {
                    self.server.connections.waited_for_buffers.add(u64::from(limit == Limit::Buffers));
                    self.ready.push(cookie, connection);
                }
            }
            End::Close(reason) => {
                tell_closed(&self.server, cookie, reason);
                self.server.roster.note(cookie, Doing::Closing);
                done += connection.close(&mut self.inputs, &mut self.server);
                call(calls, Call::Close { flow });
            }
            End::Abort => {
                tell_closed(&self.server, cookie, Farewell::Error);
                connection.close(&mut self.inputs, &mut self.server);
                return call(calls, Call::Abort { flow });
            }
        }
        if done > 0 {
            call(calls, Call::RecvDone { flow, bytes: done });
        }
    }

    /// Takes what comes for a connection that is not served now.
    #[cold]
    fn put_off(&mut self, cookie: Cookie, payload: Option<PktBuf>, calls: &mut Calls) {
        let (connection, Some(payload)) = (&mut self.connections[cookie as usize], payload) else { return };
        let (flow, bytes) = (connection.flow, payload.len() as u32);
        match connection.phase {
            Phase::Closing => call(calls, Call::RecvDone { flow, bytes }),
            Phase::Paused if self.inputs.push(&mut connection.input, payload, self.reserve.from_idle).is_err() => {
                self.server.connections.closed_no_buffers.add(1);
                tell_closed(&self.server, cookie, Farewell::Error);
                connection.close(&mut self.inputs, &mut self.server);
                self.paused.retain(|paused| *paused != cookie);
                call(calls, Call::Abort { flow });
            }
            Phase::Paused | Phase::Open | Phase::Gone => {}
        }
    }

    /// Goes on with connections that had much to do, once a turn.
    #[cold]
    fn resume_paused(&mut self, turn: Turn<'_>, calls: &mut Calls) {
        if self.resumed.replace(turn.now) == Some(turn.now) {
            return;
        }
        for _ in 0..self.paused.len().min(RESUMED_A_TURN) {
            if !has_room(calls) {
                return;
            }
            let Some(cookie) = self.paused.pop_front() else { return };
            self.connections[cookie as usize].phase = Phase::Open;
            self.serve(cookie, None, Cause::Room, turn, calls);
        }
    }

    /// Frees what a connection that is no more has held.
    fn forget(&mut self, cookie: Cookie) {
        let Some(connection) = self.connections.get_mut(cookie as usize) else { return };
        if connection.phase == Phase::Gone {
            return;
        }
        if connection.phase == Phase::Paused {
            self.paused.retain(|paused| *paused != cookie);
        }
        if connection.phase != Phase::Closing {
            tell_closed(&self.server, cookie, Farewell::Error);
        }
        self.server.roster.leave(cookie);
        connection.close(&mut self.inputs, &mut self.server);
        connection.phase = Phase::Gone;
        self.server.connections.current.subtract(1);
        self.places.give_back();
        self.free.push(cookie);
    }

    /// Goes on with connections that had to wait for calls or buffers.
    fn resume(&mut self, turn: Turn<'_>, calls: &mut Calls) {
        let waiting = self.ready.len();
        if waiting == 0 {
            return;
        }
        let mut relief = self.reserve.relief(turn.now);
        for _ in 0..waiting {
            let cause = match self.reserve.is_used_up() {
                _ if !has_room(calls) => return,
                false => Cause::Room,
                true if relief == 0 => return,
                true => Cause::Relief,
            };
            relief -= usize::from(cause == Cause::Relief);
            self.reserve.note_served(turn.now);
            if let Some(cookie) = self.ready.pop(&mut self.connections) {
                self.serve(cookie, None, cause, turn, calls);
            }
        }
    }

    /// Whether there is something to do in each turn, beside what events ask for.
    fn has_other_work(&self) -> bool {
        self.server.is_adjusting || self.server.ending.is_some() || self.rounds.is_under_way()
    }

    #[cold]
    fn do_other_work(&mut self, turn: Turn<'_>) {
        if self.server.is_adjusting {
            self.server.is_adjusting = self.server.store.adjust() == Adjusting::Goes;
        }
        if self.server.ending.is_some() {
            self.ending_since.get_or_insert(turn.now);
        }
    }

    /// Whether the machine may be powered off, as a client has asked for.
    #[cold]
    fn may_end(&self, now: Instant) -> bool {
        let passed = self.ending_since.map_or(Duration::ZERO, |since| now.since(since));
        let is_waited_for =
            || self.connections.iter().any(Connection::owes_answers) || self.server.is_waited_for_elsewhere();
        match self.server.ending {
            None => false,
            Some(Ending::Now) => true,
            Some(Ending::Gracefully) => passed >= LONG_GRACE || (passed >= GRACE && !is_waited_for()),
        }
    }

    fn set_time(&mut self, turn: Turn<'_>) {
        let started = *self.started.get_or_insert(turn.now);
        let uptime = turn.now.since(started).as_secs().min(u32::MAX.into()) as u32;
        self.server.set_time(uptime, turn.unix_seconds);
        self.server.report.begin_turn(turn.unix_seconds, turn.now.as_nanos());
    }
}

impl App for Service {
    fn run(&mut self, turn: Turn<'_>, events: &mut Events, calls: &mut Calls) -> Progress {
        // A turn of the core begins: it looks at no item but those it has pinned.
        self.server.store.pass();
        while let Some(lent) = self.pool.take_back() {
            self.server.store.take_back(&lent);
        }
        self.set_time(turn);
        if self.has_other_work() {
            self.do_other_work(turn);
        }
        if !self.datagrams.is_empty() {
            self.answer_waiting(turn, calls);
        }
        self.close_silent(calls);
        self.resume(turn, calls);
        if !self.paused.is_empty() {
            self.resume_paused(turn, calls);
        }
        let mut looked_at = 0;
        while has_room(calls) {
            if looked_at == 0 {
                ahead::look(&self.server.store, &self.connections, events);
                looked_at = ahead::GROUP;
            }
            looked_at -= 1;
            let Some(event) = events.pop_front() else { break };
            self.handle(event, turn, calls);
        }
        if !self.watchers.is_empty() {
            self.tell_watchers(turn, calls);
        }
        match (events.is_empty() && self.datagrams.is_empty(), self.ready.is_empty()) {
            (true, true) if self.paused.is_empty() && !self.has_other_work() => {
                if self.watchers.is_empty() {
                    Progress::Done
                } else {
                    Progress::Alert
                }
            }
            (true, true) => Progress::Later,
            (true, false) if self.reserve.is_used_up() => Progress::Starved,
            _ => Progress::More,
        }
    }

    fn requests(&self) -> u64 {
        let counters = &self.server.counters;
        let reads = [&counters.cmd_get, &counters.cmd_touch];
        let writes = [&counters.cmd_set, &counters.delete_hits, &counters.delete_misses];
        let sums = [&counters.incr_hits, &counters.incr_misses, &counters.decr_hits, &counters.decr_misses];
        reads.iter().chain(&writes).chain(&sums).map(|count| count.get()).sum()
    }

    fn rest(&mut self) {
        self.server.store.offline();
    }

    fn is_over(&self, now: Instant) -> bool {
        self.server.ending.is_some() && self.may_end(now)
    }
}

/// Counters of the layers below, for the protocol.
struct Below<'a>(&'a dyn Statistics);

impl Dataplane for Below<'_> {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        self.0.visit(visit);
    }
}

fn has_room(calls: &Calls) -> bool {
    calls.len() + MIN_CALLS <= calls.capacity()
}

/// Adds a call, for which [`MIN_CALLS`] has left room.
fn call(calls: &mut Calls, call: Call) {
    let added = calls.push_back(call);
    debug_assert!(added.is_ok(), "MIN_CALLS is too small");
}

#[cfg(test)]
mod tests;
