//! Pins: what keeps a segment's memory when the index has forgotten its items. Counted per core and segment, in that core's own
//! cache lines; only who frees or cleans memory adds them up.
//!
//! A pin may be given back on another core than it was taken on: counts wrap, and their sum is right all the same. How many
//! segments a core holds is settled when the segment is freed.

use alloc::boxed::Box;

use super::pool::Number;
use super::sync::{AtomicU64, Ordering};

/// Counts of a cache line pair: rows of two cores share none.
const ROW_UNIT: usize = 16;

/// The pins of all cores.
pub(super) struct Pins {
    /// Row by row, one for each core.
    counts: Box<[AtomicU64]>,
    row: usize,
    settled: Box<[AtomicU64]>,
}

impl Pins {
    /// For `cores` cores and `segments` segments.
    pub(super) fn new(cores: usize, segments: usize) -> Pins {
        // One unit more: the heap aligns the first row to nothing.
        let row = segments.next_multiple_of(ROW_UNIT) + ROW_UNIT;
        let settled = (0..cores).map(|_| AtomicU64::new(0)).collect();
        Pins { counts: (0..cores * row).map(|_| AtomicU64::new(0)).collect(), row, settled }
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
        let counts = self.row_of(number);
        counts.fold(0, |sum: u64, count| sum.wrapping_add(count.load(Ordering::Acquire))) != 0
    }

    /// Zeroes the counts on a segment that nobody holds or can find any more, of `span` segments: pins that were given back on
    /// other cores have left counts that are no longer anybody's.
    pub(super) fn settle(&self, number: Number, span: u32) {
        for (count, settled) in self.row_of(number).zip(&self.settled) {
            let left = count.load(Ordering::Relaxed);
            if left != 0 {
                count.store(0, Ordering::Relaxed);
                settled.fetch_add(segments_held(left, span), Ordering::Relaxed);
            }
        }
    }

    /// What [`settle`](Pins::settle) has taken off the segments that `core` holds; wraps.
    pub(super) fn settled(&self, core: usize) -> u64 {
        self.settled[core].load(Ordering::Relaxed)
    }

    /// The counts of all cores on a segment.
    fn row_of(&self, number: Number) -> impl Iterator<Item = &AtomicU64> {
        self.counts.iter().skip(number as usize).step_by(self.row)
    }
}

/// How many segments a core with `count` pins on one of `span` segments holds: fewer than none if it has given back more than it
/// took, for which another core counts too many.
#[inline]
pub(super) fn segments_held(count: u64, span: u32) -> u64 {
    ((count as i64).signum() * i64::from(span)) as u64
}
