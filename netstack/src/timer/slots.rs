//! Where a timer is, and which slots have any.

use super::SLOTS;

/// End of a list.
pub(super) const NONE: u32 = u32::MAX;

/// A level and a slot of it, or nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location(u16);

impl Location {
    /// Not armed.
    pub(super) const IDLE: Location = Location(u16::MAX);

    pub(super) fn new(level: usize, slot: usize) -> Location {
        Location((level * SLOTS + slot) as u16)
    }

    pub(super) fn level(self) -> usize {
        usize::from(self.0) / SLOTS
    }

    pub(super) fn slot(self) -> usize {
        usize::from(self.0) % SLOTS
    }
}

/// One bit per slot of a level.
#[derive(Clone, Copy, Default)]
pub(super) struct Occupancy([u64; SLOTS / 64]);

impl Occupancy {
    pub(super) fn set(&mut self, slot: usize) {
        self.0[slot / 64] |= 1 << (slot % 64);
    }

    pub(super) fn clear(&mut self, slot: usize) {
        self.0[slot / 64] &= !(1 << (slot % 64));
    }

    /// The first occupied slot from `start` on, going round.
    pub(super) fn first_from(&self, start: usize) -> Option<usize> {
        let words = self.0.len();
        let from_start = self.0[start / 64] & (u64::MAX << (start % 64));
        if from_start != 0 {
            return Some(start / 64 * 64 + from_start.trailing_zeros() as usize);
        }
        (1..=words)
            .map(|step| (start / 64 + step) % words)
            .find_map(|word| (self.0[word] != 0).then(|| word * 64 + self.0[word].trailing_zeros() as usize))
    }
}
