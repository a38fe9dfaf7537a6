//! `get` and `set`.

use super::{Head, Outcome, Request, Wrong, append_number, is_refusal, number};
use crate::load::workload::{Operation, Record};

#[inline]
pub(super) fn compose(request: &Request<'_>, out: &mut Vec<u8>) {
    match request.operation {
        Operation::Read => {
            out.extend_from_slice(b"get ");
            request.record.append_key(out);
        }
        Operation::Update => {
            out.extend_from_slice(b"set ");
            request.record.append_key(out);
            out.extend_from_slice(b" 0 0 ");
            append_number(request.record.value_len(), out);
            out.extend_from_slice(b"\r\n");
            request.record.append_value(out);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the head of the answer to a read that finds its record.
#[inline(always)]
pub(super) fn append_hit_head(record: &Record<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"VALUE ");
    record.append_key(out);
    out.extend_from_slice(b" 0 ");
    append_number(record.value_len(), out);
    out.extend_from_slice(b"\r\n");
}

#[inline]
pub(super) fn head(request: &Request<'_>, line: &[u8]) -> Result<Head, Wrong> {
    match (request.operation, line) {
        (Operation::Read, [b'V', b'A', b'L', b'U', b'E', b' ', rest @ ..]) => value(request, rest, line),
        (Operation::Read, b"END\r\n") => Ok(Head::Answered(Outcome::Miss)),
        (Operation::Update, b"STORED\r\n") => Ok(Head::Answered(Outcome::Stored)),
        (Operation::Update, b"NOT_STORED\r\n") => Ok(Head::Answered(Outcome::Refused)),
        _ if is_refusal(line) => Ok(Head::Answered(Outcome::Refused)),
        (Operation::Read, _) => Err(Wrong::nonsense("VALUE or END", line)),
        (Operation::Update, _) => Err(Wrong::nonsense("STORED", line)),
    }
}

/// `VALUE <key> <flags> <bytes>`, of which `rest` begins with the key.
#[cold]
fn value(request: &Request<'_>, rest: &[u8], line: &[u8]) -> Result<Head, Wrong> {
    let key = request.record.key();
    // A store of our own keeps flags of 0.
    let bytes = rest.strip_prefix(key.as_bytes()).and_then(|rest| rest.strip_prefix(b" 0 "));
    let bytes = bytes.and_then(|bytes| bytes.strip_suffix(b"\r\n")).and_then(number);
    bytes.map(Head::Value).ok_or_else(|| Wrong::nonsense("VALUE, the key asked for, flags of 0 and a length", line))
}
