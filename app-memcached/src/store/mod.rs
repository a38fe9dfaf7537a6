//! The item store: a log in one arena, an index over it, and cleaners; shared by all cores, without a lock.
//!
//! ```text
//! reserve -> (head segment) fill ... publish -> index          get -> index -> item in place
//! arena: | segment | segment | ... |   each one of: items, buckets of the index, free
//! ```
//!
//! - [`Shared`] is what the cores have in common; each works through a [`Handle`] of its own, with head segments of its own.
//! - Items are written once, at a head segment's end, and never change after they are published; an update publishes a new
//!   item by a compare-and-swap of its slot in the index. Readers that take long (a large value on a slow connection) pin the
//!   segment; so do writers whose value arrives over many turns.
//! - Cleaners make room: the segment with the least live bytes is compacted while that pays, so that nothing live is lost
//!   before about 7/8 of the memory is live; beyond that items are evicted as S3-FIFO does. The core that needs memory
//!   cleans; a segment is cleaned by one core.
//! - Memory is used again when every core has ended the turn in which it might have seen it: [`Handle::pass`] says so.
//! - Cleaning is done in slices, as a share of each write. Worst cases: a write of b bytes walks 16·b bytes of old items, twice as
//!   many for each segment that is missing beyond the first, or whole segments when pins or a sudden large item leave the
//!   cleaner behind; a look-up walks one chain of the index.
//! - The sweeper unlinks items that have expired, a few at each turn boundary, so that their memory is used before anybody asks.
//! - Time is a count of seconds that the caller passes in.
//!
//! Called by `protocol`; knows no protocol. Why it is done so: `docs/decisions/0007-shared-store.md` and `0013-what-the-store-keeps.md`.

mod access;
mod ahead;
mod arena;
mod clean;
mod condition;
mod counters;
mod epoch;
mod flush;
mod ghosts;
mod hash;
mod index;
mod item;
mod layout;
mod limit;
mod link;
mod log;
mod memory;
mod note;
mod pins;
mod pool;
mod read;
mod remark;
mod report;
mod segment;
mod shared;
mod sweep;
mod sync;
mod walk;
mod write;

use alloc::sync::Arc;

use access::Access;
pub use ahead::Expected;
use clean::Cleaner;
pub use condition::{Absent, Condition, End, Join, Outcome};
use counters::Counts;
pub use counters::StoreCounters;
pub use index::OverflowBytes;
use index::{Entry, Lines, Scope, Size};
use layout::Addr;
pub use layout::{Marks, NewItem};
pub use limit::{Adjusting, OutOfBounds};
use log::Heads;
pub use log::OutOfMemory;
pub use memory::StoreMemory;
#[cfg(test)]
pub(crate) use memory::lend;
pub use note::Note;
pub use read::{Details, Item, Miss, Pin, Place};
pub use remark::Remark;
pub use shared::Shared;
use sweep::Sweeper;
pub use walk::{Crawled, Cursor, Visited, Walk};
pub use write::{Current, Reservation};

use crate::watch::Reporter;

/// The longest key, in bytes.
pub const MAX_KEY: usize = 250;

/// The first second of the store's clock. Not 0, which means "never", nor 1, which protocols use for "long ago".
pub const FIRST_SECOND: u32 = 2;

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
    /// Cores that use it.
    pub cores: usize,
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

/// What came of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The item is gone.
    Done,
    /// There was none.
    NotFound,
    /// It has another CAS value.
    Exists,
}

/// Whether a core takes part in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Online,
    Offline,
}

/// One core's access to the store.
pub struct Handle {
    shared: Arc<Shared>,
    core: usize,
    presence: Presence,
    /// Counts the moments at which nothing that a look-up returned is in use any more.
    moment: u32,
    now: u32,
    /// What a hit is noted as.
    hit_now: Access,
    heads: Heads,
    cleaner: Cleaner,
    sweeper: Sweeper,
    lines: Lines,
    /// Whether the index has buckets for what this core has added.
    buckets: Size,
    /// Items that other cores have added, as of some insertions ago.
    items_elsewhere: u64,
    estimate_age: u32,
    /// Steps towards the limit that gained nothing.
    futile: usize,
    /// Where evictions are told of, if anywhere.
    reporter: Option<Reporter>,
}

impl Handle {
    fn new(shared: Arc<Shared>, core: usize) -> Handle {
        Handle {
            shared,
            core,
            presence: Presence::Offline,
            moment: 0,
            now: FIRST_SECOND,
            hit_now: Access::hit(FIRST_SECOND),
            heads: Heads::default(),
            cleaner: Cleaner::default(),
            sweeper: Sweeper::default(),
            lines: Lines::default(),
            buckets: Size::Enough,
            items_elsewhere: 0,
            estimate_age: 0,
            futile: 0,
            reporter: None,
        }
    }

    /// Passes a turn boundary: memory that was given up before may be used again, once all cores have passed one. Brings the
    /// core online. Has to be called before anything else, and often.
    #[inline]
    pub fn pass(&mut self) {
        self.moment = self.moment.wrapping_add(1);
        match self.presence {
            Presence::Online => self.shared.epochs.pass(self.core),
            Presence::Offline => self.online(),
        }
        if self.buckets == Size::Behind {
            self.catch_up();
        }
        if self.sweeper.is_busy() {
            self.sweep();
        }
    }

    /// Takes part again.
    #[cold]
    pub fn online(&mut self) {
        self.shared.epochs.enter(self.core);
        self.presence = Presence::Online;
    }

    /// Takes no part until [`online`](Handle::online) or [`pass`](Handle::pass): nobody waits for this core meanwhile. What it has
    /// pinned stays.
    pub fn offline(&mut self) {
        self.moment = self.moment.wrapping_add(1);
        self.stop_cleaning();
        self.stop_sweeping();
        self.shared.epochs.leave(self.core);
        self.presence = Presence::Offline;
    }

    /// Moves the clock forward to `now`, in seconds from [`FIRST_SECOND`] on.
    pub fn set_now(&mut self, now: u32) {
        if now > self.now {
            self.begin_sweep();
            self.seal_outlived();
        }
        self.now = now.max(self.now);
        self.hit_now = Access::hit(self.now);
        self.shared.flushes.run(self.core, self.now);
    }

    /// The clock, in seconds.
    pub fn now(&self) -> u32 {
        self.now
    }

    /// Forgets all items that are published before second `at`: all there are now, if that has come. A later call
    /// replaces one that is not due.
    pub fn flush(&mut self, at: u32) {
        self.shared.flushes.plan(at);
        self.set_now(self.now);
    }

    /// Forgets the item of `key`. Returns whether there was one.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        self.delete_if(key, None) == Deleted::Done
    }

    /// Forgets the item of `key`, if it has the CAS value `cas`, or whatever it has.
    pub fn delete_if(&mut self, key: &[u8], cas: Option<u64>) -> Deleted {
        let hash = self.shared.hash(key);
        self.provide_lines();
        while let Ok(entry) = self.seek(hash, key) {
            if cas.is_some_and(|cas| cas != self.shared.stamp(entry.addr())) {
                return Deleted::Exists;
            }
            if self.unlink(entry) {
                return Deleted::Done;
            }
        }
        Deleted::NotFound
    }

    /// Items held, expired ones that nobody has asked for included.
    pub fn len(&self) -> usize {
        self.shared.sum(|counts| counts.items.get()) as usize
    }

    /// Whether no items are held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the items held, headers included.
    pub fn live_bytes(&self) -> u64 {
        self.shared.sum(|counts| counts.live_bytes.get())
    }

    /// Bytes of all segments.
    pub fn capacity(&self) -> usize {
        self.shared.segments.total() * self.shared.segments.bytes()
    }

    /// Bytes of the index's buckets, and the power of two of their number.
    pub fn index_size(&self) -> (usize, u32) {
        (self.shared.index.bytes(), self.shared.index.power())
    }

    /// Bytes of the index's overflow buckets.
    pub fn overflow_size(&self) -> OverflowBytes {
        self.shared.index.overflow_bytes()
    }

    /// Segments that readers or writers hold; one that several cores hold counts for each.
    pub fn pinned_segments(&self) -> usize {
        let settled = (0..self.shared.cores()).map(|core| self.shared.pins.settled(core));
        settled.fold(self.shared.sum(|counts| counts.pinned.get()), u64::wrapping_sub) as usize
    }

    /// What the store has done.
    pub fn counters(&self) -> StoreCounters {
        self.shared.counters()
    }

    /// What this core counts.
    #[inline]
    fn counts(&self) -> &Counts {
        self.shared.counts(self.core)
    }

    /// The entry of a key.
    #[inline(always)] // one of the steps of a GET: see `Handle::get`
    fn find(&self, hash: u64, key: &[u8]) -> Option<Entry> {
        let arena = &self.shared.arena;
        self.shared.index.find(arena, hash, |addr| same_bytes(arena.key(addr), key))
    }

    /// The entry of a key, if its item is neither expired nor flushed.
    #[inline(always)] // one of the steps of a GET: see `Handle::get`
    fn find_live(&mut self, hash: u64, key: &[u8]) -> Result<Entry, Miss> {
        let entry = self.find(hash, key).ok_or(Miss::Absent)?;
        self.check_live(entry)
    }

    /// As [`find_live`](Handle::find_live), for those that are not in such a hurry.
    #[inline(never)]
    fn seek(&mut self, hash: u64, key: &[u8]) -> Result<Entry, Miss> {
        self.find_live(hash, key)
    }

    /// Passes an entry that is neither expired nor flushed; one that is gets unlinked.
    #[inline(always)] // one of the steps of a GET: see `Handle::get`
    fn check_live(&mut self, entry: Entry) -> Result<Entry, Miss> {
        match self.why_dead(entry.addr()) {
            None => Ok(entry),
            Some(miss) => Err(self.forget_dead(entry, miss)),
        }
    }

    /// Unlinks an entry that is expired or flushed. If another core is faster, what is there then came after this look-up.
    #[cold]
    fn forget_dead(&mut self, entry: Entry, miss: Miss) -> Miss {
        if self.unlink(entry) {
            self.bury(entry.addr(), miss);
        }
        miss
    }

    /// Why an item counts as gone, if it does.
    #[inline]
    fn why_dead(&self, addr: Addr) -> Option<Miss> {
        let exptime = self.shared.arena.exptime(addr);
        if exptime != 0 && exptime <= self.now {
            Some(Miss::Expired)
        } else if self.shared.flushes.were_any() && self.shared.flushes.is_flushed(self.shared.stamp(addr)) {
            Some(Miss::Flushed)
        } else {
            None
        }
    }

    /// Does something with the index that changes it.
    fn change_index<T>(&mut self, change: impl FnOnce(&Shared, &mut Scope<'_, &dyn Fn(Addr) -> u64>) -> T) -> T {
        let shared = &*self.shared;
        let hash_of: &dyn Fn(Addr) -> u64 = &|addr| shared.hash_of(addr);
        let (arena, epochs) = (&shared.arena, &shared.epochs);
        change(shared, &mut Scope { arena, epochs, core: self.core, lines: &mut self.lines, hash_of })
    }

    /// Takes an entry out of the index, and its item's bytes out of the live ones. Whether it was there still.
    fn unlink(&mut self, entry: Entry) -> bool {
        let done = self.change_index(|shared, scope| shared.index.remove(scope, entry));
        if done {
            self.counts().items.subtract(1);
            self.subtract_live(entry.addr());
        }
        done
    }

    /// Notes that the index no longer holds `addr`.
    fn subtract_live(&self, addr: Addr) {
        let shared = &*self.shared;
        let bytes = shared.arena.item_footprint(addr);
        self.counts().live_bytes.subtract(bytes as u64);
        shared.segments.add_dead(shared.segments.containing(addr.0), bytes, &shared.epochs);
    }

    /// Notes that the index holds `addr` now.
    fn add_live(&self, addr: Addr) {
        self.counts().live_bytes.add(self.shared.arena.item_footprint(addr) as u64);
        self.note_expiry(addr);
    }

    /// Notes that an item that the index holds expires.
    fn note_expiry(&self, addr: Addr) {
        let exptime = self.shared.arena.exptime(addr);
        if exptime != 0 {
            let segments = &self.shared.segments;
            segments.note_expiry(segments.containing(addr.0), exptime);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.offline();
    }
}

/// Equality by 8 bytes at a time: keys are short, and a call of `memcmp` costs more than it compares.
#[inline]
fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    if a.len() != b.len() {
        return false;
    }
    match (a.last_chunk(), b.last_chunk()) {
        // The last word overlaps the one before.
        (Some(a_last), Some(b_last)) => {
            let (a_words, b_words) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
            word(a_last) == word(b_last) && a_words.iter().zip(b_words).all(|(a, b)| word(a) == word(b))
        }
        _ => a.iter().zip(b).all(|(a, b)| a == b),
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
