use core::time::Duration;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A wheel for timers that are all in use.
fn wheel(timers: usize, now: Instant) -> TimerWheel {
    let mut wheel = TimerWheel::new(timers, now);
    wheel.extend(timers);
    wheel
}

const TICK: u64 = 1 << TICK_SHIFT;

fn fire_all(wheel: &mut TimerWheel, now: u64) -> Vec<TimerId> {
    std::iter::from_fn(|| wheel.expire(Instant::from_nanos(now))).collect()
}

#[test]
fn fires_on_time_on_every_level() {
    for after in [0, 1, TICK, 255 * TICK, 256 * TICK, 40_000_000, 4_200_000_000, 60_000_000_000, 268_000_000_000] {
        for start in [0, 12_345, (255 << 22) + 77, 1_099_511_000_000] {
            let mut wheel = wheel(1, Instant::from_nanos(start));
            let deadline = Instant::from_nanos(start) + Duration::from_nanos(after);
            wheel.arm(0, deadline);
            while let Some(next) = wheel.next_deadline() {
                let fired = fire_all(&mut wheel, next.as_nanos().max(start));
                assert_eq!(fired.is_empty(), next < deadline, "start {start} after {after}");
                if next >= deadline {
                    assert!(next.as_nanos() < deadline.as_nanos() + TICK);
                }
            }
            assert!(!wheel.is_armed(0));
        }
    }
}

#[test]
fn beyond_the_horizon_waits_for_its_deadline() {
    let mut wheel = wheel(1, Instant::ZERO);
    wheel.arm(0, Instant::from_nanos(1_000_000_000_000));
    assert_eq!(fire_all(&mut wheel, 999_000_000_000), []);
    assert_eq!(fire_all(&mut wheel, 1_000_000_100_000), [0]);
}

#[test]
fn the_past_fires_at_once() {
    let mut wheel = wheel(2, Instant::from_nanos(1 << 40));
    wheel.arm(1, Instant::ZERO);
    assert_eq!(fire_all(&mut wheel, 1 << 40), [1]);
}

#[test]
fn cancel_from_the_middle_of_a_slot() {
    let mut wheel = wheel(3, Instant::ZERO);
    for timer in 0..3 {
        wheel.arm(timer, Instant::from_nanos(1_000_000));
    }
    wheel.cancel(1);
    wheel.cancel(1);
    let mut fired = fire_all(&mut wheel, 2_000_000);
    fired.sort_unstable();
    assert_eq!(fired, [0, 2]);
    assert_eq!(wheel.next_deadline(), None);
    wheel.arm(1, Instant::from_nanos(3_000_000));
    wheel.cancel(1);
    wheel.arm(1, Instant::from_nanos(5_000_000));
    wheel.arm(1, Instant::from_nanos(4_000_000));
    assert_eq!((fire_all(&mut wheel, 3_900_000), fire_all(&mut wheel, 4_100_000)), (vec![], vec![1]));
}

#[test]
fn a_later_timer_of_the_same_slot_hides_no_earlier_one() {
    let mut wheel = wheel(2, Instant::ZERO);
    wheel.arm(0, Instant::from_nanos(260 * TICK));
    wheel.arm(1, Instant::from_nanos(400 * TICK));
    assert_eq!(fire_all(&mut wheel, 300 * TICK), [0]);
    assert_eq!(fire_all(&mut wheel, 400 * TICK), [1]);
}

#[derive(Clone, Debug)]
enum Step {
    Arm(u32, u64),
    Cancel(u32),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let span = prop_oneof![0u64..100_000, 0u64..10_000_000, 0u64..3_000_000_000, 0u64..900_000_000_000];
    prop_oneof![
        (0u32..8, span.clone()).prop_map(|(timer, after)| Step::Arm(timer, after)),
        (0u32..8).prop_map(Step::Cancel),
        span.prop_map(Step::Advance),
    ]
}

proptest! {
    /// Against a sorted map.
    #[test]
    fn agrees_with_a_model(start in 0u64..1 << 50, steps in proptest::collection::vec(step(), 1..200)) {
        let mut now = start;
        let mut wheel = wheel(8, Instant::from_nanos(now));
        let mut model: BTreeMap<u32, u64> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Arm(timer, after) => {
                    wheel.arm(timer, Instant::from_nanos(now + after));
                    model.insert(timer, (now + after).div_ceil(TICK));
                }
                Step::Cancel(timer) => {
                    wheel.cancel(timer);
                    model.remove(&timer);
                }
                Step::Advance(by) => {
                    now += by;
                    let mut fired = fire_all(&mut wheel, now);
                    fired.sort_unstable();
                    let due: Vec<u32> = model.iter().filter(|(_, at)| **at <= now / TICK).map(|(t, _)| *t).collect();
                    model.retain(|_, at| *at > now / TICK);
                    prop_assert_eq!(fired, due);
                }
            }
            if let Some(first) = model.values().min() {
                prop_assert!(wheel.next_deadline().is_some_and(|next| next.as_nanos() <= first * TICK));
            }
            for timer in 0..8 {
                prop_assert_eq!(wheel.is_armed(timer), model.contains_key(&timer));
            }
        }
        // Whoever follows its deadlines is led to each timer, and soon to the end.
        for _ in 0..8 * LEVELS * 5 {
            let Some(next) = wheel.next_deadline() else { break };
            now = next.as_nanos().max(now);
            for timer in fire_all(&mut wheel, now) {
                prop_assert!(model.remove(&timer).is_some_and(|at| at * TICK <= now && now < (at + 1) * TICK + start % TICK));
            }
        }
        prop_assert!(model.is_empty() && wheel.next_deadline().is_none());
    }
}
