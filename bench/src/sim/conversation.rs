//! One end of a connection, whatever stack is below it: what it sends, what it must receive, and how it ends.

use super::scenario::{Closing, Lending, Plan, Role, Shape};
use super::stream::{NAME_BYTES, Stream};

/// A connection on which one end may have gone without the other knowing is given up after so long without progress.
const PATIENCE_NS: u64 = 100_000_000_000;

/// How a connection ended, as its stack tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Both ends closed it, or this one reset it.
    Closed,
    /// Anything else.
    Broken(&'static str),
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Conversation {
    plan: Plan,
    role: Role,
    outgoing: Stream,
    incoming: Stream,
    sent: u64,
    received: u64,
    /// Received bytes that this end has read.
    read: u64,
    next_read_ns: u64,
    last_progress_ns: u64,
    peer_closed: bool,
    closed: bool,
    aborted: bool,
}

impl Conversation {
    pub(super) fn new(plan: Plan, role: Role, now_ns: u64) -> Conversation {
        let up = Stream::new(plan.seed, plan.name);
        let down = match plan.shape {
            Shape::Echo => up,
            Shape::Bulk => Stream::new(!plan.seed, plan.name),
        };
        let (outgoing, incoming) = if role == Role::Client { (up, down) } else { (down, up) };
        Conversation {
            plan,
            role,
            outgoing,
            incoming,
            sent: 0,
            received: 0,
            read: 0,
            next_read_ns: now_ns,
            last_progress_ns: now_ns,
            peer_closed: false,
            closed: false,
            aborted: false,
        }
    }

    pub(super) fn name(&self) -> u32 {
        self.plan.name
    }

    /// Bytes to send in the next write; 0 if there is nothing to send now.
    pub(super) fn next_write(&self) -> u64 {
        self.sendable().min(self.plan.writes[self.role as usize])
    }

    /// Bytes that the conversation has to send now.
    fn sendable(&self) -> u64 {
        if self.closed || self.aborted {
            return 0;
        }
        let until = match (self.plan.shape, self.role) {
            (Shape::Echo, Role::Server) => self.read,
            _ => self.to_send(),
        };
        until - self.sent
    }

    /// What can be sent from where it lies behind the next `bytes`, of at most `most`.
    pub(super) fn next_body(&self, bytes: u64, most: u64) -> Option<&'static [u8]> {
        let Lending::Bodies(largest) = self.plan.lending else { return None };
        let left = self.sendable().saturating_sub(bytes);
        self.outgoing.body(self.sent + bytes, left.min(most).min(largest) as usize)
    }

    /// Writes what is to be sent next, without sending it.
    pub(super) fn fill(&self, out: &mut [u8]) {
        self.outgoing.fill(self.sent, out);
    }

    /// Notes that this many bytes were sent.
    pub(super) fn wrote(&mut self, bytes: u64, now_ns: u64) {
        self.sent += bytes;
        self.last_progress_ns = now_ns;
    }

    /// Takes received bytes; an error names what is wrong with them.
    pub(super) fn receive(&mut self, bytes: &[u8], now_ns: u64) -> Result<(), String> {
        if let Some(at) = self.incoming.first_wrong(self.received, bytes) {
            return Err(format!("byte {at} of {} is wrong", self.to_receive()));
        }
        self.received += bytes.len() as u64;
        self.last_progress_ns = now_ns;
        match () {
            () if self.received > self.to_receive() => {
                Err(format!("{} bytes too many", self.received - self.to_receive()))
            }
            () if self.peer_closed => Err("payload after the peer closed".to_owned()),
            () => Ok(()),
        }
    }

    /// Reads as much of `available` bytes as this end wants now. Returns how much.
    pub(super) fn read(&mut self, available: u64, now_ns: u64) -> u64 {
        let bytes = match self.plan.slow.filter(|slow| slow.who == self.role) {
            None => available,
            Some(_) if now_ns < self.next_read_ns || available == 0 => return 0,
            Some(slow) => {
                self.next_read_ns = now_ns + slow.pause_ns;
                slow.bytes.min(available)
            }
        };
        self.read += bytes;
        bytes
    }

    /// The bytes that named the connection were read.
    pub(super) fn read_name(&mut self) {
        self.read += NAME_BYTES;
    }

    /// The peer will send no more.
    pub(super) fn peer_closes(&mut self, now_ns: u64) -> Result<(), String> {
        if self.peer_closed {
            return Err("the peer closed twice".to_owned());
        }
        self.peer_closed = true;
        self.last_progress_ns = now_ns;
        if self.received == self.to_receive() {
            return Ok(());
        }
        Err(format!("the peer closed after {} of {} bytes", self.received, self.to_receive()))
    }

    /// Whether the connection is to be closed now; says so once.
    pub(super) fn closes(&mut self) -> bool {
        let may = match self.plan.closing {
            Closing::First(role) => role == self.role || self.peer_closed,
            Closing::Both => true,
        };
        let closes = may && !self.closed && !self.aborted && self.sent == self.to_send();
        self.closed |= closes;
        closes
    }

    /// Whether the connection is to be reset now; says so once.
    pub(super) fn aborts(&mut self, now_ns: u64) -> bool {
        let Some(abort) = self.plan.abort.filter(|_| !self.aborted) else { return false };
        let planned = abort.by == self.role && self.received >= abort.after && !self.closed;
        self.aborted = planned || now_ns >= self.last_progress_ns + PATIENCE_NS;
        self.aborted
    }

    /// When to look at it again, if nothing else happens.
    pub(super) fn deadline_ns(&self, now_ns: u64) -> Option<u64> {
        let gives_up = self.plan.abort.is_some() && !self.aborted;
        let gives_up = gives_up.then_some(self.last_progress_ns + PATIENCE_NS);
        gives_up.into_iter().chain([self.next_read_ns]).filter(|at| *at > now_ns).min()
    }

    /// The connection is no more.
    pub(super) fn ends(&self, ending: Ending) -> Result<(), String> {
        if self.plan.abort.is_some() {
            return Ok(());
        }
        let Conversation { sent, received, .. } = self;
        let state = format!("{sent} of {} bytes sent, {received} of {} received", self.to_send(), self.to_receive());
        match ending {
            Ending::Broken(why) => Err(format!("{why}; {state}")),
            Ending::Closed if self.closed && self.peer_closed => Ok(()),
            Ending::Closed => Err(format!("ended before both ends had closed it; {state}")),
        }
    }

    fn to_send(&self) -> u64 {
        if self.role == Role::Client { self.plan.up } else { self.plan.down }
    }

    fn to_receive(&self) -> u64 {
        if self.role == Role::Client { self.plan.down } else { self.plan.up }
    }
}
