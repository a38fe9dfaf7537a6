//! The store as a whole.

use std::collections::HashMap;

use super::segment::State;
use super::*;

mod basics;
mod capacity;
mod index;
mod limit;
mod model;
mod pins;
mod stress;
mod walk;

pub(super) fn store_with(bytes: usize, when_full: WhenFull) -> Handle {
    store_in(StoreMemory::leak(bytes), when_full)
}

/// The only handle of a store for one core.
pub(super) fn store_in(memory: StoreMemory, when_full: WhenFull) -> Handle {
    let shared = Shared::new(memory, StoreConfig { cores: 1, when_full, seed: 42 }).ok().unwrap();
    let mut store = shared.handle().unwrap();
    store.online();
    store
}

impl Handle {
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
        let item = NewItem { key, flags: value.len() as u32, exptime, marks: Marks::NONE };
        let mut reservation = self.reserve(&item, value.len())?;
        assert_eq!(self.fill(&mut reservation, value), value.len());
        assert_eq!(self.fill(&mut reservation, b"\r\nmore"), 2);
        self.publish(reservation, condition)
    }

    /// The value of `key`, without its line end.
    pub(super) fn value(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        self.get(key).ok().map(|item| item.value.strip_suffix(b"\r\n").unwrap().to_vec())
    }

    /// Looks an item up and holds it.
    pub(super) fn find_and_pin(&mut self, key: &[u8]) -> Option<Pin> {
        let place = self.get(key).ok()?.place;
        self.pin(place)
    }

    /// What the tables say agrees with what is in the arena, while nobody is in the middle of something.
    pub(super) fn check(&mut self) {
        self.reclaim();
        let shared = self.shared.clone();
        let heads = [segment::Age::Fresh, segment::Age::Survivor].map(|age| *self.heads.of(age));
        let mut live = 0;
        for (number, segment) in shared.segments.iter() {
            let head = heads.iter().flatten().find(|head| head.number == number);
            let used = head.map_or(segment.used(), |head| head.used as u32);
            match segment.state() {
                State::Head => assert!(head.is_some(), "segment {number} has no owner"),
                State::Sealed | State::Cleaning => {}
                State::Free | State::Tail | State::Index | State::Limbo => {
                    assert!(segment.state() != State::Free || segment.span() == 1);
                    continue;
                }
            }
            assert!(segment.dead() <= used, "segment {number}: {} dead of {used} bytes", segment.dead());
            live += u64::from(used - segment.dead());
        }
        let held = (0..shared.segments.total()).any(|number| shared.pins.are_held(number as u32));
        assert_eq!(held, self.pinned_segments() > 0, "pins");
        // What is reserved counts as live in its segment.
        assert!(held || live == self.live_bytes(), "{live} bytes live by segment, {} counted", self.live_bytes());
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
