//! `incr|decr <key> <delta> [noreply]`

use super::super::line::Words;
use super::super::number::{Decimal, parse_u64};
use super::super::reply::{self, Answer};
use super::super::server::Server;
use crate::store::{Condition, Handle, Marks, NewItem, OutOfMemory, Outcome, Reservation};

/// Which way a number goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// `incr`: wraps at 2^64.
    Up,
    /// `decr`: stops at 0.
    Down,
}

const NOT_NUMERIC: Answer = Answer::Line("CLIENT_ERROR cannot increment or decrement non-numeric value");
const BAD_DELTA: Answer = Answer::Line("CLIENT_ERROR invalid numeric delta argument");
const NO_MEMORY: Answer = Answer::Line("SERVER_ERROR out of memory");

pub(super) fn run(direction: Direction, words: &Words<'_>, server: &mut Server) -> Answer {
    if !(3..=4).contains(&words.count()) {
        return reply::ERROR;
    }
    let reply = words.reply();
    let Some(key) = super::key(words) else { return reply::BAD_FORMAT.unless_silent(reply) };
    let Some(delta) = parse_u64(words.get(2)) else { return BAD_DELTA.unless_silent(reply) };
    match add(direction, key, delta, server) {
        Ok(answer) => answer.unless_silent(reply),
        Err(OutOfMemory) => NO_MEMORY,
    }
}

fn add(direction: Direction, key: &[u8], delta: u64, server: &mut Server) -> Result<Answer, OutOfMemory> {
    // Once more whenever another core has changed the number meanwhile.
    loop {
        if let Some(answer) = try_add(direction, key, delta, server)? {
            return Ok(answer);
        }
    }
}

/// Adds to the number that is there. `None` if it is another one by the time that the sum could take its place.
fn try_add(direction: Direction, key: &[u8], delta: u64, server: &mut Server) -> Result<Option<Answer>, OutOfMemory> {
    let (hits, misses) = match direction {
        Direction::Up => (&server.counters.incr_hits, &server.counters.incr_misses),
        Direction::Down => (&server.counters.decr_hits, &server.counters.decr_misses),
    };
    let Ok(item) = server.store.get(key) else {
        misses.add(1);
        return Ok(Some(reply::NOT_FOUND));
    };
    let (old_len, old_cas) = (item.value.len() - 2, item.cas);
    // The line end counts as the white space that ends a number; an empty value is none.
    let Some(old) = parse_u64(item.value) else { return Ok(Some(NOT_NUMERIC)) };
    let value = match direction {
        Direction::Up => old.wrapping_add(delta),
        Direction::Down => old.saturating_sub(delta),
    };
    let text = Decimal::new(value);
    let text = text.text();
    // A shorter number keeps the length of the old one, filled with blanks.
    let len = text.len().max(old_len);
    let new = NewItem { key, flags: item.flags, exptime: item.exptime, marks: Marks::NONE };
    let mut reservation = server.store.reserve(&new, len)?;
    fill(&mut server.store, &mut reservation, text, len);
    match server.store.publish(reservation, Condition::Derived(old_cas))? {
        Outcome::Stored => {
            hits.add(1);
            Ok(Some(Answer::Number(value)))
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

#[cfg(test)]
mod tests {
    use crate::protocol::testkit::exchange;

    #[test]
    fn counts() {
        assert_eq!(
            exchange(b"set n 5 0 2\r\n10\r\nincr n 5\r\ndecr n 7\r\nget n\r\ndecr n 9\r\n"),
            b"STORED\r\n15\r\n8\r\nVALUE n 5 2\r\n8 \r\nEND\r\n0\r\n"
        );
    }

    #[test]
    fn keeps_the_length() {
        assert_eq!(
            exchange(
                b"set n 0 0 4\r\n1 2 \r\nincr n 1\r\nget n\r\nset n 0 0 1\r\n5\r\nincr n 94\r\nincr n 1\r\nget n\r\n"
            ),
            b"STORED\r\n2\r\nVALUE n 0 4\r\n2   \r\nEND\r\nSTORED\r\n99\r\n100\r\nVALUE n 0 3\r\n100\r\nEND\r\n"
        );
    }

    #[test]
    fn wraps_at_64_bits() {
        assert_eq!(
            exchange(b"set n 0 0 20\r\n18446744073709551615\r\nincr n 1\r\nget n\r\n"),
            b"STORED\r\n0\r\nVALUE n 0 20\r\n0                   \r\nEND\r\n"
        );
    }

    #[test]
    fn refuses_what_is_no_number() {
        let not_numeric = "STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
        for value in ["", "a", "1a", "-5", "18446744073709551616"] {
            let request = format!("set n 0 0 {}\r\n{value}\r\nincr n 1\r\n", value.len());
            assert_eq!(exchange(request.as_bytes()), not_numeric.as_bytes(), "{value}");
        }
        assert_eq!(exchange(b"incr n -1\r\n"), b"CLIENT_ERROR invalid numeric delta argument\r\n");
        assert_eq!(exchange(b"incr n\r\nincr n 1 2 3\r\nincr n 1\r\n"), b"ERROR\r\nERROR\r\nNOT_FOUND\r\n");
        assert_eq!(exchange(b"incr n a noreply\r\nincr n 1 noreply\r\n"), b"");
    }
}
