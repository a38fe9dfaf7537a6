//! Adding to a number that is stored as text, whatever protocol asks for it.

use super::number::{Decimal, parse_u64};
use super::server::Server;
use super::storing::{self, Stored};
use crate::store::{Condition, Handle, Marks, NewItem, OutOfMemory, Outcome, Reservation};

/// Which way a number goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Wraps at 2^64.
    Up,
    /// Stops at 0.
    Down,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    /// The new number.
    Done(u64),
    /// There is no item. Not counted as a miss yet.
    Absent,
    /// The item has another CAS value than was asked for.
    Exists,
    /// What is stored is no number.
    NotNumeric,
    /// Memory is full.
    NoMemory,
}

/// Adds `delta` to the number of `key`, if its item has the CAS value `cas`; 0: any.
pub(super) fn add(direction: Direction, key: &[u8], delta: u64, cas: u64, server: &mut Server) -> Sum {
    server.note_look_up(key);
    // Once more whenever another core has changed the number meanwhile.
    loop {
        match try_add(direction, key, delta, cas, server) {
            Ok(None) => {}
            Ok(Some(sum)) => return sum,
            Err(OutOfMemory) => return Sum::NoMemory,
        }
    }
}

/// Counts an [`Absent`](Sum::Absent) number that is not made up for.
pub(super) fn count_miss(direction: Direction, server: &mut Server) {
    match direction {
        Direction::Up => server.counters.incr_misses.add(1),
        Direction::Down => server.counters.decr_misses.add(1),
    }
}

/// Makes a number where there is none. Whether it was there first; `None` if another core was faster.
pub(super) fn create(
    key: &[u8],
    value: u64,
    exptime: u32,
    marks: Marks,
    server: &mut Server,
) -> Result<Option<()>, OutOfMemory> {
    let text = Decimal::new(value);
    let text = text.text();
    let mut reservation = server.store.reserve(&NewItem { key, flags: 0, exptime, marks }, text.len())?;
    fill(&mut server.store, &mut reservation, text, text.len());
    match storing::publish_whole(reservation, Condition::Add, server) {
        Stored::Done => Ok(Some(())),
        Stored::NoMemory => Err(OutOfMemory),
        _ => Ok(None),
    }
}

/// Adds to the number that is there. `None` if it is another one by the time that the sum could take its place.
fn try_add(
    direction: Direction,
    key: &[u8],
    delta: u64,
    cas: u64,
    server: &mut Server,
) -> Result<Option<Sum>, OutOfMemory> {
    let Ok(item) = server.store.peek(key) else { return Ok(Some(Sum::Absent)) };
    let (old_len, old_cas, place) = (item.value.len() - 2, item.cas, item.place);
    // An empty value is none, whatever its CAS value.
    if old_len == 0 {
        return Ok(Some(Sum::NotNumeric));
    }
    if cas != 0 && cas != old_cas {
        return Ok(Some(Sum::Exists));
    }
    // The line end counts as the white space that ends a number.
    let Some(old) = parse_u64(item.value) else { return Ok(Some(Sum::NotNumeric)) };
    let value = match direction {
        Direction::Up => old.wrapping_add(delta),
        Direction::Down => old.saturating_sub(delta),
    };
    let (flags, exptime) = (item.flags, item.exptime);
    let text = Decimal::new(value);
    let text = text.text();
    // A shorter number keeps the length of the old one, filled with blanks, and its marks; a longer one is another item.
    let len = text.len().max(old_len);
    let marks = match server.store.details(place) {
        Some(details) if len == old_len => details.marks,
        _ => Marks::NONE,
    };
    let mut reservation = server.store.reserve(&NewItem { key, flags, exptime, marks }, len)?;
    fill(&mut server.store, &mut reservation, text, len);
    match server.store.publish(reservation, Condition::Derived(old_cas))? {
        Outcome::Stored => {
            match direction {
                Direction::Up => server.counters.incr_hits.add(1),
                Direction::Down => server.counters.decr_hits.add(1),
            }
            Ok(Some(Sum::Done(value)))
        }
        _ => Ok(None),
    }
}

/// Fills a reservation of `len` bytes with `text`, blanks and the line end.
fn fill(store: &mut Handle, reservation: &mut Reservation, text: &[u8], len: usize) {
    store.fill(reservation, text);
    let mut blanks = len - text.len();
    while blanks > 0 {
        let some = &[b' '; 32][..blanks.min(32)];
        blanks -= store.fill(reservation, some);
    }
    store.fill(reservation, b"\r\n");
}
