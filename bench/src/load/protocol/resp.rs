//! Redis's protocol, RESP2: `GET` and `SET` as arrays of bulk strings.

use super::{Head, Outcome, Request, Wrong, append_number, number};
use crate::load::workload::{Operation, Record};

#[inline]
pub(super) fn compose(request: &Request<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(match request.operation {
        Operation::Read => b"*2\r\n$3\r\nGET\r\n$",
        Operation::Update => b"*3\r\n$3\r\nSET\r\n$",
    });
    append_number(request.record.key_len(), out);
    out.extend_from_slice(b"\r\n");
    request.record.append_key(out);
    if request.operation == Operation::Update {
        out.extend_from_slice(b"\r\n$");
        append_number(request.record.value_len(), out);
        out.extend_from_slice(b"\r\n");
        request.record.append_value(out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the head of the answer to a read that finds its record.
#[inline(always)]
pub(super) fn append_hit_head(record: &Record<'_>, out: &mut Vec<u8>) {
    out.push(b'$');
    append_number(record.value_len(), out);
    out.extend_from_slice(b"\r\n");
}

#[inline]
pub(super) fn head(request: &Request<'_>, line: &[u8]) -> Result<Head, Wrong> {
    match (request.operation, line) {
        (Operation::Read, b"$-1\r\n") => Ok(Head::Answered(Outcome::Miss)),
        (Operation::Read, [b'$', digits @ .., b'\r', b'\n']) => {
            number(digits).map(Head::Value).ok_or_else(|| Wrong::nonsense("a length", line))
        }
        (Operation::Update, b"+OK\r\n") => Ok(Head::Answered(Outcome::Stored)),
        // Out of memory, still loading, busy: it was understood.
        (
            _,
            [b'-', b'O', b'O', b'M', b' ', ..]
            | [b'-', b'L', b'O', b'A', b'D', ..]
            | [b'-', b'B', b'U', b'S', b'Y', ..],
        ) => Ok(Head::Answered(Outcome::Refused)),
        (Operation::Read, _) => Err(Wrong::nonsense("a bulk string", line)),
        (Operation::Update, _) => Err(Wrong::nonsense("+OK", line)),
    }
}
