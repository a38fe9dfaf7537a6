//! Readers and writers that take long.

use super::*;

fn churn(store: &mut Handle, bytes: usize) {
    for i in 0..(bytes / 1000) as u32 {
        let _ = store.put(&(i + 1_000_000).to_le_bytes(), &[b'c'; 900]);
    }
}

#[test]
fn a_pinned_value_outlives_everything() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    store.put(b"a", &pattern(1, 1, 50_000)).unwrap();
    let pin = store.find_and_pin(b"a").unwrap();
    store.delete(b"a");
    churn(&mut store, 40 << 20);
    assert_eq!(store.pinned_value(&pin).len(), 50_002);
    assert!(store.pinned_value(&pin).starts_with(&pattern(1, 1, 50_000)));
    store.unpin(pin);
    assert_eq!(store.pinned_segments(), 0);
    churn(&mut store, 20 << 20);
    store.check();
}

#[test]
fn a_reservation_outlives_everything() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    let item = NewItem { key: b"slow", flags: 0, exptime: 0, marks: Marks::NONE };
    let mut reservation = store.reserve(&item, 40_000).unwrap();
    let value = pattern(2, 2, 40_000);
    for part in value.chunks(10_000) {
        store.fill(&mut reservation, part);
        churn(&mut store, 10 << 20);
    }
    assert!(!store.is_terminated(&reservation));
    store.fill(&mut reservation, b"\r\n");
    assert!(store.is_terminated(&reservation));
    assert_eq!(store.publish(reservation, Condition::Set), Ok(Outcome::Stored));
    assert_eq!(store.value(b"slow"), Some(value));
    store.check();
}

#[test]
fn pins_are_bounded_and_leave_room() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    let mut pins = Vec::new();
    for i in 0..200u32 {
        store.put(&i.to_le_bytes(), &vec![b'v'; 60_000]).unwrap();
        pins.extend(store.find_and_pin(&i.to_le_bytes()));
    }
    assert!(store.pinned_segments() <= store.shared.segments.total() / 2);
    churn(&mut store, 20 << 20);
    store.put(b"still", b"room").unwrap();
    for pin in pins {
        assert!(store.pinned_value(&pin).starts_with(&vec![b'v'; 60_000]));
        store.unpin(pin);
    }
    assert_eq!(store.pinned_segments(), 0);
    store.check();
}

#[test]
fn reservations_are_bounded() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    let mut open = Vec::new();
    loop {
        let item = NewItem { key: b"k", flags: 0, exptime: 0, marks: Marks::NONE };
        let reservation = store.reserve(&item, 60_000).unwrap();
        let may_hold = store.may_hold(&reservation);
        open.push(reservation);
        if !may_hold {
            break;
        }
    }
    assert!(open.len() > 10);
    store.put(b"still", b"room").unwrap();
    open.into_iter().for_each(|reservation| store.abandon(reservation));
    assert_eq!(store.pinned_segments(), 0);
    store.check();
}

#[test]
fn joining_survives_cleaning() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    store.put(b"log", b"").unwrap();
    let mut expected = Vec::new();
    for i in 0..3_000u32 {
        let part = format!("{i},");
        if store.put_if(Condition::Append, b"log", part.as_bytes(), 0) == Ok(Outcome::NotStored) {
            expected.clear();
            store.put(b"log", b"").unwrap();
        } else {
            expected.extend_from_slice(part.as_bytes());
        }
        store.put(&(i % 50).to_le_bytes(), &[b'x'; 5_000]).unwrap();
    }
    assert_eq!(store.value(b"log"), Some(expected));
    store.check();
}

#[test]
fn lent_bytes_hold_their_segment_until_all_are_back() {
    let mut store = store_with(8 << 20, WhenFull::Evict);
    let value = pattern(3, 3, 3000);
    store.put(b"large", &value).unwrap();
    let pin = store.find_and_pin(b"large").unwrap();
    let parts = [(0, 1000), (1000, 1500), (2500, 10_000)].map(|(from, len)| store.lend(&pin, from, len));
    store.unpin(pin);
    assert_eq!(parts.map(|part| part.len()), [1000, 1500, 502], "the line end is a part of the value");
    assert!(store.delete(b"large"));
    for (n, part) in parts.iter().enumerate() {
        churn(&mut store, 20 << 20);
        assert_eq!((n, store.pinned_segments()), (n, 1));
        let at = 1000 * n + 500 * n.saturating_sub(1);
        assert_eq!(part.bytes()[..500], value[at..at + 500]);
        store.take_back(part);
    }
    assert_eq!(store.pinned_segments(), 0);
    store.check();
}

#[test]
fn parts_of_a_value_of_many_segments_come_back() {
    const PART: usize = 10_000;
    let mut store = store_with(8 << 20, WhenFull::Evict);
    let value = pattern(1, 0, 3 * store.shared.segments.bytes());
    store.put(b"huge", &value).unwrap();
    let pin = store.find_and_pin(b"huge").unwrap();
    let lent: Vec<_> = (0..value.len()).step_by(PART).map(|from| store.lend(&pin, from, PART)).collect();
    store.unpin(pin);
    assert!(store.pinned_segments() >= 4, "held as long as a part is lent");
    store.delete(b"huge");
    churn(&mut store, 20 << 20);
    lent.iter().for_each(|part| store.take_back(part));
    assert_eq!(store.pinned_segments(), 0);
    churn(&mut store, 20 << 20);
    store.check();
}
