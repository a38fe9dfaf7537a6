//! Storing, finding, conditions, time.

use super::*;

#[test]
fn too_little_memory_is_refused() {
    let config = StoreConfig { cores: 1, when_full: WhenFull::Evict, seed: 1 };
    assert!(matches!(Shared::new(StoreMemory::leak(1000), config), Err(e) if e.bytes == 1000 && e.needed > 1000));
    let needed = Shared::new(StoreMemory::leak(1000), config).err().unwrap().needed;
    assert!(Shared::new(StoreMemory::leak(needed), config).is_ok());
    let four = StoreConfig { cores: 4, ..config };
    assert!(Shared::new(StoreMemory::leak(1000), four).err().unwrap().needed > needed);
}

#[test]
fn each_core_has_one_handle() {
    let config = StoreConfig { cores: 2, when_full: WhenFull::Evict, seed: 1 };
    let shared = Shared::new(StoreMemory::leak(8 << 20), config).ok().unwrap();
    let handles = [shared.handle(), shared.handle(), shared.handle()];
    assert_eq!(handles.map(|handle| handle.is_some()), [true, true, false]);
}

#[test]
fn an_item_comes_back() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    assert_eq!(store.get(b"a").err(), Some(Miss::Absent));
    assert_eq!(store.put(b"a", b"one"), Ok(Outcome::Stored));
    let item = store.get(b"a").unwrap();
    assert_eq!((item.flags, item.exptime, item.cas, item.value), (3, 0, 1, &b"one\r\n"[..]));
    assert!(store.delete(b"a") && !store.delete(b"a"));
    assert_eq!((store.len(), store.live_bytes()), (0, 0));
    store.check();
}

#[test]
fn small_items_are_small() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    store.put(&[b'k'; 19], b"vv").unwrap();
    assert_eq!(store.live_bytes(), 48);
}

#[test]
fn conditions() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    assert_eq!(store.put_if(Condition::Replace, b"a", b"0", 0), Ok(Outcome::NotStored));
    assert_eq!(store.put_if(Condition::Cas(1), b"a", b"0", 0), Ok(Outcome::NotFound));
    assert_eq!(store.put_if(Condition::Append, b"a", b"0", 0), Ok(Outcome::NotStored));
    assert_eq!(store.put_if(Condition::Add, b"a", b"1", 0), Ok(Outcome::Stored));
    assert_eq!(store.put_if(Condition::Add, b"a", b"2", 0), Ok(Outcome::NotStored));
    assert_eq!(store.put_if(Condition::Replace, b"a", b"3", 0), Ok(Outcome::Stored));
    assert_eq!(store.put_if(Condition::Append, b"a", b"4", 0), Ok(Outcome::Stored));
    assert_eq!(store.put_if(Condition::Prepend, b"a", b"2", 0), Ok(Outcome::Stored));
    assert_eq!(store.value(b"a").unwrap(), b"234");
    let cas = store.get(b"a").unwrap().cas;
    assert_eq!(store.put_if(Condition::Cas(cas + 1), b"a", b"5", 0), Ok(Outcome::Exists));
    assert_eq!(store.put_if(Condition::Cas(cas), b"a", b"6", 0), Ok(Outcome::Stored));
    assert_eq!(store.value(b"a").unwrap(), b"6");
    assert_eq!((store.len(), store.pinned_segments()), (1, 0));
    store.check();
}

#[test]
fn items_expire() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    store.put_if(Condition::Set, b"a", b"1", FIRST_SECOND + 5).unwrap();
    store.put_if(Condition::Set, b"b", b"2", FIRST_SECOND + 5).unwrap();
    store.set_now(FIRST_SECOND + 4);
    assert!(store.get(b"a").is_ok());
    assert!(store.get_and_touch(b"b", FIRST_SECOND + 9).is_ok());
    store.set_now(FIRST_SECOND + 5);
    assert_eq!(store.get(b"a").err(), Some(Miss::Expired));
    assert_eq!(store.get(b"a").err(), Some(Miss::Absent), "it is gone for good");
    assert!(store.get(b"b").is_ok());
    store.set_now(3);
    assert_eq!(store.now(), FIRST_SECOND + 5, "time does not go back");
}

#[test]
fn flushes_now_and_later() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    store.put(b"a", b"1").unwrap();
    store.flush(store.now());
    assert_eq!(store.get(b"a").err(), Some(Miss::Flushed));
    store.put(b"a", b"2").unwrap();
    store.flush(store.now() + 2);
    store.put(b"b", b"3").unwrap();
    store.set_now(store.now() + 1);
    assert!(store.get(b"a").is_ok() && store.get(b"b").is_ok());
    store.set_now(store.now() + 1);
    assert!(store.get(b"a").is_err() && store.get(b"b").is_err());
    store.put(b"a", b"4").unwrap();
    assert!(store.get(b"a").is_ok());
}
