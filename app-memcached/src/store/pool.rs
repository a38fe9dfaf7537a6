//! Sets of segments that all cores take from: bitmaps, in which a number is taken by clearing its bit, so that nothing can be
//! taken twice and no link can go stale.

use alloc::boxed::Box;

use super::sync::{Apart, AtomicU32, AtomicU64, Ordering};

/// A segment's number.
pub(super) type Number = u32;

/// A set of numbers.
pub(super) struct NumberSet {
    words: Box<[AtomicU64]>,
}

impl NumberSet {
    /// An empty set for numbers below `limit`.
    pub(super) fn new(limit: usize) -> NumberSet {
        NumberSet { words: (0..limit.div_ceil(64)).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Adds a number that is not in the set.
    pub(super) fn insert(&self, number: Number) {
        let (word, bit) = place(number);
        self.words[word].fetch_or(bit, Ordering::Release);
    }

    /// Takes a number out. Whether it was in, which only one caller is told.
    pub(super) fn remove(&self, number: Number) -> bool {
        let (word, bit) = place(number);
        self.words[word].load(Ordering::Relaxed) & bit != 0
            && self.words[word].fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }

    /// The numbers of the set, from the least on.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Number> {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let word = word.load(Ordering::Acquire);
            let bits = if word == 0 { 0..0 } else { word.trailing_zeros()..64 - word.leading_zeros() };
            bits.filter(move |bit| word >> bit & 1 == 1).map(move |bit| index as Number * 64 + bit)
        })
    }
}

fn place(number: Number) -> (usize, u64) {
    (number as usize / 64, 1 << (number % 64))
}

/// Which end of the memory a segment comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The beginning.
    Lowest,
    /// The end: what never moves stands there, out of the way of runs.
    Highest,
}

/// The free segments.
pub(super) struct FreePool {
    /// Never more than there are in the set: who takes first takes one off here, and has a right to one then.
    count: Apart<AtomicU32>,
    set: NumberSet,
}

impl FreePool {
    /// A pool with all numbers below `total`.
    pub(super) fn new(total: usize) -> FreePool {
        let set = NumberSet::new(total);
        (0..total as Number).for_each(|number| set.insert(number));
        FreePool { count: Apart(AtomicU32::new(total as u32)), set }
    }

    /// How many there are.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.count.0.load(Ordering::Relaxed) as usize
    }

    /// Takes one, unless only `reserve` are left.
    pub(super) fn take(&self, reserve: usize, end: End) -> Option<Number> {
        self.reserve_one(reserve)?;
        loop {
            // Another one may be faster; then there is one elsewhere.
            let mut numbers = self.set.iter();
            let number = match end {
                End::Lowest => numbers.find(|&number| self.set.remove(number)),
                End::Highest => numbers.rev().find(|&number| self.set.remove(number)),
            };
            match number {
                Some(number) => return Some(number),
                None => yield_to_model(),
            }
        }
    }

    /// Takes this one, if it is free.
    pub(super) fn take_exactly(&self, number: Number) -> bool {
        if self.reserve_one(0).is_none() {
            return false;
        }
        let taken = self.set.remove(number);
        if !taken {
            self.count.0.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Gives one back.
    pub(super) fn put(&self, number: Number) {
        self.set.insert(number);
        self.count.0.fetch_add(1, Ordering::Release);
    }

    fn reserve_one(&self, reserve: usize) -> Option<()> {
        let take = |count: u32| if count as usize > reserve { Some(count - 1) } else { None };
        self.count.0.fetch_update(Ordering::Acquire, Ordering::Relaxed, take).ok().map(|_| ())
    }
}

/// loom follows each order of events for ever unless it is told that another thread has to go on.
fn yield_to_model() {
    #[cfg(all(loom, test))]
    loom::thread::yield_now();
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_is_taken_once() {
        let pool = FreePool::new(130);
        assert_eq!((pool.take(0, End::Lowest), pool.take(0, End::Highest)), (Some(0), Some(129)));
        assert!(pool.take_exactly(64) && !pool.take_exactly(64));
        let rest: Vec<_> = core::iter::from_fn(|| pool.take(1, End::Lowest)).collect();
        assert_eq!((rest.len(), rest[0], rest[63], pool.count()), (126, 1, 65, 1));
        pool.put(64);
        assert_eq!((pool.take(0, End::Lowest), pool.count()), (Some(64), 1));
    }
}
