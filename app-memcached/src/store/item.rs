//! The layout of an item in the arena.
//!
//! ```text
//! 0      8        12        16         20          24        25        25+key
//! | cas  | flags  | exptime | accessed | value len | key len | key ... | value ... \r \n | pad to 8 |
//! ```
//!
//! A published item never changes, but for two aligned words that stand apart from its meaning and that a lock-free reader may
//! see old or new: `exptime` (touch) and `accessed` (the access mark: the second of the last hit, 0 while never
//! hit). A 19-byte key with a 2-byte value takes 48 bytes.

use super::arena::Arena;

/// Bytes before the key.
pub(super) const HEADER: usize = 25;

/// Items begin at multiples of this.
pub(super) const ALIGN: usize = 8;

/// The line end that every value is stored with, ready to be sent.
pub(super) const CRLF: usize = 2;

const CAS: usize = 0;
const FLAGS: usize = 8;
const EXPTIME: usize = 12;
const ACCESSED: usize = 16;
const VALUE_LEN: usize = 20;
const KEY_LEN: usize = 24;

/// Where an item begins in the arena, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addr(pub(super) usize);

/// What is known of an item before its value.
#[derive(Clone, Copy, Debug)]
pub struct NewItem<'a> {
    /// The key, at most [`MAX_KEY`](super::MAX_KEY) bytes.
    pub key: &'a [u8],
    /// The client's flags.
    pub flags: u32,
    /// When it expires, in seconds of the store's clock; 0: never.
    pub exptime: u32,
}

/// Bytes that an item takes in the arena.
pub(super) fn footprint(key_len: usize, value_len: usize) -> usize {
    (HEADER + key_len + value_len + CRLF).next_multiple_of(ALIGN)
}

/// Items, read and written by address.
impl Arena {
    /// Writes header and key of an item, all but its value.
    pub(super) fn write_header(&mut self, at: Addr, item: &NewItem<'_>, value_len: usize) {
        self.set_u64(at.0 + CAS, 0);
        self.set_u32(at.0 + FLAGS, item.flags);
        self.set_u32(at.0 + EXPTIME, item.exptime);
        self.set_u32(at.0 + ACCESSED, 0);
        self.set_u32(at.0 + VALUE_LEN, value_len as u32);
        self.bytes_mut(at.0 + KEY_LEN, 1)[0] = item.key.len() as u8;
        self.bytes_mut(at.0 + HEADER, item.key.len()).copy_from_slice(item.key);
    }

    /// Writes header and key of an item at `to` that takes the place of the one at `from`, with a value of another length.
    pub(super) fn copy_header(&mut self, from: Addr, to: Addr, value_len: usize) {
        self.copy(from.0, to.0, HEADER + self.key_len(from));
        self.set_u32(to.0 + ACCESSED, 0);
        self.set_u32(to.0 + VALUE_LEN, value_len as u32);
    }

    #[inline]
    pub(super) fn cas(&self, at: Addr) -> u64 {
        self.u64(at.0 + CAS)
    }

    pub(super) fn set_cas(&mut self, at: Addr, cas: u64) {
        self.set_u64(at.0 + CAS, cas);
    }

    #[inline]
    pub(super) fn flags(&self, at: Addr) -> u32 {
        self.u32(at.0 + FLAGS)
    }

    #[inline]
    pub(super) fn exptime(&self, at: Addr) -> u32 {
        self.u32(at.0 + EXPTIME)
    }

    pub(super) fn set_exptime(&mut self, at: Addr, exptime: u32) {
        self.set_u32(at.0 + EXPTIME, exptime);
    }

    /// The second of the last hit; 0: none since it was written or kept alive.
    #[inline]
    pub(super) fn accessed(&self, at: Addr) -> u32 {
        self.u32(at.0 + ACCESSED)
    }

    /// Writes the access mark, if it changes: at most once a second and item.
    #[inline]
    pub(super) fn mark_accessed(&mut self, at: Addr, now: u32) {
        if self.accessed(at) != now {
            self.set_u32(at.0 + ACCESSED, now);
        }
    }

    /// Bytes of the value, without the line end.
    #[inline]
    pub(super) fn value_len(&self, at: Addr) -> usize {
        self.u32(at.0 + VALUE_LEN) as usize
    }

    #[inline]
    pub(super) fn key_len(&self, at: Addr) -> usize {
        usize::from(self.array::<1>(at.0 + KEY_LEN)[0])
    }

    #[inline]
    pub(super) fn key(&self, at: Addr) -> &[u8] {
        self.bytes(at.0 + HEADER, self.key_len(at))
    }

    /// Where the value begins.
    #[inline]
    pub(super) fn value_at(&self, at: Addr) -> usize {
        at.0 + HEADER + self.key_len(at)
    }

    /// The value with its line end.
    #[inline]
    pub(super) fn value(&self, at: Addr) -> &[u8] {
        self.bytes(self.value_at(at), self.value_len(at) + CRLF)
    }

    /// Bytes that the item takes.
    #[inline]
    pub(super) fn item_footprint(&self, at: Addr) -> usize {
        footprint(self.key_len(at), self.value_len(at))
    }
}
