//! The line that answers a meta command.

use super::super::number::Decimal;
use super::super::output::Output;
use super::base64;
use super::request::{Key, MAX_OPAQUE};
use crate::store::MAX_KEY;

/// Bytes of the longest line: code and length, each flag that is answered once, with a key in base64, and three signs.
pub(in crate::protocol) const MAX_LINE: usize =
    3 + 10 + (2 + base64::MAX_ENCODED + 2) + (1 + MAX_OPAQUE) + 2 * (2 + 20) + 4 * (2 + 10) + 6 + 2;

const _: () = assert!(MAX_KEY <= base64::MAX_ENCODED);

/// A line that is being written.
pub(super) struct Line {
    bytes: [u8; MAX_LINE],
    len: usize,
}

impl AsRef<[u8]> for Line {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Line {
    /// A line that begins with `code`.
    #[inline]
    pub(super) fn new(code: &[u8]) -> Line {
        let mut line = Line { bytes: [0; MAX_LINE], len: 0 };
        line.put(code);
        line
    }

    /// Adds `bytes`, as they are.
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        let place = self.bytes.get_mut(self.len..self.len + bytes.len());
        debug_assert!(place.is_some(), "MAX_LINE is too small");
        if let Some(place) = place {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    /// Adds a number.
    pub(super) fn put_number(&mut self, value: u64) {
        self.put(Decimal::new(value).text());
    }

    /// Adds a flag with a number.
    pub(super) fn flag(&mut self, letter: u8, value: u64) {
        self.put(&[b' ', letter]);
        self.put_number(value);
    }

    /// Adds a flag as it was asked for.
    pub(super) fn echo(&mut self, flag: &[u8]) {
        self.put(b" ");
        self.put(flag);
    }

    /// Adds the key's flag, and that it is in base64 if it is.
    pub(super) fn key(&mut self, key: Key<'_>) {
        self.put(b" k");
        self.put_key(key);
        if let Key::Binary(_) = key {
            self.put(b" b");
        }
    }

    /// Adds a key.
    pub(super) fn put_key(&mut self, key: Key<'_>) {
        match key {
            Key::Text(key) => self.put(key),
            Key::Binary(key) => base64::encode(key).for_each(|digits| self.put(&digits)),
        }
    }

    /// The line with its end.
    pub(super) fn end(&mut self) -> &[u8] {
        self.put(b"\r\n");
        &self.bytes[..self.len]
    }

    /// Writes the line with its end.
    pub(super) fn write(mut self, out: &mut impl Output) {
        out.write(self.end());
    }
}
