//! What the store counts: each core in a block of its own, added up by who reads.

use crate::count::{Count, counts};

counts! {
    /// What the store has done. Counts are since the start; names follow memcached's statistics.
    pub struct StoreCounters, Events {
        /// Items published.
        total_items,
        /// Live items dropped to make room.
        evictions,
        /// Those of them that were never read.
        evicted_unfetched,
        /// Expired items that were never read.
        expired_unfetched,
        /// Expired or flushed items whose memory the cleaners took back.
        reclaimed,
        /// Bytes that the cleaners copied.
        moved_bytes,
        /// Segments that the cleaners freed.
        cleaned_segments,
    }
}

/// The counts of one core.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) events: Events,
    /// Items added, less items removed.
    pub(super) items: Count,
    /// Bytes of items added, less those of items removed.
    pub(super) live_bytes: Count,
    /// Segments that this core holds.
    pub(super) pinned: Count,
}
