//! Ghosts: which keys were evicted not long ago without having been read. One that comes back is worth keeping.
//!
//! A table of 16 bits for each of as many keys as half of the memory has items, in segments of its own; whoever comes later takes
//! the place. What cores write at the same moment may be lost: it is a hint.

use super::arena::{Arena, LINE, LINE_WORDS};
use super::segment::Segments;
use super::sync::Ordering;

/// Of so many segments, one is for ghosts: two bytes for every 512 bytes of items.
const SHARE: usize = 256;

/// Fewer segments do without.
const FEWEST_SEGMENTS: usize = 64;

/// Bits of a ghost.
const BITS: u32 = 16;

/// Ghosts of a word.
const WORD_GHOSTS: u64 = (u64::BITS / BITS) as u64;

/// The table.
pub(super) struct Ghosts {
    /// The first line, and how many there are.
    first: usize,
    lines: usize,
}

/// Where a key's ghost is, and what it looks like.
struct Place {
    line: usize,
    word: usize,
    shift: u32,
    ghost: u64,
}

impl Ghosts {
    /// A table without a ghost, in segments that it takes for good.
    pub(super) fn new(arena: &Arena, segments: &Segments) -> Ghosts {
        let total = segments.total();
        let wanted = if total < FEWEST_SEGMENTS { 0 } else { total.div_ceil(SHARE) };
        // Nothing is taken yet: the last segments lie beside each other.
        let taken: usize = (0..wanted).filter_map(|_| segments.take_for_index(0)).count();
        let lines = taken * segments.bytes() / LINE;
        let first = (total - taken) * segments.bytes() / LINE;
        for line in first..first + lines {
            arena.line(line).iter().for_each(|word| word.store(0, Ordering::Relaxed));
        }
        Ghosts { first, lines }
    }

    /// Notes that the key with this hash was evicted.
    pub(super) fn add(&self, arena: &Arena, hash: u64) {
        let Some(Place { line, word, shift, ghost }) = self.place(hash) else { return };
        let word = &arena.line(line)[word];
        let others = word.load(Ordering::Relaxed) & !(u64::from(u16::MAX) << shift);
        word.store(others | ghost << shift, Ordering::Relaxed);
    }

    /// Whether the key with this hash was evicted not long ago; forgets it.
    pub(super) fn take(&self, arena: &Arena, hash: u64) -> bool {
        let Some(Place { line, word, shift, ghost }) = self.place(hash) else { return false };
        let word = &arena.line(line)[word];
        let was_there = word.load(Ordering::Relaxed) >> shift & u64::from(u16::MAX) == ghost;
        if was_there {
            word.store(word.load(Ordering::Relaxed) & !(u64::from(u16::MAX) << shift), Ordering::Relaxed);
        }
        was_there
    }

    /// The high half of the hash says where, the low one what.
    fn place(&self, hash: u64) -> Option<Place> {
        let ghosts = (self.lines * LINE_WORDS) as u64 * WORD_GHOSTS;
        let at = ((hash >> 32) * ghosts) >> 32;
        let (word, shift) = ((at / WORD_GHOSTS) as usize, (at % WORD_GHOSTS) as u32 * BITS);
        // Not 0, which is none.
        let ghost = (hash & u64::from(u16::MAX)) | 1;
        (ghosts > 0).then(|| Place { line: self.first + word / LINE_WORDS, word: word % LINE_WORDS, shift, ghost })
    }
}
