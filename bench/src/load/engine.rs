//! One thread's engine: its wire, its connections, and the turn in which answers are taken and requests sent.

use super::clock::Clock;
use super::connection::{Connections, Phase, Slot};
use super::control::Control;
use super::error::LoadError;
use super::held::Held;
use super::plan::Plan;
use super::protocol::Request;
use super::protocol::frame::Frame;
use super::random::Random;
use super::recorder::Recorder;
use super::schedule::Schedule;
use super::session::Session;
use super::wire::{ConnId, Transport, Wire};
use super::workload::{Operation, Workload};

/// Arrivals dealt in a turn, so that answers do not wait long.
const BURST: usize = 64;
/// Arrivals that may wait for their connections.
const MAX_HELD: usize = 1 << 20;
/// Connections looked at in a turn for requests whose datagrams are lost.
const EXPIRED_AT_ONCE: usize = 4;

/// Where requests come from.
#[derive(Debug)]
pub(super) enum Source {
    /// None are sent but those that wait already.
    Dry,
    /// Every record is stored, from `next` on by `stride`.
    Load {
        /// The index of the next.
        next: u64,
        /// Every so many, as engines share the records.
        stride: u64,
    },
    /// As many as may be under way: closed loop.
    Peak,
    /// At a rate, whatever becomes of the answers: open loop.
    Open(Schedule),
}

/// One thread's engine.
#[derive(Debug)]
pub(super) struct Engine<'a, W> {
    pub(super) wire: W,
    pub(super) session: Session<'a>,
    pub(super) source: Source,
    pub(super) held: Held,
    pub(super) random: Random,
    /// The most requests under way on a connection.
    pub(super) depth: usize,
    request: Vec<u8>,
    /// The next connection to be looked at for lost datagrams.
    looked_at: u32,
    turn_end: u64,
}

/// What a turn has sent of the arrivals that had not to wait.
#[derive(Default)]
struct Dealt {
    sent: u64,
    first: u64,
}

impl<'a, W: Wire> Engine<'a, W> {
    pub(super) fn new(wire: W, plan: &'a Plan, workload: &'a Workload, clock: Clock, thread: usize) -> Engine<'a, W> {
        let seed = workload.mix().seed ^ (thread as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // One engine asks for statistics, on a connection beside the others.
        let control = (thread == 0).then(|| (ConnId(plan.connections as u32), Control::new(plan.transport)));
        let session = Session {
            plan,
            workload,
            clock,
            connections: Connections::new(plan.transport, plan.connections, plan.load_depth()),
            recorder: Recorder::new(clock, plan.depth),
            expected: Vec::with_capacity(4096),
            control,
            ready: Vec::with_capacity(plan.connections),
            spent: Vec::new(),
            again: None,
            missed: Vec::new(),
            open: 0,
            under_way: 0,
            refused: 0,
            heard: 0,
            during: "connecting",
            fault: None,
        };
        Engine {
            wire,
            session,
            source: Source::Dry,
            held: Held::new(MAX_HELD),
            random: Random::with_seed(seed),
            depth: plan.depth,
            request: Vec::with_capacity(4096),
            looked_at: 0,
            turn_end: clock.now(),
        }
    }

    /// Takes what came, sends what is due. Returns the time at which it ended.
    pub(super) fn turn(&mut self) -> Result<u64, LoadError> {
        let came = self.wire.poll(&mut self.session)?;
        if let Some(fault) = self.session.fault.take() {
            return Err(fault);
        }
        self.reopen()?;
        if self.session.plan.transport == Transport::Udp {
            self.expire();
        }
        let now = self.session.clock.now();
        let sent = self.send_ready(now)?;
        let dealt = self.deal(now)?;
        // In each turn: a wire has to send things of its own, too (acknowledgments, what was lost, what had to wait).
        self.wire.flush()?;
        let end = self.session.clock.now();
        if dealt.sent > 0 {
            self.session.recorder.left(end, dealt.first, dealt.sent);
        }
        self.account(end, came || sent || dealt.sent > 0);
        Ok(end)
    }

    /// Takes what came, sends no requests.
    pub(super) fn turn_without_sending(&mut self) -> Result<(), LoadError> {
        self.wire.poll(&mut self.session)?;
        self.wire.flush()?;
        self.session.fault.take().map_or(Ok(()), Err)
    }

    /// The turn's time goes to the busy or the idle cycles.
    #[inline]
    fn account(&mut self, end: u64, busy: bool) {
        self.session.recorder.turn(end, end - self.turn_end, busy);
        self.turn_end = end;
    }

    /// Sends on the connections that answers, or an opening, have given room.
    #[inline]
    fn send_ready(&mut self, now: u64) -> Result<bool, LoadError> {
        let mut sent = false;
        let mut ready = std::mem::take(&mut self.session.ready);
        for &conn in &ready {
            let connection = self.session.connections.get(conn);
            connection.is_ready = false;
            let room = connection.room(self.depth);
            // Records that are stored are not among a connection's requests.
            let is_load = matches!(self.source, Source::Load { .. });
            for _ in 0..if is_load { room } else { room.min(connection.left as usize) } {
                let Some((operation, record, intended)) = self.next_for(conn, now) else { break };
                self.send(conn, Slot::new(operation, record, intended, now))?;
                sent = true;
            }
        }
        ready.clear();
        self.session.ready = ready;
        Ok(sent)
    }

    /// The next request for a connection that has room, and when it should have been sent.
    #[inline]
    fn next_for(&mut self, conn: ConnId, now: u64) -> Option<(Operation, u64, u64)> {
        match &mut self.source {
            Source::Dry | Source::Open(_) => {
                let intended = self.held.pop(&mut self.session.connections.get(conn).held)?;
                let (operation, record) = self.draw();
                Some((operation, record, intended))
            }
            Source::Peak => {
                let (operation, record) = self.draw();
                self.session.recorder.arrived(now);
                Some((operation, record, now))
            }
            Source::Load { next, stride } => {
                if let Some(record) = self.session.again.as_mut().and_then(Vec::pop) {
                    return Some((Operation::Update, record, now));
                }
                let record = *next;
                if record >= self.session.workload.mix().records {
                    return None;
                }
                *next += *stride;
                Some((Operation::Update, record, now))
            }
        }
    }

    /// What is asked for next: a record that was not there is stored, else the workload has it.
    #[inline]
    fn draw(&mut self) -> (Operation, u64) {
        match self.session.missed.pop() {
            Some(record) => (Operation::Update, record),
            None => self.session.workload.draw(&mut self.random),
        }
    }

    /// Deals the arrivals that are due to connections at random. Where there is no room, they wait.
    #[inline]
    fn deal(&mut self, now: u64) -> Result<Dealt, LoadError> {
        let mut dealt = Dealt::default();
        for _ in 0..BURST {
            let Source::Open(schedule) = &mut self.source else { break };
            let Some(intended) = schedule.due(now) else { break };
            self.session.recorder.arrived(intended);
            let conn = ConnId(self.random.u32(..self.session.connections.len() as u32));
            let connection = self.session.connections.get(conn);
            if connection.held.is_empty() && connection.room(self.depth) > 0 {
                let (operation, record) = self.draw();
                self.send(conn, Slot::new(operation, record, intended, now))?;
                if dealt.sent == 0 {
                    dealt.first = intended;
                }
                dealt.sent += 1;
            } else if self.held.push(&mut self.session.connections.get(conn).held, intended).is_err() {
                self.session.recorder.skipped(intended);
            }
        }
        Ok(dealt)
    }

    #[inline]
    fn send(&mut self, conn: ConnId, slot: Slot) -> Result<(), LoadError> {
        let session = &mut self.session;
        let request = Request { operation: slot.operation, record: session.workload.record(slot.record) };
        let now = slot.sent;
        let (id, connection) = session.connections.push(conn, slot);
        if session.plan.requests_per_connection.is_some() && !matches!(self.source, Source::Load { .. }) {
            connection.left -= 1;
        }
        let under_way = usize::from(connection.under_way);
        self.request.clear();
        if session.plan.transport == Transport::Udp {
            self.request.extend_from_slice(&Frame::of_request(id));
        }
        session.plan.protocol.compose(&request, &mut self.request);
        self.wire.send(conn, &self.request)?;
        if session.under_way == 0 {
            // Silence before that was not the server's.
            session.heard = now;
        }
        session.under_way += 1;
        session.recorder.sent(now, under_way, self.request.len());
        Ok(())
    }

    /// Opens the connections anew that have carried all their requests.
    #[inline]
    fn reopen(&mut self) -> Result<(), LoadError> {
        while let Some(conn) = self.session.spent.pop() {
            self.wire.close(conn);
            self.session.open -= 1;
            self.session.connections.get(conn).phase = Phase::Opening;
            self.wire.open(conn)?;
            self.session.recorder.reconnected();
        }
        Ok(())
    }

    /// Gives up the requests without an answer on some connections: datagrams are lost.
    fn expire(&mut self) {
        let count = self.session.connections.len() as u32;
        for _ in 0..EXPIRED_AT_ONCE {
            self.looked_at = (self.looked_at + 1) % count;
            self.session.expire(ConnId(self.looked_at));
        }
    }
}
