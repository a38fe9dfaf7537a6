//! Requests that come in datagrams, and answers of several.
//!
//! A datagram is a conversation of its own: it begins like a connection, and what it does not finish is dropped. An answer is sent
//! whole or, if it is too large or buffers are short, not at all: the client asks again, or by TCP.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddrV4;

use netdrv::pktbuf::{Fragment, PktBuf, Pool};
use netstack::app::{Call, Calls, Turn};

use super::reserve::Cause;
use super::{Below, MIN_CALLS, Service, call};
use crate::protocol::udp::{self, FRAME_LEN, PART_LEN, RequestId};
use crate::protocol::{Output, Report, Session, Status};

/// Datagrams of an answer, at most: 175 KiB. More would not fit into the stack's queue beside others.
const MAX_PARTS: usize = 128;

/// Datagrams that wait for room for their answers, at most.
const MAX_WAITING: usize = 64;

/// A datagram with requests.
pub(super) struct Datagram {
    pub(super) local_port: u16,
    pub(super) remote: SocketAddrV4,
    pub(super) payload: PktBuf,
}

/// Datagrams that wait, and the answer that is being written.
pub(super) struct Datagrams {
    waiting: VecDeque<Datagram>,
    parts: Vec<PktBuf>,
}

impl Datagrams {
    pub(super) fn new() -> Datagrams {
        Datagrams { waiting: VecDeque::with_capacity(MAX_WAITING), parts: Vec::with_capacity(MAX_PARTS) }
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Service {
    /// Answers a datagram, now or, if the call array is too full for the largest answer, in the next run.
    #[inline(never)]
    pub(super) fn receive(&mut self, datagram: Datagram, turn: Turn<'_>, calls: &mut Calls) {
        if self.datagrams.is_empty() && has_room_for_answer(calls) {
            return self.answer(datagram, turn, calls);
        }
        if self.datagrams.waiting.len() == MAX_WAITING || self.reserve.is_used_up() {
            return self.server.connections.udp_no_buffers.add(1);
        }
        self.datagrams.waiting.push_back(datagram);
    }

    /// Answers datagrams that had to wait.
    #[cold]
    pub(super) fn answer_waiting(&mut self, turn: Turn<'_>, calls: &mut Calls) {
        while has_room_for_answer(calls)
            && let Some(datagram) = self.datagrams.waiting.pop_front()
        {
            self.answer(datagram, turn, calls);
        }
    }

    fn answer(&mut self, datagram: Datagram, turn: Turn<'_>, calls: &mut Calls) {
        let Datagram { local_port, remote, payload } = datagram;
        let Some((id, requests)) = udp::parse(payload.bytes()) else {
            return self.server.connections.udp_malformed.add(1);
        };
        let left = self.reserve.allow(Cause::Request).min(MAX_PARTS);
        let mut answer = Answer { pool: self.pool, left, parts: &mut self.datagrams.parts };
        let mut session = Session::default();
        self.server.report.client = Report::DATAGRAMS;
        let advance = session.advance(requests, &mut self.server, &Below(turn.statistics), &mut answer);
        session.close(&mut self.server);
        let connections = &self.server.connections;
        connections.udp_requests.add(1);
        connections.bytes_read.add(payload.len() as u64);
        if matches!(advance.status, Status::NeedRoom | Status::Pause) {
            self.datagrams.parts.clear();
            let is_short = left < MAX_PARTS && advance.status == Status::NeedRoom;
            let reason = if is_short { &connections.udp_no_buffers } else { &connections.udp_too_large };
            return reason.add(1);
        }
        let written = send(&mut self.datagrams.parts, id, local_port, remote, calls);
        connections.bytes_written.add(written);
    }
}

/// Whether the largest answer fits.
fn has_room_for_answer(calls: &Calls) -> bool {
    calls.len() + MAX_PARTS + MIN_CALLS <= calls.capacity()
}

/// Sends the parts of an answer, now that their number is known. Returns the bytes.
fn send(parts: &mut Vec<PktBuf>, id: RequestId, local_port: u16, remote: SocketAddrV4, calls: &mut Calls) -> u64 {
    let (count, mut written) = (parts.len() as u16, 0);
    for (number, mut payload) in parts.drain(..).enumerate() {
        written += payload.len() as u64;
        if let Some(frame) = payload.bytes_mut().and_then(|bytes| bytes.first_chunk_mut()) {
            *frame = udp::frame(id, number as u16, count);
        }
        call(calls, Call::UdpSend { local_port, remote, payload });
    }
    written
}

/// An answer that is being written: buffers that begin with room for a frame.
struct Answer<'a> {
    pool: &'static Pool,
    /// Buffers that may still be taken.
    left: usize,
    parts: &'a mut Vec<PktBuf>,
}

impl Answer<'_> {
    /// Bytes that the last buffer still takes.
    fn tail(&self) -> usize {
        self.parts.last().map_or(0, |part| FRAME_LEN + PART_LEN - part.len())
    }

    /// Takes another buffer.
    fn turn_over(&mut self) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        let mut part = self.pool.alloc()?;
        part.append(FRAME_LEN)?;
        self.parts.push(part);
        Some(())
    }
}

impl Output for Answer<'_> {
    fn room(&self) -> usize {
        self.tail() + self.left * PART_LEN
    }

    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.tail() == 0 && self.turn_over().is_none() {
                debug_assert!(false, "wrote beyond the room");
                return;
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.tail()));
            if let Some(piece) = self.parts.last_mut().and_then(|part| part.append(now.len())) {
                piece.copy_from_slice(now);
            }
            bytes = later;
        }
    }

    fn piece(&mut self, len: usize) -> Option<&mut [u8]> {
        if len > PART_LEN {
            return None;
        }
        if self.tail() < len {
            self.turn_over()?;
        }
        self.parts.last_mut()?.append(len)
    }

    /// Nothing: a datagram is sent once, and nobody says when it has been.
    fn lendable(&self) -> usize {
        0
    }

    fn lend(&mut self, body: Fragment) {
        debug_assert!(body.is_empty(), "nothing can be lent");
    }
}
