//! Keys that will be asked for soon: what a look-up reads is asked for before it is needed, so that the misses of a batch overlap.

use super::Handle;
use super::arena::LINE;
use super::shared::Shared;

/// Lines of an item that are asked for: header, key, and the beginning of the value. What follows comes by itself, as it is
/// read in order.
const ITEM_LINES: usize = 8;

/// A key that will be asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected {
    hash: u64,
    /// The first line of its bucket.
    line: usize,
}

/// Buckets whose items stay in a cache by themselves: some ten thousand items. Tests look ahead always.
const FEW_BUCKETS: usize = if cfg!(test) { 0 } else { 2048 };

impl Handle {
    /// Whether there are more items than a cache holds, so that it pays to ask for them.
    #[inline]
    pub fn is_worth_expecting(&self) -> bool {
        self.shared.index.bytes() > FEW_BUCKETS * LINE
    }

    /// Asks for the bucket of `key`.
    #[inline]
    pub fn expect(&self, key: &[u8]) -> Expected {
        let hash = self.shared.hash(key);
        Expected { hash, line: self.shared.index.prefetch(&self.shared.arena, hash) }
    }

    /// Asks for the item of a key whose bucket is there by now.
    #[inline]
    pub fn expect_item(&self, expected: Expected) {
        let Shared { arena, index, .. } = &*self.shared;
        if let Some(addr) = index.candidate(arena, expected.line, expected.hash) {
            arena.prefetch(addr.0, ITEM_LINES);
        }
    }
}
