//! No protocol: what is sent comes back. Messages are those that answer a `get`, so that an echo and a cache send the same
//! sizes, and what comes back is checked as a value is. Updates are no different.

use super::{Head, Request, Wrong, append_number, text};
use crate::load::workload::{MAX_KEY, Operation};

#[inline]
pub(super) fn compose(request: &Request<'_>, out: &mut Vec<u8>) {
    let mut key = [0; MAX_KEY];
    let len = request.record.write_key(&mut key);
    out.extend_from_slice(b"VALUE ");
    out.extend_from_slice(&key[..len]);
    out.extend_from_slice(b" 0 ");
    append_number(request.record.value_len(), out);
    out.extend_from_slice(b"\r\n");
    request.record.append_value(out);
    out.extend_from_slice(b"\r\nEND\r\n");
}

#[inline]
pub(super) fn head(request: &Request<'_>, line: &[u8]) -> Result<Head, Wrong> {
    text::head(&Request { operation: Operation::Read, ..*request }, line)
}
