//! What the wire knows of one connection.

use std::collections::VecDeque;

use netdrv::pktbuf::{PktBuf, Pool};
use netstack::app::{Cookie, FULL_SEGMENT, Flow};

use crate::load::wire::ConnId;

/// Buffers that are left for what is received and for the stack's own frames: without them no acknowledgment would come in, and
/// none that wait for one would be free again.
const RESERVE: usize = 1024;
/// Bits of a cookie that name the connection; those above tell its lives apart.
const INDEX_BITS: u32 = 20;

/// A connection, or the port of one over UDP.
#[derive(Default)]
pub(super) struct Connection {
    /// Counts the lives of the connection, as what is under way may be of an earlier one.
    life: u32,
    state: State,
    /// Bytes that the stack takes now.
    credit: usize,
    /// The buffer that is being filled.
    filling: Option<PktBuf>,
    /// What there was no credit or no buffer for.
    unsent: VecDeque<u8>,
    /// Whether it is among those that have something to send.
    pub(super) is_listed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Opening,
    Open(Flow),
}

impl Connection {
    /// The connection that a cookie names.
    pub(super) fn named(cookie: Cookie) -> ConnId {
        ConnId(cookie & ((1 << INDEX_BITS) - 1))
    }

    /// The name of this life of connection `conn`.
    pub(super) fn cookie(&self, conn: ConnId) -> Cookie {
        conn.0 | self.life << INDEX_BITS
    }

    /// Whether a cookie that names this connection is of its present life.
    pub(super) fn lives_as(&self, cookie: Cookie) -> bool {
        cookie >> INDEX_BITS == self.life & (u32::MAX >> INDEX_BITS) && self.state != State::Closed
    }

    /// Begins a life.
    pub(super) fn open(&mut self) {
        self.life = self.life.wrapping_add(1);
        self.state = State::Opening;
    }

    /// The connection is there.
    pub(super) fn opened(&mut self, flow: Flow, credit: u32) {
        self.state = State::Open(flow);
        self.credit = credit as usize;
    }

    /// Ends a life. Returns the connection, if it was there.
    pub(super) fn end(&mut self) -> Option<Flow> {
        self.credit = 0;
        self.filling = None;
        self.unsent.clear();
        match std::mem::take(&mut self.state) {
            State::Open(flow) => Some(flow),
            State::Opening | State::Closed => None,
        }
    }

    /// The connection, if it is there.
    pub(super) fn flow(&self) -> Option<Flow> {
        match self.state {
            State::Open(flow) => Some(flow),
            State::Opening | State::Closed => None,
        }
    }

    /// Further credit. Returns whether something has waited for it.
    pub(super) fn add_credit(&mut self, credit: u32) -> bool {
        self.credit += credit as usize;
        !self.unsent.is_empty()
    }

    /// Takes bytes to send. `send` gets each buffer that is full; the rest leaves with [`finish`](Connection::finish).
    #[inline]
    pub(super) fn write(&mut self, bytes: &[u8], pool: &'static Pool, send: impl FnMut(PktBuf)) {
        if self.append(bytes, pool).is_none() {
            self.write_in_parts(bytes, pool, send);
        }
    }

    /// Takes bytes that fit into the buffer that is being filled, without filling it; `None`, and no change, if they do not.
    #[inline]
    fn append(&mut self, bytes: &[u8], pool: &'static Pool) -> Option<()> {
        let credit = self.credit.checked_sub(bytes.len())?;
        if !self.unsent.is_empty() || bytes.is_empty() || bytes.len() >= FULL_SEGMENT {
            return None;
        }
        if self.filling.is_none() {
            self.filling = Some(alloc(pool)?);
        }
        let buffer = self.filling.as_mut().filter(|buffer| buffer.len() + bytes.len() < FULL_SEGMENT)?;
        buffer.extend_from_slice(bytes)?;
        self.credit = credit;
        Some(())
    }

    fn write_in_parts(&mut self, bytes: &[u8], pool: &'static Pool, send: impl FnMut(PktBuf)) {
        let taken = if self.unsent.is_empty() { self.fill(bytes, pool, send) } else { 0 };
        self.unsent.extend(&bytes[taken..]);
    }

    /// Sends what was left over, as far as there are credit and buffers, and the buffer that was not full.
    pub(super) fn finish(&mut self, pool: &'static Pool, mut send: impl FnMut(PktBuf)) {
        while !self.unsent.is_empty() {
            let unsent = std::mem::take(&mut self.unsent);
            let taken = self.fill(unsent.as_slices().0, pool, &mut send);
            self.unsent = unsent;
            self.unsent.drain(..taken);
            if taken == 0 {
                break;
            }
        }
        if let Some(buffer) = self.filling.take() {
            send(buffer);
        }
    }

    /// Whether it waits for buffers: credit raises an event, and those do not.
    pub(super) fn is_starved(&self) -> bool {
        !self.unsent.is_empty() && self.credit > 0
    }

    /// Copies as much of `bytes` as there are credit and buffers for. Returns how much.
    fn fill(&mut self, bytes: &[u8], pool: &'static Pool, mut send: impl FnMut(PktBuf)) -> usize {
        let mut rest = &bytes[..bytes.len().min(self.credit)];
        let mut taken = 0;
        while !rest.is_empty() {
            let Some(mut buffer) = self.filling.take().or_else(|| alloc(pool)) else { break };
            let (now, later) = rest.split_at(rest.len().min(FULL_SEGMENT - buffer.len()));
            let fitted = buffer.extend_from_slice(now).is_some();
            taken += if fitted { now.len() } else { 0 };
            if buffer.len() == FULL_SEGMENT || !fitted {
                send(buffer);
            } else {
                self.filling = Some(buffer);
            }
            rest = later;
        }
        self.credit -= taken;
        taken
    }
}

/// A buffer to send, if there are some to spare.
fn alloc(pool: &'static Pool) -> Option<PktBuf> {
    if pool.available() > RESERVE { pool.alloc() } else { None }
}
