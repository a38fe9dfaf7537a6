//! The item store: a log in one arena, an index over it, and a cleaner.
//!
//! ```text
//! reserve -> (head segment) fill ... publish -> index          get -> index -> item in place
//! arena: | segment | segment | ... |   each one of: items, buckets of the index, free
//! ```
//!
//! - Items are written once, at a head segment's end, and never change after they are published; an update publishes a new
//!   item and the index forgets the old one. Readers that take long (a large value on a slow connection) pin the
//!   segment; so do writers whose value arrives over many turns.
//! - [`clean`] makes room: the segment with the least live bytes is compacted while that pays, so that nothing live is
//!   lost before about 7/8 of the memory is live; beyond that the oldest segment is given up, except for items that were read
//!   since they were written.
//! - Cleaning is done in slices, as a share of each write. Worst cases: a write of b bytes walks 16·b bytes of old items,
//!   or whole segments when pins or a sudden large item leave the cleaner behind; a look-up walks one chain of the index.
//! - Time is a count of seconds that the caller passes in.
//!
//! Called by `protocol`; knows no protocol. Heads and the cleaner's state are those of one core; the arena, the index and
//! the segment table are laid out so that several cores can share them.

mod arena;
mod clean;
mod index;
mod item;
mod log;
mod memory;
mod read;
mod segment;
mod write;

use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};

use arena::Arena;
use clean::Cleaner;
use index::{Entry, Index};
use item::Addr;
pub use item::NewItem;
use log::Heads;
pub use memory::StoreMemory;
#[cfg(test)]
pub(crate) use memory::lend;
pub use read::{Item, Miss, Pin};
use segment::{Segments, State};
pub use write::{Condition, OutOfMemory, Outcome, Reservation};

/// The longest key, in bytes.
pub const MAX_KEY: usize = 250;

/// The first second of the store's clock. Not 0, which means "never", nor 1, which protocols use for "long ago".
pub const FIRST_SECOND: u32 = 2;

/// Least and most bytes of a segment.
const SEGMENT_BYTES: core::ops::RangeInclusive<usize> = 64 << 10..=1 << 20;

/// Segments that an arena is cut into, at least, if they are not to be smaller than the least size.
const MIN_SEGMENTS: usize = 64;

/// Fewer segments than this make no store: index, two heads, the cleaner's reserve, and some room.
const FEWEST_SEGMENTS: usize = 8;

/// What the store does when memory is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It evicts old items.
    Evict,
    /// It refuses new ones.
    Refuse,
}

/// How a store is set up.
#[derive(Clone, Copy, Debug)]
pub struct StoreConfig {
    /// What happens when memory is full.
    pub when_full: WhenFull,
    /// The item hash's secret: random, so that nobody can choose keys that collide.
    pub seed: u64,
}

/// The memory is too small for a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLittleMemory {
    /// Bytes there are.
    pub bytes: usize,
    /// Bytes that would do.
    pub needed: usize,
}

/// What the store has done and holds. Counts are since the start; names follow memcached's statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounters {
    /// Items published.
    pub total_items: u64,
    /// Live items dropped to make room.
    pub evictions: u64,
    /// Those of them that were never read.
    pub evicted_unfetched: u64,
    /// Expired items that were never read.
    pub expired_unfetched: u64,
    /// Expired or flushed items whose memory the cleaner took back.
    pub reclaimed: u64,
    /// Bytes that the cleaner copied.
    pub moved_bytes: u64,
    /// Segments that the cleaner freed.
    pub cleaned_segments: u64,
}

/// The store.
pub struct Store {
    arena: Arena,
    index: Index,
    segments: Segments,
    heads: Heads,
    cleaner: Cleaner,
    when_full: WhenFull,
    secrets: RapidSecrets,
    now: u32,
    /// The CAS value given last.
    last_cas: u64,
    /// Items with a CAS value up to this one are flushed.
    flushed_cas: u64,
    /// When the next delayed flush is due.
    flush_at: Option<u32>,
    live_bytes: u64,
    counters: StoreCounters,
}

impl Store {
    /// An empty store in `memory`. Allocates its tables (64 bytes a segment at most) and touches two pages of the arena.
    pub fn new(memory: StoreMemory, config: StoreConfig) -> Result<Store, TooLittleMemory> {
        let bytes = memory.len();
        let mut arena = Arena::new(memory);
        let target = (arena.len() / MIN_SEGMENTS).max(1);
        let segment_bytes = (1 << target.ilog2()).clamp(*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end());
        let total = arena.len() / segment_bytes;
        let mut segments = Segments::new(total, segment_bytes);
        let too_little = TooLittleMemory { bytes, needed: FEWEST_SEGMENTS * segment_bytes + arena::LINE };
        if total < FEWEST_SEGMENTS {
            return Err(too_little);
        }
        let first = segments.take(State::Index, 0).ok_or(too_little)?;
        let index = Index::new(&mut arena, segments.base(first), segment_bytes, total);
        Ok(Store {
            arena,
            index,
            segments,
            heads: Heads::default(),
            cleaner: Cleaner::default(),
            when_full: config.when_full,
            secrets: RapidSecrets::seed(config.seed),
            now: FIRST_SECOND,
            last_cas: 0,
            flushed_cas: 0,
            flush_at: None,
            live_bytes: 0,
            counters: StoreCounters::default(),
        })
    }

    /// Moves the clock forward to `now`, in seconds from [`FIRST_SECOND`] on.
    pub fn set_now(&mut self, now: u32) {
        self.now = now.max(self.now);
        if self.flush_at.is_some_and(|at| at <= self.now) {
            self.flush_at = None;
            self.last_cas += 1;
            self.flushed_cas = self.last_cas;
        }
    }

    /// The clock, in seconds.
    pub fn now(&self) -> u32 {
        self.now
    }

    /// Forgets all items that are published before second `at`: all there are now, if that has come. A later call
    /// replaces one that is not due.
    pub fn flush(&mut self, at: u32) {
        self.flush_at = Some(at);
        self.set_now(self.now);
    }

    /// Forgets the item of `key`. Returns whether there was one.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        let hash = self.hash(key);
        match self.find_live(hash, key) {
            Ok(entry) => {
                self.unlink(hash, entry);
                true
            }
            Err(_) => false,
        }
    }

    /// Items held, expired ones that nobody has asked for included.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether no items are held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the items held, headers included.
    pub fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// Bytes of all segments.
    pub fn capacity(&self) -> usize {
        self.segments.total() * self.segments.bytes()
    }

    /// Bytes of the index's buckets, and the power of two of their number.
    pub fn index_size(&self) -> (usize, u32) {
        (self.index.bytes(), self.index.power())
    }

    /// Segments that readers or writers hold.
    pub fn pinned_segments(&self) -> usize {
        self.segments.pinned()
    }

    /// What the store has done.
    pub fn counters(&self) -> &StoreCounters {
        &self.counters
    }

    #[inline]
    fn hash(&self, key: &[u8]) -> u64 {
        hash_with(&self.secrets, key)
    }

    /// The entry of a key, if its item is neither expired nor flushed.
    #[inline]
    fn find_live(&mut self, hash: u64, key: &[u8]) -> Result<Entry, Miss> {
        let Some(entry) = self.index.find(&self.arena, hash, key) else { return Err(Miss::Absent) };
        self.check_live(hash, entry)
    }

    /// Passes an entry that is neither expired nor flushed; one that is gets unlinked.
    #[inline]
    fn check_live(&mut self, hash: u64, entry: Entry) -> Result<Entry, Miss> {
        match self.why_dead(entry.addr) {
            None => Ok(entry),
            Some(miss) => {
                self.bury(entry.addr, miss);
                self.unlink(hash, entry);
                Err(miss)
            }
        }
    }

    /// Why an item counts as gone, if it does.
    #[inline]
    fn why_dead(&self, addr: Addr) -> Option<Miss> {
        let exptime = self.arena.exptime(addr);
        if exptime != 0 && exptime <= self.now {
            Some(Miss::Expired)
        } else if self.arena.cas(addr) <= self.flushed_cas {
            Some(Miss::Flushed)
        } else {
            None
        }
    }

    /// Takes an entry out of the index, and its item's bytes out of the live ones.
    fn unlink(&mut self, hash: u64, entry: Entry) {
        self.index.remove(&mut self.arena, hash, entry);
        self.subtract_live(entry.addr);
    }

    /// Notes that the index no longer holds `addr`; frees its segment if that was its last live item.
    fn subtract_live(&mut self, addr: Addr) {
        let bytes = self.arena.item_footprint(addr);
        let number = self.segments.containing(addr.0);
        self.segments.get_mut(number).live -= bytes as u32;
        self.live_bytes -= bytes as u64;
        self.release_if_dead(number);
    }

    /// Notes that the index holds `addr` now.
    fn add_live(&mut self, addr: Addr) {
        let bytes = self.arena.item_footprint(addr);
        let number = self.segments.containing(addr.0);
        self.segments.get_mut(number).live += bytes as u32;
        self.live_bytes += bytes as u64;
    }
}

/// The item hash.
#[inline]
fn hash_with(secrets: &RapidSecrets, key: &[u8]) -> u64 {
    rapidhash_v3_nano_inline::<true, false>(key, secrets)
}

#[cfg(test)]
mod tests;
