//! What a cache is measured against: the least recently used item goes first, and an item takes its key and value and not a
//! byte more.

use std::collections::HashMap;

use super::{Cache, Tally};
use crate::cache::trace::{Operation, Request};
use crate::cache::{CacheError, Held};

/// No item: the ends of the list.
const NONE: u32 = u32::MAX;

/// A cache by exact LRU, without any memory of its own.
#[derive(Debug)]
pub struct Lru {
    capacity: usize,
    bytes: usize,
    places: HashMap<Vec<u8>, u32>,
    items: Vec<Item>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    evictions: u64,
    expired: u64,
}

#[derive(Debug)]
struct Item {
    key: Vec<u8>,
    bytes: usize,
    /// When it expires, in microseconds.
    expires_us: u64,
    newer: u32,
    older: u32,
}

impl Lru {
    /// An empty one for `capacity` bytes of keys and values.
    pub fn new(capacity: usize) -> Lru {
        Lru {
            capacity,
            bytes: 0,
            places: HashMap::new(),
            items: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            evictions: 0,
            expired: 0,
        }
    }

    /// Whether there is an item now, which becomes the newest.
    fn get(&mut self, request: &Request) -> bool {
        let Some(&place) = self.places.get(&request.key) else { return false };
        if self.items[place as usize].expires_us <= request.time_us {
            self.expired += 1;
            self.remove(place);
            return false;
        }
        self.detach(place);
        self.attach(place);
        true
    }

    fn set(&mut self, request: &Request) {
        if let Some(&place) = self.places.get(&request.key) {
            self.remove(place);
        }
        let bytes = request.key.len() + request.value_len;
        while self.bytes + bytes > self.capacity && self.oldest != NONE {
            self.evictions += 1;
            self.remove(self.oldest);
        }
        let lifetime_us = u64::from(request.ttl_s) * 1_000_000;
        let expires_us = if request.ttl_s == 0 { u64::MAX } else { request.time_us + lifetime_us };
        let item = Item { key: request.key.clone(), bytes, expires_us, newer: NONE, older: NONE };
        let place = match self.free.pop() {
            Some(place) => {
                self.items[place as usize] = item;
                place
            }
            None => {
                self.items.push(item);
                (self.items.len() - 1) as u32
            }
        };
        self.places.insert(request.key.clone(), place);
        self.bytes += bytes;
        self.attach(place);
    }

    fn remove(&mut self, place: u32) {
        self.detach(place);
        let item = &mut self.items[place as usize];
        self.bytes -= item.bytes;
        let key = std::mem::take(&mut item.key);
        self.places.remove(&key);
        self.free.push(place);
    }

    /// Makes an item the newest.
    fn attach(&mut self, place: u32) {
        let item = &mut self.items[place as usize];
        (item.older, item.newer) = (self.newest, NONE);
        match self.newest {
            NONE => self.oldest = place,
            newest => self.items[newest as usize].newer = place,
        }
        self.newest = place;
    }

    fn detach(&mut self, place: u32) {
        let Item { newer, older, .. } = self.items[place as usize];
        match newer {
            NONE => self.newest = older,
            newer => self.items[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.items[older as usize].newer = newer,
        }
    }
}

impl Cache for Lru {
    fn play(&mut self, requests: &[Request], tally: &mut Tally) -> Result<(), CacheError> {
        for request in requests {
            match request.operation {
                Operation::Get => {
                    let hit = self.get(request);
                    tally.note(request.number, hit);
                    if !hit {
                        self.set(request);
                    }
                }
                Operation::Set => self.set(request),
                Operation::Delete => {
                    if let Some(&place) = self.places.get(&request.key) {
                        self.remove(place);
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Tally) -> Result<Held, CacheError> {
        Ok(Held {
            items: self.places.len() as u64,
            item_bytes: self.bytes as u64,
            evictions: self.evictions,
            reclaimed: self.expired,
            ..Held::default()
        })
    }
}
