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

use core::mem::offset_of;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use super::access::Access;
use super::arena::Arena;

/// Bytes of the header, without parts.
const FIXED: usize = size_of::<Header>();

/// Items begin at multiples of this.
pub(super) const ALIGN: usize = 4;

/// The line end that every value is stored with, ready to be sent.
pub(super) const CRLF: usize = 2;

/// What every item begins with.
#[repr(C)]
pub(super) struct Header {
    access: AtomicU32,
    shape: u32,
    /// The stamp's low half.
    stamp: u32,
}

const _: () = assert!(align_of::<Header>() == ALIGN);

/// The longest value, in bytes.
pub(super) const MAX_VALUE: usize = (1 << 28) - 1;

/// What an item is marked with, for good: another mark needs another item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u8);

impl Marks {
    /// None.
    pub const NONE: Marks = Marks(0);
    /// The value is out of date, and may be served until there is a new one.
    pub const STALE: Marks = Marks(1);
    /// A client has been told that it is to write a new value.
    pub const WON: Marks = Marks(2);
    /// The key was sent in base64, and is to be sent so.
    pub const BINARY_KEY: Marks = Marks(4);

    const ALL: Marks = Marks(7);

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

/// Parts that an item may have or not, beside the bits of [`Marks`]. The order of the bits is that of the parts.
mod part {
    pub(super) const EXPTIME: u8 = 1 << 3;
    pub(super) const FLAGS: u8 = 1 << 4;
    pub(super) const STAMP_HIGH: u8 = 1 << 5;
    pub(super) const LEN_HIGH: u8 = 1 << 6;
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
struct Shape(u32);

impl Shape {
    fn new(key_len: usize, value_len: usize, parts: u8) -> Shape {
        Shape(value_len as u32 & 0xffff | (key_len as u32 & 0xff) << 16 | u32::from(parts) << 24)
    }

    #[inline]
    fn parts(self) -> u8 {
        (self.0 >> 24) as u8
    }

    #[inline]
    fn has(self, part: u8) -> bool {
        self.parts() & part != 0
    }

    #[inline]
    fn key_len(self) -> usize {
        (self.0 >> 16 & 0xff) as usize
    }

    /// The value's length, but for its high part.
    #[inline]
    fn len_low(self) -> usize {
        (self.0 & 0xffff) as usize
    }

    /// Where the key begins, from the item on.
    #[inline]
    fn key_at(self) -> usize {
        usize::from(KEY_AT[usize::from(self.parts() >> part::FIRST)])
    }

    /// Where a part begins, from the item on, if there is one.
    #[inline]
    fn part_at(self, part: u8) -> Option<usize> {
        let before = self.parts() & (part - 1);
        self.has(part).then(|| usize::from(KEY_AT[usize::from(before >> part::FIRST)]))
    }
}

/// The parts and lengths of an item that is to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    key_len: usize,
    value_len: usize,
    parts: u8,
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

    fn shape(self) -> Shape {
        Shape::new(self.key_len, self.value_len, self.parts)
    }
}

#[inline]
fn footprint(shape: Shape, value_len: usize) -> usize {
    (shape.key_at() + shape.key_len() + value_len + CRLF).next_multiple_of(ALIGN)
}

/// Items, read and written by address.
impl Arena {
    /// Writes header and key of an item of such a plan, all but its value and its stamp. It counts as not read yet.
    #[inline]
    pub(super) fn begin_item(&self, at: Addr, plan: Plan, item: &NewItem<'_>, access: Access) {
        let shape = plan.shape();
        self.write_header(at, Header { access: AtomicU32::new(access.word()), shape: shape.0, stamp: 0 });
        if plan.parts & !Marks::ALL.0 != 0 {
            self.write_part(at, part::EXPTIME, item.exptime);
            self.write_part(at, part::FLAGS, item.flags);
            self.write_part(at, part::LEN_HIGH, (plan.value_len >> 16) as u32);
        }
        self.write(at.0 + shape.key_at(), item.key);
    }

    /// Writes header and key of an item at `to` that takes the place of the one at `from`.
    pub(super) fn begin_successor(&self, from: Addr, to: Addr, plan: Plan, access: Access) {
        let (flags, exptime) = (self.flags(from), self.exptime(from));
        self.begin_item(to, plan, &NewItem { key: self.key(from), flags, exptime, marks: Marks::NONE }, access);
    }

    /// Copies the item at `from`, with its value, to `to`.
    pub(super) fn copy_item(&self, from: Addr, to: Addr, plan: Plan) {
        self.begin_successor(from, to, plan, self.access(from));
        self.copy(self.value_at(from), self.value_at(to), self.value_len(from) + CRLF);
    }

    /// The lengths and parts of an item.
    pub(super) fn plan(&self, at: Addr) -> Plan {
        let shape = self.shape(at);
        Plan { key_len: shape.key_len(), value_len: self.value_len(at), parts: shape.parts() }
    }

    /// Gives the unpublished item at `at` other marks.
    pub(super) fn set_marks(&self, at: Addr, marks: Marks) {
        let shape = self.plan(at).with_marks(marks).shape();
        self.write(at.0 + offset_of!(Header, shape), &shape.0.to_ne_bytes());
    }

    /// Gives the unpublished item at `to` the expiry time of the one at `from`. Whether it has room for it.
    pub(super) fn copy_exptime(&self, from: Addr, to: Addr) -> bool {
        self.set_exptime(to, self.exptime(from))
    }

    /// Whether the item at `to` has room for the expiry time of the one at `from`.
    pub(super) fn may_copy_exptime(&self, from: Addr, to: Addr) -> bool {
        self.exptime(from) == 0 || self.shape(to).has(part::EXPTIME)
    }

    /// The stamp of an item in a segment whose stamps begin at `base`.
    #[inline]
    pub(super) fn stamp(&self, at: Addr, base: u64) -> u64 {
        let low = u64::from(self.header(at).stamp);
        match self.part_at(at, part::STAMP_HIGH) {
            None => base + low,
            Some(high) => low | u64::from(self.read_word(high)) << 32,
        }
    }

    /// Writes the stamp of an unpublished item in a segment whose stamps begin at `base`. Whether there is room for it.
    #[inline]
    pub(super) fn set_stamp(&self, at: Addr, base: u64, stamp: u64) -> bool {
        let low = match self.part_at(at, part::STAMP_HIGH) {
            None => stamp.wrapping_sub(base),
            Some(high) => {
                self.write(high, &((stamp >> 32) as u32).to_ne_bytes());
                stamp & u64::from(u32::MAX)
            }
        };
        let Ok(low) = u32::try_from(low) else { return false };
        self.write(at.0 + offset_of!(Header, stamp), &low.to_ne_bytes());
        true
    }

    #[inline]
    pub(super) fn flags(&self, at: Addr) -> u32 {
        self.part_at(at, part::FLAGS).map_or(0, |part| self.read_word(part))
    }

    /// When the item expires; 0: never.
    #[inline]
    pub(super) fn exptime(&self, at: Addr) -> u32 {
        self.part_at(at, part::EXPTIME).map_or(0, |part| self.word(part).load(Relaxed))
    }

    /// Lets an item expire at `exptime`. Whether there is room to say so.
    pub(super) fn set_exptime(&self, at: Addr, exptime: u32) -> bool {
        let part = self.part_at(at, part::EXPTIME);
        if let Some(part) = part {
            self.word(part).store(exptime, Relaxed);
        }
        part.is_some() || exptime == 0
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
        Marks(self.shape(at).parts() & Marks::ALL.0)
    }

    /// Bytes of the value, without the line end.
    #[inline]
    pub(super) fn value_len(&self, at: Addr) -> usize {
        let low = self.shape(at).len_low();
        match self.part_at(at, part::LEN_HIGH) {
            None => low,
            Some(high) => low | (self.read_word(high) as usize) << 16,
        }
    }

    #[inline]
    pub(super) fn key_len(&self, at: Addr) -> usize {
        self.shape(at).key_len()
    }

    #[inline]
    pub(super) fn key(&self, at: Addr) -> &[u8] {
        let shape = self.shape(at);
        self.bytes(at.0 + shape.key_at(), shape.key_len())
    }

    /// Where the value begins.
    #[inline]
    pub(super) fn value_at(&self, at: Addr) -> usize {
        let shape = self.shape(at);
        at.0 + shape.key_at() + shape.key_len()
    }

    /// The value with its line end.
    #[inline]
    pub(super) fn value(&self, at: Addr) -> &[u8] {
        self.bytes(self.value_at(at), self.value_len(at) + CRLF)
    }

    /// Bytes that the item takes.
    #[inline]
    pub(super) fn item_footprint(&self, at: Addr) -> usize {
        footprint(self.shape(at), self.value_len(at))
    }

    #[inline]
    fn shape(&self, at: Addr) -> Shape {
        Shape(self.header(at).shape)
    }

    /// Where a part begins in the arena, if the item has it.
    #[inline]
    fn part_at(&self, at: Addr, part: u8) -> Option<usize> {
        self.shape(at).part_at(part).map(|part| at.0 + part)
    }

    fn write_part(&self, at: Addr, part: u8, value: u32) {
        if let Some(part) = self.part_at(at, part) {
            self.write(part, &value.to_ne_bytes());
        }
    }

    #[inline]
    fn read_word(&self, at: usize) -> u32 {
        self.bytes(at, size_of::<u32>()).first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    }
}

impl Header {
    /// Notes a hit, if none is noted in this second: at most once a second and item, however many cores read it.
    #[inline]
    pub(super) fn note_hit(&self, hit: Access) {
        if self.access.load(Relaxed) < hit.word() {
            self.access.store(hit.word(), Relaxed);
        }
    }
}
