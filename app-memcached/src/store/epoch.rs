//! Quiescent states: when memory that was unlinked may be used again.
//!
//! Every core notes the epoch at its turn boundaries, where it holds no reference into the store but pins. Whoever unlinks
//! memory begins a new epoch; once every core has noted that one or a later, none can still see the memory. A core that halts or
//! parks is offline: nobody waits for it. Nothing here waits, and in a turn in which nothing was unlinked nothing is written.

use alloc::boxed::Box;

use super::sync::{Apart, AtomicU64, Ordering, fence};

/// Noted by a core that is offline.
const OFFLINE: u64 = u64::MAX;

/// The epochs that the cores have noted.
pub(super) struct Epochs {
    current: Apart<AtomicU64>,
    noted: Box<[Apart<AtomicU64>]>,
}

impl Epochs {
    /// For `cores` cores, all offline.
    pub(super) fn new(cores: usize) -> Epochs {
        let noted = (0..cores).map(|_| Apart(AtomicU64::new(OFFLINE))).collect();
        Epochs { current: Apart(AtomicU64::new(1)), noted }
    }

    /// Notes that `core`, which is online, holds no reference.
    #[inline]
    pub(super) fn pass(&self, core: usize) {
        let noted = &self.noted[core].0;
        // Acquire: what is unlinked before an epoch begins is not found by who has noted it.
        let current = self.current.0.load(Ordering::Acquire);
        if noted.load(Ordering::Relaxed) != current {
            // Release: the reads of the turn that ends come before.
            noted.store(current, Ordering::Release);
        }
    }

    /// Takes `core` out: it holds no reference, and takes none until it is back.
    pub(super) fn leave(&self, core: usize) {
        self.noted[core].0.store(OFFLINE, Ordering::Release);
    }

    /// Brings `core` back.
    pub(super) fn enter(&self, core: usize) {
        let current = self.current.0.load(Ordering::Acquire);
        // Release: who sees this may not have seen the core leave, before which its reads come.
        self.noted[core].0.store(current, Ordering::Release);
        // Pairs with the fence in `passed_by_all`: either that sees this core online, or this core sees what was unlinked.
        fence(Ordering::SeqCst);
    }

    /// Begins an epoch: what was unlinked before is free once [`passed_by_all`](Epochs::passed_by_all) has reached it.
    pub(super) fn begin(&self) -> u64 {
        self.current.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The latest epoch that every core online has noted.
    pub(super) fn passed_by_all(&self) -> u64 {
        fence(Ordering::SeqCst);
        self.noted.iter().map(|noted| noted.0.load(Ordering::Acquire)).min().unwrap_or(OFFLINE)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn all_have_to_pass() {
        let epochs = Epochs::new(3);
        epochs.enter(0);
        epochs.enter(1);
        let epoch = epochs.begin();
        assert!(epochs.passed_by_all() < epoch);
        epochs.pass(0);
        assert!(epochs.passed_by_all() < epoch);
        epochs.leave(1);
        assert!(epochs.passed_by_all() >= epoch);
        epochs.enter(1);
        assert!(epochs.passed_by_all() >= epoch);
    }
}
