//! Rate limits on what strangers can make us send.

use core::time::Duration;

use crate::time::Instant;

/// At most so many events in each second.
pub(crate) struct RateLimit {
    per_second: u32,
    used: u32,
    since: Instant,
}

impl RateLimit {
    /// Allows `per_second` events a second.
    pub(crate) fn new(per_second: u32) -> RateLimit {
        RateLimit { per_second, used: 0, since: Instant::ZERO }
    }

    /// Whether one more event may happen now; if so, it counts.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        if now.since(self.since) >= Duration::from_secs(1) {
            self.since = now;
            self.used = 0;
        }
        let allowed = self.used < self.per_second;
        self.used += u32::from(allowed);
        allowed
    }
}
