//! When an item was written or read last, and whether it was read: one word, which a hit writes at most once a second.
//!
//! ```text
//! | second: 30 bits | fetched | warm |
//! ```
//!
//! *Fetched* says that it was ever read, and stays. *Warm* says that it was since it was written or the cleaner let it stay, and
//! keeps it from being evicted; a cleaner takes that away.

use core::fmt;

/// Seconds that fit, 34 years from the start on.
const MAX_SECOND: u32 = u32::MAX >> SHIFT;

const SHIFT: u32 = 2;
const WARM: u32 = 1;
const FETCHED: u32 = 2;

/// What is known of an item's use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Access(u32);

impl Access {
    /// Written at second `now`, and not read.
    #[inline]
    pub(super) const fn written(now: u32) -> Access {
        Access(if now < MAX_SECOND { now } else { MAX_SECOND } << SHIFT)
    }

    /// Read at second `now`.
    #[inline]
    pub(super) const fn hit(now: u32) -> Access {
        Access(Access::written(now).0 | FETCHED | WARM)
    }

    /// Wanted at second `now`, without having been read.
    pub(super) const fn wanted(self, now: u32) -> Access {
        Access(Access::written(now).0 | self.0 & FETCHED | WARM)
    }

    #[inline]
    pub(super) const fn of(word: u32) -> Access {
        Access(word)
    }

    #[inline]
    pub(super) const fn word(self) -> u32 {
        self.0
    }

    /// The second of the last use.
    pub(super) const fn second(self) -> u32 {
        self.0 >> SHIFT
    }

    /// Whether it was ever read.
    pub(super) const fn is_fetched(self) -> bool {
        self.0 & FETCHED != 0
    }

    /// Whether it is to be kept.
    pub(super) const fn is_warm(self) -> bool {
        self.0 & WARM != 0
    }

    /// The same, to be kept.
    pub(super) const fn warmed(self) -> Access {
        Access(self.0 | WARM)
    }

    /// The same, to be kept no longer.
    pub(super) const fn cooled(self) -> Access {
        Access(self.0 & !WARM)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "second {}, fetched {}, warm {}", self.second(), self.is_fetched(), self.is_warm())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_hit_is_above_all_that_was_before() {
        for now in [2, 3, MAX_SECOND - 1] {
            let hit = Access::hit(now).word();
            assert!(hit > Access::written(now).word() && hit > Access::written(now).wanted(now).word());
            assert!(hit > Access::hit(now).cooled().word() && hit < Access::hit(now + 1).word());
        }
    }

    #[test]
    fn what_a_cleaner_takes_away() {
        let access = Access::hit(7).cooled();
        assert_eq!((access.second(), access.is_fetched(), access.is_warm()), (7, true, false));
        assert!(!Access::written(7).wanted(9).is_fetched() && Access::written(7).wanted(9).is_warm());
    }
}
