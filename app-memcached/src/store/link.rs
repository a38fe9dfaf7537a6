//! Putting items into the index, which grows as needed.

use super::condition::Condition;
use super::index::{Entry, Insert, Size};
use super::layout::{Addr, Marks};
use super::log::OutOfMemory;
use super::{Handle, Shared};

/// Buckets that are split at the end of a turn, at most, where the table is behind: each takes a few hundred instructions.
const SPLITS_A_TURN: usize = 8;

/// How many items the other cores have is asked again after so many insertions.
const ESTIMATE_AGE: u32 = 64;

/// Another core has changed the key's entry: look again.
pub(super) struct Raced;

impl Handle {
    /// Puts an item into the index, in the place of `old`.
    pub(super) fn link(
        &mut self,
        hash: u64,
        addr: Addr,
        old: Option<Entry>,
        condition: Condition,
    ) -> Result<Result<(), OutOfMemory>, Raced> {
        let old_stamp = old.map_or(0, |old| self.shared.stamp(old.addr()));
        if !self.shared.set_stamp(addr, self.shared.flushes.next_stamp(self.core, old_stamp)) {
            // Another core has stamped 2^29 items since this one was begun.
            return Ok(Err(OutOfMemory));
        }
        match old {
            Some(old) => {
                let replaced = match condition {
                    Condition::Derived(_) | Condition::Append | Condition::CasOrStale(_) => {
                        self.replace_by_copy(old, addr, condition)
                    }
                    _ => self.change_index(|shared, scope| shared.index.replace(scope, old, addr)),
                };
                if !replaced {
                    return Err(Raced);
                }
                self.subtract_live(old.addr());
                // To be written is to be used.
                self.warm(addr);
            }
            None => match self.insert(hash, addr) {
                Insert::Done => {}
                Insert::Raced => return Err(Raced),
                Insert::Full => return Ok(Err(OutOfMemory)),
            },
        }
        self.add_live(addr);
        self.counts().events.total_items.add(1);
        Ok(Ok(()))
    }

    /// Lets an entry hold `to`, made of its item, and carries over what `condition` asks for. Whether it held that item still.
    fn replace_by_copy(&mut self, old: Entry, to: Addr, condition: Condition) -> bool {
        let arena = &self.shared.arena;
        let keeps_time = match condition {
            // A stale item is only as old as the one that it replaces.
            Condition::CasOrStale(_) => arena.marks(to).has(Marks::STALE),
            _ => true,
        };
        if matches!(condition, Condition::Derived(_)) && arena.value_len(to) == arena.value_len(old.addr()) {
            arena.set_access(to, arena.access(old.addr()).wanted(self.now));
        }
        self.change_index(|shared, scope| {
            let carry = || {
                if keeps_time { shared.arena.copy_exptime(old.addr(), to) } else { true }
            };
            shared.index.replace_by_copy(scope, old, to, carry)
        })
    }

    /// Adds an item of a key that had none.
    fn insert(&mut self, hash: u64, addr: Addr) -> Insert {
        // Growing may pass a turn boundary: only the new item, which is pinned, is in use.
        self.moment = self.moment.wrapping_add(1);
        let items = self.estimate_items();
        self.provide_lines();
        self.provide_buckets(items);
        let inserted = self.change_index(|shared, scope| {
            let key = shared.arena.key(addr);
            shared
                .index
                .insert(scope, hash, addr, |other| other != addr && super::same_bytes(shared.arena.key(other), key))
        });
        if inserted == Insert::Done {
            if self.shared.ghosts.take(&self.shared.arena, hash) {
                self.warm(addr);
            }
            self.buckets = self.change_index(|shared, scope| shared.index.grow(scope, items + 1));
            self.counts().items.add(1);
        }
        inserted
    }

    /// Keeps an item from being evicted the first time that its turn comes.
    fn warm(&self, addr: Addr) {
        let arena = &self.shared.arena;
        arena.set_access(addr, arena.access(addr).warmed());
    }

    /// Splits some buckets, where insertions could not. Nothing that a look-up returned is in use.
    #[cold]
    pub(super) fn catch_up(&mut self) {
        let items = self.estimate_items();
        for _ in 0..SPLITS_A_TURN {
            self.provide_lines();
            self.provide_buckets(items);
            self.buckets = self.change_index(|shared, scope| shared.index.grow(scope, items));
            if self.buckets == Size::Enough {
                return;
            }
        }
    }

    /// How many items there are, or were some insertions ago.
    fn estimate_items(&mut self) -> usize {
        let own = self.counts().items.get();
        if self.estimate_age == 0 {
            self.items_elsewhere = self.shared.sum(|counts| counts.items.get()).wrapping_sub(own);
            self.estimate_age = ESTIMATE_AGE;
        }
        self.estimate_age -= 1;
        // Another core may have removed what this one has added, and be ahead of the estimate.
        (own.wrapping_add(self.items_elsewhere) as i64).max(0) as usize
    }

    /// Gets overflow buckets for what is about to change the index, if there are few at hand and memory is to be had: an
    /// insertion needs one, and ending another core's split may.
    #[inline]
    pub(super) fn provide_lines(&mut self) {
        if self.lines.are_few() {
            self.refill_lines();
        }
    }

    #[cold]
    fn refill_lines(&mut self) {
        loop {
            let Shared { arena, index, epochs, .. } = &*self.shared;
            self.lines.refill(arena, epochs, index.overflow());
            if !self.lines.are_few() {
                return;
            }
            let Some(number) = self.take_for_index() else { return };
            let Shared { index, segments, .. } = &*self.shared;
            if !index.overflow().lend(segments.base(number)) {
                segments.put_back(number);
            }
        }
    }

    /// Gets segments for buckets, if the index wants some and there are free ones: until writes have cleaned enough, chains are
    /// longer.
    fn provide_buckets(&mut self, items: usize) {
        if self.shared.index.overflow().is_low()
            && let Some(number) = self.spare_for_index()
        {
            let Shared { index, segments, .. } = &*self.shared;
            if !index.overflow().lend(segments.base(number)) {
                segments.put_back(number);
            }
        }
        if self.shared.index.wants_buckets(items)
            && let Some(number) = self.spare_for_index()
        {
            let Shared { arena, index, segments, .. } = &*self.shared;
            if !index.lend_for_buckets(arena, segments.base(number)) {
                segments.put_back(number);
            }
        }
    }

    /// The live entry that has the same key as the unpublished item at `addr`.
    pub(super) fn find_old(&mut self, hash: u64, addr: Addr) -> Option<Entry> {
        let found = self.find(hash, self.shared.arena.key(addr))?;
        self.check_live(found).ok()
    }
}
