//! Writing items: reserve, fill, publish.

use super::access::Access;
use super::index::{Entry, Insert, Size};
use super::item::{Addr, CRLF, MAX_VALUE, Marks, NewItem, Plan, StampRoom};
use super::{ESTIMATE_AGE, Handle, Shared};

/// Buckets that are split at the end of a turn, at most, where the table is behind: each takes a few hundred instructions.
const SPLITS_A_TURN: usize = 8;

/// Memory is full: nothing could be, or may be, cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// An item that is being written. Has to be given back with [`Handle::publish`] or [`Handle::abandon`].
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    addr: Addr,
    /// Where the next byte goes, from there on.
    next: u32,
    /// Bytes still to be filled, line end included.
    missing: u32,
}

/// What there is before an item is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Current {
    /// The client's flags.
    pub flags: u32,
    /// The CAS value.
    pub cas: u64,
    /// Bytes of the value.
    pub value_len: usize,
}

/// When an item may be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    Set,
    /// If the key has no item.
    Add,
    /// If the key has one.
    Replace,
    /// If the key has one: the value goes behind its value.
    Append,
    /// If the key has one: the value goes before its value.
    Prepend,
    /// As the two before, in more detail.
    Join(Join),
    /// If the key's item has this CAS value.
    Cas(u64),
    /// If the key's item has this CAS value, or a higher one: then the new item is stale, as old as the one that is there.
    CasOrStale(u64),
    /// If the key's item has this CAS value, of which the new one is made: it keeps the expiry time, and with the length of the
    /// value its history.
    Derived(u64),
}

/// How two values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Join {
    /// Where the new value goes.
    pub end: End,
    /// The CAS value that the key's item must have; 0: any.
    pub cas: u64,
    /// What becomes of the new value if there is nothing to join it with.
    pub absent: Absent,
}

/// An end of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Behind its last byte.
    Back,
    /// Before its first.
    Front,
}

/// What becomes of a value that has nothing to be joined with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It is not stored.
    Refuse,
    /// It is stored alone.
    Add,
}

impl Condition {
    /// How the values are joined, if they are.
    fn join(self) -> Option<Join> {
        match self {
            Condition::Append => Some(Join { end: End::Back, cas: 0, absent: Absent::Refuse }),
            Condition::Prepend => Some(Join { end: End::Front, cas: 0, absent: Absent::Refuse }),
            Condition::Join(join) => Some(join),
            _ => None,
        }
    }
}

/// What came of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The item is there.
    Stored,
    /// The condition did not hold, or there was no memory to join two values.
    NotStored,
    /// The item has another CAS value.
    Exists,
    /// The key has no item to compare with.
    NotFound,
}

/// What a condition says about the item that is there.
enum Verdict {
    /// The new item takes its place, or that of none.
    Link,
    /// The new item takes its place, and is stale.
    LinkStale(Entry),
    /// The values of both are joined.
    Join([Addr; 2]),
    /// Nothing happens.
    Refuse(Outcome),
}

/// Another core has changed the key's entry: look again.
pub(super) struct Raced;

impl Handle {
    /// Reserves memory for an item with a value of `value_len` bytes.
    pub fn reserve(&mut self, item: &NewItem<'_>, value_len: usize) -> Result<Reservation, OutOfMemory> {
        if value_len > MAX_VALUE {
            return Err(OutOfMemory);
        }
        let plan = Plan::new(item, value_len, self.shared.exptime_room());
        let addr = self.allocate(plan.footprint()).ok_or(OutOfMemory)?;
        self.shared.arena.begin_item(addr, plan, item, Access::written(self.now));
        let next = (self.shared.arena.value_at(addr) - addr.0) as u32;
        Ok(Reservation { addr, next, missing: (value_len + CRLF) as u32 })
    }

    /// Bytes still to be filled, line end included.
    pub fn missing(&self, reservation: &Reservation) -> usize {
        reservation.missing as usize
    }

    /// Adds the next bytes of the value and its line end, as many as are missing. Returns how many.
    pub fn fill(&mut self, reservation: &mut Reservation, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.missing(reservation));
        self.shared.arena.write(reservation.addr.0 + reservation.next as usize, &bytes[..n]);
        reservation.next += n as u32;
        reservation.missing -= n as u32;
        n
    }

    /// Whether a reservation may stay open over turns: not if too much is held already.
    pub fn may_hold(&self, reservation: &Reservation) -> bool {
        let number = self.shared.segments.containing(reservation.addr.0);
        // The reservation itself pins its segment: what counts is whether another one did so before.
        self.may_pin(self.shared.pins.of(self.core, number) as i64 > 1)
    }

    /// Whether a filled reservation ends with a line end.
    pub fn is_terminated(&self, reservation: &Reservation) -> bool {
        self.missing(reservation) == 0 && self.shared.arena.value(reservation.addr).ends_with(b"\r\n")
    }

    /// Gives up an item that was not published.
    pub fn abandon(&mut self, reservation: Reservation) {
        self.waste(reservation.addr);
        self.remove_pin(reservation.addr);
    }

    /// Bytes of the key and of the value of a reservation.
    pub fn lengths(&self, reservation: &Reservation) -> (usize, usize) {
        (self.shared.arena.key_len(reservation.addr), self.shared.arena.value_len(reservation.addr))
    }

    /// The key of a reservation, and what it is marked with.
    pub fn name(&self, reservation: &Reservation) -> (&[u8], Marks) {
        (self.shared.arena.key(reservation.addr), self.shared.arena.marks(reservation.addr))
    }

    /// The CAS value that this core has given last.
    pub fn last_cas(&self) -> u64 {
        self.shared.flushes.last_stamp(self.core)
    }

    /// The item that the key of an unpublished one has now.
    pub fn current(&mut self, reservation: &Reservation) -> Option<Current> {
        let old = self.find_old(self.shared.hash_of(reservation.addr), reservation.addr)?.addr();
        let arena = &self.shared.arena;
        Some(Current { flags: arena.flags(old), cas: self.shared.stamp(old), value_len: arena.value_len(old) })
    }

    /// Publishes a filled item under its key, if `condition` holds; gives it up if not.
    pub fn publish(&mut self, reservation: Reservation, condition: Condition) -> Result<Outcome, OutOfMemory> {
        let mut reservation = reservation;
        let hash = self.shared.hash_of(reservation.addr);
        self.provide_lines();
        // Each time around, another core has changed the same key, or a split has moved it.
        let result = loop {
            let addr = reservation.addr;
            let old = self.find_old(hash, addr);
            let linked = match self.judge(condition, old, addr) {
                Verdict::Link => self.link(hash, addr, old, condition),
                Verdict::LinkStale(old) if !self.shared.arena.may_copy_exptime(old.addr(), addr) => {
                    reservation = self.with_exptime_room(reservation)?;
                    continue;
                }
                Verdict::LinkStale(old) => self.link_stale(hash, addr, old, condition),
                Verdict::Refuse(outcome) => break Ok(outcome),
                Verdict::Join(parts) => match old {
                    Some(old) => match self.join(hash, old, parts) {
                        Ok(outcome) => break Ok(outcome),
                        Err(Raced) => continue,
                    },
                    None => break Ok(Outcome::NotStored),
                },
            };
            match linked {
                Ok(Ok(())) => {
                    self.remove_pin(reservation.addr);
                    return Ok(Outcome::Stored);
                }
                Ok(Err(out_of_memory)) => break Err(out_of_memory),
                Err(Raced) => {}
            }
        };
        self.abandon(reservation);
        result
    }

    /// What `condition` says about the item that there is, if the one at `addr` is to be published.
    #[inline]
    fn judge(&self, condition: Condition, old: Option<Entry>, addr: Addr) -> Verdict {
        match condition {
            Condition::Set => Verdict::Link,
            _ => self.judge_old(condition, old, addr),
        }
    }

    fn judge_old(&self, condition: Condition, entry: Option<Entry>, addr: Addr) -> Verdict {
        let arena = &self.shared.arena;
        let old = entry.map(Entry::addr);
        if let Some(join) = condition.join() {
            return self.judge_join(join, old, addr);
        }
        match (condition, old) {
            // It was touched meanwhile, and begins to expire.
            (Condition::Derived(_), Some(old)) if !arena.may_copy_exptime(old, addr) => {
                Verdict::Refuse(Outcome::Exists)
            }
            (Condition::Set, _) | (Condition::Add, None) | (Condition::Replace, Some(_)) => Verdict::Link,
            (Condition::Cas(_) | Condition::CasOrStale(_) | Condition::Derived(_), None) => {
                Verdict::Refuse(Outcome::NotFound)
            }
            (Condition::Cas(cas) | Condition::CasOrStale(cas) | Condition::Derived(cas), Some(old))
                if self.shared.stamp(old) == cas =>
            {
                Verdict::Link
            }
            (Condition::CasOrStale(cas), Some(old)) if (1..self.shared.stamp(old)).contains(&cas) => {
                entry.map_or(Verdict::Link, Verdict::LinkStale)
            }
            (Condition::Cas(_) | Condition::CasOrStale(_) | Condition::Derived(_), Some(_)) => {
                Verdict::Refuse(Outcome::Exists)
            }
            (Condition::Add, Some(old)) => {
                let (access, wanted) = (arena.access(old), arena.access(old).wanted(self.now));
                if access != wanted {
                    arena.set_access(old, wanted);
                }
                Verdict::Refuse(Outcome::NotStored)
            }
            _ => Verdict::Refuse(Outcome::NotStored),
        }
    }

    fn judge_join(&self, join: Join, old: Option<Addr>, addr: Addr) -> Verdict {
        match (old, join) {
            (None, Join { absent: Absent::Add, .. }) => Verdict::Link,
            (None, _) => Verdict::Refuse(Outcome::NotStored),
            (Some(old), Join { cas, .. }) if cas != 0 && cas != self.shared.stamp(old) => {
                Verdict::Refuse(Outcome::Exists)
            }
            (Some(old), Join { end: End::Back, .. }) => Verdict::Join([old, addr]),
            (Some(old), Join { end: End::Front, .. }) => Verdict::Join([addr, old]),
        }
    }

    /// Puts an item into the place of `old`, whose CAS value is higher than was asked for: it is stale.
    #[cold]
    fn link_stale(
        &mut self,
        hash: u64,
        addr: Addr,
        old: Entry,
        condition: Condition,
    ) -> Result<Result<(), OutOfMemory>, Raced> {
        let arena = &self.shared.arena;
        let won = if arena.marks(old.addr()).has(Marks::WON) { Marks::WON } else { Marks::NONE };
        arena.set_marks(addr, arena.marks(addr).with(Marks::STALE).with(won));
        self.link(hash, addr, Some(old), condition)
    }

    /// The same reservation, with room for an expiry time.
    #[cold]
    fn with_exptime_room(&mut self, reservation: Reservation) -> Result<Reservation, OutOfMemory> {
        let Reservation { addr: from, next, missing } = reservation;
        let plan = self.shared.arena.plan(from).with_exptime();
        let room = self.allocate(plan.footprint());
        if let Some(to) = room {
            self.shared.arena.copy_item(from, to, plan);
        }
        let filled = next as usize - (self.shared.arena.value_at(from) - from.0);
        self.abandon(reservation);
        let to = room.ok_or(OutOfMemory)?;
        let next = (self.shared.arena.value_at(to) - to.0 + filled) as u32;
        Ok(Reservation { addr: to, next, missing })
    }

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

    /// Publishes an item with the values of both parts in one, and flags and expiry of `old`.
    fn join(&mut self, hash: u64, old: Entry, [front, back]: [Addr; 2]) -> Result<Outcome, Raced> {
        let arena = &self.shared.arena;
        let (front_len, back_len) = (arena.value_len(front), arena.value_len(back));
        let plan = arena.plan(old.addr()).with_value(front_len + back_len).with_marks(Marks::NONE);
        let plan = plan.with_stamp(StampRoom::Half);
        // Making room may move or evict the old item: its bytes are held, and its entry is looked up again.
        self.add_pin(old.addr());
        let outcome = match self.allocate(plan.footprint()) {
            Some(joined) => self.publish_joined(hash, old.addr(), joined, plan, [front, back]),
            None => Ok(Outcome::NotStored),
        };
        self.remove_pin(old.addr());
        outcome
    }

    fn publish_joined(
        &mut self,
        hash: u64,
        old: Addr,
        joined: Addr,
        plan: Plan,
        [front, back]: [Addr; 2],
    ) -> Result<Outcome, Raced> {
        let arena = &self.shared.arena;
        let (front_len, back_len) = (arena.value_len(front), arena.value_len(back));
        arena.begin_successor(old, joined, plan, Access::written(self.now));
        let at = arena.value_at(joined);
        arena.copy(arena.value_at(front), at, front_len);
        arena.copy(arena.value_at(back), at + front_len, back_len + CRLF);
        let linked = match self.find_old(hash, joined) {
            // It may have moved, but not changed.
            Some(entry) if self.shared.stamp(entry.addr()) == self.shared.stamp(old) => {
                self.link(hash, joined, Some(entry), Condition::Append)
            }
            Some(_) => Err(Raced),
            // Making room has evicted it, or another core has deleted it: either came before.
            None => Ok(Err(OutOfMemory)),
        };
        if !matches!(linked, Ok(Ok(()))) {
            self.waste(joined);
        }
        self.remove_pin(joined);
        linked.map(|linked| if linked.is_ok() { Outcome::Stored } else { Outcome::NotStored })
    }

    /// Notes that an item will never be published.
    pub(super) fn waste(&self, addr: Addr) {
        let Shared { arena, segments, epochs, .. } = &*self.shared;
        segments.add_dead(segments.containing(addr.0), arena.item_footprint(addr), epochs);
    }
}
