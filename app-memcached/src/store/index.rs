//! The index: a hash table that all cores read and write, and that grows meanwhile, without a lock.
//!
//! ```text
//! bucket (one cache line):  | slot 0 | ... | slot 6 | next overflow bucket: line number + 1, 0: none |
//! slot (u64, 0: empty):     | tag: 16 bits of the hash | frozen | tentative | mover: 8 bits | item's address / 8 + 1: 38 bits |
//! closed slot:              | 0                        | frozen | 0         | core + 1      | 0                             |
//! ```
//!
//! - A look-up loads: the number of buckets, the bucket, and the key of an item with the same tag. It never waits or writes.
//! - A change is a compare-and-swap of one slot from what was read: it fails if another core was faster, and the caller looks
//!   again. [`insert`] adds a key, [`split`] grows the table, [`carry`] lets a copy take an item's place.
//! - Linear hashing: beyond [`LOAD`] items a bucket, the next bucket is split off the one it shares its hashes with; where that
//!   had to wait, the core that added items splits a few at its next turns. Buckets
//!   live in segments that the store lends as the table grows, so nothing is set aside for items that are not there:
//!   about 15 bytes an item, overflow included.
//!
//! - A chain's last bucket is given back when it is empty ([`trim`]). The table itself never shrinks.
//!
//! That a slot's word was not taken away and put back meanwhile follows from the memory rules: an address does not come again
//! within a turn.

mod carry;
mod insert;
mod lines;
mod scan;
mod split;
mod trim;

use alloc::boxed::Box;

use super::arena::{Arena, LINE, LINE_WORDS};
use super::epoch::Epochs;
use super::layout::{ALIGN, Addr};
use super::sync::{AtomicU64, Ordering};
pub(super) use insert::Insert;
pub(super) use lines::Lines;
pub use lines::OverflowBytes;
pub(super) use split::Size;
use split::{Stage, State};

/// Slots of a bucket.
const SLOTS: usize = LINE_WORDS - 1;

/// Items a bucket, on average, beyond which the table grows.
const LOAD: usize = if cfg!(all(loom, test)) { 1 } else { 5 };

const TAG_SHIFT: u32 = 48;
const TAG: u64 = !0 << TAG_SHIFT;
/// The slot, or link, is being copied to another bucket, or is not in use: not to be changed.
const FROZEN: u64 = 1 << 47;
/// The item is not there yet.
const TENTATIVE: u64 = 1 << 46;
/// The core, plus one, that is about to put a copy in the item's place.
const MOVER_SHIFT: u32 = 38;
const MOVER: u64 = 0xff << MOVER_SHIFT;
const ADDR: u64 = (1 << MOVER_SHIFT) - 1;
/// A slot or link of a new bucket that has not been filled yet.
const BLANK: u64 = FROZEN | TENTATIVE;
/// The link of a bucket that nobody puts anything into any more.
const DEAD: u64 = TAG;

/// The place of a run that there is no segment for yet.
const NO_CHUNK: u64 = u64::MAX;

/// The most cores: their numbers have to fit into a slot.
pub(super) const MAX_CORES: usize = 255;

/// The table.
pub(super) struct Index {
    /// Number and stage of the bucket that comes next.
    state: AtomicU64,
    /// What has to pass before the table doubles once more.
    hold: AtomicU64,
    /// The first line of each run of buckets, one segment each; [`NO_CHUNK`]: none.
    chunks: Box<[AtomicU64]>,
    /// Buckets of a run, as a power of two, and that less one.
    chunk_shift: u32,
    chunk_mask: usize,
    overflow: lines::Overflow,
}

/// What a change of the index needs to know.
pub(super) struct Scope<'a, H> {
    pub(super) arena: &'a Arena,
    pub(super) epochs: &'a Epochs,
    /// The core that changes something.
    pub(super) core: usize,
    /// Overflow buckets of the core.
    pub(super) lines: &'a mut Lines,
    /// Hashes the key of an item.
    pub(super) hash_of: H,
}

/// An entry of the table, as it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The line, and the slot in it.
    line: usize,
    slot: usize,
    word: u64,
}

impl Entry {
    /// The item.
    #[inline]
    pub(super) fn addr(self) -> Addr {
        addr_of(self.word)
    }
}

impl Index {
    /// A table with one empty bucket, in the first of at most `chunks` runs of `chunk_bytes` each, at `first`.
    pub(super) fn new(arena: &Arena, first: usize, chunk_bytes: usize, max_chunks: usize) -> Index {
        let chunks: Box<[AtomicU64]> = (0..max_chunks).map(|_| AtomicU64::new(NO_CHUNK)).collect();
        let first = first / LINE;
        chunks[0].store(first as u64, Ordering::Relaxed);
        lines::write(arena, first, 0);
        let chunk_shift = (chunk_bytes / LINE).ilog2();
        let index = Index {
            state: AtomicU64::new(State { buckets: 1, stage: Stage::Busy }.word()),
            hold: AtomicU64::new(0),
            chunks,
            chunk_shift,
            chunk_mask: (1 << chunk_shift) - 1,
            overflow: lines::Overflow::new(chunk_bytes / LINE),
        };
        index.prepare(arena, 1);
        index
    }

    /// Bytes of overflow buckets.
    pub(super) fn overflow_bytes(&self) -> OverflowBytes {
        self.overflow.bytes()
    }

    /// Bytes of the buckets in use, overflow not counted.
    pub(super) fn bytes(&self) -> usize {
        self.state().buckets * LINE
    }

    /// The power of two of the number of buckets, as memcached's `hash_power_level`.
    pub(super) fn power(&self) -> u32 {
        self.state().buckets.ilog2()
    }

    /// The entry of a key with the hash `hash`; `is_it` compares an item's key with it.
    #[inline]
    pub(super) fn find(&self, arena: &Arena, hash: u64, is_it: impl Fn(Addr) -> bool) -> Option<Entry> {
        let tag = hash >> TAG_SHIFT << TAG_SHIFT;
        self.find_slot(arena, hash, TAG | TENTATIVE, tag, |word| word & ADDR != 0 && is_it(addr_of(word)))
    }

    /// Asks for the first line of the bucket of `hash`. Returns its number.
    #[inline]
    pub(super) fn prefetch(&self, arena: &Arena, hash: u64) -> usize {
        let line = self.bucket_of(hash, self.state().buckets);
        arena.prefetch(line * LINE, 1);
        line
    }

    /// An item whose key may have the hash `hash`, by the first line of its bucket: a guess.
    #[inline]
    pub(super) fn candidate(&self, arena: &Arena, line: usize, hash: u64) -> Option<Addr> {
        let tag = hash >> TAG_SHIFT << TAG_SHIFT;
        let line = arena.line(line);
        let words = line[..SLOTS].iter().map(|word| word.load(Ordering::Acquire));
        words.into_iter().find(|word| (word ^ tag) & TAG == 0 && word & ADDR != 0).map(addr_of)
    }

    /// The entry that holds `addr`, an item whose key has the hash `hash`, if the item is still in the table.
    pub(super) fn find_addr(&self, arena: &Arena, hash: u64, addr: Addr) -> Option<Entry> {
        self.find_slot(arena, hash, TAG | TENTATIVE | ADDR, word_of(hash, addr), |_| true)
    }

    /// Lets `entry` hold another item of the same key. Whether it still was as it was read.
    pub(super) fn replace<H: Fn(Addr) -> u64>(&self, scope: &mut Scope<'_, H>, entry: Entry, addr: Addr) -> bool {
        self.change(scope, entry, entry.word & !(ADDR | MOVER) | field_of(addr))
    }

    /// Removes `entry`. Whether it still was as it was read.
    pub(super) fn remove<H: Fn(Addr) -> u64>(&self, scope: &mut Scope<'_, H>, entry: Entry) -> bool {
        let removed = self.change(scope, entry, 0);
        if removed {
            self.trim_behind(scope, entry);
        }
        removed
    }

    fn change<H: Fn(Addr) -> u64>(&self, scope: &mut Scope<'_, H>, entry: Entry, to: u64) -> bool {
        if entry.word & FROZEN != 0 {
            self.help(scope, entry.line);
            return false;
        }
        swap(&scope.arena.line(entry.line)[entry.slot], entry.word, to)
    }

    /// The entry, among those of `hash`, whose word is `wanted` under `mask`, and `is_it`.
    #[inline]
    fn find_slot(
        &self,
        arena: &Arena,
        hash: u64,
        mask: u64,
        wanted: u64,
        is_it: impl Fn(u64) -> bool,
    ) -> Option<Entry> {
        let mut bucket = self.bucket_of(hash, self.state().buckets);
        loop {
            let mut at = bucket;
            loop {
                let line = arena.line(at);
                for (slot, word) in line[..SLOTS].iter().enumerate() {
                    let word = word.load(Ordering::Acquire);
                    if (word ^ wanted) & mask == 0 && is_it(word) {
                        return Some(Entry { line: at, slot, word });
                    }
                }
                match line_at(line[SLOTS].load(Ordering::Acquire)) {
                    Some(next) => at = next,
                    None => break,
                }
            }
            // What was split off meanwhile was elsewhere before it was gone from here.
            let now = self.bucket_of(hash, self.state().buckets);
            if now == bucket {
                return None;
            }
            bucket = now;
        }
    }

    #[inline]
    fn state(&self) -> State {
        State::of(self.state.load(Ordering::Acquire))
    }

    /// The line of the bucket that `hash` belongs to while there are `buckets`.
    #[inline]
    fn bucket_of(&self, hash: u64, buckets: usize) -> usize {
        self.locate(number_of(hash, buckets))
    }

    /// The line of a bucket in use.
    #[inline]
    fn locate(&self, bucket: usize) -> usize {
        let chunk = self.chunks[bucket >> self.chunk_shift].load(Ordering::Acquire);
        debug_assert!(chunk != NO_CHUNK, "a bucket in use has its place");
        chunk as usize + (bucket & self.chunk_mask)
    }
}

/// The number of the bucket that `hash` belongs to while there are `buckets`.
#[inline]
fn number_of(hash: u64, buckets: usize) -> usize {
    // The least power of two that is not below `buckets`, less one.
    let mask = usize::MAX >> 1 >> (buckets - 1).leading_zeros().wrapping_sub(1);
    let bucket = hash as usize & mask;
    if bucket < buckets { bucket } else { bucket & (mask >> 1) }
}

/// Compare-and-swap; whether it held.
#[inline]
fn swap(word: &AtomicU64, from: u64, to: u64) -> bool {
    word.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
}

/// The line that a link names.
#[inline]
fn line_at(link: u64) -> Option<usize> {
    ((link & ADDR) as usize).checked_sub(1)
}

fn link_to(line: usize) -> u64 {
    line as u64 + 1
}

/// The address field of a slot.
fn field_of(addr: Addr) -> u64 {
    (addr.0 / ALIGN + 1) as u64
}

fn word_of(hash: u64, addr: Addr) -> u64 {
    hash >> TAG_SHIFT << TAG_SHIFT | field_of(addr)
}

/// The item of a slot that holds one.
#[inline]
fn addr_of(word: u64) -> Addr {
    Addr(((word & ADDR) as usize).wrapping_sub(1) * ALIGN)
}
