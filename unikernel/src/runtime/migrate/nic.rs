//! Groups that have left this core before the NIC's table changed: what it still brings of them is passed on.

use netstack::steering::{FLOW_GROUPS, GroupSet};

/// The groups, by what is known of the table.
pub(super) struct NicChanges {
    /// The NIC was asked.
    asked: GroupSet,
    /// It steers to the target; what it brought before may still be in our queue.
    draining: GroupSet,
    /// That was taken out in this turn, and is being worked on.
    taken: GroupSet,
    targets: [u8; FLOW_GROUPS],
}

impl NicChanges {
    pub(super) fn new() -> NicChanges {
        NicChanges { asked: 0, draining: 0, taken: 0, targets: [0; FLOW_GROUPS] }
    }

    /// The NIC is asked to steer a group to `to`.
    pub(super) fn ask(&mut self, group: u8, to: u8) {
        self.asked |= 1 << group;
        self.targets[usize::from(group)] = to;
    }

    /// It does, or will not.
    pub(super) fn is_set(&mut self, group: u8) {
        self.draining |= self.asked & 1 << group;
        self.asked &= !(1 << group);
    }

    /// Our queue was emptied in this turn.
    pub(super) fn queue_was_emptied(&mut self) {
        self.taken |= core::mem::take(&mut self.draining);
    }

    /// The next group all of whose frames have been passed on, and its target. To be called when all that came in a turn was
    /// worked on.
    pub(super) fn next_drained(&mut self) -> Option<(u8, u8)> {
        if self.taken == 0 {
            return None;
        }
        let group = self.taken.trailing_zeros() as u8;
        self.taken &= !(1 << group);
        Some((group, self.targets[usize::from(group)]))
    }

    /// Whether our queue has to be emptied.
    pub(super) fn is_busy(&self) -> bool {
        self.draining != 0
    }
}
