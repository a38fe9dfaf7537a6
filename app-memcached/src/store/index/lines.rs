//! Overflow buckets: cut from segments that the store lends, a few at a time for each core.

use super::super::arena::{Arena, LINE, LINE_WORDS};
use super::super::sync::{AtomicU64, Ordering};

/// Buckets that a core keeps at hand, at most: splits and insertions must not lack one.
const STASH: usize = 8;

/// Buckets below which it asks for more.
const LOW: usize = 2;

/// Overflow buckets at hand for one core, by their lines.
#[derive(Default)]
pub(in super::super) struct Lines {
    stash: heapless::Vec<usize, STASH>,
}

impl Lines {
    /// Whether there should be more.
    #[inline]
    pub(in super::super) fn are_few(&self) -> bool {
        self.stash.len() < LOW
    }

    /// Takes some of what the cores share.
    pub(in super::super) fn refill(&mut self, overflow: &Overflow) {
        while self.stash.len() < STASH / 2
            && let Some(line) = overflow.cut()
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
}

/// The segment that overflow buckets are cut from.
pub(in super::super) struct Overflow {
    /// The next line, plus one; 0: the segment is used up.
    next: AtomicU64,
    segment_lines: usize,
}

impl Overflow {
    pub(super) fn new(segment_lines: usize) -> Overflow {
        Overflow { next: AtomicU64::new(0), segment_lines }
    }

    /// Takes the segment at `base`. Whether there was need for it.
    pub(in super::super) fn lend(&self, base: usize) -> bool {
        self.next.compare_exchange(0, (base / LINE) as u64 + 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
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
