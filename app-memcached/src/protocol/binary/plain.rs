//! Commands of one step: `delete`, `incr` and `decr`, `flush`, `noop`, `version`, and what they answer.

use super::super::output::Output;
use super::super::server::Server;
use super::super::sum::{self, Direction, Sum};
use super::super::verb::flush_all;
use super::super::verb::version::VERSION;
use super::Frame;
use super::header::{Body, EMPTY, Status};
use super::opcode::Verbosity;
use crate::store::{Deleted, Marks, OutOfMemory};

/// The expiry time with which `incr` and `decr` make no number where there is none.
const NEVER_MAKE: u32 = u32::MAX;

/// Answers that it is done.
pub(super) fn succeed(frame: &Frame<'_>, verbosity: Verbosity, out: &mut impl Output) {
    if verbosity == Verbosity::Full {
        out.write(&frame.header.response(Status::Success, EMPTY));
    }
}

pub(super) fn version(frame: &Frame<'_>, out: &mut impl Output) {
    out.write(&frame.header.response(Status::Success, Body { value: VERSION.len(), ..EMPTY }));
    out.write(VERSION.as_bytes());
}

pub(super) fn delete(frame: &Frame<'_>, verbosity: Verbosity, server: &mut Server, out: &mut impl Output) {
    let cas = server.settings.dialect.asked_unless_zero(frame.header.cas);
    server.note_look_up(frame.key);
    match server.store.delete_if(frame.key, (cas != 0).then_some(cas)) {
        Deleted::Done => {
            server.counters.delete_hits.add(1);
            succeed(frame, verbosity, out);
        }
        Deleted::Exists => frame.header.refuse(Status::Exists, out),
        Deleted::NotFound => {
            server.counters.delete_misses.add(1);
            frame.header.refuse(Status::NotFound, out);
        }
    }
}

pub(super) fn add(
    direction: Direction,
    frame: &Frame<'_>,
    verbosity: Verbosity,
    server: &mut Server,
    out: &mut impl Output,
) {
    let (delta, initial, expiration) = (frame.u64_at(0), frame.u64_at(8), frame.u32_at(16));
    let cas = server.settings.dialect.asked_unless_zero(frame.header.cas);
    let value = loop {
        match sum::add(direction, frame.key, delta, cas, server) {
            Sum::Done(value) => break value,
            Sum::Absent if expiration == NEVER_MAKE => {
                sum::count_miss(direction, server);
                return frame.header.refuse(Status::NotFound, out);
            }
            Sum::Absent => {
                let exptime = server.expiry(expiration.into());
                match sum::create(frame.key, initial, exptime, Marks::NONE, server) {
                    Ok(Some(())) => break initial,
                    Ok(None) => {}
                    Err(OutOfMemory) => {
                        let text = "Out of memory allocating new item";
                        return frame.header.refuse_with(Status::OutOfMemory, text, out);
                    }
                }
            }
            Sum::Exists => return frame.header.refuse(Status::Exists, out),
            Sum::NotNumeric => return frame.header.refuse(Status::NotNumeric, out),
            Sum::NoMemory => {
                return frame.header.refuse_with(Status::OutOfMemory, "Out of memory incrementing value", out);
            }
        }
    };
    if verbosity == Verbosity::Full {
        let body = Body { value: 8, cas: server.settings.dialect.told(server.store.last_cas()), ..EMPTY };
        out.write(&frame.header.response(Status::Success, body));
        out.write(&value.to_be_bytes());
    }
}

pub(super) fn flush(frame: &Frame<'_>, verbosity: Verbosity, server: &mut Server, out: &mut impl Output) {
    if !server.settings.permissions.flush_all {
        return frame.header.refuse(Status::NotAllowed, out);
    }
    flush_all::flush(frame.u32_at(0).into(), server);
    succeed(frame, verbosity, out);
}
