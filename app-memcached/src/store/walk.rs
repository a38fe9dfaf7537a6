//! Walks over all items, a few buckets of the index at a time.
//!
//! Buckets are visited by their numbers, and a split moves items to a higher one: so what is there from the beginning to the end of a
//! walk is visited, though perhaps twice. What comes, goes or is written anew meanwhile may be visited or not.

use super::index::Entry;
use super::read::Details;
use super::{Handle, Miss};

/// Another core may have changed what is to be removed; then it is looked at again, so often at most.
const MAX_TRIES: usize = 64;

/// Where a walk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    bucket: u32,
    /// Items of the bucket that were visited.
    visited: u32,
}

/// An item that a walk visits.
#[derive(Clone, Copy, Debug)]
pub struct Visited<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The client's flags.
    pub flags: u32,
    /// When it expires, in seconds of the store's clock; 0: never.
    pub exptime: u32,
    /// The CAS value.
    pub cas: u64,
    /// Bytes of the value, without its line end.
    pub value_len: usize,
    /// What else is known of it.
    pub details: Details,
}

/// Whether a walk goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// There may be more.
    GoOn,
    /// That was all, or for now.
    Stop,
}

/// What a part of a walk has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crawled {
    /// Items that were looked at.
    pub checked: u64,
    /// Those of them that were expired or flushed, and are gone now.
    pub reclaimed: u64,
}

impl Handle {
    /// Visits the items of at most `buckets` buckets from `cursor` on, but for expired and flushed ones, until `visit` says stop: then
    /// it is shown the same item again. Says whether there are more buckets.
    pub fn walk(&self, cursor: &mut Cursor, buckets: u32, mut visit: impl FnMut(&Visited<'_>) -> Walk) -> Walk {
        let shared = &*self.shared;
        let end = cursor.bucket.saturating_add(buckets);
        while (cursor.bucket as usize) < shared.index.buckets() {
            if cursor.bucket >= end {
                return Walk::GoOn;
            }
            let entries = shared.index.entries(&shared.arena, cursor.bucket as usize);
            for entry in entries.skip(cursor.visited as usize) {
                if self.why_dead(entry.addr()).is_none() && visit(&self.visited(entry)) == Walk::Stop {
                    return Walk::GoOn;
                }
                cursor.visited += 1;
            }
            *cursor = Cursor { bucket: cursor.bucket + 1, visited: 0 };
        }
        Walk::Stop
    }

    /// Removes what has expired or is flushed from at most `buckets` buckets from `cursor` on. Says whether there are more.
    pub fn crawl(&mut self, cursor: &mut Cursor, buckets: u32) -> (Walk, Crawled) {
        let mut crawled = Crawled::default();
        for _ in 0..buckets {
            if cursor.bucket as usize >= self.shared.index.buckets() {
                return (Walk::Stop, crawled);
            }
            let (items, dead) = self.look_for_dead(cursor.bucket);
            crawled.checked += items;
            if dead.is_some() {
                crawled.reclaimed += self.crawl_bucket(cursor.bucket);
            }
            cursor.bucket += 1;
        }
        (Walk::GoOn, crawled)
    }

    fn crawl_bucket(&mut self, bucket: u32) -> u64 {
        let mut reclaimed = 0;
        for _ in 0..MAX_TRIES {
            // Before the look: it may end the turn for what was found.
            self.provide_lines();
            let (_, Some((entry, why))) = self.look_for_dead(bucket) else { break };
            if self.unlink(entry) {
                self.bury(entry.addr(), why);
                reclaimed += 1;
            }
        }
        reclaimed
    }

    /// How many items are in a bucket, and one of those that count as gone.
    fn look_for_dead(&self, bucket: u32) -> (u64, Option<(Entry, Miss)>) {
        let shared = &*self.shared;
        let (mut items, mut dead) = (0, None);
        for entry in shared.index.entries(&shared.arena, bucket as usize) {
            items += 1;
            dead = dead.or_else(|| self.why_dead(entry.addr()).map(|why| (entry, why)));
        }
        (items, dead)
    }

    fn visited(&self, entry: Entry) -> Visited<'_> {
        let (arena, addr) = (&self.shared.arena, entry.addr());
        let access = arena.access(addr);
        let idle_seconds = self.now.saturating_sub(access.second());
        Visited {
            key: arena.key(addr),
            flags: arena.flags(addr),
            exptime: arena.exptime(addr),
            cas: self.shared.stamp(addr),
            value_len: arena.value_len(addr),
            details: Details { marks: arena.marks(addr), is_fetched: access.is_fetched(), idle_seconds },
        }
    }
}
