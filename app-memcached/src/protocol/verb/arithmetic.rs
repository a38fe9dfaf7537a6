//! `incr|decr <key> <delta> [noreply]`

use super::super::line::Words;
use super::super::number::parse_u64;
use super::super::reply::{self, Answer};
use super::super::server::Server;
use super::super::sum::{self, Direction, Sum};

pub(in crate::protocol) const NOT_NUMERIC: Answer =
    Answer::Line("CLIENT_ERROR cannot increment or decrement non-numeric value");
const BAD_DELTA: Answer = Answer::Line("CLIENT_ERROR invalid numeric delta argument");
pub(in crate::protocol) const NO_MEMORY: Answer = Answer::Line("SERVER_ERROR out of memory");

pub(super) fn run(direction: Direction, words: &Words<'_>, server: &mut Server) -> Answer {
    if !(3..=4).contains(&words.count()) {
        return reply::ERROR;
    }
    let reply = words.reply();
    let Some(key) = super::key(words) else { return reply::BAD_FORMAT.unless_silent(reply) };
    let Some(delta) = parse_u64(words.get(2)) else { return BAD_DELTA.unless_silent(reply) };
    let answer = match sum::add(direction, key, delta, 0, server) {
        Sum::Done(value) => Answer::Number(value),
        Sum::Absent => {
            sum::count_miss(direction, server);
            reply::NOT_FOUND
        }
        Sum::NotNumeric => NOT_NUMERIC,
        // No CAS value was asked for.
        Sum::Exists => reply::EXISTS,
        Sum::NoMemory => return NO_MEMORY,
    };
    answer.unless_silent(reply)
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
