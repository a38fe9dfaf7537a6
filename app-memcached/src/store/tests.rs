//! The store as a whole.

use std::collections::HashMap;

use super::*;

mod basics;
mod capacity;
mod index;
mod model;
mod pins;

pub(super) fn store_with(bytes: usize, when_full: WhenFull) -> Store {
    Store::new(StoreMemory::leak(bytes), StoreConfig { when_full, seed: 42 }).ok().unwrap()
}

impl Store {
    /// Stores `value` under `key`, as a client does.
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<Outcome, OutOfMemory> {
        self.put_if(Condition::Set, key, value, 0)
    }

    pub(super) fn put_if(
        &mut self,
        condition: Condition,
        key: &[u8],
        value: &[u8],
        exptime: u32,
    ) -> Result<Outcome, OutOfMemory> {
        let item = NewItem { key, flags: value.len() as u32, exptime };
        let mut reservation = self.reserve(&item, value.len())?;
        assert_eq!(self.fill(&mut reservation, value), value.len());
        assert_eq!(self.fill(&mut reservation, b"\r\nmore"), 2);
        self.publish(reservation, condition)
    }

    /// The value of `key`, without its line end.
    pub(super) fn value(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        self.get(key).ok().map(|item| item.value.strip_suffix(b"\r\n").unwrap().to_vec())
    }

    /// What the tables say agrees with what is in the arena.
    pub(super) fn check(&self) {
        let live: u64 = self.segments.iter().map(|(_, segment)| u64::from(segment.live)).sum();
        assert_eq!(live, self.live_bytes, "live bytes");
        let pinned: u32 = self.segments.iter().map(|(_, segment)| segment.readers + segment.writers).sum();
        assert_eq!(pinned == 0, self.segments.pinned() == 0, "pins");
        for (number, segment) in self.segments.iter() {
            assert!(segment.live <= segment.used, "segment {number}: {segment:?}");
            assert!(segment.state != State::Free || segment.span == 1);
            assert!(segment.state != State::Claimed, "a claim outlived its run");
        }
    }
}

/// A value that tells its key and version, of `len` bytes.
pub(super) fn pattern(key: u32, version: u32, len: usize) -> Vec<u8> {
    let seed = format!("{key}:{version};");
    seed.bytes().cycle().take(len).collect()
}

/// Small steps of a generator, for tests with many operations.
pub(super) struct Xorshift(pub(super) u64);

impl Xorshift {
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }
}
