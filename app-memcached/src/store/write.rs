//! Writing items: reserve, fill, publish.

use super::access::Access;
use super::condition::{Condition, Outcome, Verdict};
use super::index::Entry;
use super::layout::{Addr, CRLF, MAX_VALUE, Marks, NewItem, Plan, StampRoom};
use super::link::Raced;
use super::log::OutOfMemory;
use super::{Handle, Shared};

/// An item that is being written. Has to be given back with [`Handle::publish`] or [`Handle::abandon`].
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    pub(super) addr: Addr,
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
