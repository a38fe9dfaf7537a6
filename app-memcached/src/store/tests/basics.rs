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
    assert_eq!(store.live_bytes(), 40, "36, and 4 for the flags");
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

#[test]
fn one_client_wins() {
    let mut store = store_with(4 << 20, WhenFull::Evict);
    store.put(b"a", b"old").unwrap();
    let cas = store.get(b"a").unwrap().cas;
    assert!(matches!(store.remark(b"a", cas + 1, Remark::Invalidate), Ok(None)), "another CAS value");
    assert!(matches!(store.remark(b"a", cas, Remark::Invalidate), Ok(Some(_))));
    let item = store.peek(b"a").unwrap();
    let (stale, place) = (item.cas, item.place);
    assert!(stale > cas && item.value == b"old\r\n");
    assert_eq!(store.details(place).unwrap().marks, Marks::STALE);
    let place = store.remark(b"a", stale, Remark::Win).unwrap().expect("the first wins");
    assert_eq!(store.value_at(place), Some(&b"old\r\n"[..]));
    assert_eq!(store.details(place).unwrap().marks, Marks::STALE.with(Marks::WON));
    assert!(matches!(store.remark(b"a", stale, Remark::Win), Ok(None)), "the second does not");
    assert_eq!((store.peek(b"a").unwrap().cas, store.len()), (stale, 1));
    store.check();
}

#[test]
fn a_lower_cas_value_stores_what_is_stale() {
    let mut store = store_with(4 << 20, WhenFull::Evict);
    store.put_if(Condition::Set, b"a", b"1", FIRST_SECOND + 5).unwrap();
    let cas = store.get(b"a").unwrap().cas;
    store.put_if(Condition::Set, b"a", b"2", FIRST_SECOND + 5).unwrap();
    assert_eq!(store.put_if(Condition::CasOrStale(cas + 9), b"a", b"3", 0), Ok(Outcome::Exists));
    assert_eq!(store.put_if(Condition::CasOrStale(cas), b"a", b"3", 0), Ok(Outcome::Stored));
    let item = store.peek(b"a").unwrap();
    let (cas, exptime, place) = (item.cas, item.exptime, item.place);
    assert_eq!((exptime, item.value), (FIRST_SECOND + 5, &b"3\r\n"[..]));
    assert_eq!(store.details(place).unwrap().marks, Marks::STALE);
    assert_eq!(store.put_if(Condition::CasOrStale(cas), b"a", b"4", 0), Ok(Outcome::Stored));
    let item = store.peek(b"a").unwrap();
    let (exptime, place) = (item.exptime, item.place);
    assert_eq!((exptime, store.details(place).unwrap().marks), (0, Marks::NONE));
}

#[test]
fn joins_with_a_cas_value_or_alone() {
    let mut store = store_with(4 << 20, WhenFull::Evict);
    let join = |end, cas, absent| Condition::Join(Join { end, cas, absent });
    assert_eq!(store.put_if(join(End::Back, 0, Absent::Refuse), b"a", b"1", 0), Ok(Outcome::NotStored));
    assert_eq!(store.put_if(join(End::Back, 0, Absent::Add), b"a", b"1", 0), Ok(Outcome::Stored));
    let cas = store.get(b"a").unwrap().cas;
    assert_eq!(store.put_if(join(End::Back, cas + 1, Absent::Refuse), b"a", b"2", 0), Ok(Outcome::Exists));
    assert_eq!(store.put_if(join(End::Front, cas, Absent::Refuse), b"a", b"2", 0), Ok(Outcome::Stored));
    assert_eq!(store.get(b"a").unwrap().value, b"21\r\n");
}

#[test]
fn history_is_kept() {
    let mut store = store_with(4 << 20, WhenFull::Evict);
    store.put(b"a", b"10").unwrap();
    let details = |store: &mut Handle| {
        let place = store.peek(b"a").unwrap().place;
        let details = store.details(place).unwrap();
        (details.is_fetched, details.idle_seconds)
    };
    store.set_now(FIRST_SECOND + 3);
    assert_eq!(details(&mut store), (false, 3));
    store.get(b"a").unwrap();
    assert_eq!(details(&mut store), (true, 0));
    store.set_now(FIRST_SECOND + 7);
    assert_eq!(details(&mut store), (true, 4));
    let cas = store.peek(b"a").unwrap().cas;
    store.put_if(Condition::Derived(cas), b"a", b"11", 0).unwrap();
    assert_eq!(details(&mut store), (true, 0));
    let cas = store.peek(b"a").unwrap().cas;
    store.put_if(Condition::Derived(cas), b"a", b"111", 0).unwrap();
    assert_eq!(details(&mut store), (false, 0));
}

#[test]
fn notes_are_kept_over_turns() {
    let mut store = store_with(4 << 20, WhenFull::Evict);
    let note = store.note(b"Oabc").unwrap();
    store.pass();
    assert_eq!((store.noted(&note), store.pinned_segments()), (&b"Oabc"[..], 1));
    store.drop_note(note);
    assert_eq!((store.pinned_segments(), store.len()), (0, 0));
}
