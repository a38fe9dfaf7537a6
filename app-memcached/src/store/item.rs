//! Items, read and written by address; see [`layout`](super::layout).

use core::mem::offset_of;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use super::access::Access;
use super::arena::Arena;
use super::layout::{Addr, CRLF, Header, Marks, NewItem, Plan, Shape, footprint, part};

impl Arena {
    /// Writes header and key of an item of such a plan, all but its value and its stamp. It counts as not read yet.
    #[inline]
    pub(super) fn begin_item(&self, at: Addr, plan: Plan, item: &NewItem<'_>, access: Access) {
        let shape = plan.shape();
        self.write_header(at, Header { access: AtomicU32::new(access.word()), shape, stamp: 0 });
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
        self.write(at.0 + offset_of!(Header, shape), &shape.to_bytes());
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
        self.header(at).shape
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
