//! The layout of an item in the arena.
//!
//! ```text
//! 0      8        12        16         20          24        25        25+key
//! | cas  | flags  | exptime | accessed | value len | key len | key ... | value ... \r \n | pad to 8 |
//! ```
//!
//! A published item never changes, but for two atomic words: `exptime` (touch) and `accessed` (the access mark: the second of
//! the last hit, 0 while never hit). A 19-byte key with a 2-byte value takes 48 bytes.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use super::arena::Arena;

/// Bytes before the key.
pub(super) const HEADER: usize = 25;

/// Items begin at multiples of this.
pub(super) const ALIGN: usize = 8;

/// The line end that every value is stored with, ready to be sent.
pub(super) const CRLF: usize = 2;

/// What stands before the key, which begins in what would be padding.
#[repr(C)]
pub(super) struct Header {
    cas: u64,
    flags: u32,
    exptime: AtomicU32,
    accessed: AtomicU32,
    value_len: u32,
    key_len: u8,
}

const _: () = assert!(core::mem::offset_of!(Header, key_len) + 1 == HEADER && align_of::<Header>() == ALIGN);
// Reading or writing a whole header stays within the smallest item.
const _: () = assert!(size_of::<Header>() <= footprint(0, 0));

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
pub(super) const fn footprint(key_len: usize, value_len: usize) -> usize {
    (HEADER + key_len + value_len + CRLF).next_multiple_of(ALIGN)
}

/// Items, read and written by address.
impl Arena {
    /// Writes header and key of an item, all but its value.
    #[inline]
    pub(super) fn begin_item(&self, at: Addr, item: &NewItem<'_>, value_len: usize) {
        let header = Header {
            cas: 0,
            flags: item.flags,
            exptime: AtomicU32::new(item.exptime),
            accessed: AtomicU32::new(0),
            value_len: value_len as u32,
            key_len: item.key.len() as u8,
        };
        self.write_header(at, header);
        self.write(at.0 + HEADER, item.key);
    }

    /// Writes header and key of an item at `to` that takes the place of the one at `from`, with a value of another length.
    pub(super) fn begin_successor(&self, from: Addr, to: Addr, value_len: usize) {
        let item = NewItem { key: self.key(from), flags: self.flags(from), exptime: self.exptime(from) };
        self.begin_item(to, &item, value_len);
    }

    /// Copies the item of `bytes` bytes at `from` to `to`, with its marks.
    pub(super) fn copy_item(&self, from: Addr, to: Addr, bytes: usize) {
        let Header { cas, flags, value_len, key_len, .. } = *self.header(from);
        let (exptime, accessed) = (AtomicU32::new(self.exptime(from)), AtomicU32::new(self.accessed(from)));
        self.write_header(to, Header { cas, flags, exptime, accessed, value_len, key_len });
        self.copy(from.0 + HEADER, to.0 + HEADER, bytes - HEADER);
    }

    /// Gives the unpublished item at `to` the expiry time of the one at `from`.
    pub(super) fn copy_exptime(&self, from: Addr, to: Addr) {
        self.set_exptime(to, self.exptime(from));
    }

    #[inline]
    pub(super) fn cas(&self, at: Addr) -> u64 {
        self.header(at).cas
    }

    /// Writes the CAS value of an unpublished item.
    #[inline]
    pub(super) fn set_cas(&self, at: Addr, cas: u64) {
        self.write(at.0 + core::mem::offset_of!(Header, cas), &cas.to_ne_bytes());
    }

    #[inline]
    pub(super) fn flags(&self, at: Addr) -> u32 {
        self.header(at).flags
    }

    #[inline]
    pub(super) fn exptime(&self, at: Addr) -> u32 {
        self.header(at).exptime.load(Relaxed)
    }

    pub(super) fn set_exptime(&self, at: Addr, exptime: u32) {
        self.header(at).exptime.store(exptime, Relaxed);
    }

    /// The second of the last hit; 0: none since it was written or kept alive.
    #[inline]
    pub(super) fn accessed(&self, at: Addr) -> u32 {
        self.header(at).accessed.load(Relaxed)
    }

    /// Takes the access mark away.
    pub(super) fn unmark_accessed(&self, at: Addr) {
        self.header(at).accessed.store(0, Relaxed);
    }

    /// Bytes of the value, without the line end.
    #[inline]
    pub(super) fn value_len(&self, at: Addr) -> usize {
        self.header(at).value_len as usize
    }

    #[inline]
    pub(super) fn key_len(&self, at: Addr) -> usize {
        usize::from(self.header(at).key_len)
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
        let header = self.header(at);
        self.bytes(at.0 + HEADER + usize::from(header.key_len), header.value_len as usize + CRLF)
    }

    /// Bytes that the item takes.
    #[inline]
    pub(super) fn item_footprint(&self, at: Addr) -> usize {
        let header = self.header(at);
        footprint(usize::from(header.key_len), header.value_len as usize)
    }
}

impl Header {
    /// When the item expires; 0: never.
    #[inline]
    pub(super) fn exptime(&self) -> u32 {
        self.exptime.load(Relaxed)
    }

    #[inline]
    pub(super) fn cas(&self) -> u64 {
        self.cas
    }

    #[inline]
    pub(super) fn flags(&self) -> u32 {
        self.flags
    }

    /// Writes the access mark, if it is older: at most once a second and item, however many cores read it.
    #[inline]
    pub(super) fn mark_accessed(&self, now: u32) {
        if self.accessed.load(Relaxed) < now {
            self.accessed.store(now, Relaxed);
        }
    }
}
