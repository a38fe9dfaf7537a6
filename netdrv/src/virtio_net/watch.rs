//! A queue whose core halts, seen from another core: where one interrupt line serves all pairs, it ends the halt of one core
//! only.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::nic::Watch;
use crate::virtio::UsedIndex;

/// The position is that of no ring: the queue is not armed.
const DISARMED: u32 = u32::MAX;

/// Where in the used ring a queue was armed, for whoever watches it.
#[derive(Clone)]
pub(super) struct ArmedAt(Arc<AtomicU32>);

impl ArmedAt {
    pub(super) fn new() -> ArmedAt {
        ArmedAt(Arc::new(AtomicU32::new(DISARMED)))
    }

    /// The queue is armed, and has taken everything before `position`. A barrier of the caller's comes next, and then its
    /// last look at the ring: so either it sees a new entry, or the watch does.
    pub(super) fn arm(&self, position: u16) {
        self.0.store(position.into(), Relaxed);
    }

    /// The queue is polled again.
    pub(super) fn disarm(&self) {
        self.0.store(DISARMED, Relaxed);
    }
}

/// Watches a receive queue of a virtio-net device.
pub struct QueueWatch {
    armed_at: ArmedAt,
    used: UsedIndex,
}

impl QueueWatch {
    pub(super) fn new(armed_at: ArmedAt, used: UsedIndex) -> QueueWatch {
        QueueWatch { armed_at, used }
    }
}

impl Watch for QueueWatch {
    fn take_work(&mut self) -> bool {
        let position = self.armed_at.0.load(Relaxed);
        if position == DISARMED || u32::from(self.used.load()) == position {
            return false;
        }
        // Once: its core may take a while to get up. It may have got up and armed again meanwhile: then that stands.
        self.armed_at.0.compare_exchange(position, DISARMED, Relaxed, Relaxed).is_ok()
    }
}
