//! Epochs, pins, segments and their pool.

use alloc::sync::Arc;

use loom::cell::UnsafeCell;
use loom::thread;

use super::super::epoch::Epochs;
use super::super::pins::Pins;
use super::super::pool::{End, FreePool};
use super::super::segment::{Segments, State};
use super::super::sync::{AtomicU32, Ordering};
use super::model;

/// A link to memory that can be unlinked: what the index is to a segment.
struct Linked {
    link: AtomicU32,
    /// loom notes who looks at it, and who writes.
    memory: UnsafeCell<()>,
    epochs: Epochs,
}

#[test]
fn memory_is_not_used_again_while_it_is_seen() {
    model(3, || {
        let linked = Arc::new(Linked { link: AtomicU32::new(1), memory: UnsafeCell::new(()), epochs: Epochs::new(2) });
        let reader = {
            let linked = linked.clone();
            thread::spawn(move || {
                let look = || {
                    if linked.link.load(Ordering::Acquire) == 1 {
                        linked.memory.with(|_| ());
                    }
                };
                linked.epochs.enter(1);
                look();
                linked.epochs.pass(1);
                look();
                linked.epochs.leave(1);
                linked.epochs.enter(1);
                look();
                linked.epochs.leave(1);
            })
        };
        linked.link.store(0, Ordering::SeqCst);
        let epoch = linked.epochs.begin();
        for _ in 0..2 {
            if linked.epochs.passed_by_all() >= epoch {
                linked.memory.with_mut(|_| ());
                break;
            }
            thread::yield_now();
        }
        reader.join().unwrap();
    });
}

#[test]
fn a_segment_is_taken_once() {
    model(3, || {
        let pool = Arc::new(FreePool::new(2));
        let other = {
            let pool = pool.clone();
            thread::spawn(move || {
                let number = pool.take(0, End::Lowest).unwrap();
                pool.put(number);
                pool.take_exactly(1)
            })
        };
        let first = pool.take(0, End::Lowest);
        let second = pool.take(1, End::Highest);
        assert!(first.is_some() && second.is_none_or(|second| Some(second) != first));
        let third = other.join().unwrap();
        let taken = 1 + usize::from(second.is_some()) + usize::from(third);
        assert!(!third || first != Some(1) && second != Some(1));
        assert_eq!(pool.count(), 2 - taken);
        assert_eq!(core::iter::from_fn(|| pool.take(0, End::Lowest)).count(), 2 - taken);
    });
}

/// Segments with one that is a head, and what belongs to them.
fn segments() -> Arc<(Segments, Epochs, Pins)> {
    let segments = Segments::new(2, 1024);
    assert_eq!(segments.take_head(0), Some(0));
    Arc::new((segments, Epochs::new(2), Pins::new(2, 2)))
}

#[test]
fn the_last_death_frees_a_segment_once() {
    model(3, || {
        let all = segments();
        let other = {
            let all = all.clone();
            thread::spawn(move || all.0.add_dead(0, 32, &all.1))
        };
        all.0.add_dead(0, 16, &all.1);
        all.0.seal(0, 48);
        all.0.retire_if_dead(0, &all.1);
        other.join().unwrap();
        let (segments, epochs, pins) = &*all;
        assert_eq!(segments.get(0).state(), State::Limbo);
        assert_eq!((segments.reclaim(epochs, pins), segments.free_count()), (0, 2));
    });
}

#[test]
fn a_segment_is_cleaned_by_one_core_and_by_none_while_it_is_written() {
    model(3, || {
        let all = segments();
        let writing = Arc::new(AtomicU32::new(0));
        let claim = |all: &(Segments, Epochs, Pins), writing: &AtomicU32| {
            let claimed = all.0.claim(0, &all.2);
            assert!(!claimed || writing.load(Ordering::Relaxed) == 0, "claimed while it is written");
            claimed
        };
        let owner = {
            let (all, writing) = (all.clone(), writing.clone());
            thread::spawn(move || {
                // A reservation is open when the segment is sealed, and is published later.
                all.2.add(0, 0, 1);
                writing.store(1, Ordering::Relaxed);
                all.0.seal(0, 48);
                writing.store(0, Ordering::Relaxed);
                all.2.remove(0, 0, 1);
                claim(&all, &writing)
            })
        };
        let claimed = claim(&all, &writing);
        let by_owner = owner.join().unwrap();
        assert!(!(claimed && by_owner), "claimed twice");
    });
}

#[test]
fn a_pin_keeps_a_segment() {
    model(3, || {
        let all = segments();
        all.0.seal(0, 48);
        let link = Arc::new(AtomicU32::new(1));
        let reader = {
            let (all, link) = (all.clone(), link.clone());
            thread::spawn(move || {
                let (_, epochs, pins) = &*all;
                epochs.enter(1);
                let found = link.load(Ordering::Acquire) == 1;
                if found {
                    pins.add(1, 0, 1);
                }
                epochs.leave(1);
                if found {
                    assert_ne!(all.0.get(0).state(), State::Free, "freed under a pin");
                    pins.remove(1, 0, 1);
                }
            })
        };
        let (segments, epochs, pins) = &*all;
        link.store(0, Ordering::SeqCst);
        segments.add_dead(0, 48, epochs);
        segments.reclaim(epochs, pins);
        reader.join().unwrap();
        segments.reclaim(epochs, pins);
        assert_eq!(segments.free_count(), 2);
    });
}
