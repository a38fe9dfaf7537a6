//! Sequence numbers: 32-bit numbers on a circle (RFC 9293, section 3.4).

use core::ops::{Add, AddAssign, Sub};

/// A sequence number. Comparisons are modular and mean something only for numbers less than 2^31 apart; as they are not
/// transitive over the whole circle, they are methods and not `Ord`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeqNum(pub(crate) u32);

impl SeqNum {
    /// Before `other`.
    pub(crate) fn lt(self, other: SeqNum) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// Before `other`, or the same.
    pub(crate) fn le(self, other: SeqNum) -> bool {
        !other.lt(self)
    }

    /// The later of two.
    pub(crate) fn max(self, other: SeqNum) -> SeqNum {
        if self.lt(other) { other } else { self }
    }

    /// The earlier of two.
    pub(crate) fn min(self, other: SeqNum) -> SeqNum {
        if other.lt(self) { other } else { self }
    }

    /// The distance from `earlier`, zero if that is later.
    pub(crate) fn since(self, earlier: SeqNum) -> u32 {
        if self.lt(earlier) { 0 } else { self - earlier }
    }
}

impl Add<u32> for SeqNum {
    type Output = SeqNum;

    fn add(self, n: u32) -> SeqNum {
        SeqNum(self.0.wrapping_add(n))
    }
}

impl AddAssign<u32> for SeqNum {
    fn add_assign(&mut self, n: u32) {
        *self = *self + n;
    }
}

impl Sub<u32> for SeqNum {
    type Output = SeqNum;

    fn sub(self, n: u32) -> SeqNum {
        SeqNum(self.0.wrapping_sub(n))
    }
}

impl Sub for SeqNum {
    type Output = u32;

    /// The distance along the circle.
    fn sub(self, earlier: SeqNum) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_goes_round_the_circle() {
        let last = SeqNum(u32::MAX);
        assert!(last.lt(last + 1) && !(last + 1).lt(last));
        assert!(last.le(last) && !last.lt(last));
        assert_eq!((last + 5) - last, 5);
        assert_eq!(last.max(SeqNum(3)), SeqNum(3));
        assert_eq!((SeqNum(3).since(last), last.since(SeqNum(3))), (4, 0));
        assert!(SeqNum(0).lt(SeqNum(0x7fff_ffff)) && SeqNum(0x8000_0001).lt(SeqNum(0)));
    }
}
