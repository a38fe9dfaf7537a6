//! Positions in a ring, and the names of descriptors.

/// A position in the available or used ring: it runs freely modulo 2^16, and the ring's size divides 2^16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RingIndex(pub(super) u16);

impl RingIndex {
    /// The position that follows.
    pub(super) const fn next(self) -> RingIndex {
        RingIndex(self.0.wrapping_add(1))
    }

    /// The position so many steps on.
    pub(super) const fn after(self, steps: u16) -> RingIndex {
        RingIndex(self.0.wrapping_add(steps))
    }

    /// The position before.
    pub(super) const fn previous(self) -> RingIndex {
        RingIndex(self.0.wrapping_sub(1))
    }

    /// Steps from `earlier` to here.
    pub(super) const fn since(self, earlier: RingIndex) -> u16 {
        self.0.wrapping_sub(earlier.0)
    }

    /// The element of a ring of `size` elements, a power of two, at this position.
    pub(super) const fn slot(self, size: u16) -> usize {
        (self.0 & (size - 1)) as usize
    }

    /// Whether the step from position `event` to the one after it lies between `old` and here: the other side asked to be
    /// told of exactly that step (virtio 1.2, sections 2.7.7.2 and 2.7.10.2).
    pub(super) const fn passes(self, event: RingIndex, old: RingIndex) -> bool {
        self.since(event.next()) < self.since(old)
    }
}

/// An index into the descriptor table. As it comes from a device it may be out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorId(pub u16);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn positions_wrap() {
        assert_eq!(RingIndex(u16::MAX).next(), RingIndex(0));
        assert_eq!(RingIndex(0).previous(), RingIndex(u16::MAX));
        assert_eq!(RingIndex(u16::MAX).after(3), RingIndex(2));
        assert_eq!(RingIndex(2).since(RingIndex(u16::MAX)), 3);
        assert_eq!((RingIndex(255).slot(256), RingIndex(256).slot(256)), (255, 0));
    }

    #[test]
    fn an_event_is_passed_once() {
        let (old, new) = (RingIndex(10), RingIndex(13));
        let told: Vec<u16> = (5..20).filter(|event| new.passes(RingIndex(*event), old)).collect();
        assert_eq!(told, [10, 11, 12]);
        assert!(!old.passes(RingIndex(10), old), "no step, no event");
    }

    proptest! {
        /// Against the definition: walk from old to new and see whether the step after `event` is on the way.
        #[test]
        fn passing_is_walking(old: u16, steps in 0_u16..2000, ahead in -3000_i32..3000) {
            let event = RingIndex(old.wrapping_add(ahead as u16));
            let new = RingIndex(old.wrapping_add(steps));
            let walked = (0..steps).any(|step| RingIndex(old.wrapping_add(step)) == event);
            prop_assert_eq!(new.passes(event, RingIndex(old)), walked);
        }
    }
}
