//! The other side, for checks of the generator itself: what a server that has every record answers.

use super::{Protocol, binary};
use crate::load::workload::Workload;

/// Appends the answer to one whole request. Anything but a request of ours is answered with `ERROR`.
#[inline]
pub(in super::super) fn answer_to(protocol: Protocol, workload: &Workload, request: &[u8], out: &mut Vec<u8>) {
    match (protocol, request) {
        (Protocol::Text, [b'g', b'e', b't', b' ', key @ ..]) => append_hit(protocol, workload, key, out),
        (Protocol::Text, [b's', b'e', b't', ..]) => out.extend_from_slice(b"STORED\r\n"),
        (Protocol::Meta, [b'm', b'g', b' ', key @ ..]) => append_hit(protocol, workload, key, out),
        (Protocol::Meta, [b'm', b's', ..]) => out.extend_from_slice(b"HD\r\n"),
        (Protocol::Binary, _) if binary::is_read(request) => {
            append_hit(protocol, workload, binary::key(request), out);
        }
        (Protocol::Binary, [0x80, ..]) => binary::append_stored(request, out),
        (Protocol::Resp, [b'*', b'2', rest @ ..]) => {
            // The fifth line is the key.
            let key = rest.split(|&byte| byte == b'\n').nth(4).unwrap_or_default();
            append_hit(protocol, workload, key, out);
        }
        (Protocol::Resp, [b'*', b'3', ..]) => out.extend_from_slice(b"+OK\r\n"),
        (Protocol::Echo, _) => out.extend_from_slice(request),
        (_, [b'v', ..]) => out.extend_from_slice(b"VERSION null\r\n"),
        _ => out.extend_from_slice(b"ERROR\r\n"),
    }
}

/// Appends the value that is stored under a key.
#[inline]
fn append_hit(protocol: Protocol, workload: &Workload, key: &[u8], out: &mut Vec<u8>) {
    let record = workload.record(index(key));
    protocol.append_hit_head(&record, out);
    record.append_value(out);
    out.extend_from_slice(protocol.tail());
}

/// The index that a key stands for.
#[inline]
fn index(key: &[u8]) -> u64 {
    let digits = key.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |index: u64, digit| index.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}
