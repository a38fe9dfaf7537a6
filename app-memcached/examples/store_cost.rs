//! Store operations for an instruction counter:
//! `valgrind --tool=callgrind store_cost get|set|add 100000`, less the count of the same with `0`, over 100000.

use app_memcached::store::{Condition, Handle, NewItem, Shared, StoreConfig, StoreMemory, WhenFull};

const ITEMS: u32 = 50_000;
const VALUE: &[u8] = &[b'v'; 100];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (Some(operation), Some(count)) = (arguments.get(1), arguments.get(2).and_then(|count| count.parse().ok()))
    else {
        eprintln!("usage: store_cost get|set|add COUNT");
        std::process::exit(2);
    };
    let config = StoreConfig { cores: 1, when_full: WhenFull::Evict, seed: 42 };
    let shared = Shared::new(StoreMemory::leak(256 << 20), config).ok();
    let Some(mut store) = shared.and_then(|shared| shared.handle()) else { std::process::exit(1) };
    store.online();
    for i in 0..ITEMS {
        put(&mut store, i);
    }
    let mut found = 0;
    for i in 0..count {
        match operation.as_str() {
            "get" => found += usize::from(store.get(&key(i % ITEMS)).is_ok_and(|item| item.value[0] == b'v')),
            "set" => put(&mut store, i % ITEMS),
            "add" => put(&mut store, ITEMS + i),
            _ => std::process::exit(2),
        }
    }
    println!("{found} of {count} found, {} items", store.len());
}

fn key(i: u32) -> [u8; 20] {
    let mut key = *b"key-0000000000000000";
    key[4..12].copy_from_slice(&u64::from(i).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key
}

fn put(store: &mut Handle, i: u32) {
    let item = NewItem { key: &key(i), flags: 0, exptime: 0 };
    let Ok(mut reservation) = store.reserve(&item, VALUE.len()) else { return };
    store.fill(&mut reservation, VALUE);
    store.fill(&mut reservation, b"\r\n");
    let _ = store.publish(reservation, Condition::Set);
}
