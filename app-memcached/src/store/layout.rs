//! The layout of an item in the arena.
//!
//! ```text
//! 0        4                                   8       12
//! | access | value len: 16 | key len: 8 | parts | stamp | parts ... | key ... | value ... \r \n | pad to 4 |
//! parts, of 4 bytes, each if its bit is set:  exptime | flags | high half of the stamp | high part of the value's length
//! ```
//!
//! A published item never changes, but for two atomic words: `exptime` (touch) and [`access`](super::access) (when and whether
//! it was read). Most items have no parts at all: a 19-byte key with a 2-byte value takes 36 bytes.
//!
//! The *stamp* says when an item was published, see [`flush`](super::flush): a count from that of its segment on, or, with its high
//! half, from 0 on. It is the item's CAS value too.
//!
//! Read and written by [`item`](super::item).

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use super::access::Access;

/// Bytes of the header, without parts.
const FIXED: usize = size_of::<Header>();

/// Items begin at multiples of this.
pub(super) const ALIGN: usize = 4;

/// The line end that every value is stored with, ready to be sent.
pub(super) const CRLF: usize = 2;

/// What every item begins with.
#[repr(C)]
pub(super) struct Header {
    pub(super) access: AtomicU32,
    pub(super) shape: Shape,
    /// The stamp's low half.
    pub(super) stamp: u32,
}

const _: () = assert!(align_of::<Header>() == ALIGN);

impl Header {
    /// Notes a hit, if none is noted in this second: at most once a second and item, however many cores read it.
    #[inline]
    pub(super) fn note_hit(&self, hit: Access) {
        if self.access.load(Relaxed) < hit.word() {
            self.access.store(hit.word(), Relaxed);
        }
    }
}

/// The longest value, in bytes.
pub(super) const MAX_VALUE: usize = (1 << 28) - 1;

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

/// What an item is marked with, for good: another mark needs another item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(pub(super) u8);

impl Marks {
    /// None.
    pub const NONE: Marks = Marks(0);
    /// The value is out of date, and may be served until there is a new one.
    pub const STALE: Marks = Marks(1);
    /// A client has been told that it is to write a new value.
    pub const WON: Marks = Marks(2);
    /// The key was sent in base64, and is to be sent so.
    pub const BINARY_KEY: Marks = Marks(4);

    pub(super) const ALL: Marks = Marks(7);

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

/// Parts that an item may have or not, beside the bits of [`Marks`]. The order of the bits is that of the parts.
pub(super) mod part {
    pub(in crate::store) const EXPTIME: u8 = 1 << 3;
    pub(in crate::store) const FLAGS: u8 = 1 << 4;
    pub(in crate::store) const STAMP_HIGH: u8 = 1 << 5;
    pub(in crate::store) const LEN_HIGH: u8 = 1 << 6;
    pub(super) const FIRST: u32 = EXPTIME.trailing_zeros();
}

/// Bytes before the key, by parts.
const KEY_AT: [u8; 1 << (8 - part::FIRST)] = {
    let mut table = [0; 1 << (8 - part::FIRST)];
    let mut parts = 0;
    while parts < table.len() {
        table[parts] = (FIXED + 4 * parts.count_ones() as usize) as u8;
        parts += 1;
    }
    table
};

/// The lengths and parts of an item, but for a long value's length.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Shape(u32);

impl Shape {
    fn new(key_len: usize, value_len: usize, parts: u8) -> Shape {
        Shape(value_len as u32 & 0xffff | (key_len as u32 & 0xff) << 16 | u32::from(parts) << 24)
    }

    /// As it is stored.
    pub(super) fn to_bytes(self) -> [u8; 4] {
        self.0.to_ne_bytes()
    }

    #[inline]
    pub(super) fn parts(self) -> u8 {
        (self.0 >> 24) as u8
    }

    #[inline]
    pub(super) fn has(self, part: u8) -> bool {
        self.parts() & part != 0
    }

    #[inline]
    pub(super) fn key_len(self) -> usize {
        (self.0 >> 16 & 0xff) as usize
    }

    /// The value's length, but for its high part.
    #[inline]
    pub(super) fn len_low(self) -> usize {
        (self.0 & 0xffff) as usize
    }

    /// Where the key begins, from the item on.
    #[inline]
    pub(super) fn key_at(self) -> usize {
        usize::from(KEY_AT[usize::from(self.parts() >> part::FIRST)])
    }

    /// Where a part begins, from the item on, if there is one.
    #[inline]
    pub(super) fn part_at(self, part: u8) -> Option<usize> {
        let before = self.parts() & (part - 1);
        self.has(part).then(|| usize::from(KEY_AT[usize::from(before >> part::FIRST)]))
    }
}

/// The parts and lengths of an item that is to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) key_len: usize,
    pub(super) value_len: usize,
    pub(super) parts: u8,
}

/// How much room an item has for its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StampRoom {
    /// For what it is beyond its segment's.
    Half,
    /// For any: copies of very old items need it.
    Whole,
}

/// Whether items that never expire have room for an expiry time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExptimeRoom {
    /// Only those that expire: a touch of another makes a copy.
    WhenUsed,
    /// All, so that a touch needs no memory.
    Always,
}

impl Plan {
    /// For a new item.
    #[inline]
    pub(super) fn new(item: &NewItem<'_>, value_len: usize, exptime_room: ExptimeRoom) -> Plan {
        let mut parts = item.marks.0;
        if item.exptime != 0 || exptime_room == ExptimeRoom::Always {
            parts |= part::EXPTIME;
        }
        if item.flags != 0 {
            parts |= part::FLAGS;
        }
        if value_len > 0xffff {
            parts |= part::LEN_HIGH;
        }
        Plan { key_len: item.key.len(), value_len, parts }
    }

    /// The same with room for an expiry time.
    pub(super) fn with_exptime(self) -> Plan {
        Plan { parts: self.parts | part::EXPTIME, ..self }
    }

    /// The same with room for any stamp.
    pub(super) fn with_stamp(self, room: StampRoom) -> Plan {
        match room {
            StampRoom::Half => Plan { parts: self.parts & !part::STAMP_HIGH, ..self },
            StampRoom::Whole => Plan { parts: self.parts | part::STAMP_HIGH, ..self },
        }
    }

    /// The same with other marks.
    pub(super) fn with_marks(self, marks: Marks) -> Plan {
        Plan { parts: self.parts & !Marks::ALL.0 | marks.0, ..self }
    }

    /// The same with a value of another length.
    pub(super) fn with_value(self, value_len: usize) -> Plan {
        let long = if value_len > 0xffff { part::LEN_HIGH } else { 0 };
        Plan { value_len, parts: self.parts & !part::LEN_HIGH | long, ..self }
    }

    /// Bytes that such an item takes.
    #[inline]
    pub(super) fn footprint(self) -> usize {
        footprint(self.shape(), self.value_len)
    }

    pub(super) fn shape(self) -> Shape {
        Shape::new(self.key_len, self.value_len, self.parts)
    }
}

#[inline]
pub(super) fn footprint(shape: Shape, value_len: usize) -> usize {
    (shape.key_at() + shape.key_len() + value_len + CRLF).next_multiple_of(ALIGN)
}
