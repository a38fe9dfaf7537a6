//! Overflow buckets: cut from segments that the store lends, given back by chains that have become shorter.
//!
//! ```text
//! segment -> a core's stash -> chain -> unlinked -> waiting -> stash, or pool        pool -> any core's stash
//! ```
//!
//! What a core has unlinked from a chain waits until no core can see it, many at a time for one epoch. The lists of such buckets, and
//! the pool that all cores share, are linked through the buckets themselves: by the tags of closed slots, which nobody else looks
//! at, so that whoever comes late to an unlinked bucket still finds it dead, and all its slots closed.
//!
//! The pool is a stack, taken from by compare-and-swap. That its first bucket was not taken away and put back meanwhile
//! follows as for slots: what is put there was waiting before, for the core, too, that is about to take it.

use super::super::arena::{Arena, LINE, LINE_WORDS};
use super::super::epoch::Epochs;
use super::super::sync::{AtomicU64, Ordering};
use super::{MOVER, SLOTS, TAG_SHIFT};

/// Buckets that a core keeps at hand, at most: splits and insertions must not lack one.
const STASH: usize = 8;

/// Buckets below which it asks for more.
const LOW: usize = 2;

/// Buckets that should be at hand for all cores: those of a chain of some thousand items.
const RESERVE: usize = if cfg!(all(loom, test)) { 0 } else { 512 };

/// Unlinked buckets for which an epoch is begun.
const BATCH: usize = if cfg!(all(loom, test)) { 1 } else { 8 };

/// Unlinked buckets that are put to use again at once, at most.
const MAX_SETTLED: usize = 4 * BATCH;

/// Overflow buckets of one core, by their lines.
#[derive(Default)]
pub(in super::super) struct Lines {
    /// At hand.
    stash: heapless::Vec<usize, STASH>,
    /// Unlinked lately.
    unlinked: List,
    /// Unlinked before `epoch` began.
    waiting: List,
    epoch: u64,
}

impl Lines {
    /// Whether there should be more at hand.
    #[inline]
    pub(in super::super) fn are_few(&self) -> bool {
        self.stash.len() < LOW
    }

    /// Takes some that are in no chain any more, or of what the cores share.
    pub(in super::super) fn refill(&mut self, arena: &Arena, epochs: &Epochs, overflow: &Overflow) {
        self.settle(arena, epochs, overflow);
        while self.stash.len() < STASH / 2
            && let Some(line) = overflow.take(arena)
        {
            self.put(line);
        }
    }

    pub(super) fn take(&mut self) -> Option<usize> {
        self.stash.pop()
    }

    /// Puts back what was taken.
    pub(super) fn put(&mut self, line: usize) {
        let kept = self.stash.push(line);
        debug_assert!(kept.is_ok(), "what was taken has room");
    }

    /// Takes over a bucket that this core has unlinked.
    pub(super) fn retire(&mut self, arena: &Arena, epochs: &Epochs, overflow: &Overflow, line: usize) {
        self.unlinked.push(arena, line);
        if self.unlinked.len.is_multiple_of(BATCH) {
            self.settle(arena, epochs, overflow);
        }
    }

    /// Puts to use what no core sees any more.
    fn settle(&mut self, arena: &Arena, epochs: &Epochs, overflow: &Overflow) {
        if self.waiting.len > 0 && epochs.passed_by_all() >= self.epoch {
            for _ in 0..MAX_SETTLED {
                let Some(line) = self.waiting.pop(arena) else { break };
                if self.stash.len() < STASH / 2 { self.put(line) } else { overflow.put(arena, line) }
            }
        }
        if self.waiting.len == 0 && self.unlinked.len > 0 {
            self.waiting = core::mem::take(&mut self.unlinked);
            self.epoch = epochs.begin();
        }
    }
}

/// A list of unlinked buckets.
#[derive(Default)]
struct List {
    /// The link to the first.
    first: u64,
    len: usize,
}

impl List {
    fn push(&mut self, arena: &Arena, line: usize) {
        set_next(arena, line, self.first);
        *self = List { first: super::link_to(line), len: self.len + 1 };
    }

    fn pop(&mut self, arena: &Arena) -> Option<usize> {
        let line = super::line_at(self.first)?;
        *self = List { first: next_of(arena, line), len: self.len - 1 };
        Some(line)
    }
}

/// Bits of a tag, and of a link that is spread over several.
const TAG_BITS: usize = (u64::BITS - TAG_SHIFT) as usize;
const LINK_SLOTS: usize = if SLOTS < 3 { SLOTS } else { 3 };

/// Links an unlinked bucket to another one. Closed slots stay closed.
fn set_next(arena: &Arena, line: usize, next: u64) {
    for (i, slot) in arena.line(line)[..LINK_SLOTS].iter().enumerate() {
        // Release: a look-up that comes here late, and finds what it looks for gone, has to see where it went.
        slot.store(next >> (i * TAG_BITS) << TAG_SHIFT | MOVER, Ordering::Release);
    }
}

/// What an unlinked bucket is linked to.
fn next_of(arena: &Arena, line: usize) -> u64 {
    let tags = arena.line(line)[..LINK_SLOTS].iter().map(|slot| slot.load(Ordering::Relaxed) >> TAG_SHIFT);
    tags.enumerate().fold(0, |link, (i, tag)| link | tag << (i * TAG_BITS))
}

/// What the cores share: the segment that overflow buckets are cut from, and the pool of those that were given back.
pub(in super::super) struct Overflow {
    /// The next line of the segment, plus one; 0: it is used up.
    next: AtomicU64,
    segment_lines: usize,
    /// The first line of the segment that comes after it, plus one; 0: there is none.
    spare: AtomicU64,
    /// Segments lent.
    segments: AtomicU64,
    /// The link to the first bucket of the pool.
    pool: AtomicU64,
    pooled: AtomicU64,
}

/// Bytes of overflow buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OverflowBytes {
    /// In chains, or kept for that by one of the cores: a few each.
    pub used: usize,
    /// Waiting to be used, by any core.
    pub free: usize,
}

impl Overflow {
    pub(super) fn new(segment_lines: usize) -> Overflow {
        let zero = || AtomicU64::new(0);
        Overflow { next: zero(), segment_lines, spare: zero(), segments: zero(), pool: zero(), pooled: zero() }
    }

    /// Takes the segment at `base`. Whether there was need for it.
    pub(in super::super) fn lend(&self, base: usize) -> bool {
        let first = (base / LINE) as u64 + 1;
        let become_first =
            |word: &AtomicU64| word.compare_exchange(0, first, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        let taken = become_first(&self.next) || become_first(&self.spare);
        if taken {
            self.segments.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Whether one more segment should be lent, so that a split of a long chain does not lack buckets half way.
    #[inline]
    pub(in super::super) fn is_low(&self) -> bool {
        self.uncut() + (self.pooled.load(Ordering::Relaxed) as usize) < RESERVE
            && self.spare.load(Ordering::Relaxed) == 0
    }

    /// Buckets that are left of the segment that is being cut.
    #[inline]
    fn uncut(&self) -> usize {
        let next = (self.next.load(Ordering::Relaxed) as usize).checked_sub(1);
        next.map_or(0, |next| self.segment_lines - next % self.segment_lines)
    }

    /// Bytes in use and free, at about this time.
    pub(super) fn bytes(&self) -> OverflowBytes {
        let load = |word: &AtomicU64| word.load(Ordering::Relaxed) as usize;
        let spare = if load(&self.spare) == 0 { 0 } else { self.segment_lines };
        let free = load(&self.pooled) + self.uncut() + spare;
        let used = (load(&self.segments) * self.segment_lines).saturating_sub(free);
        OverflowBytes { used: used * LINE, free: free * LINE }
    }

    fn take(&self, arena: &Arena) -> Option<usize> {
        self.pop(arena).or_else(|| self.cut()).or_else(|| {
            self.open_spare(arena);
            self.cut()
        })
    }

    /// Puts a bucket into the pool that no core sees any more.
    fn put(&self, arena: &Arena, line: usize) {
        self.pooled.fetch_add(1, Ordering::Relaxed);
        let mut first = self.pool.load(Ordering::Acquire);
        loop {
            set_next(arena, line, first);
            let pushed = self.pool.compare_exchange(first, super::link_to(line), Ordering::AcqRel, Ordering::Acquire);
            match pushed {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }

    fn pop(&self, arena: &Arena) -> Option<usize> {
        let behind = |first: u64| Some(next_of(arena, super::line_at(first)?));
        let first = self.pool.fetch_update(Ordering::AcqRel, Ordering::Acquire, behind).ok()?;
        self.pooled.fetch_sub(1, Ordering::Relaxed);
        super::line_at(first)
    }

    /// Begins to cut the spare segment.
    #[cold]
    fn open_spare(&self, arena: &Arena) {
        let Some(first) = (self.spare.swap(0, Ordering::AcqRel) as usize).checked_sub(1) else { return };
        if !self.lend(first * LINE) {
            // Other cores have lent two meanwhile.
            (first..first + self.segment_lines).for_each(|line| self.put(arena, line));
        } else {
            self.segments.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn cut(&self) -> Option<usize> {
        // `next`, which is one more, is the line behind it.
        let after = |next: u64| if (next as usize).is_multiple_of(self.segment_lines) { 0 } else { next + 1 };
        let cut = |next: u64| if next == 0 { None } else { Some(after(next)) };
        let next = self.next.fetch_update(Ordering::AcqRel, Ordering::Relaxed, cut).ok()?;
        Some(next as usize - 1)
    }
}

/// Writes a whole bucket that nobody sees yet.
pub(super) fn write(arena: &Arena, line: usize, word: u64) {
    write_slots(arena, line, [word; LINE_WORDS]);
}

/// Writes each word of a bucket that nobody sees yet.
pub(super) fn write_slots(arena: &Arena, line: usize, words: [u64; LINE_WORDS]) {
    for (place, word) in arena.line(line).iter().zip(words) {
        place.store(word, Ordering::Relaxed);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    use loom::thread;

    use super::super::super::memory::StoreMemory;
    use super::*;

    #[test]
    fn a_bucket_of_the_pool_is_taken_once() {
        loom::model(|| {
            let shared = Arc::new((Arena::new(StoreMemory::leak(8 * LINE)), Overflow::new(8)));
            let (arena, overflow) = &*shared;
            [1, 2].iter().for_each(|&line| overflow.put(arena, line));
            let other = {
                let shared = shared.clone();
                thread::spawn(move || {
                    let (arena, overflow) = &*shared;
                    let taken = overflow.take(arena);
                    overflow.put(arena, 3);
                    taken
                })
            };
            let taken = [overflow.take(arena), overflow.take(arena)];
            let taken = taken.into_iter().chain([other.join().unwrap()]);
            let mut lines: Vec<usize> = taken.chain((0..3).map(|_| overflow.take(arena))).flatten().collect();
            lines.sort_unstable();
            assert_eq!(lines, [1, 2, 3]);
            assert_eq!(overflow.bytes(), OverflowBytes::default());
        });
    }
}
