//! CAS values, and flushes, which forget all items whose CAS values were given before.
//!
//! A CAS value is a core's count of values given, and its number in the lowest bits, as many as the cores need: cores never give
//! the same one. A count goes beyond that of the item that is replaced, so a key's values grow as long as it has an item.
//! A flush notes for each core how far it has come. An item that is being published meanwhile is on one side of it or the other.

use alloc::boxed::Box;

use super::sync::{Apart, AtomicU32, AtomicU64, Ordering};

/// The CAS values given, and those that are flushed.
pub(super) struct Flushes {
    given: Box<[Apart<AtomicU64>]>,
    /// As many as the lowest bits of a CAS value can name.
    flushed: Box<[AtomicU64]>,
    core_bits: u32,
    /// When the next delayed flush is due; 0: never.
    due: AtomicU32,
}

impl Flushes {
    /// For `cores` cores.
    pub(super) fn new(cores: usize) -> Flushes {
        Flushes {
            given: (0..cores).map(|_| Apart(AtomicU64::new(0))).collect(),
            flushed: (0..cores.next_power_of_two()).map(|_| AtomicU64::new(0)).collect(),
            core_bits: cores.next_power_of_two().ilog2(),
            due: AtomicU32::new(0),
        }
    }

    /// A new CAS value of `core`, above `old`.
    #[inline]
    pub(super) fn next_cas(&self, core: usize, old: u64) -> u64 {
        let given = &self.given[core].0;
        let count = (given.load(Ordering::Relaxed) >> self.core_bits).max(old >> self.core_bits) + 1;
        let cas = count << self.core_bits | core as u64;
        given.store(cas, Ordering::Release);
        cas
    }

    /// The CAS value that `core` has given last.
    pub(super) fn last_cas(&self, core: usize) -> u64 {
        self.given[core].0.load(Ordering::Relaxed)
    }

    /// Whether the item with this CAS value is flushed.
    #[inline]
    pub(super) fn is_flushed(&self, cas: u64) -> bool {
        let flushed = &self.flushed[cas as usize & (self.flushed.len() - 1)];
        cas <= flushed.load(Ordering::Relaxed)
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
        self.next_cas(core, 0);
        for (given, flushed) in self.given.iter().zip(&self.flushed) {
            flushed.fetch_max(given.0.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    }
}
