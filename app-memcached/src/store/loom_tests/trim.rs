//! The index gives buckets back that have become empty, while other cores use them.

use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;

use loom::thread;

use super::super::index::{Insert, Lines};
use super::table::{Core, race};

/// A chain of two buckets, the last one with one item in it: key 6.
fn two_buckets(core: &mut Core) {
    [2, 4, 6].iter().for_each(|&key| core.add_alone(key));
    assert_eq!(core.chain_of(0), 2);
}

fn all_there(core: &Core, keys: &[u64]) {
    keys.iter().for_each(|&key| assert_eq!(core.get(key), Some(0), "key {key}"));
}

/// Adds and removes a key, which leaves no empty bucket behind.
fn walk(core: &mut Core, key: u64) {
    core.add_alone(key);
    assert_eq!(core.remove(key), Some(0));
}

#[test]
fn an_empty_bucket_goes_and_comes_again() {
    race(
        0,
        two_buckets,
        |core| {
            for _ in 0..5 {
                core.remove(6);
                assert_eq!(core.chain_of(0), 1);
                core.pass();
                core.add_alone(6);
            }
        },
        |_| (),
        |core, (), ()| all_there(core, &[2, 4, 6]),
    );
}

#[test]
fn an_insertion_into_a_bucket_that_goes_is_not_lost() {
    race(
        3,
        two_buckets,
        |core| core.remove(6),
        |core| core.add_alone(8),
        |core, removed, ()| {
            assert_eq!(removed, Some(0));
            all_there(core, &[2, 4, 8]);
            assert_eq!((core.get(6), core.remove(8)), (None, Some(0)));
            walk(core, 10);
            assert_eq!(core.chain_of(0), 1);
        },
    );
}

#[test]
fn an_insertion_behind_a_bucket_that_goes_is_not_lost() {
    race(
        2,
        two_buckets,
        |core| core.remove(6),
        |core| [8, 10, 12].iter().for_each(|&key| core.add_alone(key)),
        |core, removed, ()| {
            assert_eq!(removed, Some(0));
            all_there(core, &[2, 4, 8, 10, 12]);
            for key in [8, 10, 12] {
                assert_eq!(core.remove(key), Some(0));
            }
            walk(core, 14);
            assert_eq!(core.chain_of(0), 1);
        },
    );
}

#[test]
fn a_key_is_added_once_where_a_bucket_goes() {
    race(
        3,
        two_buckets,
        |core| {
            core.remove(6);
            core.set(8, 1)
        },
        |core| core.set(8, 2),
        |core, one, two| {
            assert!(one.is_none() != two.is_none(), "{one:?}, {two:?}");
            assert!(core.remove(8).is_some());
            assert_eq!(core.get(8), None, "it was there twice");
        },
    );
}

#[test]
fn two_cores_give_back_a_bucket_once() {
    race(
        3,
        |core| {
            two_buckets(core);
            core.add_alone(8);
        },
        |core| {
            core.remove(6);
            core.pass();
        },
        |core| {
            core.remove(8);
            core.pass();
            core.add_alone(10);
            core.pass();
        },
        |core, (), ()| {
            all_there(core, &[2, 4, 10]);
            assert_eq!(core.remove(10), Some(0));
            walk(core, 12);
            assert_eq!(core.chain_of(0), 1);
            // Each bucket that is handed out now is another one.
            let keys: Vec<u64> = (0..4).map(|n| 20 + 2 * n).collect();
            for &key in &keys {
                core.pass();
                core.add_alone(key);
            }
            all_there(core, &keys);
            assert_eq!(core.chain_of(0), 3);
        },
    );
}

#[test]
fn readers_miss_nothing_while_a_bucket_goes() {
    race(
        3,
        two_buckets,
        |core| {
            core.remove(6);
            core.add_alone(8);
            core.set(2, 1);
        },
        |core| [core.get(4), core.get(2), core.get(8), core.get(8)],
        |core, (), [four, two, first, second]| {
            assert!(four == Some(0) && two.is_some() && first <= second);
            all_there(core, &[4, 8]);
        },
    );
}

#[test]
fn a_split_and_a_bucket_that_goes() {
    race(
        2,
        |core| [2, 1, 3].iter().for_each(|&key| core.add_alone(key)),
        |core| core.grow(),
        |core| {
            assert_eq!(core.remove(3), Some(0), "it was there all the time");
            core.add_alone(5);
        },
        |core, (), ()| {
            assert_eq!(core.buckets(), 2);
            all_there(core, &[2, 1, 5]);
            assert_eq!(core.get(3), None);
            walk(core, 4);
            walk(core, 7);
            assert_eq!((core.chain_of(0), core.chain_of(1)), (1, 1));
        },
    );
}

#[test]
fn a_split_and_insertions_around_a_bucket_that_goes() {
    race(
        2,
        two_buckets,
        |core| {
            core.remove(6);
            core.grow();
        },
        |core| {
            core.add_alone(8);
            core.add_alone(1);
        },
        |core, (), ()| all_there(core, &[2, 4, 8, 1]),
    );
}

#[test]
fn a_bucket_is_not_used_again_while_it_is_seen() {
    static REUSED: AtomicBool = AtomicBool::new(false);
    race(
        3,
        |core| {
            core.grow();
            two_buckets(core);
            [1, 3].iter().for_each(|&key| core.add_alone(key));
            assert_eq!((core.buckets(), core.chain_of(1)), (2, 1));
            // There are no buckets but those that are given back.
            for _ in 0..2 {
                core.lines = Lines::default();
                core.pass();
            }
            core.lines = Lines::default();
        },
        |core| {
            core.remove(6);
            let mut added = false;
            for _ in 0..2 {
                core.pass();
                added = added || core.add(5, 0) == Insert::Done; // into the same bucket, in another chain
                thread::yield_now();
            }
            REUSED.fetch_or(added, Relaxed);
            added
        },
        |core| {
            [8, 10].map(|key| {
                let added = core.add(key, 0) == Insert::Done;
                core.pass();
                added
            })
        },
        |core, five, [eight, ten]| {
            all_there(core, &[2, 4, 1, 3]);
            for (key, added) in [(5, five), (8, eight), (10, ten)] {
                assert_eq!(core.get(key), added.then_some(0), "key {key}");
            }
        },
    );
    assert!(REUSED.load(Relaxed), "in no order");
}
