//! `set|add|replace|append|prepend <key> <flags> <exptime> <bytes> [noreply]` and
//! `cas <key> <flags> <exptime> <bytes> <cas> [noreply]`
//!
//! The payload goes straight into the item's memory as it comes.

use super::super::line::{Reply, Words};
use super::super::number::{parse_i32, parse_u32, parse_u64};
use super::super::output::Output;
use super::super::reply::{self, Answer};
use super::super::server::Server;
use super::super::session::{REPLY_ROOM, State, Status, Step};
use super::Next;
use crate::store::{Condition, Marks, NewItem, OutOfMemory, Outcome, Reservation};

/// Bytes behind a value.
const CRLF: usize = 2;

/// A storage command whose payload is on its way.
#[derive(Debug)]
pub(in crate::protocol) struct Payload {
    reservation: Reservation,
    condition: Condition,
    reply: Reply,
}

impl Payload {
    /// Gives up.
    pub(in crate::protocol) fn close(self, server: &mut Server) {
        server.store.abandon(self.reservation);
    }
}

/// The arguments of a storage command.
struct Arguments<'a> {
    item: NewItem<'a>,
    value_len: usize,
    condition: Condition,
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
    match reserve(&arguments, payload, server) {
        Ok((reservation, taken)) => {
            let payload = Payload { reservation, condition: arguments.condition, reply };
            (Step::go_on(end + 1 + taken), State::Payload(payload))
        }
        Err(answer) => {
            // Better no item than an old one that the client believes replaced.
            if condition == Condition::Set {
                server.store.delete(arguments.item.key);
            }
            // Errors of memory ignore `noreply`.
            let reply = if answer == reply::NO_MEMORY { Reply::Wanted } else { reply };
            answer.unless_silent(reply).write(out);
            (Step::go_on(end + 1), State::Swallow(arguments.value_len + CRLF))
        }
    }
}

/// Reads the arguments; `None` if one of them is bad.
fn parse<'a>(condition: Condition, words: &Words<'a>, server: &Server) -> Option<Arguments<'a>> {
    let key = super::key(words)?;
    let flags = parse_u32(words.get(2))?;
    let exptime = server.expiry(parse_i32(words.get(3))?);
    let value_len = parse_i32(words.get(4))?;
    let condition = match condition {
        Condition::Cas(_) => Condition::Cas(parse_u64(words.get(5))?),
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

/// Reserves memory and fills in what is there of the payload. Returns the bytes taken.
fn reserve(arguments: &Arguments<'_>, payload: &[u8], server: &mut Server) -> Result<(Reservation, usize), Answer> {
    let Arguments { item, value_len, .. } = arguments;
    if !server.fits(item.key.len(), item.flags, *value_len) {
        server.counters.store_too_large.add(1);
        return Err(reply::TOO_LARGE);
    }
    let Ok(mut reservation) = server.store.reserve(item, *value_len) else {
        server.counters.store_no_memory.add(1);
        return Err(reply::NO_MEMORY);
    };
    // Not if it has to wait and too many wait already: nothing is taken then, as the payload is swallowed from its start.
    if payload.len() < value_len + CRLF && !server.store.may_hold(&reservation) {
        server.store.abandon(reservation);
        server.counters.store_no_memory.add(1);
        return Err(reply::NO_MEMORY);
    }
    let taken = server.store.fill(&mut reservation, payload);
    Ok((reservation, taken))
}

/// Takes more of the payload. Returns whether it is complete and there is room to answer.
pub(in crate::protocol) fn take_payload(
    payload: &mut Payload,
    input: &[u8],
    server: &mut Server,
    out: &impl Output,
) -> (Step, bool) {
    let consumed = server.store.fill(&mut payload.reservation, input);
    if server.store.missing(&payload.reservation) > 0 {
        (Step { consumed, next: Next::Stop(Status::NeedInput) }, false)
    } else if out.room() < REPLY_ROOM {
        (Step { consumed, next: Next::Stop(Status::NeedRoom) }, false)
    } else {
        (Step::go_on(consumed), true)
    }
}

/// Publishes a complete item.
pub(in crate::protocol) fn publish(payload: Payload, server: &mut Server) -> Answer {
    let Payload { reservation, condition, reply } = payload;
    server.counters.cmd_set.add(1);
    if !server.store.is_terminated(&reservation) {
        server.store.abandon(reservation);
        return reply::BAD_CHUNK.unless_silent(reply);
    }
    if matches!(condition, Condition::Append | Condition::Prepend) && !joint_fits(&reservation, server) {
        server.store.abandon(reservation);
        return reply::NOT_STORED.unless_silent(reply);
    }
    let outcome = server.store.publish(reservation, condition);
    if let (Condition::Cas(_), Ok(outcome)) = (condition, outcome) {
        count_cas(outcome, server);
    }
    match outcome {
        Ok(Outcome::Stored) => reply::STORED.unless_silent(reply),
        Ok(Outcome::NotStored) => reply::NOT_STORED.unless_silent(reply),
        Ok(Outcome::Exists) => reply::EXISTS.unless_silent(reply),
        Ok(Outcome::NotFound) => reply::NOT_FOUND.unless_silent(reply),
        Err(OutOfMemory) => {
            server.counters.store_no_memory.add(1);
            reply::NO_MEMORY
        }
    }
}

/// Whether the values of the key and of `reservation` make an item within the limit.
fn joint_fits(reservation: &Reservation, server: &mut Server) -> bool {
    let (key_len, value_len) = server.store.lengths(reservation);
    match server.store.current(reservation) {
        Some((flags, old_len)) => server.fits(key_len, flags, old_len + value_len),
        None => true,
    }
}

fn count_cas(outcome: Outcome, server: &mut Server) {
    match outcome {
        Outcome::Stored => server.counters.cas_hits.add(1),
        Outcome::NotFound => server.counters.cas_misses.add(1),
        Outcome::Exists | Outcome::NotStored => server.counters.cas_badval.add(1),
    }
}

#[cfg(test)]
mod tests;
