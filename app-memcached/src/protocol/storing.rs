//! Storing an item whose value comes in pieces, whatever protocol it comes by. The value goes straight into the item's memory.

use super::report;
use super::server::Server;
use super::value::CRLF;
use crate::store::{Condition, NewItem, OutOfMemory, Outcome, Reservation};

/// How a value ends on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// With a line end, as it is stored.
    LineEnd,
    /// With its last byte: its length says where.
    Length,
}

impl Framing {
    /// Bytes behind the value.
    pub(super) fn trailer(self) -> usize {
        match self {
            Framing::LineEnd => CRLF,
            Framing::Length => 0,
        }
    }
}

/// Why an item is not even begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    TooLarge,
    NoMemory,
}

/// What came of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Done,
    /// What it was to be stored under did not hold.
    Unmet,
    Exists,
    NotFound,
    /// Its value did not end where it should have.
    BadChunk,
    NoMemory,
}

/// Reserves memory and fills in what is there of the value. Returns the bytes taken.
pub(super) fn reserve(
    item: &NewItem<'_>,
    value_len: usize,
    framing: Framing,
    input: &[u8],
    server: &mut Server,
) -> Result<(Reservation, usize), Refusal> {
    if !server.fits(item.key.len(), item.flags, value_len) {
        server.counters.store_too_large.add(1);
        return Err(Refusal::TooLarge);
    }
    let Ok(mut reservation) = server.store.reserve(item, value_len) else {
        server.counters.store_no_memory.add(1);
        return Err(Refusal::NoMemory);
    };
    // Not if it has to wait and too many wait already: nothing is taken then, as the payload is swallowed from its start.
    if input.len() < value_len + framing.trailer() && !server.store.may_hold(&reservation) {
        server.store.abandon(reservation);
        server.counters.store_no_memory.add(1);
        return Err(Refusal::NoMemory);
    }
    let taken = fill(&mut reservation, framing, input, server);
    Ok((reservation, taken))
}

/// Fills in more of the value. Returns the bytes taken.
#[inline]
pub(super) fn fill(reservation: &mut Reservation, framing: Framing, input: &[u8], server: &mut Server) -> usize {
    match framing {
        Framing::LineEnd => server.store.fill(reservation, input),
        Framing::Length => {
            let missing = server.store.missing(reservation).saturating_sub(CRLF);
            let taken = server.store.fill(reservation, &input[..input.len().min(missing)]);
            if taken == missing {
                server.store.fill(reservation, b"\r\n");
            }
            taken
        }
    }
}

/// Publishes a complete item.
pub(super) fn publish(reservation: Reservation, condition: Condition, server: &mut Server) -> Stored {
    server.counters.cmd_set.add(1);
    if !server.store.is_terminated(&reservation) {
        server.store.abandon(reservation);
        return Stored::BadChunk;
    }
    publish_whole(reservation, condition, server)
}

/// Publishes an item that is known to be complete.
#[inline]
pub(super) fn publish_whole(reservation: Reservation, condition: Condition, server: &mut Server) -> Stored {
    if server.report.wants_of_stores() {
        return publish_watched(reservation, condition, server);
    }
    publish_unwatched(reservation, condition, server)
}

/// Publishes an item while somebody watches.
#[cold]
#[inline(never)]
fn publish_watched(reservation: Reservation, condition: Condition, server: &mut Server) -> Stored {
    let storing = report::Storing::begin(&reservation, condition, server);
    let stored = publish_unwatched(reservation, condition, server);
    storing.end(stored, server);
    stored
}

#[inline]
fn publish_unwatched(reservation: Reservation, condition: Condition, server: &mut Server) -> Stored {
    if let Some(refused) = refuse_joint(&reservation, condition, server) {
        server.store.abandon(reservation);
        return refused;
    }
    let outcome = server.store.publish(reservation, condition);
    if let (Condition::Cas(_) | Condition::CasOrStale(_), Ok(outcome)) = (condition, outcome) {
        count_cas(outcome, server);
    }
    match outcome {
        Ok(Outcome::Stored) => Stored::Done,
        Ok(Outcome::NotStored) => Stored::Unmet,
        Ok(Outcome::Exists) => Stored::Exists,
        Ok(Outcome::NotFound) => Stored::NotFound,
        Err(OutOfMemory) => {
            server.counters.store_no_memory.add(1);
            Stored::NoMemory
        }
    }
}

/// Why values are not joined, if the item made of them would exceed the limit. The CAS value comes first.
fn refuse_joint(reservation: &Reservation, condition: Condition, server: &mut Server) -> Option<Stored> {
    let cas = match condition {
        Condition::Append | Condition::Prepend => 0,
        Condition::Join(join) => join.cas,
        _ => return None,
    };
    let (key_len, value_len) = server.store.lengths(reservation);
    let there = server.store.current(reservation)?;
    if server.fits(key_len, there.flags, there.value_len + value_len) {
        return None;
    }
    Some(if cas == 0 || cas == there.cas { Stored::Unmet } else { Stored::Exists })
}

fn count_cas(outcome: Outcome, server: &mut Server) {
    match outcome {
        Outcome::Stored => server.counters.cas_hits.add(1),
        Outcome::NotFound => server.counters.cas_misses.add(1),
        Outcome::Exists | Outcome::NotStored => server.counters.cas_badval.add(1),
    }
}
