//! The binary protocol (memcached's protocol-binary.txt; 1.6.18's answers where they differ): frames of a header and a body.
//!
//! ```text
//! frame -> Header, Opcode -> get | storage | plain | stats -> Server (store, counters, clock) -> Output
//! ```
//!
//! A connection whose first byte is [`MAGIC`] speaks it for good. Called by `session`; quiet commands answer only what could not be
//! expected.

mod get;
mod header;
mod opcode;
mod plain;
mod stats;
pub(super) mod storage;

use super::output::Output;
use super::server::Server;
use super::session::State;
use super::step::{Home, Next, REPLY_ROOM, Status, Step};
use crate::store::MAX_KEY;
use header::{HEADER, Status as Code};
pub(super) use header::{Header, MAGIC};
use opcode::{Command, Opcode};
pub(super) use stats::write_line as write_statistic;

/// A frame without its value.
#[derive(Clone, Copy, Debug)]
struct Frame<'a> {
    header: Header,
    extras: &'a [u8],
    key: &'a [u8],
    /// Bytes of the frame so far.
    len: usize,
    /// Bytes of the body behind them.
    value_len: usize,
}

impl Frame<'_> {
    /// Bytes `at..at + 4` of the extras.
    fn u32_at(&self, at: usize) -> u32 {
        let bytes = self.extras.get(at..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }

    /// Bytes `at..at + 8` of the extras.
    fn u64_at(&self, at: usize) -> u64 {
        let bytes = self.extras.get(at..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

/// Executes the frame at the start of `input`. Returns the state after it.
pub(super) fn execute(input: &[u8], server: &mut Server, out: &mut impl Output) -> (Step, State) {
    let Some(header) = Header::parse(input) else {
        return match input.first() {
            None | Some(&MAGIC) => (Step::stop(Status::NeedInput), State::Frame),
            Some(_) => close(input),
        };
    };
    if out.room() < REPLY_ROOM {
        return (Step::stop(Status::NeedRoom), State::Frame);
    }
    if header.magic != MAGIC {
        return close(input);
    }
    let (extras_len, key_len) = (usize::from(header.extras_len), usize::from(header.key_len));
    let Some(value_len) = (header.body_len as usize).checked_sub(extras_len + key_len) else {
        header.refuse(Code::UnknownCommand, out);
        return close(input);
    };
    if key_len > MAX_KEY {
        header.refuse(Code::InvalidArguments, out);
        return close(input);
    }
    let len = HEADER + extras_len + key_len;
    let Some((extras, key)) = input.get(HEADER..len).and_then(|body| body.split_at_checked(extras_len)) else {
        return (Step::stop(Status::NeedInput), State::Frame);
    };
    let frame = Frame { header, extras, key, len, value_len };
    run(&frame, &input[len..], server, out).unwrap_or_else(|Malformed| {
        header.refuse(Code::InvalidArguments, out);
        close(input)
    })
}

/// A frame whose lengths are not those of its command.
struct Malformed;

fn run(frame: &Frame<'_>, rest: &[u8], server: &mut Server, out: &mut impl Output) -> Result<(Step, State), Malformed> {
    let Some(opcode) = Opcode::of(frame.header.opcode) else {
        frame.header.refuse(Code::UnknownCommand, out);
        return Ok(swallow(frame));
    };
    opcode.check(frame)?;
    match opcode.command {
        Command::Get(what) => return Ok(get::run(what, opcode.verbosity, frame, server, out)),
        Command::Store(mode) => return Ok(storage::begin(mode, opcode.verbosity, frame, rest, server, out)),
        Command::Statistics => {
            if let Some(listing) = stats::begin(frame, server, out) {
                return Ok((Step::go_on(frame.len), State::Listing(listing)));
            }
        }
        Command::Quit => {
            plain::succeed(frame, opcode.verbosity, out);
            return Ok((Step { consumed: frame.len, next: Next::Stop(Status::Quit) }, State::Over));
        }
        Command::Delete => plain::delete(frame, opcode.verbosity, server, out),
        Command::Add(direction) => plain::add(direction, frame, opcode.verbosity, server, out),
        Command::Flush => plain::flush(frame, opcode.verbosity, server, out),
        Command::NoOperation => plain::succeed(frame, opcode.verbosity, out),
        Command::Version => plain::version(frame, out),
    }
    Ok((Step::go_on(frame.len), State::Frame))
}

/// Goes on behind a frame that nothing is done with.
fn swallow(frame: &Frame<'_>) -> (Step, State) {
    let state = if frame.value_len > 0 { State::Swallow(frame.value_len, Home::Frame) } else { State::Frame };
    (Step::go_on(frame.len), state)
}

/// Ends the connection.
fn close(input: &[u8]) -> (Step, State) {
    (Step { consumed: input.len(), next: Next::Stop(Status::Malformed) }, State::Over)
}

#[cfg(test)]
mod tests;
