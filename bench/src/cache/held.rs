//! What a cache holds, and what it did for that.

use serde::Serialize;

/// What a cache holds, in its own words. What one of them does not count is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Items, with expired ones that nobody has noticed.
    pub items: u64,
    /// Their bytes, with what the cache adds to each.
    pub item_bytes: u64,
    /// Bytes of the table that finds them: ours is part of the memory that is compared, memcached's comes on top of it.
    pub index_bytes: Option<u64>,
    /// Bytes of the memory that items lie in, used or not: memcached goes beyond its limit where there is one page of 1 MiB for each of many
    /// classes of lengths.
    pub arena_bytes: Option<u64>,
    /// Items dropped for others.
    pub evictions: u64,
    /// Items whose time had come, or were flushed, and whose memory was taken back.
    pub reclaimed: u64,
    /// Bytes copied to make room.
    pub moved_bytes: Option<u64>,
    /// Items that there was no memory for.
    pub refused: u64,
}
