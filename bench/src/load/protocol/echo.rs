//! No protocol: what is sent comes back. Messages are those that answer a `get`, so that an echo and a cache send the same
//! sizes, and what comes back is checked as a value is. Updates are no different.

use super::{Head, Request, Wrong, text};
use crate::load::workload::Operation;

#[inline]
pub(super) fn compose(request: &Request<'_>, out: &mut Vec<u8>) {
    text::append_hit_head(&request.record, out);
    request.record.append_value(out);
    out.extend_from_slice(b"\r\nEND\r\n");
}

#[inline]
pub(super) fn head(request: &Request<'_>, line: &[u8]) -> Result<Head, Wrong> {
    text::head(&Request { operation: Operation::Read, ..*request }, line)
}
