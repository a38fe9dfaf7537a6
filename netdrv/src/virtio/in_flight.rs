//! Which buffers the device holds: the driver's own record, in memory that the device cannot reach.

use alloc::boxed::Box;
use core::mem;

/// Buffers that the device holds, by slot.
pub struct InFlight<B> {
    slots: Box<[Option<B>]>,
    /// Slots that are free: the last given back is the first taken, as it is still in the cache.
    free: Box<[u16]>,
    /// How many those are.
    room: u16,
}

impl<B> InFlight<B> {
    /// A record of `slots` slots, all free.
    pub fn new(slots: u16) -> InFlight<B> {
        InFlight { slots: (0..slots).map(|_| None).collect(), free: (0..slots).rev().collect(), room: slots }
    }

    /// Free slots.
    pub fn room(&self) -> u16 {
        self.room
    }

    /// All slots.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Records a buffer and returns its slot, or returns the buffer if there is no room.
    pub fn insert(&mut self, buf: B) -> Result<u16, B> {
        let Some(index) = self.lend() else { return Err(buf) };
        match self.slots.get_mut(usize::from(index)) {
            Some(slot @ None) => {
                *slot = Some(buf);
                Ok(index)
            }
            _ => Err(buf),
        }
    }

    /// The buffer in `slot`, if the device held one under that name.
    pub fn take(&mut self, slot: usize) -> Option<B> {
        let buf = self.slots.get_mut(slot)?.take()?;
        self.give_back(slot as u16);
        Some(buf)
    }

    /// The buffer in `slot`, if the device holds one under that name.
    pub fn get(&self, slot: usize) -> Option<&B> {
        self.slots.get(slot)?.as_ref()
    }

    /// Takes a slot without a buffer, for a further descriptor of one that is held. `None` if there is no room.
    pub fn lend(&mut self) -> Option<u16> {
        let last = self.room.checked_sub(1)?;
        let slot = *self.free.get(usize::from(last))?;
        self.room = last;
        Some(slot)
    }

    /// Takes back what [`lend`](InFlight::lend) gave.
    pub fn give_back(&mut self, slot: u16) {
        if let Some(place) = self.free.get_mut(usize::from(self.room)) {
            *place = slot;
            self.room += 1;
        }
    }

    /// Gives all buffers up for lost, because the device may still write to them.
    pub fn forget(&mut self) {
        mem::forget(mem::replace(self, InFlight::new(0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pktbuf::{PktBuf, Pool, PoolMemory};

    #[test]
    fn a_slot_is_taken_once() {
        let pool = Pool::leak(PoolMemory::leak(4));
        let mut record = InFlight::new(2);
        let a = record.insert(pool.alloc().unwrap()).unwrap();
        let b = record.insert(pool.alloc().unwrap()).unwrap();
        assert_ne!(a, b);
        assert!(record.insert(pool.alloc().unwrap()).is_err());
        assert!(record.take(a.into()).is_some());
        assert!(record.take(a.into()).is_none(), "a repeated name");
        assert!(record.take(2).is_none() && record.take(usize::MAX).is_none(), "no such slot");
        assert_eq!(record.insert(pool.alloc().unwrap()).unwrap(), a);
        drop(record);
        assert_eq!(pool.available(), pool.capacity());
    }

    #[test]
    fn a_slot_that_is_lent_holds_nothing() {
        let mut record = InFlight::<PktBuf>::new(1);
        let slot = record.lend().unwrap();
        assert!(record.lend().is_none() && record.take(slot.into()).is_none());
        record.give_back(slot);
        assert_eq!((record.room(), record.lend(), record.lend()), (1, Some(slot), None));
    }

    #[test]
    fn what_is_forgotten_does_not_return() {
        let pool = Pool::leak(PoolMemory::leak(2));
        let mut record = InFlight::new(2);
        record.insert(pool.alloc().unwrap()).unwrap();
        record.forget();
        drop(record);
        assert_eq!(pool.available(), 1);
    }
}
