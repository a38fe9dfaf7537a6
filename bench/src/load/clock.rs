//! Time, as the processor's cycle counter tells it: a reading costs some twenty cycles, and no call.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::processor::cycles;

/// How long the counter is watched beside the system's clock.
const CALIBRATION: Duration = Duration::from_millis(50);

/// Cycles to time and back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    cycles_per_s: f64,
    /// Nanoseconds of a cycle, times 2^32.
    ns_factor: u64,
}

impl Clock {
    /// Watches the counter for a while, which is exact to some parts in a million.
    pub fn calibrate() -> Clock {
        let begin = (Instant::now(), cycles());
        sleep(CALIBRATION);
        let end = (Instant::now(), cycles());
        Clock::with_rate((end.1 - begin.1) as f64 / (end.0 - begin.0).as_secs_f64())
    }

    fn with_rate(cycles_per_s: f64) -> Clock {
        Clock { cycles_per_s, ns_factor: (1e9 / cycles_per_s * 2_f64.powi(32)) as u64 }
    }

    /// The counter.
    #[inline]
    pub fn now(&self) -> u64 {
        cycles()
    }

    /// Cycles of a second.
    pub fn cycles_per_s(&self) -> f64 {
        self.cycles_per_s
    }

    /// Cycles in nanoseconds.
    #[inline]
    pub fn ns(&self, cycles: u64) -> u64 {
        ((u128::from(cycles) * u128::from(self.ns_factor) + (1 << 31)) >> 32) as u64
    }

    /// A time in cycles.
    pub fn cycles(&self, time: Duration) -> u64 {
        (time.as_secs_f64() * self.cycles_per_s) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_as_the_system_s_clock() {
        let clock = Clock::calibrate();
        let begin = (Instant::now(), clock.now());
        sleep(Duration::from_millis(100));
        let (expected, counted) = (begin.0.elapsed().as_nanos() as f64, clock.ns(clock.now() - begin.1) as f64);
        assert!((counted / expected - 1.0).abs() < 1e-3, "{counted} instead of {expected}");
    }

    #[test]
    fn there_and_back_is_the_same() {
        let clock = Clock::with_rate(2.7e9);
        for time in [Duration::from_nanos(100), Duration::from_micros(500), Duration::from_secs(86_400)] {
            let back = clock.ns(clock.cycles(time)) as f64 / time.as_nanos() as f64;
            assert!((0.99..=1.0001).contains(&back), "{time:?}: {back}");
        }
    }
}
