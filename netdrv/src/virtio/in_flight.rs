//! Which buffers the device holds: the driver's own record, in memory that the device cannot reach.

use alloc::boxed::Box;
use core::mem;

use crate::pktbuf::PktBuf;

/// End of the free list.
const NONE: u16 = u16::MAX;

/// Buffers that the device holds, by slot.
pub struct InFlight {
    slots: Box<[Slot]>,
    first_free: u16,
    free: u16,
}

/// A free slot leads to the next free one.
enum Slot {
    Free(u16),
    Held(PktBuf),
    /// For the descriptor of a buffer that is held in another slot.
    Lent,
}

impl InFlight {
    /// A record of `slots` slots, all free; at most 65,535.
    pub fn new(slots: u16) -> InFlight {
        let link = |slot: u16| Slot::Free(if slot + 1 < slots { slot + 1 } else { NONE });
        InFlight { slots: (0..slots).map(link).collect(), first_free: if slots > 0 { 0 } else { NONE }, free: slots }
    }

    /// Free slots.
    pub fn room(&self) -> u16 {
        self.free
    }

    /// All slots.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Records `buf` and returns its slot, or returns `buf` if there is no room.
    pub fn insert(&mut self, buf: PktBuf) -> Result<u16, PktBuf> {
        let index = self.first_free;
        match self.slots.get_mut(usize::from(index)) {
            Some(slot @ &mut Slot::Free(next)) => {
                *slot = Slot::Held(buf);
                self.first_free = next;
                self.free -= 1;
                Ok(index)
            }
            _ => Err(buf),
        }
    }

    /// Takes a slot without a buffer, for a further descriptor of a buffer that is held. `None` if there is no room.
    pub fn lend(&mut self) -> Option<u16> {
        let index = self.first_free;
        let slot = self.slots.get_mut(usize::from(index))?;
        let Slot::Free(next) = *slot else { return None };
        *slot = Slot::Lent;
        self.first_free = next;
        self.free -= 1;
        Some(index)
    }

    /// Takes a slot back that was lent.
    pub fn give_back(&mut self, slot: u16) {
        if let Some(entry @ Slot::Lent) = self.slots.get_mut(usize::from(slot)) {
            *entry = Slot::Free(self.first_free);
            self.first_free = slot;
            self.free += 1;
        }
    }

    /// The buffer in `slot`, if the device held one under that name.
    pub fn take(&mut self, slot: u16) -> Option<PktBuf> {
        let entry = self.slots.get_mut(usize::from(slot))?;
        if !matches!(entry, Slot::Held(_)) {
            return None;
        }
        let Slot::Held(buf) = mem::replace(entry, Slot::Free(self.first_free)) else { return None };
        self.first_free = slot;
        self.free += 1;
        Some(buf)
    }

    /// Gives all buffers up for lost, because the device may still write to them.
    pub fn forget(&mut self) {
        mem::forget(mem::replace(self, InFlight::new(0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pktbuf::{Pool, PoolMemory};

    #[test]
    fn a_slot_is_taken_once() {
        let pool = Pool::leak(PoolMemory::leak(4));
        let mut record = InFlight::new(2);
        let a = record.insert(pool.alloc().unwrap()).unwrap();
        let b = record.insert(pool.alloc().unwrap()).unwrap();
        assert_ne!(a, b);
        assert!(record.insert(pool.alloc().unwrap()).is_err());
        assert!(record.take(a).is_some());
        assert!(record.take(a).is_none(), "a repeated name");
        assert!(record.take(2).is_none() && record.take(NONE).is_none(), "no such slot");
        assert_eq!(record.insert(pool.alloc().unwrap()).unwrap(), a);
        drop(record);
        assert_eq!(pool.available(), pool.capacity());
    }

    #[test]
    fn a_slot_that_is_lent_holds_nothing() {
        let mut record = InFlight::new(1);
        let slot = record.lend().unwrap();
        assert!(record.lend().is_none() && record.take(slot).is_none());
        record.give_back(slot);
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

    #[test]
    fn a_slot_is_as_small_as_its_buffer() {
        assert_eq!(size_of::<Slot>(), size_of::<PktBuf>());
    }
}
