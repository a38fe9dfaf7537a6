//! Stamps, and flushes, which forget all items that were stamped before.
//!
//! A stamp is a core's count of values given, and its number in the lowest bits, as many as the cores need: cores never give
//! the same one. A count goes beyond that of the item that is replaced, so a key's stamps grow as long as it has an item. Stamps
//! are the CAS values of items.
//!
//! Items hold what their stamps are beyond the base of their segment, in 32 bits. A segment's base lies [`BEFORE`] stamps before
//! the last one given, so that copies of items may have theirs too, and [`AFTER`] of them can be given until it is full.
//!
//! A flush notes for each core how far it has come. An item that is being published meanwhile is on one side of it or the other.

use alloc::boxed::Box;

use core::sync::atomic::AtomicBool;

use super::sync::{Apart, AtomicU32, AtomicU64, Ordering};

/// Stamps given before a segment is opened that items in it may have.
const BEFORE: u64 = 3 << 30;

/// Stamps given since a segment was opened beyond which it is not filled any more: some are left for what is on its way.
const AFTER: u64 = 1 << 29;

/// The stamps given, and those that are flushed.
pub(super) struct Flushes {
    given: Box<[Apart<AtomicU64>]>,
    /// As many as the lowest bits of a stamp can name.
    flushed: Box<[AtomicU64]>,
    core_bits: u32,
    /// When the next delayed flush is due; 0: never.
    due: AtomicU32,
    /// Whether there ever was one.
    any: AtomicBool,
}

impl Flushes {
    /// For `cores` cores.
    pub(super) fn new(cores: usize) -> Flushes {
        Flushes {
            given: (0..cores).map(|_| Apart(AtomicU64::new(0))).collect(),
            flushed: (0..cores.next_power_of_two()).map(|_| AtomicU64::new(0)).collect(),
            core_bits: cores.next_power_of_two().ilog2(),
            due: AtomicU32::new(0),
            any: AtomicBool::new(false),
        }
    }

    /// The base of a segment that `core` opens, whose stamps are not below it from now on.
    pub(super) fn open_segment(&self, core: usize) -> u64 {
        let base = self.last_of_all().saturating_sub(BEFORE);
        let given = &self.given[core].0;
        given.store(given.load(Ordering::Relaxed).max(base), Ordering::Release);
        base
    }

    /// Whether a segment with this base should not be filled any more.
    pub(super) fn is_outlived(&self, base: u64) -> bool {
        self.last_of_all().saturating_sub(base) > BEFORE + AFTER
    }

    /// Whether an item with this stamp will have room for it in any segment that is being filled.
    pub(super) fn is_recent(&self, stamp: u64) -> bool {
        stamp >= self.last_of_all().saturating_sub(BEFORE)
    }

    fn last_of_all(&self) -> u64 {
        self.given.iter().map(|given| given.0.load(Ordering::Relaxed)).max().unwrap_or(0)
    }

    /// A new stamp of `core`, above `old`.
    #[inline]
    pub(super) fn next_stamp(&self, core: usize, old: u64) -> u64 {
        let given = &self.given[core].0;
        let count = (given.load(Ordering::Relaxed) >> self.core_bits).max(old >> self.core_bits) + 1;
        let stamp = count << self.core_bits | core as u64;
        given.store(stamp, Ordering::Release);
        stamp
    }

    /// The stamp that `core` has given last.
    pub(super) fn last_stamp(&self, core: usize) -> u64 {
        self.given[core].0.load(Ordering::Relaxed)
    }

    /// Whether anything was ever flushed.
    #[inline]
    pub(super) fn were_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Whether the item with this stamp is flushed.
    pub(super) fn is_flushed(&self, stamp: u64) -> bool {
        let flushed = &self.flushed[stamp as usize & (self.flushed.len() - 1)];
        stamp <= flushed.load(Ordering::Relaxed)
    }

    /// Has everything flushed at second `at`. A later call replaces one that is not due.
    pub(super) fn plan(&self, at: u32) {
        self.due.store(at.max(1), Ordering::Release);
    }

    /// Flushes if it is due at second `now`; `core` is the caller's.
    #[inline]
    pub(super) fn run(&self, core: usize, now: u32) {
        let due = self.due.load(Ordering::Relaxed);
        if due != 0 && due <= now && self.due.compare_exchange(due, 0, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
            self.flush(core);
        }
    }

    /// Flushes what was published so far.
    fn flush(&self, core: usize) {
        // A flush takes a value of its own, as memcached's does.
        self.next_stamp(core, 0);
        self.any.store(true, Ordering::SeqCst);
        for (given, flushed) in self.given.iter().zip(&self.flushed) {
            flushed.fetch_max(given.0.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    }
}
