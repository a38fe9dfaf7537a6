//! How long a core without work spins before it halts.
//!
//! A wake-up costs from a few microseconds on a bare machine to some hundred under a nested hypervisor, so that a core that
//! serves had better not halt between two requests. But where the core is shared with whoever is to bring the next frame,
//! spinning keeps that one from it. A core cannot know which, so it tries: after a halt that was cut short it spins for the
//! longest time, and goes on with that as long as work is found by it, or there is so much that the time is little beside it;
//! else it takes the least, and waits for twice as long before it tries again.

use core::time::Duration;

/// What a core spins in any case, unless the longest time is shorter.
const LEAST: Duration = Duration::from_micros(50);
/// A halt of up to so many times the longest spin is short: to be woken may take milliseconds of it. And a spin is little beside a
/// run of so many times its length.
const TIMES: u32 = 10;
/// Between two trials pass so many of the longest time, at least and at most.
const LEAST_WAIT: u32 = 2;
const MOST_WAIT: u32 = 256;

/// A core's choice.
#[derive(Debug)]
pub struct Spin {
    longest: Duration,
    is_long: bool,
    /// Work was found by spinning for longer than the least time, since the last halt.
    has_paid: bool,
    /// How long the next trial has to wait, and how long it has.
    wait: Duration,
    waited: Duration,
}

impl Spin {
    /// Spins for at most `longest`.
    pub fn new(longest: Duration) -> Spin {
        Spin { longest, is_long: false, has_paid: false, wait: Duration::ZERO, waited: Duration::ZERO }
    }

    /// When to halt: after so long without work.
    #[inline]
    pub fn limit(&self) -> Duration {
        if self.is_long { self.longest } else { LEAST.min(self.longest) }
    }

    /// Work was found after so long without.
    #[inline]
    pub fn found_work(&mut self, after: Duration) {
        if after > LEAST {
            self.has_paid = true;
        }
    }

    /// The core has halted for `time`, after it had run for `ran`.
    pub fn halted(&mut self, ran: Duration, time: Duration) {
        let has_paid = core::mem::take(&mut self.has_paid) || ran >= TIMES * self.longest;
        let is_short = time < TIMES * self.longest;
        self.waited += ran + time;
        if self.is_long && !has_paid {
            self.is_long = false;
            self.wait = (2 * self.wait).clamp(LEAST_WAIT * self.longest, MOST_WAIT * self.longest);
            self.waited = Duration::ZERO;
            return;
        }
        if self.is_long || !is_short {
            self.wait = Duration::ZERO;
        }
        self.is_long = is_short && self.longest > LEAST && (self.is_long || self.waited >= self.wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_micros(1000);

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    /// Lets the core live through gaps between frames, which it works on in no time. Returns how often it has halted.
    fn live(spin: &mut Spin, gaps_us: impl Iterator<Item = u64>) -> usize {
        let mut ran = Duration::ZERO;
        let halts = gaps_us.filter(|&gap| {
            let halts = us(gap) > spin.limit();
            ran += us(gap).min(spin.limit());
            if halts {
                spin.halted(core::mem::take(&mut ran), us(gap) - spin.limit());
            } else {
                spin.found_work(us(gap));
            }
            halts
        });
        halts.count()
    }

    /// Gaps around a mean, as of arrivals at random.
    fn gaps(mean_us: u64, count: u64) -> impl Iterator<Item = u64> {
        let mut state = 1_u64;
        (0..count).map(move |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let share = ((state >> 40) as f64 + 0.5) / (1_u64 << 24) as f64;
            (-share.ln() * mean_us as f64) as u64
        })
    }

    #[test]
    fn a_core_that_serves_does_not_halt() {
        let mut spin = Spin::new(LONGEST);
        assert!(live(&mut spin, gaps(30, 100_000)) < 3);
        // With a fixed time as short as the least, one gap of five would be a halt.
        assert!(gaps(30, 100_000).filter(|&gap| gap > 50).count() > 10_000);
    }

    #[test]
    fn a_core_that_is_idle_halts_at_once() {
        let mut spin = Spin::new(LONGEST);
        live(&mut spin, gaps(30, 1000));
        assert_eq!(live(&mut spin, [100_000; 50].into_iter()), 50);
        assert_eq!(spin.limit(), LEAST);
    }

    #[test]
    fn after_a_rest_it_takes_one_halt() {
        let mut spin = Spin::new(LONGEST);
        for _ in 0..20 {
            assert!(live(&mut spin, gaps(30, 1000)) <= 2);
            assert_eq!(live(&mut spin, [100_000].into_iter()), 1);
        }
    }

    /// Bursts without a gap, a rest between them that is a short halt, and then fewer frames.
    #[test]
    fn a_rest_after_hard_work_proves_nothing() {
        let mut spin = Spin::new(LONGEST);
        for _ in 0..20 {
            live(&mut spin, core::iter::repeat_n(1, 50_000).chain([5000]));
        }
        assert!(live(&mut spin, gaps(30, 1000)) <= 1);
    }

    /// On a shared core frames come only while it halts: each gap ends soon after the halt, however long it has spun.
    #[test]
    fn where_spinning_brings_nothing_it_is_given_up() {
        let mut spin = Spin::new(LONGEST);
        let mut long = 0;
        for _ in 0..10_000 {
            long += usize::from(spin.limit() == LONGEST);
            spin.halted(us(100) + spin.limit(), us(20));
        }
        assert!((8..100).contains(&long), "{long}");
    }

    #[test]
    fn the_longest_time_holds_for_the_least_too() {
        for longest in [0, 20] {
            let mut spin = Spin::new(us(longest));
            for _ in 0..10 {
                assert_eq!(spin.limit(), us(longest));
                spin.halted(us(1), us(1));
            }
        }
    }
}
