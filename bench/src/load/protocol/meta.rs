//! `mg` and `ms`.

use super::{Head, Outcome, Request, Wrong, append_number, is_refusal, number};
use crate::load::workload::{Operation, Record};

#[inline]
pub(super) fn compose(request: &Request<'_>, out: &mut Vec<u8>) {
    match request.operation {
        Operation::Read => {
            out.extend_from_slice(b"mg ");
            request.record.append_key(out);
            out.extend_from_slice(b" v\r\n");
        }
        Operation::Update => {
            out.extend_from_slice(b"ms ");
            request.record.append_key(out);
            out.push(b' ');
            append_number(request.record.value_len(), out);
            out.extend_from_slice(b"\r\n");
            request.record.append_value(out);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Appends the head of the answer to a read that finds its record.
#[inline(always)]
pub(super) fn append_hit_head(record: &Record<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"VA ");
    append_number(record.value_len(), out);
    out.extend_from_slice(b"\r\n");
}

#[inline]
pub(super) fn head(request: &Request<'_>, line: &[u8]) -> Result<Head, Wrong> {
    match (request.operation, line) {
        (Operation::Read, [b'V', b'A', b' ', len @ .., b'\r', b'\n']) => {
            number(len).map(Head::Value).ok_or_else(|| Wrong::nonsense("VA and a length", line))
        }
        (Operation::Read, b"EN\r\n") => Ok(Head::Answered(Outcome::Miss)),
        // 1.6.18 ends the line with a blank where flags would follow.
        (Operation::Update, b"HD\r\n" | b"HD \r\n") => Ok(Head::Answered(Outcome::Stored)),
        (Operation::Update, b"NS\r\n" | b"NS \r\n") => Ok(Head::Answered(Outcome::Refused)),
        _ if is_refusal(line) => Ok(Head::Answered(Outcome::Refused)),
        (Operation::Read, _) => Err(Wrong::nonsense("VA or EN", line)),
        (Operation::Update, _) => Err(Wrong::nonsense("HD", line)),
    }
}
