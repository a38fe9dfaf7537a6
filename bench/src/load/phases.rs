//! What an engine is told to do, one after another: connect, store the records, measure, ask.

use std::time::Duration;

use super::engine::{Engine, Source};
use super::error::LoadError;
use super::plan::Loading;
use super::protocol::Protocol;
use super::recorder::Record;
use super::schedule::Schedule;
use super::wire::{Closed, ConnId, Wire};
use super::workload::Operation;

/// Connections that are being opened at a time, so that no backlog overflows.
const OPENING_AT_ONCE: usize = 64;
/// How long answers may take after the end of a measurement.
const DRAIN: Duration = Duration::from_secs(1);
/// What an appliance is asked for its cycles, and what an echo of ours is.
const STATISTICS: &str = "stats dataplane";
const STATISTICS_OF_ECHO: &str = "stats";

/// A measurement, as one engine is told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    /// When requests begin, when recording does, and when both end, in cycles.
    pub(super) start: u64,
    pub(super) from: u64,
    pub(super) until: u64,
    /// Pieces of the recorded time, of one length.
    pub(super) pieces: usize,
    /// Cycles between the arrivals of this engine, or none: closed loop.
    pub(super) gap_cycles: Option<f64>,
}

/// What one engine has measured.
#[derive(Debug)]
pub(super) struct Part {
    /// In each piece of the interval.
    pub(super) records: Vec<Record>,
    /// The server's statistics at the beginning and at the end, if it was asked and has answered in time.
    pub(super) statistics: Option<[String; 2]>,
    /// What the server counts as a request.
    pub(super) counted: Counted,
}

/// What a server counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Requests.
    Requests,
    /// Segments, each with one request or several: an echo.
    Segments,
}

impl<W: Wire> Engine<'_, W> {
    /// Opens all connections.
    pub(super) fn connect(&mut self) -> Result<(), LoadError> {
        self.session.during = "connecting";
        self.session.heard = self.session.clock.now();
        let count = self.session.connections.len() + usize::from(self.session.control.is_some());
        let mut begun = 0;
        while self.session.open < count {
            while begun < count && begun - self.session.open < OPENING_AT_ONCE {
                self.session.open_next(&mut self.wire, ConnId(begun as u32))?;
                begun += 1;
            }
            self.wire.flush()?;
            let now = self.turn()?;
            if self.silence(now) > self.session.plan.patience {
                return Err(LoadError::NoServer(Closed::TimedOut));
            }
        }
        Ok(())
    }

    /// Stores this engine's share of the records.
    pub(super) fn load(&mut self, thread: usize) -> Result<(), LoadError> {
        if self.session.plan.loading == Loading::Skipped {
            return Ok(());
        }
        self.session.during = "storing the records";
        self.session.refused = 0;
        self.source = Source::Load { next: thread as u64, stride: self.session.plan.threads as u64 };
        self.depth = self.session.plan.load_depth();
        self.session.again = Some(Vec::new());
        self.all_ready();
        let records = self.session.workload.mix().records;
        loop {
            let now = self.turn()?;
            let done = matches!(self.source, Source::Load { next, .. } if next >= records);
            let is_again = self.session.again.as_ref().is_some_and(|again| !again.is_empty());
            if done && self.session.under_way == 0 && !is_again {
                break;
            }
            self.check_silence(now)?;
        }
        self.source = Source::Dry;
        self.session.again = None;
        self.depth = self.session.plan.depth;
        match self.session.refused {
            0 => Ok(()),
            refused => Err(LoadError::NotStored { refused, records }),
        }
    }

    /// Sends requests and records what becomes of them.
    pub(super) fn measure(&mut self, interval: Interval) -> Result<Part, LoadError> {
        let Interval { start, from, until, pieces, gap_cycles } = interval;
        self.session.during = "measuring";
        self.session.recorder.begin(from, until, pieces);
        self.source = match gap_cycles {
            None => Source::Peak,
            Some(gap) => Source::Open(Schedule::new(self.session.plan.gaps, gap, start, self.random.fork())?),
        };
        while self.session.clock.now() < start {
            self.turn_without_sending()?;
        }
        self.all_ready();
        let (question, counted) = match self.session.plan.protocol {
            Protocol::Echo => (STATISTICS_OF_ECHO, Counted::Segments),
            _ => (STATISTICS, Counted::Requests),
        };
        let mut statistics = [None, None];
        let mut asked = 0;
        let deadline = until + self.session.clock.cycles(DRAIN);
        loop {
            let now = self.turn()?;
            if self.session.control.is_some() {
                if let Some(answer) = self.session.control_answer() {
                    statistics[asked - 1] = Some(answer);
                }
                if (asked == 0 && now >= from) || (asked == 1 && now >= until) {
                    self.ask(question)?;
                    asked += 1;
                }
            }
            if now >= until {
                self.source = Source::Dry;
                let waits_for_statistics = asked == 2 && statistics[1].is_none();
                let waits = self.session.under_way > 0 || self.held.len() > 0 || waits_for_statistics;
                if !waits || now >= deadline {
                    break;
                }
            }
            self.check_silence(now)?;
        }
        self.leave_unanswered(until)?;
        let statistics = match statistics {
            [Some(before), Some(after)] => Some([before, after]),
            _ => None,
        };
        Ok(Part { records: self.session.recorder.end(), statistics, counted })
    }

    /// Asks the server something, in text, while nothing else goes on.
    pub(super) fn question(&mut self, command: &str) -> Result<Option<String>, LoadError> {
        if self.session.control.is_none() {
            return Ok(None);
        }
        self.session.during = "asking for its version";
        self.ask(command)?;
        let began = self.session.clock.now();
        loop {
            let now = self.turn()?;
            if let Some(answer) = self.session.control_answer() {
                return Ok(Some(answer));
            }
            if now - began > self.session.clock.cycles(DRAIN) {
                return Ok(None);
            }
        }
    }

    fn ask(&mut self, command: &str) -> Result<(), LoadError> {
        if let Some((conn, control)) = &mut self.session.control {
            let question = control.ask(command);
            self.wire.send(*conn, &question)?;
            self.wire.flush()?;
        }
        Ok(())
    }

    /// Every connection may have something to send.
    fn all_ready(&mut self) {
        (0..self.session.connections.len()).for_each(|index| self.session.note_ready(ConnId(index as u32)));
    }

    fn silence(&self, now: u64) -> Duration {
        Duration::from_nanos(self.session.clock.ns(now.saturating_sub(self.session.heard)))
    }

    /// Silence is only the server's fault as long as it owes something.
    fn check_silence(&self, now: u64) -> Result<(), LoadError> {
        let owes = self.session.under_way > 0 || self.session.open < self.session.connections.len();
        let (after, during) = (self.silence(now), self.session.during);
        if owes && after > self.session.plan.patience { Err(LoadError::Stalled { after, during }) } else { Ok(()) }
    }

    /// What has no answer counts by how long it has waited: it must not flatter the others.
    fn leave_unanswered(&mut self, until: u64) -> Result<(), LoadError> {
        let now = self.session.clock.now();
        if self.session.under_way > 0 && self.session.heard < until {
            return Err(LoadError::Stalled { after: self.silence(now), during: self.session.during });
        }
        let session = &mut self.session;
        for index in 0..session.connections.len() {
            let conn = ConnId(index as u32);
            session.connections.visit(conn, |slot| session.recorder.unanswered(now, slot.intended, slot.operation));
            while let Some(intended) = self.held.pop(&mut session.connections.get(conn).held) {
                session.recorder.unanswered(now, intended, Operation::Read);
            }
        }
        Ok(())
    }
}
