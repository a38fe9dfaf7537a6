//! The other side, for checks of the generator itself: what a server that has every record answers.

use super::{Protocol, append_number, binary};
use crate::load::workload::{MAX_KEY, Record, Workload};

/// Appends the answer to one whole request. Anything but a request of ours is answered with `ERROR`.
#[inline]
pub(in super::super) fn answer_to(protocol: Protocol, workload: &Workload, request: &[u8], out: &mut Vec<u8>) {
    match (protocol, request) {
        (Protocol::Text, [b'g', b'e', b't', b' ', rest @ ..]) => {
            let record = workload.record(index(rest));
            let mut key = [0; MAX_KEY];
            let len = record.write_key(&mut key);
            out.extend_from_slice(b"VALUE ");
            out.extend_from_slice(&key[..len]);
            out.extend_from_slice(b" 0 ");
            append_value(record, out);
            out.extend_from_slice(b"END\r\n");
        }
        (Protocol::Text, [b's', b'e', b't', ..]) => out.extend_from_slice(b"STORED\r\n"),
        (Protocol::Meta, [b'm', b'g', b' ', rest @ ..]) => {
            out.extend_from_slice(b"VA ");
            append_value(workload.record(index(rest)), out);
        }
        (Protocol::Meta, [b'm', b's', ..]) => out.extend_from_slice(b"HD\r\n"),
        (Protocol::Binary, _) if binary::is_read(request) => {
            binary::append_hit(&workload.record(index(binary::key(request))), out);
        }
        (Protocol::Binary, [0x80, ..]) => binary::append_stored(request, out),
        (Protocol::Resp, [b'*', b'2', rest @ ..]) => {
            // The fifth line is the key.
            let key = rest.split(|&byte| byte == b'\n').nth(4).unwrap_or_default();
            out.push(b'$');
            append_value(workload.record(index(key)), out);
        }
        (Protocol::Resp, [b'*', b'3', ..]) => out.extend_from_slice(b"+OK\r\n"),
        (Protocol::Echo, _) => out.extend_from_slice(request),
        (_, [b'v', ..]) => out.extend_from_slice(b"VERSION null\r\n"),
        _ => out.extend_from_slice(b"ERROR\r\n"),
    }
}

/// The length, and the value.
#[inline]
fn append_value(record: Record<'_>, out: &mut Vec<u8>) {
    append_number(record.value_len(), out);
    out.extend_from_slice(b"\r\n");
    record.append_value(out);
    out.extend_from_slice(b"\r\n");
}

/// The index that a key stands for.
#[inline]
fn index(key: &[u8]) -> u64 {
    let digits = key.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |index: u64, digit| index.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}
