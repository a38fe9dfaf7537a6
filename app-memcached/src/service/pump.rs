//! Feeding a session with its connection's input.

use netdrv::pktbuf::PktBuf;

use super::Below;
use super::connection::{Connection, Waiting};
use super::input::{Inputs, NoBuffers};
use super::outbox::{Finished, Limit, Outbox};
use super::reserve::Reserve;
use crate::protocol::{Server, Session, Status};
use crate::watch::Farewell;

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It goes on.
    Wait(Waiting),
    /// It is closed after its replies.
    Close(Farewell),
    /// It is reset.
    Abort,
}

/// What serving a connection has come to.
pub(super) struct Served {
    /// Bytes of the input that are done with, of which the stack is still to be told.
    pub(super) untold: u32,
    /// Bytes that may still be sent.
    pub(super) credit: u32,
    /// What keeps more from being written.
    pub(super) limit: Limit,
}

/// What a session needs to work.
pub(super) struct Pump<'a, 'c> {
    inputs: &'a mut Inputs,
    server: &'a mut Server,
    below: &'a Below<'a>,
    reserve: &'a Reserve,
    outbox: Outbox<'c>,
    consumed: u32,
}

impl<'a, 'c> Pump<'a, 'c> {
    pub(super) fn new(
        inputs: &'a mut Inputs,
        server: &'a mut Server,
        below: &'a Below<'a>,
        reserve: &'a Reserve,
        outbox: Outbox<'c>,
    ) -> Pump<'a, 'c> {
        Pump { inputs, server, below, reserve, outbox, consumed: 0 }
    }

    /// Feeds the session with what it has not taken yet and with `payload`.
    #[inline]
    pub(super) fn run(&mut self, connection: &mut Connection, payload: Option<PktBuf>) -> End {
        match payload {
            None => self.drain(connection),
            Some(payload) if connection.input.is_empty() => self.feed(connection, payload),
            Some(payload) => {
                let kept = if connection.waits_for_peer() { self.reserve.from_idle } else { self.reserve.from_all };
                match self.inputs.push(&mut connection.input, payload, kept) {
                    Ok(()) => self.drain(connection),
                    Err(NoBuffers) => self.give_up(),
                }
            }
        }
    }

    /// Sends what was written.
    pub(super) fn finish(self) -> Served {
        let limit = self.outbox.limit();
        let Finished { credit, written, untold } = self.outbox.finish(self.consumed);
        self.server.connections.bytes_written.add(u64::from(written));
        self.server.connections.bytes_read.add(u64::from(self.consumed));
        Served { untold, credit, limit }
    }

    /// Parses a buffer where it is, and keeps what is left of it. The hot path.
    #[inline]
    fn feed(&mut self, connection: &mut Connection, mut payload: PktBuf) -> End {
        let (n, status) = self.advance(&mut connection.session, payload.bytes());
        let end = self.end_of(status);
        if n == payload.len() {
            return end;
        }
        payload.trim_front(n);
        match end {
            // What follows a `quit` is not read.
            End::Close(_) | End::Abort => {
                self.consumed += payload.len() as u32;
                end
            }
            End::Wait(_) => match self.inputs.push(&mut connection.input, payload, self.reserve.from_all) {
                Ok(()) => end,
                Err(NoBuffers) => self.give_up(),
            },
        }
    }

    /// Parses what was kept.
    fn drain(&mut self, connection: &mut Connection) -> End {
        loop {
            let Some(front) = self.inputs.front(&connection.input) else {
                let (_, status) = self.advance(&mut connection.session, &[]);
                return self.end_of(status);
            };
            let advance = connection.session.advance(front.bytes(), self.server, self.below, &mut self.outbox);
            self.consumed += advance.consumed as u32;
            let is_partial = advance.consumed < front.len();
            self.inputs.trim_front(&mut connection.input, advance.consumed);
            if advance.status != Status::NeedInput {
                return self.end_of(advance.status);
            }
            // What is left of the front is an unfinished line: it needs the bytes behind it in one piece with it.
            if is_partial {
                match self.inputs.pull_up(&mut connection.input) {
                    Ok(0) => return End::Wait(Waiting::Input),
                    Ok(_) => {}
                    Err(NoBuffers) => return self.give_up(),
                }
            }
        }
    }

    #[inline]
    fn advance(&mut self, session: &mut Session, bytes: &[u8]) -> (usize, Status) {
        let advance = session.advance(bytes, self.server, self.below, &mut self.outbox);
        self.consumed += advance.consumed as u32;
        (advance.consumed, advance.status)
    }

    #[inline]
    fn end_of(&mut self, status: Status) -> End {
        if status == Status::NeedInput { End::Wait(Waiting::Input) } else { self.other_end_of(status) }
    }

    #[inline(never)]
    fn other_end_of(&mut self, status: Status) -> End {
        match status {
            Status::NeedInput => End::Wait(Waiting::Input),
            Status::NeedRoom => End::Wait(Waiting::Room),
            Status::Pause => End::Wait(Waiting::Turn),
            Status::Watch => End::Wait(Waiting::News),
            Status::Quit if self.server.ending.is_some() => End::Close(Farewell::Shutdown),
            Status::Quit => End::Close(Farewell::Normal),
            Status::Malformed => End::Close(Farewell::Error),
            Status::LongLine => {
                self.server.connections.closed_long_line.add(1);
                End::Close(Farewell::Error)
            }
        }
    }

    fn give_up(&mut self) -> End {
        self.server.connections.closed_no_buffers.add(1);
        End::Abort
    }
}
