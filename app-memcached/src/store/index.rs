//! The index: a hash table that grows by linear hashing, one bucket split per insertion beyond the load factor.
//!
//! ```text
//! bucket (one cache line):  | slot 0 | ... | slot 6 | next overflow bucket: u32 | unused: u32 |
//! slot (u64, 0: empty):     | tag: 24 bits of the hash | (address of the item / 8) + 1: 40 bits |
//! ```
//!
//! Buckets live in segments that the store lends as the table grows, so nothing is set aside for items that are not there:
//! at [`LOAD`] items a bucket the index takes about 15 bytes an item, overflow included. Nothing is cleared ahead: a bucket
//! is written when the split that creates it fills it. The table never shrinks.
//!
//! A split rehashes the keys of one bucket. It never needs an overflow bucket that it has not just freed: n items in a
//! chain of 1+k buckets fit into two chains with k overflow buckets between them.

use alloc::vec::Vec;

use super::arena::{Arena, LINE};
use super::item::{ALIGN, Addr};

/// Slots of a bucket.
const SLOTS: usize = 7;

/// Where the number of the next overflow bucket lies in a bucket.
const NEXT: usize = SLOTS * 8;

/// Items a bucket, on average, beyond which the table grows.
const LOAD: usize = 5;

const TAG_SHIFT: u32 = 40;

/// The table.
pub(super) struct Index {
    /// Arena offset of each run of buckets, one segment each.
    chunks: Vec<usize>,
    /// Buckets of a run, as a power of two.
    chunk_shift: u32,
    /// Buckets in use.
    buckets: usize,
    /// The least power of two that is not below `buckets`, less one.
    mask: usize,
    items: usize,
    overflow: Overflow,
}

/// Overflow buckets that are not in a chain. A bucket's number is its arena offset / [`LINE`], plus one; 0 is none.
struct Overflow {
    first_free: u32,
    /// Buckets never used so far: arena offsets.
    fresh: usize,
    fresh_end: usize,
}

/// An entry of the table.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// Arena offset of the slot.
    slot: usize,
    /// The item.
    pub(super) addr: Addr,
}

/// What a full table asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// A segment for more buckets. Without it chains grow longer.
    Buckets,
    /// A segment for overflow buckets. Without it an insertion may fail.
    Overflow,
}

impl Index {
    /// A table with one empty bucket, in the first of at most `chunks` runs of `chunk_bytes` each, at `first`.
    pub(super) fn new(arena: &mut Arena, first: usize, chunk_bytes: usize, max_chunks: usize) -> Index {
        let mut chunks = Vec::with_capacity(max_chunks);
        chunks.push(first);
        let overflow = Overflow { first_free: 0, fresh: 0, fresh_end: 0 };
        let chunk_shift = (chunk_bytes / LINE).ilog2();
        clear_bucket(arena, first);
        Index { chunks, chunk_shift, buckets: 1, mask: 0, items: 0, overflow }
    }

    /// Items in the table.
    pub(super) fn len(&self) -> usize {
        self.items
    }

    /// Bytes of the buckets in use, overflow not counted.
    pub(super) fn bytes(&self) -> usize {
        self.buckets * LINE
    }

    /// The power of two of the number of buckets, as memcached's `hash_power_level`.
    pub(super) fn power(&self) -> u32 {
        self.buckets.ilog2()
    }

    /// The entry of `key`, whose hash is `hash`.
    #[inline]
    pub(super) fn find(&self, arena: &Arena, hash: u64, key: &[u8]) -> Option<Entry> {
        let tag = tag_of(hash);
        let mut bucket = self.bucket_of(hash);
        loop {
            let line: &[u8; LINE] = arena.array(bucket);
            for (i, slot) in line[..NEXT].as_chunks::<8>().0.iter().enumerate() {
                let slot = u64::from_le_bytes(*slot);
                if slot >> TAG_SHIFT == tag && slot != 0 {
                    let addr = addr_of(slot);
                    if same_bytes(arena.key(addr), key) {
                        return Some(Entry { slot: bucket + i * 8, addr });
                    }
                }
            }
            bucket = next_of(arena, bucket)?;
        }
    }

    /// The entry that holds `addr`, an item whose key has the hash `hash`, if the item is still in the table.
    pub(super) fn find_addr(&self, arena: &Arena, hash: u64, addr: Addr) -> Option<Entry> {
        let wanted = slot_of(hash, addr);
        let mut bucket = self.bucket_of(hash);
        loop {
            if let Some(i) = (0..SLOTS).find(|i| arena.u64(bucket + i * 8) == wanted) {
                return Some(Entry { slot: bucket + i * 8, addr });
            }
            bucket = next_of(arena, bucket)?;
        }
    }

    /// Lets `entry` hold another item of the same key.
    pub(super) fn repoint(&self, arena: &mut Arena, hash: u64, entry: Entry, addr: Addr) {
        arena.set_u64(entry.slot, slot_of(hash, addr));
    }

    /// Removes `entry`, and the overflow bucket that this leaves empty.
    pub(super) fn remove(&mut self, arena: &mut Arena, hash: u64, entry: Entry) {
        arena.set_u64(entry.slot, 0);
        self.items -= 1;
        let emptied = entry.slot / LINE * LINE;
        let mut bucket = self.bucket_of(hash);
        while let Some(next) = next_of(arena, bucket) {
            if next == emptied && (0..SLOTS).all(|i| arena.u64(next + i * 8) == 0) {
                let after = arena.u32(next + NEXT);
                arena.set_u32(bucket + NEXT, after);
                self.overflow.free(arena, next);
                return;
            }
            bucket = next;
        }
    }

    /// What the table needs before the next insertion.
    pub(super) fn wants(&self) -> Option<Want> {
        if self.overflow.is_empty() {
            Some(Want::Overflow)
        } else if self.is_loaded() && self.buckets == self.chunks.len() << self.chunk_shift {
            Some(Want::Buckets)
        } else {
            None
        }
    }

    /// Takes the segment at `base`, for what [`wants`](Index::wants) asked.
    pub(super) fn add_segment(&mut self, want: Want, base: usize, bytes: usize) {
        match want {
            Want::Buckets => self.chunks.push(base),
            Want::Overflow => (self.overflow.fresh, self.overflow.fresh_end) = (base, base + bytes),
        }
    }

    /// Adds an item that is not in the table. `None`, and no change, if its chain is full and there is no overflow bucket.
    pub(super) fn insert(&mut self, arena: &mut Arena, hash: u64, addr: Addr) -> Option<()> {
        let bucket = self.bucket_of(hash);
        self.put(arena, bucket, slot_of(hash, addr))?;
        self.items += 1;
        Some(())
    }

    /// Splits one bucket, if the load asks for it and there is room. `hash_of` hashes a key.
    pub(super) fn grow(&mut self, arena: &mut Arena, hash_of: impl Fn(&[u8]) -> u64) {
        if !self.is_loaded() || self.buckets == self.chunks.len() << self.chunk_shift {
            return;
        }
        let new = self.buckets;
        self.buckets += 1;
        self.mask = self.buckets.next_power_of_two() - 1;
        let old = self.locate(new & (self.mask >> 1));
        let new = self.locate(new);
        clear_bucket(arena, new);
        let mut chain: [u8; LINE] = *arena.array(old);
        clear_bucket(arena, old);
        loop {
            for slot in chain[..NEXT].as_chunks::<8>().0 {
                let slot = u64::from_le_bytes(*slot);
                if slot != 0 {
                    let hash = hash_of(arena.key(addr_of(slot)));
                    // Cannot fail: see the module's comment.
                    let _ = self.put(arena, self.bucket_of(hash), slot);
                }
            }
            let next = u32::from_le_bytes([chain[NEXT], chain[NEXT + 1], chain[NEXT + 2], chain[NEXT + 3]]);
            let Some(next) = bucket_at(next) else { return };
            chain = *arena.array(next);
            self.overflow.free(arena, next);
        }
    }

    fn is_loaded(&self) -> bool {
        self.items >= self.buckets * LOAD
    }

    /// Writes `slot` into the first empty slot of the chain that begins at `bucket`.
    fn put(&mut self, arena: &mut Arena, mut bucket: usize, slot: u64) -> Option<()> {
        loop {
            if let Some(i) = (0..SLOTS).find(|i| arena.u64(bucket + i * 8) == 0) {
                arena.set_u64(bucket + i * 8, slot);
                return Some(());
            }
            bucket = match next_of(arena, bucket) {
                Some(next) => next,
                None => {
                    let next = self.overflow.take(arena)?;
                    arena.set_u32(bucket + NEXT, number_of(next));
                    next
                }
            };
        }
    }

    /// Arena offset of the bucket that `hash` belongs to.
    #[inline]
    fn bucket_of(&self, hash: u64) -> usize {
        let bucket = hash as usize & self.mask;
        self.locate(if bucket < self.buckets { bucket } else { bucket & (self.mask >> 1) })
    }

    /// Arena offset of a bucket.
    #[inline]
    fn locate(&self, bucket: usize) -> usize {
        self.chunks[bucket >> self.chunk_shift] + (bucket & ((1 << self.chunk_shift) - 1)) * LINE
    }
}

impl Overflow {
    fn is_empty(&self) -> bool {
        self.first_free == 0 && self.fresh == self.fresh_end
    }

    fn take(&mut self, arena: &mut Arena) -> Option<usize> {
        let bucket = if let Some(bucket) = bucket_at(self.first_free) {
            self.first_free = arena.u32(bucket + NEXT);
            bucket
        } else if self.fresh < self.fresh_end {
            self.fresh += LINE;
            self.fresh - LINE
        } else {
            return None;
        };
        clear_bucket(arena, bucket);
        Some(bucket)
    }

    fn free(&mut self, arena: &mut Arena, bucket: usize) {
        arena.set_u32(bucket + NEXT, self.first_free);
        self.first_free = number_of(bucket);
    }
}

fn clear_bucket(arena: &mut Arena, bucket: usize) {
    arena.bytes_mut(bucket, LINE).fill(0);
}

#[inline]
fn next_of(arena: &Arena, bucket: usize) -> Option<usize> {
    bucket_at(arena.u32(bucket + NEXT))
}

#[inline]
fn bucket_at(number: u32) -> Option<usize> {
    Some((number as usize).checked_sub(1)? * LINE)
}

fn number_of(bucket: usize) -> u32 {
    (bucket / LINE) as u32 + 1
}

#[inline]
fn tag_of(hash: u64) -> u64 {
    hash >> TAG_SHIFT
}

fn slot_of(hash: u64, addr: Addr) -> u64 {
    tag_of(hash) << TAG_SHIFT | (addr.0 / ALIGN + 1) as u64
}

#[inline]
fn addr_of(slot: u64) -> Addr {
    Addr(((slot & ((1 << TAG_SHIFT) - 1)) as usize - 1) * ALIGN)
}

/// Equality by 8 bytes at a time: keys are short, and a call of `memcmp` costs more than it compares.
#[inline]
fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    let ((a_words, a_rest), (b_words, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    a.len() == b.len()
        && a_words.iter().zip(b_words).all(|(a, b)| u64::from_le_bytes(*a) == u64::from_le_bytes(*b))
        && a_rest.iter().zip(b_rest).all(|(a, b)| a == b)
}
