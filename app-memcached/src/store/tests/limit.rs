//! Less memory, and more again, while the store works.

use super::*;

fn adjust(store: &mut Handle) -> usize {
    let mut steps = 0;
    while store.adjust() == Adjusting::Goes {
        store.pass();
        steps += 1;
        assert!(steps < 1_000_000, "the limit is never kept");
    }
    steps
}

fn fill(store: &mut Handle, from: u32, to: u32) {
    for i in from..to {
        store.put(format!("key{i}").as_bytes(), &pattern(i, 0, 900)).unwrap();
        store.pass();
    }
}

/// How many of the keys are there, each with its value.
fn found(store: &mut Handle, keys: core::ops::Range<u32>) -> usize {
    keys.filter(|&i| match store.value(format!("key{i}").as_bytes()) {
        Some(value) => {
            assert_eq!(value, pattern(i, 0, 900));
            true
        }
        None => false,
    })
    .count()
}

#[test]
fn the_limit_is_kept() {
    let mut store = store_with(16 << 20, WhenFull::Evict);
    fill(&mut store, 0, 30_000);
    let (before, all) = (store.live_bytes(), store.limit());
    assert!(before > 12 << 20 && all == store.capacity());
    store.set_limit(8 << 20).unwrap();
    assert_eq!(store.limit(), 8 << 20);
    assert!(adjust(&mut store) > 100, "in slices");
    assert!(store.live_bytes() < 8 << 20 && store.live_bytes() > 5 << 20, "{} bytes", store.live_bytes());
    fill(&mut store, 30_000, 60_000);
    assert!(store.live_bytes() < 8 << 20 && store.len() > 5000);
    assert!(found(&mut store, 0..60_000) == store.len());
    store.check();
    store.set_limit(all as u64).unwrap();
    adjust(&mut store);
    fill(&mut store, 60_000, 90_000);
    assert!(store.live_bytes() > 12 << 20, "{} bytes", store.live_bytes());
    store.check();
}

#[test]
fn an_empty_store_is_limited_at_once() {
    let mut store = store_with(16 << 20, WhenFull::Evict);
    store.set_limit(8 << 20).unwrap();
    assert!(adjust(&mut store) < 200);
    fill(&mut store, 0, 30_000);
    assert!(store.live_bytes() < 8 << 20);
}

#[test]
fn what_may_not_be_evicted_stays() {
    let mut store = store_with(16 << 20, WhenFull::Refuse);
    fill(&mut store, 0, 12_000);
    store.set_limit(8 << 20).unwrap();
    adjust(&mut store);
    assert_eq!(found(&mut store, 0..12_000), 12_000);
    assert_eq!(store.put(b"more", &vec![b'v'; 900_000]), Err(OutOfMemory));
    for i in 0..9000 {
        store.delete(format!("key{i}").as_bytes());
    }
    store.set_limit(8 << 20).unwrap();
    adjust(&mut store);
    assert_eq!((found(&mut store, 0..12_000), store.limit()), (3000, 8 << 20));
    store.check();
}

#[test]
fn bounds() {
    let mut store = store_with(16 << 20, WhenFull::Evict);
    assert_eq!(store.set_limit(17 << 20), Err(OutOfBounds));
    assert_eq!(store.set_limit(0), Err(OutOfBounds));
    assert_eq!(store.limit(), store.capacity());
}
