//! Look-ups.

use netdrv::pktbuf::Fragment;

use super::layout::{Addr, Marks};
use super::pins::segments_held;
use super::{Handle, MAX_KEY};

/// Why a look-up found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// No such key.
    Absent,
    /// Its time had come.
    Expired,
    /// A flush had taken it.
    Flushed,
}

/// An item, in place.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The client's flags.
    pub flags: u32,
    /// When it expires, in seconds of the store's clock; 0: never.
    pub exptime: u32,
    /// The CAS value.
    pub cas: u64,
    /// The value with its line end, ready to be sent.
    pub value: &'a [u8],
    /// Where it is, to pin it.
    pub place: Place,
}

/// What is known of an item beside what a reader needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Details {
    /// What it is marked with.
    pub marks: Marks,
    /// Whether it was ever read.
    pub is_fetched: bool,
    /// Seconds since it was read last, or written.
    pub idle_seconds: u32,
}

/// Where a look-up has found an item. Good until the handle is used for anything but [`Handle::pin`], [`Handle::mark_read`] and what takes no `&mut`.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    addr: Addr,
    moment: u32,
}

/// An item held for a reader that takes many turns. Has to be given back with [`Handle::unpin`].
#[derive(Debug)]
#[must_use]
pub struct Pin {
    addr: Addr,
}

impl Handle {
    /// The item of `key`. Marks it as read. The hot path: its steps are inlined here, and called elsewhere.
    #[inline]
    pub fn get(&mut self, key: &[u8]) -> Result<Item<'_>, Miss> {
        debug_assert!(key.len() <= MAX_KEY, "the protocol checks lengths");
        let entry = self.find_live(self.shared.hash(key), key)?;
        Ok(self.hit(entry.addr()))
    }

    /// The item of `key`, which from now on expires at `exptime`. Marks it as read.
    pub fn get_and_touch(&mut self, key: &[u8], exptime: u32) -> Result<Item<'_>, Miss> {
        let place = self.touch(key, exptime)?;
        Ok(self.hit(place.addr))
    }

    /// Lets the item of `key` expire at `exptime`. Does not mark it as read.
    pub fn touch(&mut self, key: &[u8], exptime: u32) -> Result<Place, Miss> {
        let hash = self.shared.hash(key);
        self.provide_lines();
        loop {
            let entry = self.seek(hash, key)?;
            let addr = entry.addr();
            let mut has_room = true;
            let done = self.change_index(|shared, scope| {
                let write = || has_room = shared.arena.set_exptime(addr, exptime);
                shared.index.update_in_place(scope, entry, write)
            });
            if done && has_room {
                self.note_expiry(addr);
                return Ok(self.place_of(addr));
            }
            if !has_room && let Some(place) = self.touch_by_copy(hash, key, entry, exptime)? {
                return Ok(place);
            }
        }
    }

    /// The item of `key`. Does not mark it as read.
    pub fn peek(&mut self, key: &[u8]) -> Result<Item<'_>, Miss> {
        debug_assert!(key.len() <= MAX_KEY, "the protocol checks lengths");
        let entry = self.seek(self.shared.hash(key), key)?;
        Ok(self.item_at(entry.addr()))
    }

    /// Marks an item that was just found as read.
    #[inline]
    pub fn mark_read(&mut self, place: Place) {
        if place.moment == self.moment {
            self.shared.arena.header(place.addr).note_hit(self.hit_now);
        }
    }

    /// What else is known of an item that was just found. `None` if that was not just now.
    pub fn details(&self, place: Place) -> Option<Details> {
        let arena = &self.shared.arena;
        (place.moment == self.moment).then(|| {
            let access = arena.access(place.addr);
            let idle_seconds = self.now.saturating_sub(access.second());
            Details { marks: arena.marks(place.addr), is_fetched: access.is_fetched(), idle_seconds }
        })
    }

    /// Where an item is that was just found.
    pub(super) fn place_of(&self, addr: Addr) -> Place {
        Place { addr, moment: self.moment }
    }

    /// Holds an item that was just found. `None` if too much is held already.
    pub fn pin(&mut self, place: Place) -> Option<Pin> {
        let number = self.shared.segments.containing(place.addr.0);
        if place.moment != self.moment || !self.may_pin(self.shared.pins.of(self.core, number) as i64 > 0) {
            return None;
        }
        self.add_pin(place.addr);
        Some(Pin { addr: place.addr })
    }

    /// The value of an item that was just found, with its line end. `None` if that was not just now.
    pub fn value_at(&self, place: Place) -> Option<&[u8]> {
        (place.moment == self.moment).then(|| self.shared.arena.value(place.addr))
    }

    /// The value of a held item, with its line end.
    pub fn pinned_value(&self, pin: &Pin) -> &[u8] {
        self.shared.arena.value(pin.addr)
    }

    /// `len` bytes of a held item's value from `from` on, to be sent from where they lie. They stay held, byte by byte, until
    /// they are [taken back](Handle::take_back), also when the item is not.
    pub fn lend(&mut self, pin: &Pin, from: usize, len: usize) -> Fragment {
        let arena = &self.shared.arena;
        let len = len.min(arena.value(pin.addr).len().saturating_sub(from));
        self.add_pins(pin.addr, len as u64);
        arena.lend(arena.value_at(pin.addr) + from, len)
    }

    /// Takes bytes back that were lent by this core, or by another.
    pub fn take_back(&mut self, lent: &Fragment) {
        let segments = &self.shared.segments;
        let number = segments.holding(self.shared.arena.offset_of(lent));
        self.remove_pins(Addr(segments.base(number)), lent.len() as u64);
    }

    /// Gives an item back.
    pub fn unpin(&mut self, pin: Pin) {
        self.remove_pin(pin.addr);
    }

    /// Whether one more item may be held over turns, in a segment that `is_pinned` by this core already or not: all cores
    /// together hold at most half of the segments.
    pub(super) fn may_pin(&self, is_pinned: bool) -> bool {
        is_pinned || self.is_below_share() || {
            // What was given back on other cores counts here until its segment is freed.
            let shared = &*self.shared;
            shared.segments.reclaim(&shared.epochs, &shared.pins);
            self.is_below_share()
        }
    }

    /// Whether this core holds fewer segments than its share of those that may be held.
    fn is_below_share(&self) -> bool {
        let pinned = self.counts().pinned.get().wrapping_sub(self.shared.pins.settled(self.core)) as i64;
        pinned < (self.shared.segments.total() / (2 * self.shared.cores())) as i64
    }

    /// Notes that this core holds the item at `addr`.
    pub(super) fn add_pin(&self, addr: Addr) {
        self.add_pins(addr, 1);
    }

    /// Notes that it holds it no longer.
    pub(super) fn remove_pin(&self, addr: Addr) {
        self.remove_pins(addr, 1);
    }

    fn add_pins(&self, addr: Addr, n: u64) {
        let segments = &self.shared.segments;
        let number = segments.containing(addr.0);
        let before = self.shared.pins.add(self.core, number, n);
        if before as i64 <= 0 {
            self.count_pinned(before, before.wrapping_add(n), segments.get(number).span());
        }
    }

    fn remove_pins(&self, addr: Addr, n: u64) {
        let segments = &self.shared.segments;
        let number = segments.containing(addr.0);
        // Asked before the pin is gone: the segment may be another one after.
        let span = segments.get(number).span();
        let after = self.shared.pins.remove(self.core, number, n);
        if after as i64 <= 0 {
            self.count_pinned(after.wrapping_add(n), after, span);
        }
    }

    /// Keeps count of the segments that this core holds when its pins on one go from `before` to `after`.
    #[inline]
    fn count_pinned(&self, before: u64, after: u64, span: u32) {
        let pinned = &self.counts().pinned;
        pinned.add(segments_held(after, span).wrapping_sub(segments_held(before, span)));
    }

    /// The item at `addr`, marked as read.
    #[inline]
    fn hit(&self, addr: Addr) -> Item<'_> {
        let header = self.shared.arena.header(addr);
        header.note_hit(self.hit_now);
        self.item_at(addr)
    }

    /// The item at `addr`.
    #[inline]
    fn item_at(&self, addr: Addr) -> Item<'_> {
        let arena = &self.shared.arena;
        Item {
            flags: arena.flags(addr),
            exptime: arena.exptime(addr),
            cas: self.shared.stamp(addr),
            value: arena.value(addr),
            place: Place { addr, moment: self.moment },
        }
    }
}
