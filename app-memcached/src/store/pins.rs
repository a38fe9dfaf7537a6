//! Pins: what keeps a segment's memory when the index has forgotten its items. Counted per core and segment, in that core's own
//! cache lines; only who frees or cleans memory adds them up.
//!
//! A pin may be given back on another core than it was taken on: counts wrap, and their sum is right all the same.

use alloc::boxed::Box;

use super::segment::Number;
use super::sync::{AtomicU64, Ordering};

/// Counts of a cache line pair: rows of two cores share none.
const ROW_UNIT: usize = 16;

/// The pins of all cores.
pub(super) struct Pins {
    /// Row by row, one for each core.
    counts: Box<[AtomicU64]>,
    row: usize,
}

impl Pins {
    /// For `cores` cores and `segments` segments.
    pub(super) fn new(cores: usize, segments: usize) -> Pins {
        // One unit more: the heap aligns the first row to nothing.
        let row = segments.next_multiple_of(ROW_UNIT) + ROW_UNIT;
        Pins { counts: (0..cores * row).map(|_| AtomicU64::new(0)).collect(), row }
    }

    /// Adds `n` pins of `core`. Returns how many it had.
    #[inline]
    pub(super) fn add(&self, core: usize, number: Number, n: u64) -> u64 {
        let count = &self.counts[core * self.row + number as usize];
        let before = count.load(Ordering::Relaxed);
        count.store(before.wrapping_add(n), Ordering::Relaxed);
        before
    }

    /// Takes `n` pins of `core` away. Returns how many are left.
    #[inline]
    pub(super) fn remove(&self, core: usize, number: Number, n: u64) -> u64 {
        let count = &self.counts[core * self.row + number as usize];
        let after = count.load(Ordering::Relaxed).wrapping_sub(n);
        // Release: what was read or written under the pin comes before.
        count.store(after, Ordering::Release);
        after
    }

    /// How many `core` has on a segment.
    pub(super) fn of(&self, core: usize, number: Number) -> u64 {
        self.counts[core * self.row + number as usize].load(Ordering::Relaxed)
    }

    /// Whether any core has one on a segment.
    pub(super) fn are_held(&self, number: Number) -> bool {
        let counts = self.counts.iter().skip(number as usize).step_by(self.row);
        counts.fold(0, |sum: u64, count| sum.wrapping_add(count.load(Ordering::Acquire))) != 0
    }
}
