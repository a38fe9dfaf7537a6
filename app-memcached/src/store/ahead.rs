//! Keys that will be asked for soon: what a look-up reads is asked for before it is needed, so that the misses of a batch overlap.

use super::Handle;
use super::shared::Shared;

/// Lines of an item that are asked for: header, key, and the beginning of the value. What follows comes by itself, as it is
/// read in order.
const ITEM_LINES: usize = 8;

/// A key that will be asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected {
    hash: u64,
}

impl Handle {
    /// Asks for the bucket of `key`.
    #[inline]
    pub fn expect(&self, key: &[u8]) -> Expected {
        let hash = self.shared.hash(key);
        self.shared.index.prefetch(&self.shared.arena, hash);
        Expected { hash }
    }

    /// Asks for the item of a key whose bucket is there by now.
    #[inline]
    pub fn expect_item(&self, expected: Expected) {
        let Shared { arena, index, .. } = &*self.shared;
        if let Some(addr) = index.candidate(arena, expected.hash) {
            arena.prefetch(addr.0, ITEM_LINES);
        }
    }
}
