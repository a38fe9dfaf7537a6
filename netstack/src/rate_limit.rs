//! Rate limits on what strangers can make us send.

use core::time::Duration;

use siphasher::sip::SipHasher24;

use crate::keys::Keys;
use crate::time::Instant;

/// At most so many events in each second.
pub(crate) struct RateLimit {
    per_second: u32,
    left: u32,
    since: Instant,
    /// Makes the limit of a second something between half of it and one and a half times it.
    vary: Option<SipHasher24>,
}

impl RateLimit {
    /// Allows `per_second` events a second.
    pub(crate) fn new(per_second: u32) -> RateLimit {
        RateLimit { per_second, left: per_second, since: Instant::ZERO, vary: None }
    }

    /// Allows `per_second` events a second, more or less: nobody learns from what is left of them what others have used.
    pub(crate) fn varying(per_second: u32, keys: &mut Keys) -> RateLimit {
        RateLimit { vary: Some(keys.strong_hasher()), ..RateLimit::new(per_second) }
    }

    /// Whether one more event may happen now; if so, it counts.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        if now.since(self.since) >= Duration::from_secs(1) {
            self.since = now;
            self.left = self.limit(now);
        }
        let allowed = self.left > 0;
        self.left -= u32::from(allowed);
        allowed
    }

    fn limit(&self, now: Instant) -> u32 {
        let Some(hasher) = &self.vary else { return self.per_second };
        let spread = hasher.hash(&now.as_nanos().to_ne_bytes()) % u64::from(self.per_second.max(1));
        self.per_second / 2 + spread as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(limit: &mut RateLimit, second: u64) -> usize {
        (0..10_000).filter(|_| limit.allow(Instant::from_nanos(second * 1_000_000_000))).count()
    }

    #[test]
    fn each_second_has_its_share() {
        let mut limit = RateLimit::new(100);
        assert_eq!((1..5).map(|second| allowed(&mut limit, second)).collect::<Vec<_>>(), [100; 4]);
        assert_eq!(allowed(&mut limit, 4), 0);
    }

    #[test]
    fn a_varying_limit_varies_around_its_mean() {
        let mut limit = RateLimit::varying(100, &mut Keys::new(&[1; 16]));
        let seconds: Vec<usize> = (1..1000).map(|second| allowed(&mut limit, second)).collect();
        assert!(seconds.iter().all(|n| (50..150).contains(n)));
        let mean = seconds.iter().sum::<usize>() / seconds.len();
        assert!((95..105).contains(&mean), "{mean}");
        assert!(seconds.iter().any(|n| *n < 60) && seconds.iter().any(|n| *n > 140));
    }
}
