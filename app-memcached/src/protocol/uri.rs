//! Keys as memcached tells of them: with the bytes that a URI does not take as they are written as `%NN` (RFC 3986, section 2).

use core::fmt::Write as _;

use heapless::String;

/// Adds `key` to `line`, which has room for three bytes for each of the key's.
pub(super) fn escape<const N: usize>(key: &[u8], line: &mut String<N>) {
    for &byte in key {
        let _ = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => line.write_char(byte.into()),
            _ => write!(line, "%{byte:02X}"),
        };
    }
}
