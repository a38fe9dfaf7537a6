//! Other marks on an item: a copy that has them takes its place, so that of two clients that ask for the same only one is told
//! yes, and nobody sees an item change.

use super::index::Entry;
use super::item::{Addr, CRLF, Marks};
use super::write::{Condition, OutOfMemory};
use super::{Handle, Place};

/// What is to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// A client is told to write a new value: all stays, CAS value included. Not done if one was told already.
    Win,
    /// The value is out of date: another CAS value, and whoever asks next may be told to write a new one.
    Invalidate,
}

impl Remark {
    fn marks(self, before: Marks) -> Marks {
        match self {
            Remark::Win => before.with(Marks::WON),
            Remark::Invalidate => before.with(Marks::STALE).without(Marks::WON),
        }
    }
}

impl Handle {
    /// Changes the marks of the item of `key`, if it has the CAS value `cas` still. Where the item is then; `None` if another core was
    /// faster, or there is none: look again.
    pub fn remark(&mut self, key: &[u8], cas: u64, remark: Remark) -> Result<Option<Place>, OutOfMemory> {
        self.provide_lines();
        let hash = self.shared.hash(key);
        let Some(old) = self.find_for(hash, key, cas, remark) else { return Ok(None) };
        // Making room may move or evict the item: its bytes are held, and its entry is looked up again.
        let old = old.addr();
        self.add_pin(old);
        let bytes = self.shared.arena.item_footprint(old);
        let done = match self.allocate(bytes) {
            Some(copy) => {
                self.make_copy(old, copy, remark);
                let done = self.publish_copy(hash, key, cas, copy, remark);
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
    fn find_for(&mut self, hash: u64, key: &[u8], cas: u64, remark: Remark) -> Option<Entry> {
        let entry = self.seek(hash, key).ok()?;
        let arena = &self.shared.arena;
        let is_won = remark == Remark::Win && arena.marks(entry.addr()).has(Marks::WON);
        (arena.cas(entry.addr()) == cas && !is_won).then_some(entry)
    }

    fn make_copy(&self, old: Addr, copy: Addr, remark: Remark) {
        let arena = &self.shared.arena;
        let marks = remark.marks(arena.marks(old));
        match remark {
            Remark::Win => arena.copy_item(old, copy, arena.item_footprint(old), marks),
            Remark::Invalidate => {
                arena.begin_successor(old, copy, arena.value_len(old), marks, arena.access(old));
                arena.copy(arena.value_at(old), arena.value_at(copy), arena.value_len(old) + CRLF);
            }
        }
    }

    /// Puts the copy into the place of what it is a copy of. Whether that was there still.
    fn publish_copy(&mut self, hash: u64, key: &[u8], cas: u64, copy: Addr, remark: Remark) -> bool {
        let Some(entry) = self.find_for(hash, key, cas, remark) else { return false };
        match remark {
            Remark::Invalidate => matches!(self.link(hash, copy, Some(entry), Condition::Append), Ok(Ok(()))),
            Remark::Win => {
                let done = self.move_entry(entry, copy);
                if done {
                    self.add_live(copy);
                    self.subtract_live(entry.addr());
                }
                done
            }
        }
    }

    /// Lets an entry hold `to`, a copy of its item, and carries the expiry time over. Whether it held that item still.
    pub(super) fn move_entry(&mut self, entry: Entry, to: Addr) -> bool {
        self.change_index(|shared, scope| {
            let carry = || shared.arena.copy_exptime(entry.addr(), to);
            shared.index.replace_by_copy(scope, entry, to, carry)
        })
    }
}
