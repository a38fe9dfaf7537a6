//! Look-ups.

use super::item::Addr;
use super::{MAX_KEY, Store};

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
}

/// An item held for a reader that takes many turns. Has to be given back with [`Store::unpin`].
#[derive(Debug)]
#[must_use]
pub struct Pin {
    addr: Addr,
}

impl Store {
    /// The item of `key`. Marks it as read.
    #[inline]
    pub fn get(&mut self, key: &[u8]) -> Result<Item<'_>, Miss> {
        let addr = self.look_up(key)?;
        Ok(self.item(addr))
    }

    /// The item of `key`, which from now on expires at `exptime`. Marks it as read.
    pub fn get_and_touch(&mut self, key: &[u8], exptime: u32) -> Result<Item<'_>, Miss> {
        let addr = self.look_up(key)?;
        self.arena.set_exptime(addr, exptime);
        Ok(self.item(addr))
    }

    /// Holds the item that the last look-up of `key` found. `None` if half of the segments are held already.
    pub fn pin(&mut self, key: &[u8]) -> Option<Pin> {
        let addr = self.index.find(&self.arena, self.hash(key), key)?.addr;
        let number = self.segments.containing(addr.0);
        if !self.may_pin(self.segments.get(number).is_pinned()) {
            return None;
        }
        self.segments.add_reader(number);
        Some(Pin { addr })
    }

    /// The value of a held item, with its line end.
    pub fn pinned_value(&self, pin: &Pin) -> &[u8] {
        self.arena.value(pin.addr)
    }

    /// Gives an item back.
    pub fn unpin(&mut self, pin: Pin) {
        let number = self.segments.containing(pin.addr.0);
        self.segments.remove_reader(number);
        self.release_if_dead(number);
    }

    /// Whether one more item may be held over turns, in a segment that `is_pinned` already or not.
    pub(super) fn may_pin(&self, is_pinned: bool) -> bool {
        is_pinned || self.segments.pinned() < self.segments.total() / 2
    }

    #[inline]
    fn look_up(&mut self, key: &[u8]) -> Result<Addr, Miss> {
        debug_assert!(key.len() <= MAX_KEY, "the protocol checks lengths");
        let hash = self.hash(key);
        let entry = self.find_live(hash, key)?;
        self.arena.mark_accessed(entry.addr, self.now);
        Ok(entry.addr)
    }

    #[inline]
    fn item(&self, addr: Addr) -> Item<'_> {
        let arena = &self.arena;
        Item { flags: arena.flags(addr), exptime: arena.exptime(addr), cas: arena.cas(addr), value: arena.value(addr) }
    }
}
