//! What cannot change in an item: a copy that has it takes the item's place, so that of two clients that ask for the same only
//! one is told yes, and nobody sees an item change.

use super::condition::Condition;
use super::index::Entry;
use super::layout::{Addr, CRLF, Plan, StampRoom};
use super::log::OutOfMemory;
use super::{Handle, Marks, Miss, Place};

/// Other marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// A client is told to write a new value: all stays, CAS value included. Not done if one was told already.
    Win,
    /// The value is out of date: another CAS value, and whoever asks next may be told to write a new one.
    Invalidate,
}

/// What the copy has that the item has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Marks(Remark),
    /// An expiry time, where there is no room for one.
    Exptime(u32),
}

impl Change {
    /// What the copy of an item of plan `old` looks like.
    fn plan(self, old: Plan, marks: Marks) -> Plan {
        match self {
            Change::Marks(Remark::Win) => old.with_marks(marks.with(Marks::WON)),
            Change::Marks(Remark::Invalidate) => {
                old.with_marks(marks.with(Marks::STALE).without(Marks::WON)).with_stamp(StampRoom::Half)
            }
            Change::Exptime(_) => old.with_exptime(),
        }
    }
}

impl Handle {
    /// Changes the marks of the item of `key`, if it has the CAS value `cas` still. Where the item is then; `None` if another core was
    /// faster, or there is none: look again.
    pub fn remark(&mut self, key: &[u8], cas: u64, remark: Remark) -> Result<Option<Place>, OutOfMemory> {
        self.provide_lines();
        let hash = self.shared.hash(key);
        match self.find_for(hash, key, cas, Change::Marks(remark)) {
            Some(old) => self.change_by_copy(hash, key, old, cas, Change::Marks(remark)),
            None => Ok(None),
        }
    }

    /// Lets an item that has no room for an expiry time expire at `exptime`. `None` if another core was faster. An item that
    /// there is no memory for is evicted.
    #[cold]
    pub(super) fn touch_by_copy(
        &mut self,
        hash: u64,
        key: &[u8],
        entry: Entry,
        exptime: u32,
    ) -> Result<Option<Place>, Miss> {
        let cas = self.shared.stamp(entry.addr());
        if let Ok(done) = self.change_by_copy(hash, key, entry, cas, Change::Exptime(exptime)) {
            return Ok(done);
        }
        if let Ok(entry) = self.seek(hash, key)
            && self.unlink(entry)
        {
            self.report_eviction(entry.addr());
            self.counts().events.evictions.add(1);
        }
        Err(Miss::Absent)
    }

    /// Puts a changed copy into the place of `entry`.
    fn change_by_copy(
        &mut self,
        hash: u64,
        key: &[u8],
        entry: Entry,
        cas: u64,
        change: Change,
    ) -> Result<Option<Place>, OutOfMemory> {
        // Making room may move or evict the item: its bytes are held, and its entry is looked up again.
        let old = entry.addr();
        let plan = change.plan(self.plan_of_copy(old), self.shared.arena.marks(old));
        self.add_pin(old);
        let done = match self.allocate(plan.footprint()) {
            Some(copy) => {
                let done = self.make_copy(old, copy, plan, change) && self.publish_copy(hash, key, cas, copy, change);
                if !done {
                    self.waste(copy);
                }
                self.remove_pin(copy);
                Ok(done.then(|| self.place_of(copy)))
            }
            None => Err(OutOfMemory),
        };
        self.remove_pin(old);
        done
    }

    /// The entry of `key`, if it is as the caller has seen it.
    fn find_for(&mut self, hash: u64, key: &[u8], cas: u64, change: Change) -> Option<Entry> {
        let entry = self.seek(hash, key).ok()?;
        let addr = entry.addr();
        let is_won = change == Change::Marks(Remark::Win) && self.shared.arena.marks(addr).has(Marks::WON);
        (self.shared.stamp(addr) == cas && !is_won).then_some(entry)
    }

    /// Writes the copy. Whether there is room for its stamp.
    fn make_copy(&self, old: Addr, copy: Addr, plan: Plan, change: Change) -> bool {
        let arena = &self.shared.arena;
        match change {
            Change::Marks(Remark::Invalidate) => {
                arena.begin_successor(old, copy, plan, arena.access(old));
                arena.copy(arena.value_at(old), arena.value_at(copy), arena.value_len(old) + CRLF);
                true
            }
            Change::Marks(Remark::Win) => self.copy_item(old, copy, plan),
            Change::Exptime(exptime) => self.copy_item(old, copy, plan) && arena.set_exptime(copy, exptime),
        }
    }

    /// Puts the copy into the place of what it is a copy of. Whether that was there still.
    fn publish_copy(&mut self, hash: u64, key: &[u8], cas: u64, copy: Addr, change: Change) -> bool {
        let Some(entry) = self.find_for(hash, key, cas, change) else { return false };
        let done = match change {
            Change::Marks(Remark::Invalidate) => {
                return matches!(self.link(hash, copy, Some(entry), Condition::Append), Ok(Ok(())));
            }
            Change::Marks(Remark::Win) => self.move_entry(entry, copy),
            // Who touches an item without room puts a copy into its place: then this fails.
            Change::Exptime(_) => self.change_index(|shared, scope| shared.index.replace(scope, entry, copy)),
        };
        if done {
            self.add_live(copy);
            self.subtract_live(entry.addr());
        }
        done
    }

    /// What a copy of an item looks like that a segment of today takes.
    pub(super) fn plan_of_copy(&self, old: Addr) -> Plan {
        let shared = &*self.shared;
        let is_recent = shared.flushes.is_recent(shared.stamp(old));
        shared.arena.plan(old).with_stamp(if is_recent { StampRoom::Half } else { StampRoom::Whole })
    }

    /// Copies an item with all that it has. Whether there is room for its stamp.
    pub(super) fn copy_item(&self, old: Addr, copy: Addr, plan: Plan) -> bool {
        self.shared.arena.copy_item(old, copy, plan);
        self.shared.set_stamp(copy, self.shared.stamp(old))
    }

    /// Lets an entry hold `to`, a copy of its item, and carries the expiry time over. Whether it held that item still.
    pub(super) fn move_entry(&mut self, entry: Entry, to: Addr) -> bool {
        self.change_index(|shared, scope| {
            let carry = || shared.arena.copy_exptime(entry.addr(), to);
            shared.index.replace_by_copy(scope, entry, to, carry)
        })
    }
}
