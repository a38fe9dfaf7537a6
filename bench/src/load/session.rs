//! What the wire tells the engine: answers are checked and recorded here, and notes taken of what can be sent next.

use std::time::Duration;

use super::clock::Clock;
use super::connection::{Connections, Phase};
use super::control::Control;
use super::error::LoadError;
use super::plan::{Misses, Plan};
use super::protocol::frame::Frame;
use super::protocol::{Outcome, Progress, Request, Step, Wrong};
use super::recorder::Recorder;
use super::wire::{Client, Closed, ConnId, Transport, Wire};
use super::workload::{Operation, Workload};

/// After this time without an answer, a datagram counts as lost.
const LOST_AFTER: Duration = Duration::from_millis(200);

/// The engine's side of its wire.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) plan: &'a Plan,
    pub(super) workload: &'a Workload,
    pub(super) clock: Clock,
    pub(super) connections: Connections,
    pub(super) recorder: Recorder,
    /// The answer that is looked for, as it should be.
    pub(super) expected: Vec<u8>,
    /// The connection for statistics, if this engine has one.
    pub(super) control: Option<(ConnId, Control)>,
    /// Connections that may have something to send, each once.
    pub(super) ready: Vec<ConnId>,
    /// Connections whose requests are all answered, to be opened anew.
    pub(super) spent: Vec<ConnId>,
    /// While the records are stored: those whose datagrams were lost, to be stored again.
    pub(super) again: Option<Vec<u64>>,
    /// Records that were not there and are to be stored next, if misses are filled.
    pub(super) missed: Vec<u64>,
    /// Connections that are open.
    pub(super) open: usize,
    /// Requests under way.
    pub(super) under_way: usize,
    /// Requests that the server did not carry out, measured or not.
    pub(super) refused: u64,
    /// When the last answer came.
    pub(super) heard: u64,
    /// What goes on, for messages.
    pub(super) during: &'static str,
    /// The first thing that went wrong.
    pub(super) fault: Option<LoadError>,
}

impl Session<'_> {
    /// Notes that a connection may have something to send.
    #[inline]
    pub(super) fn note_ready(&mut self, conn: ConnId) {
        let connection = self.connections.get(conn);
        if !connection.is_ready && connection.phase == Phase::Open {
            connection.is_ready = true;
            self.ready.push(conn);
        }
    }

    #[cold]
    fn fail(&mut self, error: impl Into<LoadError>) {
        self.fault.get_or_insert(error.into());
    }

    /// Begins to open a connection.
    pub(super) fn open_next(&mut self, wire: &mut impl Wire, conn: ConnId) -> Result<(), LoadError> {
        if !self.is_control(conn) {
            self.connections.get(conn).phase = Phase::Opening;
        }
        Ok(wire.open(conn)?)
    }

    /// The answer to the question asked last, once it is there.
    pub(super) fn control_answer(&mut self) -> Option<String> {
        self.control.as_mut().and_then(|(_, control)| control.answer())
    }

    fn is_control(&self, conn: ConnId) -> bool {
        conn.index() >= self.connections.len()
    }

    /// The next bytes of a stream: answers in the order of the requests.
    #[inline]
    fn take_stream(&mut self, conn: ConnId, mut bytes: &[u8], now: u64) {
        let protocol = self.plan.protocol;
        while !bytes.is_empty() {
            let Some((connection, slot)) = self.connections.oldest(conn) else {
                return self.fail(Wrong::nonsense("nothing, as no request is under way", bytes));
            };
            let request = Request { operation: slot.operation, record: self.workload.record(slot.record) };
            // Nearly always answers are whole, and as they should be.
            let is_new = slot.progress == Progress::Head && connection.split.is_empty();
            let hit = if is_new { protocol.take_hit(&request, &mut self.expected, bytes) } else { None };
            let step = match hit {
                Some(used) => Ok(Step::Answered(used, Outcome::Hit)),
                None => protocol.take(&request, &mut slot.progress, &mut connection.split, bytes),
            };
            match step {
                Ok(Step::Answered(used, outcome)) => {
                    bytes = &bytes[used..];
                    let (id, intended, record) = (slot.id, slot.intended, slot.record);
                    self.recorder.answered(now, intended, request.operation, outcome);
                    self.note_missed(record, request.operation, outcome);
                    self.complete(conn, id, outcome, now);
                }
                Ok(Step::More) => return,
                Err(wrong) => return self.fail(wrong),
            }
        }
    }

    /// A datagram of an answer.
    #[inline]
    fn take_datagram(&mut self, conn: ConnId, bytes: &[u8], now: u64) {
        let Some((frame, mut piece)) = Frame::parse(bytes) else {
            return self.fail(Wrong::nonsense("the frame of a datagram", bytes));
        };
        // An answer that was given up comes late; and one whose datagrams change places is given up.
        let Some((connection, slot)) = self.connections.identified(conn, frame.request) else { return };
        if frame.sequence != slot.sequence {
            return;
        }
        slot.sequence += 1;
        let request = Request { operation: slot.operation, record: self.workload.record(slot.record) };
        match self.plan.protocol.take(&request, &mut slot.progress, &mut connection.split, piece) {
            Ok(Step::Answered(used, outcome)) => {
                piece = &piece[used..];
                let (id, intended, record) = (slot.id, slot.intended, slot.record);
                if !piece.is_empty() || frame.sequence + 1 != frame.datagrams {
                    return self.fail(Wrong::nonsense("the end of an answer", piece));
                }
                self.recorder.answered(now, intended, request.operation, outcome);
                self.note_missed(record, request.operation, outcome);
                self.complete(conn, id, outcome, now);
            }
            Ok(Step::More) if frame.sequence + 1 < frame.datagrams && connection.split.is_empty() => {}
            Ok(Step::More) => self.fail(Wrong::nonsense("a whole answer", piece)),
            Err(wrong) => self.fail(wrong),
        }
    }

    /// Gives up the requests of a connection that have waited too long for their datagrams.
    pub(super) fn expire(&mut self, conn: ConnId) {
        if self.connections.get(conn).under_way == 0 {
            return;
        }
        let now = self.clock.now();
        let deadline = now.saturating_sub(self.clock.cycles(LOST_AFTER));
        let mut lost = None;
        self.connections.visit(conn, |slot| {
            if slot.sent < deadline {
                lost = Some((slot.id, slot.record, slot.intended, slot.operation));
            }
        });
        if let Some((id, record, intended, operation)) = lost {
            self.recorder.lost(now, intended, operation);
            if let Some(again) = &mut self.again {
                again.push(record);
            }
            // Nothing was heard: whether the server has stalled is another question.
            let heard = self.heard;
            self.complete(conn, id, Outcome::Miss, now);
            self.heard = heard;
        }
    }

    /// Notes a record to be stored, if it was not there and that is the plan.
    #[inline]
    fn note_missed(&mut self, record: u64, operation: Operation, outcome: Outcome) {
        if outcome == Outcome::Miss && operation == Operation::Read && self.plan.misses == Misses::Filled {
            self.missed.push(record);
        }
    }

    /// A request is no longer under way.
    #[inline]
    fn complete(&mut self, conn: ConnId, id: u16, outcome: Outcome, now: u64) {
        if outcome == Outcome::Refused {
            self.refused += 1;
        }
        self.under_way -= 1;
        self.heard = now;
        let connection = self.connections.remove(conn, id);
        if connection.left == 0 && connection.under_way == 0 {
            self.spent.push(conn);
        } else if !connection.is_ready && connection.phase == Phase::Open {
            connection.is_ready = true;
            self.ready.push(conn);
        }
    }
}

impl Client for Session<'_> {
    fn opened(&mut self, conn: ConnId) {
        self.heard = self.clock.now();
        self.open += 1;
        if self.is_control(conn) {
            return;
        }
        let connection = self.connections.get(conn);
        connection.phase = Phase::Open;
        connection.left = self.plan.requests_per_connection.map_or(u32::MAX, |requests| requests.get());
        self.note_ready(conn);
    }

    #[inline]
    fn received(&mut self, conn: ConnId, bytes: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        let now = self.clock.now();
        if self.is_control(conn) {
            if let Some((_, control)) = &mut self.control {
                control.take(bytes);
            }
            return;
        }
        self.recorder.received(now, bytes.len());
        match self.plan.transport {
            Transport::Tcp => self.take_stream(conn, bytes, now),
            Transport::Udp => self.take_datagram(conn, bytes, now),
        }
    }

    fn closed(&mut self, conn: ConnId, reason: Closed) {
        let was_opening = !self.is_control(conn) && self.connections.get(conn).phase == Phase::Opening;
        if was_opening && self.open == 0 {
            self.fail(LoadError::NoServer(reason));
        } else {
            self.fail(LoadError::Closed { reason, during: self.during });
        }
    }
}
