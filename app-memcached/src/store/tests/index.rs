//! The index under load.

use super::*;

#[test]
fn a_cache_of_small_items_fits_well() {
    // USR: keys of 19 bytes, values of 2. Items of 48 bytes and their share of the index.
    let mut store = store_with(16 << 20, WhenFull::Evict);
    let items = 200_000u32;
    for i in 0..items {
        store.put(format!("{i:019}").as_bytes(), b"vv").unwrap();
    }
    assert_eq!((store.counters().evictions, store.len()), (0, items as usize));
    for i in 0..items {
        assert!(store.get(format!("{i:019}").as_bytes()).is_ok(), "item {i}");
    }
    let index = store.shared.segments.iter().filter(|(_, segment)| segment.state() == State::Index).count();
    let bytes_per_item = index * store.shared.segments.bytes() / items as usize;
    assert!(bytes_per_item <= 20, "{bytes_per_item} bytes of index an item");
    store.check();
}

#[test]
fn it_grows_one_bucket_at_a_time() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    let mut before = store.index_size().0;
    for i in 0..20_000u32 {
        store.put(&i.to_le_bytes(), b"").unwrap();
        let after = store.index_size().0;
        assert!(after - before <= arena::LINE);
        before = after;
    }
    for i in 0..20_000u32 {
        assert!(store.delete(&i.to_le_bytes()));
    }
    assert!(store.is_empty());
    for i in 0..20_000u32 {
        store.put(&i.to_le_bytes(), b"").unwrap();
    }
    assert_eq!(store.len(), 20_000);
    store.check();
}

#[test]
fn a_doubling_that_had_to_wait_is_made_up_for() {
    let config = StoreConfig { cores: 2, when_full: WhenFull::Evict, seed: 7 };
    let shared = Shared::new(StoreMemory::leak(8 << 20), config).unwrap();
    let [mut busy, mut late] = [(); 2].map(|()| shared.handle().unwrap());
    busy.pass();
    late.pass();
    for i in 0..4096u32 {
        busy.put(&i.to_le_bytes(), b"").unwrap(); // while the other core does not end its turn
    }
    let behind = busy.index_size().0 / arena::LINE;
    assert!(behind < 4096 / 5 / 2, "{behind} buckets");
    for _ in 0..200 {
        late.pass();
        busy.pass();
    }
    let buckets = busy.index_size().0 / arena::LINE;
    assert!((4096 / 5..=4096 / 5 + 2).contains(&buckets), "{buckets} buckets");
    for i in 0..4096u32 {
        assert!(busy.get(&i.to_le_bytes()).is_ok());
    }
}

/// Bytes of index an item: buckets, and overflow in use.
fn index_bytes_per_item(store: &Handle) -> f64 {
    (store.index_size().0 + store.overflow_size().used) as f64 / store.len() as f64
}

#[test]
fn overflow_is_given_back_under_churn() {
    // A full cache, in which each bucket has had more items than it has slots, again and again.
    let mut store = store_with(4 << 20, WhenFull::Evict);
    let mut key = 0u32;
    for turnover in 0..6 {
        let end = store.counters().evictions + 30_000;
        while store.counters().evictions < end {
            store.put(&key.to_le_bytes(), &[b'v'; 60]).unwrap();
            key += 1;
            if key.is_multiple_of(64) {
                store.pass();
            }
        }
        let bytes = index_bytes_per_item(&store);
        assert!(bytes < 18.0, "{bytes} bytes an item after {turnover} turnovers: {:?}", store.overflow_size());
    }
    store.check();
}

#[test]
fn overflow_of_items_that_were_deleted_is_free() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    for round in 0..3u32 {
        for i in 0..20_000u32 {
            store.put(&(i + round).to_le_bytes(), b"").unwrap();
        }
        assert!(store.overflow_size().used > 20_000);
        for i in 0..20_000u32 {
            assert!(store.delete(&(i + round).to_le_bytes()));
            store.pass();
        }
        assert!(store.is_empty());
        let kept = store.overflow_size().used / arena::LINE;
        assert!(kept <= 24, "{kept} overflow buckets for no items");
    }
}
