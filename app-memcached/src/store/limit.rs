//! How much of the memory is used: all of it, or less, as is asked for while the store works.
//!
//! Segments beyond the limit are held back: free ones are taken out of use, from the end, and given back when the limit rises. Where
//! there are too few free ones, cleaning makes some, in slices, by the core that was asked.

use super::Handle;
use super::pool::NumberSet;
use super::sync::{AtomicU32, Ordering};

/// What a slice of cleaning is paid for as: a write of so many bytes.
const SLICE_BYTES: usize = 512;

/// Segments that a step takes out of use, or gives back, at most.
const SEGMENTS_A_STEP: usize = 8;

/// Slices without a segment gained after which nothing more is expected, for each segment that there is and its bytes.
const FUTILE_PASSES: usize = 2;

/// The segments that are held back.
pub(super) struct Limit {
    held: NumberSet,
    held_count: AtomicU32,
    /// How many should be.
    wanted: AtomicU32,
}

/// The memory cannot be limited so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfBounds;

/// How far a limit is from being kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adjusting {
    /// Another step is needed.
    Goes,
    /// It is kept, or cannot be: nothing more may be evicted.
    Done,
}

impl Limit {
    /// No limit but the `total` segments that there are.
    pub(super) fn new(total: usize) -> Limit {
        Limit { held: NumberSet::new(total), held_count: AtomicU32::new(0), wanted: AtomicU32::new(0) }
    }

    fn held_count(&self) -> usize {
        self.held_count.load(Ordering::Relaxed) as usize
    }

    fn wanted(&self) -> usize {
        self.wanted.load(Ordering::Relaxed) as usize
    }
}

impl Handle {
    /// Lets the store use at most `bytes` of its memory from now on, or as soon as [`adjust`](Handle::adjust) has made it so.
    pub fn set_limit(&mut self, bytes: u64) -> Result<(), OutOfBounds> {
        let shared = &*self.shared;
        let segments = bytes / shared.segments.bytes() as u64;
        let total = shared.segments.total() as u64;
        if !(shared.fewest() as u64..=total).contains(&segments) {
            return Err(OutOfBounds);
        }
        shared.limit.wanted.store((total - segments) as u32, Ordering::Relaxed);
        self.futile = 0;
        Ok(())
    }

    /// Bytes of the memory that may be used.
    pub fn limit(&self) -> usize {
        let segments = &self.shared.segments;
        (segments.total() - self.shared.limit.wanted()) * segments.bytes()
    }

    /// A step on the way to the limit. No item that a look-up returned is in use.
    pub fn adjust(&mut self) -> Adjusting {
        for _ in 0..SEGMENTS_A_STEP {
            let limit = &self.shared.limit;
            let has_moved = match limit.held_count().cmp(&limit.wanted()) {
                core::cmp::Ordering::Equal => return Adjusting::Done,
                core::cmp::Ordering::Greater => self.give_back_segment(),
                core::cmp::Ordering::Less => self.hold_segment(),
            };
            if !has_moved {
                return self.clean_slice();
            }
            self.futile = 0;
        }
        Adjusting::Goes
    }

    /// Takes a free segment out of use. Whether there is one to spare.
    fn hold_segment(&mut self) -> bool {
        let shared = &*self.shared;
        let taken = shared.segments.take_for_index(shared.reserve());
        if let Some(number) = taken {
            shared.limit.held.insert(number);
            shared.limit.held_count.fetch_add(1, Ordering::Relaxed);
        }
        taken.is_some()
    }

    /// Puts one that was held back into use.
    fn give_back_segment(&mut self) -> bool {
        let shared = &*self.shared;
        let held = shared.limit.held.iter().find(|&number| shared.limit.held.remove(number));
        if let Some(number) = held {
            shared.limit.held_count.fetch_sub(1, Ordering::Relaxed);
            shared.segments.put_back(number);
        }
        held.is_some()
    }

    fn clean_slice(&mut self) -> Adjusting {
        let segments = &self.shared.segments;
        let most = FUTILE_PASSES * segments.total() * (segments.bytes() / SLICE_BYTES);
        self.futile += 1;
        if self.futile > most {
            return Adjusting::Done;
        }
        self.make_room(SLICE_BYTES);
        Adjusting::Goes
    }
}
