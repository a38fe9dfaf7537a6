//! The index: keys that come and go, splits, copies.

use alloc::sync::Arc;

use loom::thread;

use super::super::sync::{AtomicU32, Ordering};
use super::model;
use super::table::{Core, hash, item, race, table, version_of};

fn nothing(_: &mut Core) {}

#[test]
fn a_key_is_added_once() {
    race(
        3,
        nothing,
        |core| core.set(0, 1),
        |core| core.set(0, 2),
        |core, one, two| {
            let last = match (one, two) {
                (None, Some(1)) => 2,
                (Some(2), None) => 1,
                other => panic!("one adds, and the other one replaces that: {other:?}"),
            };
            assert_eq!(core.remove(0), Some(last));
            assert_eq!(core.get(0), None, "it was there twice");
        },
    );
}

#[test]
fn a_key_is_added_once_where_another_one_goes() {
    race(
        3,
        |core| core.add_alone(8),
        |core| core.set(0, 1),
        |core| {
            core.remove(8);
            core.set(0, 2)
        },
        |core, one, two| {
            assert!(one.is_none() != two.is_none());
            assert!(core.remove(0).is_some());
            assert_eq!((core.get(0), core.get(8)), (None, None));
        },
    );
}

#[test]
fn chains_grow_at_once() {
    race(
        2,
        |core| {
            core.add_alone(2);
            core.add_alone(4);
        },
        |core| core.add_alone(6),
        |core| core.add_alone(8),
        |core, (), ()| assert!([2, 4, 6, 8].iter().all(|&key| core.get(key) == Some(0))),
    );
}

#[test]
fn a_split_loses_no_update() {
    race(
        3,
        |core| {
            core.add_alone(0);
            core.add_alone(1);
        },
        |core| core.grow(),
        |core| (core.set(1, 5), core.get(1), core.set(0, 6)),
        |core, (), (one, read, zero)| {
            assert_eq!((one, read, zero), (Some(0), Some(5), Some(0)));
            assert_eq!((core.get(0), core.get(1), core.buckets()), (Some(6), Some(5), 2));
            assert_eq!((core.remove(1), core.get(1)), (Some(5), None));
        },
    );
}

#[test]
fn a_split_loses_no_insertion_and_revives_nothing() {
    race(
        2,
        |core| {
            core.add_alone(0);
            core.add_alone(1);
            core.add_alone(3);
        },
        |core| core.grow(),
        |core| {
            core.add_alone(5);
            assert_eq!(core.remove(1), Some(0));
            assert_eq!((core.get(1), core.get(3)), (None, Some(0)));
        },
        |core, (), ()| {
            assert_eq!([0, 1, 3, 5].map(|key| core.get(key)), [Some(0), None, Some(0), Some(0)]);
        },
    );
}

#[test]
fn readers_miss_nothing_in_a_split() {
    race(
        3,
        |core| {
            core.add_alone(0);
            core.add_alone(1);
        },
        |core| {
            core.grow();
            core.set(1, 2);
        },
        |core| [core.get(1), core.get(0), core.get(1)],
        |_, (), [first, other, second]| {
            assert_eq!(other, Some(0));
            assert!(first.is_some() && second >= first, "{first:?}, then {second:?}");
        },
    );
}

#[test]
fn both_split() {
    race(
        2,
        |core| (0..3).for_each(|key| core.add_alone(key)),
        |core| {
            core.grow();
            core.set(1, 1)
        },
        |core| {
            core.grow();
            core.set(1, 2)
        },
        |core, one, two| {
            assert!(core.buckets() == 2 || core.buckets() == 3);
            let last = if one == Some(2) { 1 } else { 2 };
            assert!(matches!((one, two), (Some(0), Some(1)) | (Some(2), Some(0))), "{one:?}, {two:?}");
            assert_eq!([0, 1, 2].map(|key| core.get(key)), [Some(0), Some(last), Some(0)]);
            assert_eq!((core.remove(1), core.get(1)), (Some(last), None));
        },
    );
}

#[test]
fn a_touch_follows_a_copy() {
    model(3, || {
        let table = table();
        let mut mover = Core::new(&table, 0);
        mover.add_alone(0);
        // The expiry times of the item and of its copy.
        let times = Arc::new([AtomicU32::new(1), AtomicU32::new(0)]);
        let toucher = {
            let (table, times) = (table.clone(), times.clone());
            thread::spawn(move || {
                let mut core = Core::new(&table, 1);
                for time in [2, 1] {
                    loop {
                        let entry = table.index.find(&table.arena, hash(0), |_| true).expect("it is there");
                        let place = &times[version_of(entry.addr())];
                        let write = || place.store(time, Ordering::Relaxed);
                        if core.change(|index, scope| index.update_in_place(scope, entry, write)) {
                            break;
                        }
                        thread::yield_now();
                    }
                    let entry = table.index.find(&table.arena, hash(0), |_| true).expect("it is there");
                    assert_eq!(times[version_of(entry.addr())].load(Ordering::Relaxed), time, "lost at once");
                }
            })
        };
        let entry = table.index.find(&table.arena, hash(0), |_| true).unwrap();
        times[1].store(times[0].load(Ordering::Relaxed), Ordering::Relaxed);
        let carry = || {
            times[1].store(times[0].load(Ordering::Relaxed), Ordering::Relaxed);
            true
        };
        mover.change(|index, scope| index.replace_by_copy(scope, entry, item(0, 1), carry));
        toucher.join().unwrap();
        let version = mover.get(0).unwrap();
        assert_eq!(times[version].load(Ordering::Relaxed), 1, "the last touch is lost");
    });
}

#[test]
fn a_mark_is_set_once() {
    model(3, || {
        let table = table();
        let mut first = Core::new(&table, 0);
        first.add_alone(0);
        // Version 0 is not marked; each core has a copy of its own that is.
        fn mark(core: &mut Core, copy: usize) -> bool {
            let table = core.table.clone();
            loop {
                let entry = table.index.find(&table.arena, hash(0), |_| true).expect("it is there");
                if version_of(entry.addr()) != 0 {
                    return false;
                }
                if core.change(|index, scope| index.replace_by_copy(scope, entry, item(0, copy), || true)) {
                    return true;
                }
                thread::yield_now();
            }
        }
        let other = {
            let table = table.clone();
            thread::spawn(move || mark(&mut Core::new(&table, 1), 2))
        };
        let has_won = mark(&mut first, 1);
        assert!(has_won != other.join().unwrap(), "one of two");
        assert_eq!(first.get(0), Some(if has_won { 1 } else { 2 }));
    });
}
