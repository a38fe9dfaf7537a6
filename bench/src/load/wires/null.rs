//! No wire: requests are answered in memory, at once or after a time. What the generator does without a time is all that it
//! can do; what it measures with one shows how well it measures.

use std::collections::VecDeque;

use crate::load::clock::Clock;
use crate::load::protocol::{Protocol, answer_to};
use crate::load::wire::{Client, ConnId, Wire, WireError};
use crate::load::workload::Workload;

/// Bytes of answers that were taken are given back when there are so many.
const STALE: usize = 1 << 20;

/// Answers, as a server that has every record. Over streams only.
#[derive(Debug)]
pub struct Null<'a> {
    protocol: Protocol,
    workload: &'a Workload,
    /// With the time that an answer takes, in cycles.
    delay: Option<(Clock, u64)>,
    opened: Vec<ConnId>,
    /// Answers, one behind another; those before `taken` are gone.
    answers: Vec<u8>,
    taken: usize,
    /// When each is due, whose it is, and its length.
    due: VecDeque<(u64, ConnId, usize)>,
}

impl<'a> Null<'a> {
    /// A server of a workload's records that answers at once.
    pub fn new(protocol: Protocol, workload: &'a Workload) -> Null<'a> {
        let (opened, answers, due) = (Vec::new(), Vec::new(), VecDeque::new());
        Null { protocol, workload, delay: None, opened, answers, taken: 0, due }
    }

    /// One that answers each request exactly so many cycles after it was sent.
    pub fn delayed(protocol: Protocol, workload: &'a Workload, clock: Clock, cycles: u64) -> Null<'a> {
        Null { delay: Some((clock, cycles)), ..Null::new(protocol, workload) }
    }
}

impl Wire for Null<'_> {
    fn open(&mut self, conn: ConnId) -> Result<(), WireError> {
        self.opened.push(conn);
        Ok(())
    }

    #[inline]
    fn send(&mut self, conn: ConnId, bytes: &[u8]) -> Result<(), WireError> {
        let due = self.delay.map_or(0, |(clock, cycles)| clock.now() + cycles);
        let before = self.answers.len();
        answer_to(self.protocol, self.workload, bytes, &mut self.answers);
        self.due.push_back((due, conn, self.answers.len() - before));
        Ok(())
    }

    fn close(&mut self, conn: ConnId) {
        self.opened.retain(|&opened| opened != conn);
    }

    #[inline]
    fn poll(&mut self, client: &mut impl Client) -> Result<bool, WireError> {
        let mut came = !self.opened.is_empty();
        self.opened.drain(..).for_each(|conn| client.opened(conn));
        let now = self.delay.map_or(0, |(clock, _)| clock.now());
        while let Some(&(due, conn, len)) = self.due.front()
            && due <= now
        {
            self.due.pop_front();
            client.received(conn, &self.answers[self.taken..self.taken + len]);
            self.taken += len;
            came = true;
        }
        if self.due.is_empty() || self.taken >= STALE {
            self.answers.drain(..self.taken);
            self.taken = 0;
        }
        Ok(came)
    }

    fn flush(&mut self) -> Result<(), WireError> {
        Ok(())
    }
}
