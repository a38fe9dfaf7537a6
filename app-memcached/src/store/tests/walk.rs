//! Walks over all items.

use std::collections::HashMap;

use super::*;

/// How often each key is visited, a few buckets at a time, with `between` done between the steps.
fn visits(store: &mut Handle, mut between: impl FnMut(&mut Handle, u32)) -> HashMap<Vec<u8>, u32> {
    let (mut cursor, mut seen, mut step) = (Cursor::default(), HashMap::new(), 0);
    loop {
        let walk = store.walk(&mut cursor, 3, |item| {
            *seen.entry(item.key.to_vec()).or_default() += 1;
            Walk::GoOn
        });
        if walk == Walk::Stop {
            return seen;
        }
        between(store, step);
        step += 1;
    }
}

#[test]
fn each_item_is_visited_once() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    assert!(visits(&mut store, |_, _| {}).is_empty());
    for i in 0..5000 {
        store.put(format!("key{i}").as_bytes(), b"value").unwrap();
    }
    store.delete(b"key7");
    let seen = visits(&mut store, |_, _| {});
    assert!(seen.len() == 4999 && seen.values().all(|&times| times == 1));
}

#[test]
fn growth_hides_nothing() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    for i in 0..1000 {
        store.put(format!("old{i}").as_bytes(), b"value").unwrap();
    }
    let seen = visits(&mut store, |store, step| {
        for i in 0..10 {
            store.put(format!("new{step}-{i}").as_bytes(), b"value").unwrap();
        }
        store.pass();
    });
    assert!((0..1000).all(|i| seen.contains_key(format!("old{i}").as_bytes())));
    assert!(seen.len() > 1500, "the table grew meanwhile");
}

#[test]
fn a_walk_that_is_stopped_goes_on_where_it_was() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    for i in 0..500 {
        store.put(format!("key{i}").as_bytes(), b"value").unwrap();
    }
    let (mut cursor, mut seen) = (Cursor::default(), Vec::new());
    loop {
        let mut left = 2;
        let walk = store.walk(&mut cursor, 1000, |item| {
            if left == 0 {
                return Walk::Stop;
            }
            left -= 1;
            seen.push(item.key.to_vec());
            Walk::GoOn
        });
        if walk == Walk::Stop {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 500);
}

#[test]
fn what_a_visit_shows() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    store.put_if(Condition::Set, b"a", b"12345", 100).unwrap();
    store.set_now(10);
    store.get(b"a").unwrap();
    store.set_now(14);
    let mut shown = 0;
    store.walk(&mut Cursor::default(), u32::MAX, |item| {
        assert_eq!((item.key, item.flags, item.exptime, item.cas, item.value_len), (&b"a"[..], 5, 100, 1, 5));
        assert_eq!((item.details.is_fetched, item.details.idle_seconds), (true, 4));
        shown += 1;
        Walk::GoOn
    });
    assert_eq!(shown, 1);
}

#[test]
fn a_crawl_removes_what_has_expired() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    for i in 0..3000u32 {
        store.put_if(Condition::Set, format!("key{i}").as_bytes(), b"v", if i % 3 == 0 { 50 } else { 0 }).unwrap();
    }
    store.set_now(50);
    assert_eq!(visits(&mut store, |_, _| {}).len(), 2000);
    let (mut cursor, mut sum) = (Cursor::default(), Crawled::default());
    loop {
        let (walk, Crawled { checked, reclaimed }) = store.crawl(&mut cursor, 10);
        sum = Crawled { checked: sum.checked + checked, reclaimed: sum.reclaimed + reclaimed };
        if walk == Walk::Stop {
            break;
        }
    }
    assert_eq!((sum, store.len()), (Crawled { checked: 3000, reclaimed: 1000 }, 2000));
    assert_eq!(store.counters().expired_unfetched, 1000);
    store.check();
}
