//! Full memory: what is kept, what goes, what is refused.

use super::*;

/// Overwrites keys at random, with values of up to `max_value` bytes, until five times the memory was written; every key was
/// written once before, and together they take `share` percent of the memory.
fn overwrite(memory: usize, max_value: usize, share: usize) -> Handle {
    let mut store = store_with(memory, WhenFull::Evict);
    let mut random = Xorshift(9);
    let mut model: HashMap<u32, (u32, usize)> = HashMap::new();
    let mut key = 0u32;
    while (store.live_bytes() as usize + index_bytes(&store)) * 100 < memory * share {
        let len = random.below(max_value);
        store.put(&key.to_le_bytes(), &pattern(key, 0, len)).unwrap();
        model.insert(key, (0, len));
        key += 1;
    }
    let mut written = 0;
    let mut version = 0;
    while written < 5 * memory {
        let key = random.below(key as usize) as u32;
        version += 1;
        // The same length, so that the live bytes stay.
        let len = model[&key].1;
        store.put(&key.to_le_bytes(), &pattern(key, version, len)).unwrap();
        model.insert(key, (version, len));
        written += len + 32;
    }
    for (key, (version, len)) in &model {
        assert_eq!(store.value(&key.to_le_bytes()), Some(pattern(*key, *version, *len)), "key {key}");
    }
    assert_eq!(store.counters().evictions, 0);
    store.check();
    store
}

fn index_bytes(store: &Handle) -> usize {
    store.shared.segments.iter().filter(|(_, segment)| segment.state() == State::Index).count()
        * store.shared.segments.bytes()
}

#[test]
fn nothing_live_is_lost_at_70_percent() {
    overwrite(8 << 20, 100, 70);
    overwrite(8 << 20, 2_000, 70);
    overwrite(70 << 20, 2_000, 70);
}

#[test]
fn nothing_live_is_lost_at_80_percent() {
    let store = overwrite(8 << 20, 500, 80);
    let copied = store.counters().moved_bytes;
    assert!(copied < 15 * (8 << 20), "copied {copied} bytes for 40 MiB written");
}

#[test]
fn the_oldest_go_first_unless_they_are_read() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    let key = |i: u32| i.to_le_bytes();
    for i in 0..20_000 {
        store.put(&key(i), &[b'v'; 1000]).unwrap();
        store.set_now(FIRST_SECOND + i / 100);
        assert!(store.get(&key(i % 50)).is_ok(), "item {} is read all the time, after {i}", i % 50);
    }
    assert!(store.counters().evictions > 10_000);
    assert!(store.counters().evicted_unfetched > 10_000);
    assert!(store.live_bytes() as usize * 100 > store.capacity() * 85, "memory is used");
    assert!(store.get(&key(19_999)).is_ok() && store.get(&key(15_000)).is_ok());
    assert!(store.get(&key(200)).is_err());
    store.check();
}

#[test]
fn expired_items_make_room() {
    let mut store = store_with(8 << 20, WhenFull::Refuse);
    let mut stored = 0u32;
    while store.put_if(Condition::Set, &stored.to_le_bytes(), &[b'v'; 1000], FIRST_SECOND + 10).is_ok() {
        stored += 1;
    }
    assert!(stored > 6_500, "{stored} items of 1 KB in 8 MiB");
    assert_eq!(store.counters().evictions, 0);
    store.set_now(FIRST_SECOND + 11);
    let mut refused = 0;
    for i in 0..stored {
        refused += u32::from(store.put(&(i + 1_000_000).to_le_bytes(), &[b'v'; 1000]).is_err());
    }
    assert!(refused < stored / 4, "{refused} of {stored} refused although all are expired");
    assert!(store.counters().reclaimed > 0 && store.counters().evictions == 0);
    store.check();
}

#[test]
fn refusing_keeps_everything() {
    let mut store = store_with(8 << 20, WhenFull::Refuse);
    let stored = (0u32..).take_while(|i| store.put(&i.to_le_bytes(), &[b'v'; 3000]).is_ok()).count() as u32;
    for i in 0..stored {
        assert!(store.get(&i.to_le_bytes()).is_ok());
    }
    assert!(store.delete(&0u32.to_le_bytes()));
    for i in 1..stored / 2 {
        store.delete(&i.to_le_bytes());
    }
    for i in 1..stored / 4 {
        store.put(&i.to_le_bytes(), &[b'w'; 3000]).unwrap();
    }
    store.check();
}

#[test]
fn large_items_in_little_memory() {
    for memory in [6 << 20, 8 << 20, 100 << 20] {
        let mut store = store_with(memory, WhenFull::Evict);
        let mut random = Xorshift(5);
        for i in 0..200u32 {
            let len = if random.below(2) == 0 { 1_048_000 } else { random.below(300_000) };
            store.put(&i.to_le_bytes(), &pattern(i, 0, len)).unwrap();
            assert_eq!(store.value(&i.to_le_bytes()), Some(pattern(i, 0, len)));
            store.put(&(i + 1000).to_le_bytes(), b"small").unwrap();
            store.check();
        }
        assert_eq!(store.put(b"huge", &vec![0; memory]), Err(OutOfMemory));
    }
}

#[test]
fn large_items_that_fit_stay() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    for round in 0..20 {
        for key in 0..4u32 {
            store.put(&key.to_le_bytes(), &pattern(key, round, 1_000_000)).unwrap();
        }
        for key in 10..500u32 {
            store.put(&key.to_le_bytes(), &pattern(key, round, 1_000)).unwrap();
        }
        for key in 0..4u32 {
            assert_eq!(store.value(&key.to_le_bytes()), Some(pattern(key, round, 1_000_000)), "round {round}");
        }
    }
    assert_eq!(store.counters().evictions, 0);
    store.check();
}

#[test]
fn no_write_walks_far() {
    for (memory, read_share) in [(16 << 20, 0), (16 << 20, 50), (24 << 20, 90)] {
        let mut store = store_with(memory, WhenFull::Evict);
        let mut random = Xorshift(3);
        let mut most = 0;
        for key in 0..(memory / 20) as u32 {
            let before = store.cleaner.walked;
            store.put(&key.to_le_bytes(), &[b'v'; 39][..8 + random.below(32)]).unwrap();
            most = most.max(store.cleaner.walked - before);
            if random.below(100) < read_share {
                let _ = store.get(&(key - random.below(key as usize + 1) as u32).to_le_bytes());
            }
            store.pass();
        }
        assert!(store.counters().evictions > 100_000);
        assert!(most <= 200, "{most} items for one write, {read_share} % read");
        store.check();
    }
}

#[test]
fn what_has_expired_is_swept() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    for i in 0..4_000u32 {
        let exptime = if i % 4 == 0 { 0 } else { FIRST_SECOND + 1 + i % 4 * 10 };
        store.put_if(Condition::Set, &i.to_le_bytes(), &[b'v'; 1000], exptime).unwrap();
    }
    let mut left = Vec::new();
    for second in 1..=60 {
        store.set_now(FIRST_SECOND + second);
        (0..1_000).for_each(|_| store.pass());
        left.push(store.len());
    }
    // The head, which holds the last 130 items, is left alone.
    assert!((1_000..1_100).contains(&left[59]), "{left:?}");
    assert!(left[9] == 4_000 && left[30] < 3_100 && left[40] < 2_100, "{left:?}");
    assert_eq!(store.counters().evictions, 0);
    assert!((0..4_000u32).step_by(4).all(|i| store.get(&i.to_le_bytes()).is_ok()));
    store.check();
}

#[test]
fn a_touched_item_is_swept_in_its_time() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    for i in 0..1_000u32 {
        store.put(&i.to_le_bytes(), &[b'v'; 1000]).unwrap();
    }
    for i in 0..500u32 {
        assert!(store.touch(&i.to_le_bytes(), FIRST_SECOND + 5).is_ok());
    }
    for second in 1..=30 {
        store.set_now(FIRST_SECOND + second);
        (0..1_000).for_each(|_| store.pass());
    }
    assert!((500..640).contains(&store.len()), "{} left", store.len());
    store.check();
}
