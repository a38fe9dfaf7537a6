//! A ring of records that one core writes and all may read, without a lock: a reader that was too slow notices.
//!
//! Each record has a sequence number, which is odd while it is being written. A reader looks at it before and after it copies the
//! words; if it is the one that it asked for both times, what it has copied is whole.

use alloc::boxed::Box;

use super::sync::{AtomicU64, Ordering, fence};

/// The last `len` records of at most `WORDS` words.
pub(super) struct Ring<const WORDS: usize> {
    slots: Box<[Slot<WORDS>]>,
    /// Records that were ever written.
    written: AtomicU64,
}

struct Slot<const WORDS: usize> {
    /// Of the record at position p: 2p + 1 while it is being written, then 2p + 2.
    sequence: AtomicU64,
    words: [AtomicU64; WORDS],
}

/// What is at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The record, which was copied.
    Record,
    /// Nothing yet.
    Nothing,
    /// A later record.
    Overwritten,
}

impl<const WORDS: usize> Ring<WORDS> {
    /// An empty ring for `len` records.
    pub(super) fn new(len: usize) -> Ring<WORDS> {
        let slot = || Slot { sequence: AtomicU64::new(0), words: core::array::from_fn(|_| AtomicU64::new(0)) };
        Ring { slots: (0..len).map(|_| slot()).collect(), written: AtomicU64::new(0) }
    }

    /// Records that it holds at most.
    pub(super) fn len(&self) -> u64 {
        self.slots.len() as u64
    }

    /// Records that were ever written.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Adds a record. Only for the core whose ring it is.
    pub(super) fn write(&self, words: &[u64]) {
        let position = self.written.load(Ordering::Relaxed);
        let Some(slot) = self.slot(position) else { return };
        slot.sequence.store(2 * position + 1, Ordering::Relaxed);
        // Pairs with the fence in `read`: who has copied one of the words below sees the odd number, or a later one.
        fence(Ordering::Release);
        for (place, &word) in slot.words.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
        // Release: who sees the even number sees the words.
        slot.sequence.store(2 * position + 2, Ordering::Release);
        self.written.store(position + 1, Ordering::Release);
    }

    /// Copies the record at `position`. What is in `words` is good only if there was one.
    pub(super) fn read(&self, position: u64, words: &mut [u64; WORDS]) -> Found {
        let written = self.written();
        if position >= written {
            return Found::Nothing;
        }
        let Some(slot) = self.slot(position).filter(|_| written - position <= self.len()) else {
            return Found::Overwritten;
        };
        let whole = 2 * position + 2;
        if slot.sequence.load(Ordering::Acquire) != whole {
            return Found::Overwritten;
        }
        for (word, place) in words.iter_mut().zip(&slot.words) {
            *word = place.load(Ordering::Relaxed);
        }
        fence(Ordering::Acquire);
        if slot.sequence.load(Ordering::Relaxed) == whole { Found::Record } else { Found::Overwritten }
    }

    fn slot(&self, position: u64) -> Option<&Slot<WORDS>> {
        self.slots.get((position % self.len().max(1)) as usize)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_last_records_are_read() {
        let ring: Ring<2> = Ring::new(3);
        let mut words = [0; 2];
        assert_eq!(ring.read(0, &mut words), Found::Nothing);
        for n in 0..5 {
            ring.write(&[n, 10 * n]);
        }
        for position in 0..2 {
            assert_eq!(ring.read(position, &mut words), Found::Overwritten);
        }
        for position in 2..5 {
            assert_eq!((ring.read(position, &mut words), words), (Found::Record, [position, 10 * position]));
        }
        assert_eq!(ring.read(5, &mut words), Found::Nothing);
    }
}
