//! The binary protocol: `GET` and `SET`. The opaque field carries the record's hash, so that an answer to another request
//! is noticed.

use super::{Head, Outcome, Request, Wrong};
use crate::load::workload::{Operation, Record};

/// Bytes of a header.
const HEADER_LEN: usize = 24;

const REQUEST: u8 = 0x80;
const RESPONSE: u8 = 0x81;
const GET: u8 = 0x00;
const SET: u8 = 0x01;
/// Flags before a value; flags and expiration before a value that is to be stored.
const GET_EXTRAS: usize = 4;
const SET_EXTRAS: usize = 8;

const NO_ERROR: u16 = 0x00;
const KEY_NOT_FOUND: u16 = 0x01;
const NOT_STORED: u16 = 0x05;
/// From here on (out of memory, busy, temporary failure) the server was not able to.
const OUT_OF_MEMORY: u16 = 0x82;
/// More than the text of any error.
const MAX_ERROR: usize = 1024;

fn opcode(operation: Operation) -> u8 {
    match operation {
        Operation::Read => GET,
        Operation::Update => SET,
    }
}

#[inline]
pub(super) fn compose(request: &Request<'_>, out: &mut Vec<u8>) {
    let key_len = request.record.key_len();
    let (extras, value_len) = match request.operation {
        Operation::Read => (0, 0),
        Operation::Update => (SET_EXTRAS, request.record.value_len()),
    };
    let mut header = [0; HEADER_LEN + SET_EXTRAS];
    header[0] = REQUEST;
    header[1] = opcode(request.operation);
    header[2..4].copy_from_slice(&(key_len as u16).to_be_bytes());
    header[4] = extras as u8;
    header[8..12].copy_from_slice(&((extras + key_len + value_len) as u32).to_be_bytes());
    header[12..16].copy_from_slice(&request.record.tag().to_be_bytes());
    out.extend_from_slice(&header[..HEADER_LEN + extras]);
    request.record.append_key(out);
    if request.operation == Operation::Update {
        request.record.append_value(out);
    }
}

/// Bytes of the header and of the flags that precede a value, once they are there.
#[inline]
pub(super) fn head_len(bytes: &[u8]) -> Option<usize> {
    let extras = usize::from(*bytes.get(4)?).min(GET_EXTRAS);
    (bytes.len() >= HEADER_LEN + extras).then_some(HEADER_LEN + extras)
}

#[inline]
pub(super) fn head(request: &Request<'_>, header: &[u8]) -> Result<Head, Wrong> {
    let nonsense = |expected| Err(Wrong::nonsense(expected, header));
    let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if header.len() < HEADER_LEN || header[0] != RESPONSE || header[1] != opcode(request.operation) {
        return nonsense("the header of a binary answer");
    }
    if word(12) != request.record.tag() {
        return nonsense("the answer to the request asked first");
    }
    let (key_len, extras, body) = (half(2), usize::from(header[4]), word(8) as usize);
    match (half(6), request.operation) {
        (NO_ERROR, Operation::Read) if key_len == 0 && extras == GET_EXTRAS && body >= extras => {
            Ok(Head::Value(body - extras))
        }
        (NO_ERROR, Operation::Update) if body == 0 => Ok(Head::Answered(Outcome::Stored)),
        (KEY_NOT_FOUND, Operation::Read) if extras == 0 && body <= MAX_ERROR => Ok(Head::Skip(body, Outcome::Miss)),
        (NOT_STORED, Operation::Update) if extras == 0 && body <= MAX_ERROR => Ok(Head::Skip(body, Outcome::Refused)),
        (OUT_OF_MEMORY.., _) if extras == 0 && body <= MAX_ERROR => Ok(Head::Skip(body, Outcome::Refused)),
        _ => nonsense("a value, or that there is none"),
    }
}

/// Whether a request reads.
pub(super) fn is_read(request: &[u8]) -> bool {
    request.len() >= HEADER_LEN && request[..2] == [REQUEST, GET]
}

/// The key of a request without extras.
pub(super) fn key(request: &[u8]) -> &[u8] {
    request.get(HEADER_LEN..).unwrap_or_default()
}

/// Appends the head of the answer to a read that finds its record.
#[inline(always)]
pub(super) fn append_hit_head(record: &Record<'_>, out: &mut Vec<u8>) {
    let mut header = [0; HEADER_LEN + GET_EXTRAS];
    header[..2].copy_from_slice(&[RESPONSE, GET]);
    header[4] = GET_EXTRAS as u8;
    header[8..12].copy_from_slice(&((GET_EXTRAS + record.value_len()) as u32).to_be_bytes());
    header[12..16].copy_from_slice(&record.tag().to_be_bytes());
    out.extend_from_slice(&header);
}

/// Appends the answer to an update.
pub(super) fn append_stored(request: &[u8], out: &mut Vec<u8>) {
    let mut header = [0; HEADER_LEN];
    header[..2].copy_from_slice(&[RESPONSE, SET]);
    if let Some(opaque) = request.get(12..16) {
        header[12..16].copy_from_slice(opaque);
    }
    out.extend_from_slice(&header);
}
