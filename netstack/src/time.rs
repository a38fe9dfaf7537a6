//! Monotonic time, in nanoseconds since an arbitrary origin.

use core::ops::{Add, Sub};
use core::time::Duration;

/// A point in monotonic time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    ns: u64,
}

impl Instant {
    /// The origin.
    pub const ZERO: Instant = Instant { ns: 0 };

    /// `ns` nanoseconds after the origin.
    pub const fn from_nanos(ns: u64) -> Instant {
        Instant { ns }
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.ns
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.ns / 1_000
    }

    /// Microseconds since `earlier`, zero if that is later; an hour and more is as long as it gets.
    #[inline]
    pub const fn us_since(self, earlier: Instant) -> u32 {
        let us = self.ns.saturating_sub(earlier.ns) / 1_000;
        if us >> u32::BITS == 0 { us as u32 } else { u32::MAX }
    }

    /// `us` microseconds later.
    pub const fn after_us(self, us: u32) -> Instant {
        Instant { ns: self.ns.saturating_add(us as u64 * 1_000) }
    }

    /// The time since `earlier`, zero if that is later.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.ns.saturating_sub(earlier.ns))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates at the end of time, 584 years after the origin.
    fn add(self, duration: Duration) -> Instant {
        Instant { ns: self.ns.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)) }
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    /// Saturates at the origin.
    fn sub(self, duration: Duration) -> Instant {
        Instant { ns: self.ns.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)) }
    }
}
