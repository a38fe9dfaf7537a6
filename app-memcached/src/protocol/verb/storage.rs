//! `set|add|replace|append|prepend <key> <flags> <exptime> <bytes> [noreply]` and
//! `cas <key> <flags> <exptime> <bytes> <cas> [noreply]`
//!
//! The payload goes straight into the item's memory as it comes.

use super::super::line::{Reply, Words};
use super::super::number::{parse_i32, parse_u32, parse_u64, split_small};
use super::super::output::Output;
use super::super::payload::{Asked, Payload};
use super::super::reply::{self, Answer};
use super::super::scan;
use super::super::server::Server;
use super::super::session::State;
use super::super::step::{Home, Step};
use super::super::storing::{self, Framing, Refusal, Stored};
use super::super::value::CRLF;
use crate::store::{Condition, MAX_KEY, Marks, NewItem};

/// The arguments of a storage command.
struct Arguments<'a> {
    item: NewItem<'a>,
    value_len: usize,
    condition: Condition,
}

/// The hot path: `set <key> <flags> <exptime> <bytes>\r\n` with plain numbers, all at hand, before a line. `None`, and nothing
/// done, if `input` does not begin so.
#[inline]
pub(in crate::protocol) fn plain_set(
    input: &[u8],
    state: &mut State,
    server: &mut Server,
    out: &mut impl Output,
) -> Option<Step> {
    let rest = input.strip_prefix(b"set ")?;
    let (key, rest) = rest.split_at(scan::find_blank(rest)?);
    if !(1..=MAX_KEY).contains(&key.len()) {
        return None;
    }
    let (flags, rest) = split_small(rest.strip_prefix(b" ")?)?;
    let (exptime, rest) = split_small(rest.strip_prefix(b" ")?)?;
    let (value_len, rest) = split_small(rest.strip_prefix(b" ")?)?;
    let payload = rest.strip_prefix(b"\r\n")?;
    let item = NewItem { key, flags, exptime: server.expiry(exptime.into()), marks: Marks::NONE };
    let arguments = Arguments { item, value_len: value_len as usize, condition: Condition::Set };
    let taken = store(&arguments, Reply::Wanted, payload, state, server, out);
    Some(Step::go_on(input.len() - payload.len() + taken))
}

/// Begins with a command line whose line feed is at `end`. An error before the payload's length is known leaves the payload to be
/// read as commands, as 1.6.18 does.
pub(super) fn begin(
    condition: Condition,
    words: &Words<'_>,
    end: usize,
    payload: &[u8],
    server: &mut Server,
    out: &mut impl Output,
) -> (Step, State) {
    let needed = if matches!(condition, Condition::Cas(_)) { 6 } else { 5 };
    let fail = |answer: Answer, out: &mut _| {
        answer.write(out);
        (Step::go_on(end + 1), State::Line)
    };
    if words.count() != needed && words.count() != needed + 1 {
        return fail(reply::ERROR, out);
    }
    let reply = words.reply();
    let Some(arguments) = parse(condition, words, server) else {
        return fail(reply::BAD_FORMAT.unless_silent(reply), out);
    };
    let mut state = State::Line;
    let taken = store(&arguments, reply, payload, &mut state, server, out);
    (Step::go_on(end + 1 + taken), state)
}

/// Stores the value, or begins to; then `state`, which is that before a line, is another. Returns the bytes taken of it.
#[inline]
fn store(
    arguments: &Arguments<'_>,
    reply: Reply,
    payload: &[u8],
    state: &mut State,
    server: &mut Server,
    out: &mut impl Output,
) -> usize {
    let Arguments { item, value_len, condition } = *arguments;
    match storing::reserve(&item, value_len, Framing::LineEnd, payload, server) {
        // All is at hand: nothing has to be kept.
        Ok((reservation, taken)) if server.store.missing(&reservation) == 0 => {
            answer(storing::publish(reservation, condition, server), reply).write(out);
            taken
        }
        Ok((reservation, taken)) => {
            *state = State::Payload(Payload { reservation, asked: Asked::Text(condition, reply) });
            taken
        }
        Err(refusal) => {
            server.note_refusal(&item, condition, refusal);
            // Better no item than an old one that the client believes replaced.
            if condition == Condition::Set {
                server.store.delete(item.key);
            }
            // Errors of memory ignore `noreply`.
            match refusal {
                Refusal::TooLarge => reply::TOO_LARGE.unless_silent(reply).write(out),
                Refusal::NoMemory => reply::NO_MEMORY.write(out),
            }
            *state = State::Swallow(value_len + CRLF, Home::Line);
            0
        }
    }
}

/// The answer to a storage command.
pub(in crate::protocol) fn answer(stored: Stored, reply: Reply) -> Answer {
    match stored {
        Stored::Done => reply::STORED,
        Stored::Unmet => reply::NOT_STORED,
        Stored::Exists => reply::EXISTS,
        Stored::NotFound => reply::NOT_FOUND,
        Stored::BadChunk => reply::BAD_CHUNK,
        Stored::NoMemory => return reply::NO_MEMORY,
    }
    .unless_silent(reply)
}

/// Reads the arguments; `None` if one of them is bad.
fn parse<'a>(condition: Condition, words: &Words<'a>, server: &Server) -> Option<Arguments<'a>> {
    let key = super::key(words)?;
    let flags = parse_u32(words.get(2))?;
    let exptime = server.expiry(parse_i32(words.get(3))?.into());
    let value_len = parse_i32(words.get(4))?;
    let condition = match condition {
        Condition::Cas(_) => Condition::Cas(server.settings.dialect.asked(parse_u64(words.get(5))?)),
        other => other,
    };
    if value_len < 0 || value_len > i32::MAX - CRLF as i32 {
        return None;
    }
    Some(Arguments {
        item: NewItem { key, flags, exptime, marks: Marks::NONE },
        value_len: value_len as usize,
        condition,
    })
}

#[cfg(test)]
mod tests;
