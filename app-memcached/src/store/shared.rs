//! What all cores have in common: arena, index, segments, epochs, and a block of counters for each core.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::arena::{self, Arena};
use super::counters::{Counts, StoreCounters};
use super::epoch::Epochs;
use super::flush::Flushes;
use super::ghosts::Ghosts;
use super::hash::ItemHash;
use super::index::{Index, MAX_CORES};
use super::layout::{Addr, ExptimeRoom};
use super::limit::Limit;
use super::pins::Pins;
use super::segment::Segments;
use super::sync::{Apart, AtomicU32, Ordering};
use super::{Handle, StoreConfig, StoreMemory, TooLittleMemory, WhenFull};

/// Segments that an arena is cut into, at most: some operations look at each.
const MOST_SEGMENTS: usize = 2048;

/// Least and most bytes of a segment, where there are not too many of them.
const SEGMENT_BYTES: core::ops::RangeInclusive<usize> = 128 << 10..=1 << 20;

/// Segments that an arena is cut into, at least, if they are not to be smaller than the least size; and for each core.
const MIN_SEGMENTS: usize = 256;
const MIN_SEGMENTS_PER_CORE: usize = 16;

/// Fewer segments than this make no store for one core: index, two heads, the cleaner's reserve, and some room.
const FEWEST_SEGMENTS: usize = 8;

/// Segments more for each further core: two heads, a reserve, and one for overflow buckets or in limbo.
const FEWEST_SEGMENTS_PER_CORE: usize = 4;

fn fewest_segments(cores: usize) -> usize {
    FEWEST_SEGMENTS + (cores - 1) * FEWEST_SEGMENTS_PER_CORE
}

/// A store, shared by the cores of an appliance.
pub struct Shared {
    pub(super) arena: Arena,
    pub(super) index: Index,
    pub(super) segments: Segments,
    pub(super) limit: Limit,
    pub(super) epochs: Epochs,
    pub(super) pins: Pins,
    pub(super) flushes: Flushes,
    pub(super) ghosts: Ghosts,
    pub(super) when_full: WhenFull,
    item_hash: ItemHash,
    counts: Box<[Apart<Counts>]>,
    /// Handles given out.
    handles: AtomicU32,
}

impl Shared {
    /// An empty store in `memory`. Allocates its tables, 32 bytes a segment and 4 more for each core, and touches two pages
    /// of the arena.
    pub fn new(memory: StoreMemory, config: StoreConfig) -> Result<Arc<Shared>, TooLittleMemory> {
        let cores = config.cores.clamp(1, MAX_CORES);
        let bytes = memory.len();
        let arena = Arena::new(memory);
        let least = MIN_SEGMENTS.max(cores * MIN_SEGMENTS_PER_CORE);
        let target = (arena.len() / least).max(1);
        let usual = (1 << target.ilog2()).clamp(*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end());
        let segment_bytes = usual.max((arena.len() / MOST_SEGMENTS).next_power_of_two());
        let total = arena.len() / segment_bytes;
        let segments = Segments::new(total, segment_bytes);
        let fewest = fewest_segments(cores);
        let too_little = TooLittleMemory { bytes, needed: fewest * segment_bytes + arena::LINE };
        if total < fewest {
            return Err(too_little);
        }
        let ghosts = Ghosts::new(&arena, &segments);
        let first = segments.take_for_index(0).ok_or(too_little)?;
        let index = Index::new(&arena, segments.base(first), segment_bytes, total);
        Ok(Arc::new(Shared {
            arena,
            index,
            segments,
            limit: Limit::new(total),
            epochs: Epochs::new(cores),
            pins: Pins::new(cores, total),
            flushes: Flushes::new(cores),
            ghosts,
            when_full: config.when_full,
            item_hash: ItemHash::new(config.seed),
            counts: (0..cores).map(|_| Apart(Counts::default())).collect(),
            handles: AtomicU32::new(0),
        }))
    }

    /// The handle of the next core; offline, so that it may be made before that core runs. `None` if all cores have theirs.
    pub fn handle(self: &Arc<Shared>) -> Option<Handle> {
        let next = |handles: u32| if (handles as usize) < self.cores() { Some(handles + 1) } else { None };
        let core = self.handles.fetch_update(Ordering::AcqRel, Ordering::Relaxed, next).ok()?;
        Some(Handle::new(self.clone(), core as usize))
    }

    /// Segments without which it cannot work.
    pub(super) fn fewest(&self) -> usize {
        fewest_segments(self.cores())
    }

    /// Cores that the store is for.
    pub(super) fn cores(&self) -> usize {
        self.counts.len()
    }

    /// Segments that only the cleaners may take, so that each can always copy what it keeps.
    pub(super) fn reserve(&self) -> usize {
        self.cores()
    }

    /// Free segments below which every write pays a share of the cleaning.
    pub(super) fn low_water(&self) -> usize {
        4 * self.cores()
    }

    /// What `core` counts.
    #[inline]
    pub(super) fn counts(&self, core: usize) -> &Counts {
        &self.counts[core].0
    }

    /// What the cores have counted, added up.
    pub(super) fn counters(&self) -> StoreCounters {
        let mut sum = StoreCounters::default();
        self.counts.iter().for_each(|counts| counts.0.events.add_to(&mut sum));
        sum
    }

    /// Adds up one count of all cores. Counts wrap, and may be negative on one core.
    pub(super) fn sum(&self, count: impl Fn(&Counts) -> u64) -> u64 {
        self.counts.iter().fold(0, |sum, counts| sum.wrapping_add(count(&counts.0)))
    }

    /// The stamp of an item, which is its CAS value.
    #[inline]
    pub(super) fn stamp(&self, addr: Addr) -> u64 {
        self.arena.stamp(addr, self.stamp_base(addr))
    }

    /// Writes the stamp of an unpublished item. Whether there is room for it.
    #[inline]
    pub(super) fn set_stamp(&self, addr: Addr, stamp: u64) -> bool {
        self.arena.set_stamp(addr, self.stamp_base(addr), stamp)
    }

    #[inline]
    fn stamp_base(&self, addr: Addr) -> u64 {
        self.segments.stamp_base(self.segments.containing(addr.0))
    }

    /// Whether items that never expire have room for an expiry time: where nothing may be evicted, touching takes no memory.
    #[inline]
    pub(super) fn exptime_room(&self) -> ExptimeRoom {
        match self.when_full {
            WhenFull::Evict => ExptimeRoom::WhenUsed,
            WhenFull::Refuse => ExptimeRoom::Always,
        }
    }

    /// The item hash.
    #[inline]
    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        self.item_hash.of(key)
    }

    /// The item hash of an item's key.
    pub(super) fn hash_of(&self, addr: Addr) -> u64 {
        self.hash(self.arena.key(addr))
    }
}
