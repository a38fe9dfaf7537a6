//! The layout of an item in the arena.
//!
//! ```text
//! 0      8        12        16       20                  24        25        25+key
//! | cas  | flags  | exptime | access | marks | value len | key len | key ... | value ... \r \n | pad to 8 |
//! ```
//!
//! A published item never changes, but for two atomic words: `exptime` (touch) and [`access`](super::access) (when and whether
//! it was read). [`Marks`] take the four highest bits of the value's length. A 19-byte key with a 2-byte value takes 48 bytes.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use super::access::Access;
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
    access: AtomicU32,
    /// Marks and length of the value.
    marked_len: u32,
    key_len: u8,
}

/// Bits of the length of a value.
const LEN_BITS: u32 = 28;

/// The longest value, in bytes.
pub(super) const MAX_VALUE: usize = (1 << LEN_BITS) - 1;

/// What an item is marked with, for good: another mark needs another item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u32);

impl Marks {
    /// None.
    pub const NONE: Marks = Marks(0);
    /// The value is out of date, and may be served until there is a new one.
    pub const STALE: Marks = Marks(1 << LEN_BITS);
    /// A client has been told that it is to write a new value.
    pub const WON: Marks = Marks(2 << LEN_BITS);
    /// The key was sent in base64, and is to be sent so.
    pub const BINARY_KEY: Marks = Marks(4 << LEN_BITS);

    /// These marks and those of `other`.
    #[must_use]
    pub const fn with(self, other: Marks) -> Marks {
        Marks(self.0 | other.0)
    }

    /// These marks without those of `other`.
    #[must_use]
    pub const fn without(self, other: Marks) -> Marks {
        Marks(self.0 & !other.0)
    }

    /// Whether all of `other` are among these.
    pub const fn has(self, other: Marks) -> bool {
        self.0 & other.0 == other.0
    }
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
    /// What it is marked with.
    pub marks: Marks,
}

/// Bytes that an item takes in the arena.
pub(super) const fn footprint(key_len: usize, value_len: usize) -> usize {
    (HEADER + key_len + value_len + CRLF).next_multiple_of(ALIGN)
}

/// Items, read and written by address.
impl Arena {
    /// Writes header and key of an item, all but its value. It counts as not read yet.
    #[inline]
    pub(super) fn begin_item(&self, at: Addr, item: &NewItem<'_>, value_len: usize, access: Access) {
        let header = Header {
            cas: 0,
            flags: item.flags,
            exptime: AtomicU32::new(item.exptime),
            access: AtomicU32::new(access.word()),
            marked_len: value_len as u32 | item.marks.0,
            key_len: item.key.len() as u8,
        };
        self.write_header(at, header);
        self.write(at.0 + HEADER, item.key);
    }

    /// Writes header and key of an item at `to` that takes the place of the one at `from`, with a value of another length and
    /// other marks.
    pub(super) fn begin_successor(&self, from: Addr, to: Addr, value_len: usize, marks: Marks, access: Access) {
        let item = NewItem { key: self.key(from), flags: self.flags(from), exptime: self.exptime(from), marks };
        self.begin_item(to, &item, value_len, access);
    }

    /// Copies the item of `bytes` bytes at `from` to `to`, with all but its marks, which are `marks`.
    pub(super) fn copy_item(&self, from: Addr, to: Addr, bytes: usize, marks: Marks) {
        let Header { cas, flags, key_len, .. } = *self.header(from);
        let (exptime, access) = (AtomicU32::new(self.exptime(from)), AtomicU32::new(self.access(from).word()));
        let marked_len = self.value_len(from) as u32 | marks.0;
        self.write_header(to, Header { cas, flags, exptime, access, marked_len, key_len });
        self.copy(from.0 + HEADER, to.0 + HEADER, bytes - HEADER);
    }

    /// Gives the unpublished item at `at` other marks.
    pub(super) fn set_marks(&self, at: Addr, marks: Marks) {
        let marked_len = self.value_len(at) as u32 | marks.0;
        self.write(at.0 + core::mem::offset_of!(Header, marked_len), &marked_len.to_ne_bytes());
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

    /// When it was read, and whether.
    #[inline]
    pub(super) fn access(&self, at: Addr) -> Access {
        Access::of(self.header(at).access.load(Relaxed))
    }

    pub(super) fn set_access(&self, at: Addr, access: Access) {
        self.header(at).access.store(access.word(), Relaxed);
    }

    #[inline]
    pub(super) fn marks(&self, at: Addr) -> Marks {
        self.header(at).marks()
    }

    /// Bytes of the value, without the line end.
    #[inline]
    pub(super) fn value_len(&self, at: Addr) -> usize {
        self.header(at).value_len()
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
        self.bytes(at.0 + HEADER + usize::from(header.key_len), header.value_len() + CRLF)
    }

    /// Bytes that the item takes.
    #[inline]
    pub(super) fn item_footprint(&self, at: Addr) -> usize {
        let header = self.header(at);
        footprint(usize::from(header.key_len), header.value_len())
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

    #[inline]
    fn value_len(&self) -> usize {
        (self.marked_len as usize) & MAX_VALUE
    }

    fn marks(&self) -> Marks {
        Marks(self.marked_len & !(MAX_VALUE as u32))
    }

    /// Notes a hit, if none is noted in this second: at most once a second and item, however many cores read it.
    #[inline]
    pub(super) fn note_hit(&self, hit: Access) {
        if self.access.load(Relaxed) < hit.word() {
            self.access.store(hit.word(), Relaxed);
        }
    }
}
