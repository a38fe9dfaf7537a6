//! The appliance's store, in this process: the same code, on memory of the host.

use std::sync::Arc;

use app_memcached::store::{
    Condition, FIRST_SECOND, Handle, Marks, NewItem, Shared, StoreConfig, StoreMemory, WhenFull,
};

use super::replay::{Cache, Tally, value};
use super::trace::{Operation, Request};
use super::{CacheError, Held};

/// Requests in a turn.
const TURN: u64 = 32;
/// What an item's value ends with.
const LINE_END: &[u8] = b"\r\n";

/// A store of one core.
pub struct Ours {
    store: Handle,
    requests: u64,
    refused: u64,
}

impl Ours {
    /// An empty store. All that it keeps, its index too, lies in `bytes` bytes, which stay with the process for good.
    pub fn new(bytes: usize, seed: u64) -> Result<Ours, CacheError> {
        let config = StoreConfig { cores: 1, when_full: WhenFull::Evict, seed };
        let shared: Arc<Shared> = Shared::new(StoreMemory::leak(bytes), config)
            .map_err(|little| CacheError::TooLittle { bytes: little.bytes, needed: little.needed })?;
        let store = shared.handle().ok_or(CacheError::TooLittle { bytes, needed: bytes })?;
        Ok(Ours { store, requests: 0, refused: 0 })
    }

    /// Sets an item that expires `ttl_s` seconds from now; 0: never.
    pub fn set(&mut self, key: &[u8], value_len: usize, ttl_s: u32) {
        let exptime = if ttl_s == 0 { 0 } else { self.store.now().saturating_add(ttl_s) };
        let item = NewItem { key, flags: 0, exptime, marks: Marks::NONE };
        let stored = self.store.reserve(&item, value_len).and_then(|mut reservation| {
            self.store.fill(&mut reservation, value(value_len));
            self.store.fill(&mut reservation, LINE_END);
            self.store.publish(reservation, Condition::Set)
        });
        self.refused += u64::from(stored.is_err());
    }
}

impl Cache for Ours {
    fn play(&mut self, requests: &[Request], tally: &mut Tally) -> Result<(), CacheError> {
        for request in requests {
            if self.requests.is_multiple_of(TURN) {
                self.store.pass();
                let second = (request.time_us / 1_000_000) as u32;
                self.store.set_now(FIRST_SECOND.saturating_add(second));
            }
            self.requests += 1;
            match request.operation {
                Operation::Get => {
                    let hit = self.store.get(&request.key).is_ok();
                    tally.note(request.number, hit);
                    if !hit {
                        self.set(&request.key, request.value_len, request.ttl_s);
                    }
                }
                Operation::Set => self.set(&request.key, request.value_len, request.ttl_s),
                Operation::Delete => _ = self.store.delete(&request.key),
            }
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Tally) -> Result<Held, CacheError> {
        let counters = self.store.counters();
        Ok(Held {
            items: self.store.len() as u64,
            item_bytes: self.store.live_bytes(),
            index_bytes: Some(self.store.index_size().0 as u64),
            arena_bytes: Some(self.store.capacity() as u64),
            evictions: counters.evictions,
            reclaimed: counters.reclaimed,
            moved_bytes: Some(counters.moved_bytes),
            refused: self.refused,
        })
    }
}
