//! `set`, `add`, `replace`, `append` and `prepend`

use super::super::output::Output;
use super::super::payload::{Asked, Payload};
use super::super::server::Server;
use super::super::session::State;
use super::super::step::Step;
use super::super::storing::{self, Framing, Refusal, Stored};
use super::header::{self, Body, EMPTY, Header, Status};
use super::opcode::Verbosity;
use crate::store::{Absent, Condition, End, Join, Marks, NewItem, Reservation};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Set,
    Add,
    Replace,
    Append,
    Prepend,
}

impl Mode {
    /// With a CAS value, all that does not join values is a comparison, as in 1.6.18.
    fn condition(self, cas: u64) -> Condition {
        let absent = Absent::Refuse;
        match self {
            Mode::Append => Condition::Join(Join { end: End::Back, cas, absent }),
            Mode::Prepend => Condition::Join(Join { end: End::Front, cas, absent }),
            _ if cas != 0 => Condition::Cas(cas),
            Mode::Set => Condition::Set,
            Mode::Add => Condition::Add,
            Mode::Replace => Condition::Replace,
        }
    }
}

/// What is to be known of a frame whose value is on its way.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct Frame {
    opaque: [u8; 4],
    opcode: u8,
    verbosity: Verbosity,
}

pub(super) fn begin(
    mode: Mode,
    verbosity: Verbosity,
    frame: &super::Frame<'_>,
    rest: &[u8],
    server: &mut Server,
    out: &mut impl Output,
) -> (Step, State) {
    let (flags, exptime) = match mode {
        Mode::Append | Mode::Prepend => (0, 0),
        _ => (frame.u32_at(0), server.expiry(frame.u32_at(4).into())),
    };
    let item = NewItem { key: frame.key, flags, exptime, marks: Marks::NONE };
    match storing::reserve(&item, frame.value_len, Framing::Length, rest, server) {
        Ok((reservation, taken)) => {
            let Header { opaque, opcode, cas, .. } = frame.header;
            // Without CAS values nothing is compared here, as in 1.6.18.
            let cas = server.settings.dialect.told(cas);
            let (condition, asked) = (mode.condition(cas), Frame { opaque, opcode, verbosity });
            let step = Step::go_on(frame.len + taken);
            if server.store.missing(&reservation) == 0 {
                asked.publish(reservation, condition, server, out);
                return (step, State::Frame);
            }
            (step, State::Payload(Payload { reservation, asked: Asked::Binary(condition, asked) }))
        }
        Err(refusal) => {
            server.note_refusal(&item, mode.condition(frame.header.cas), refusal);
            // Better no item than an old one that the client believes replaced.
            if mode == Mode::Set {
                server.store.delete(frame.key);
            }
            match refusal {
                Refusal::TooLarge => frame.header.refuse(Status::TooLarge, out),
                Refusal::NoMemory => {
                    frame.header.refuse_with(Status::OutOfMemory, "Out of memory allocating item", out);
                }
            }
            super::swallow(frame)
        }
    }
}

impl Frame {
    /// Publishes the complete item and answers.
    pub(in crate::protocol) fn publish(
        self,
        reservation: Reservation,
        condition: Condition,
        server: &mut Server,
        out: &mut impl Output,
    ) {
        let Frame { opaque, opcode, verbosity } = self;
        let status = match storing::publish(reservation, condition, server) {
            Stored::Done if verbosity == Verbosity::Quiet => return,
            Stored::Done => {
                let body = Body { cas: server.settings.dialect.told(server.store.last_cas()), ..EMPTY };
                return out.write(&header::respond(opcode, opaque, Status::Success, body));
            }
            Stored::Exists => Status::Exists,
            Stored::NotFound => Status::NotFound,
            Stored::Unmet | Stored::NoMemory | Stored::BadChunk => match condition {
                Condition::Add => Status::Exists,
                Condition::Replace => Status::NotFound,
                _ => Status::NotStored,
            },
        };
        header::refuse(opcode, opaque, status, status.text(), out);
    }
}
