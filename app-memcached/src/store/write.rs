//! Writing items: reserve, fill, publish.

use super::index::Entry;
use super::item::{Addr, CRLF, NewItem, footprint};
use super::{Store, hash_with};

/// Memory is full: nothing could be, or may be, cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// An item that is being written. Has to be given back with [`Store::publish`] or [`Store::abandon`].
#[derive(Debug)]
#[must_use]
pub struct Reservation {
    addr: Addr,
    filled: u32,
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
    /// If the key's item has this CAS value.
    Cas(u64),
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

impl Store {
    /// Reserves memory for an item with a value of `value_len` bytes.
    pub fn reserve(&mut self, item: &NewItem<'_>, value_len: usize) -> Result<Reservation, OutOfMemory> {
        let bytes = footprint(item.key.len(), value_len);
        let addr = self.allocate(bytes).ok_or(OutOfMemory)?;
        self.arena.write_header(addr, item, value_len);
        let number = self.segments.containing(addr.0);
        self.segments.add_writer(number);
        Ok(Reservation { addr, filled: 0 })
    }

    /// Bytes still to be filled, line end included.
    pub fn missing(&self, reservation: &Reservation) -> usize {
        self.arena.value_len(reservation.addr) + CRLF - reservation.filled as usize
    }

    /// Adds the next bytes of the value and its line end, as many as are missing. Returns how many.
    pub fn fill(&mut self, reservation: &mut Reservation, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.missing(reservation));
        let at = self.arena.value_at(reservation.addr) + reservation.filled as usize;
        self.arena.bytes_mut(at, n).copy_from_slice(&bytes[..n]);
        reservation.filled += n as u32;
        n
    }

    /// Whether a reservation may stay open over turns: not if half of the segments are held already.
    pub fn may_hold(&self, reservation: &Reservation) -> bool {
        let number = self.segments.containing(reservation.addr.0);
        // The reservation itself pins its segment: what counts is whether another one did so before.
        let segment = self.segments.get(number);
        self.may_pin(segment.readers + segment.writers > 1)
    }

    /// Whether a filled reservation ends with a line end.
    pub fn is_terminated(&self, reservation: &Reservation) -> bool {
        self.missing(reservation) == 0 && self.arena.value(reservation.addr).ends_with(b"\r\n")
    }

    /// Gives up an item that was not published.
    pub fn abandon(&mut self, reservation: Reservation) {
        let number = self.segments.containing(reservation.addr.0);
        self.segments.remove_writer(number);
        self.release_if_dead(number);
    }

    /// Publishes a filled item under its key, if `condition` holds; gives it up if not.
    pub fn publish(&mut self, reservation: Reservation, condition: Condition) -> Result<Outcome, OutOfMemory> {
        let addr = reservation.addr;
        let hash = self.hash(self.arena.key(addr));
        let old = self.find_old(hash, addr);
        let result = match (condition, old) {
            (Condition::Set, old) => self.link(hash, addr, old),
            (Condition::Add, None) => self.link(hash, addr, None),
            (Condition::Replace, Some(old)) => self.link(hash, addr, Some(old)),
            (Condition::Append, Some(old)) => Ok(self.join(hash, old, old.addr, addr)),
            (Condition::Prepend, Some(old)) => Ok(self.join(hash, old, addr, old.addr)),
            (Condition::Cas(_), None) => Ok(Outcome::NotFound),
            (Condition::Cas(cas), Some(old)) if self.arena.cas(old.addr) == cas => self.link(hash, addr, Some(old)),
            (Condition::Cas(_), Some(_)) => Ok(Outcome::Exists),
            (Condition::Add, Some(old)) => {
                // As a hit: somebody wants it.
                self.arena.mark_accessed(old.addr, self.now);
                Ok(Outcome::NotStored)
            }
            (Condition::Replace | Condition::Append | Condition::Prepend, None) => Ok(Outcome::NotStored),
        };
        self.abandon(reservation);
        result
    }

    /// Puts an item into the index, in the place of `old`.
    pub(super) fn link(&mut self, hash: u64, addr: Addr, old: Option<Entry>) -> Result<Outcome, OutOfMemory> {
        self.last_cas += 1;
        self.arena.set_cas(addr, self.last_cas);
        match old {
            Some(old) => {
                self.index.repoint(&mut self.arena, hash, old, addr);
                self.subtract_live(old.addr);
            }
            None => {
                self.provide_for_index().ok_or(OutOfMemory)?;
                self.index.insert(&mut self.arena, hash, addr).ok_or(OutOfMemory)?;
                let secrets = &self.secrets;
                self.index.grow(&mut self.arena, |key| hash_with(secrets, key));
            }
        }
        self.add_live(addr);
        self.counters.total_items += 1;
        Ok(Outcome::Stored)
    }

    /// Bytes of the key and of the value of a reservation.
    pub fn lengths(&self, reservation: &Reservation) -> (usize, usize) {
        (self.arena.key_len(reservation.addr), self.arena.value_len(reservation.addr))
    }

    /// Flags and length of the value that the key of an unpublished item has now.
    pub fn current(&mut self, reservation: &Reservation) -> Option<(u32, usize)> {
        let old = self.find_old(self.hash(self.arena.key(reservation.addr)), reservation.addr)?;
        Some((self.arena.flags(old.addr), self.arena.value_len(old.addr)))
    }

    /// The live entry that has the same key as the unpublished item at `addr`.
    fn find_old(&mut self, hash: u64, addr: Addr) -> Option<Entry> {
        let found = self.index.find(&self.arena, hash, self.arena.key(addr))?;
        self.check_live(hash, found).ok()
    }

    /// Publishes an item with the values of `front` and `back` in one, and flags and expiry of `old`.
    fn join(&mut self, hash: u64, old: Entry, front: Addr, back: Addr) -> Outcome {
        let bytes = footprint(self.arena.key_len(old.addr), self.arena.value_len(front) + self.arena.value_len(back));
        // Making room may move or evict the old item: its bytes are held, and its entry is looked up again.
        let number = self.segments.containing(old.addr.0);
        self.segments.add_reader(number);
        let outcome = match self.allocate(bytes) {
            Some(joined) => self.publish_joined(hash, old.addr, joined, [front, back]),
            None => Outcome::NotStored,
        };
        self.segments.remove_reader(number);
        self.release_if_dead(number);
        outcome
    }

    fn publish_joined(&mut self, hash: u64, old: Addr, joined: Addr, [front, back]: [Addr; 2]) -> Outcome {
        let (front_len, back_len) = (self.arena.value_len(front), self.arena.value_len(back));
        self.arena.copy_header(old, joined, front_len + back_len);
        let at = self.arena.value_at(joined);
        self.arena.copy(self.arena.value_at(front), at, front_len);
        self.arena.copy(self.arena.value_at(back), at + front_len, back_len + CRLF);
        let number = self.segments.containing(joined.0);
        self.segments.add_writer(number);
        let entry = self.find_old(hash, joined);
        let outcome = self.link(hash, joined, entry).unwrap_or(Outcome::NotStored);
        self.abandon(Reservation { addr: joined, filled: 0 });
        outcome
    }
}
