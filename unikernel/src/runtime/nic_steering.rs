//! The table that the NIC steers by, kept by the first core: one change at a time, in the order in which they are asked for.

use alloc::boxed::Box;

use netdrv::nic::steering::{FLOW_GROUPS, Progress, SteeringControl, Table};

/// A change: the group, its queue pair, and the core that waits for it.
#[derive(Clone, Copy, Debug)]
struct Change {
    group: u8,
    pair: u8,
    asked_by: usize,
}

/// The NIC's table.
pub struct NicTable {
    control: Box<dyn SteeringControl + Send>,
    table: Table,
    pairs: usize,
    waiting: heapless::Deque<Change, FLOW_GROUPS>,
    /// The NIC has not answered this one yet.
    under_way: Option<Change>,
    /// Changes that the NIC did not make: software passes those groups on.
    pub(super) refused: u64,
}

impl NicTable {
    /// The table that the NIC has, of `pairs` queue pairs.
    pub fn new(control: Box<dyn SteeringControl + Send>, table: Table, pairs: usize) -> NicTable {
        NicTable { control, table, pairs, waiting: heapless::Deque::new(), under_way: None, refused: 0 }
    }

    /// Asks for a group's frames to go to a core, or to the one that receives for it.
    pub(super) fn ask(&mut self, group: u8, to: u8, asked_by: usize) {
        let pair = to % self.pairs as u8;
        // A group moves once at a time, so there is room.
        let _ = self.waiting.push_back(Change { group, pair, asked_by });
    }

    /// Goes on. Returns a group whose change is over, and who asked for it.
    pub(super) fn poll(&mut self) -> Option<(u8, usize)> {
        if let Some(change) = self.under_way {
            match self.control.poll() {
                Progress::Idle | Progress::Pending => return None,
                Progress::Done => {}
                Progress::Refused | Progress::Garbled => self.refused += 1,
            }
            self.under_way = None;
            return Some((change.group, change.asked_by));
        }
        let change = self.waiting.pop_front()?;
        if self.table[usize::from(change.group)] == change.pair {
            return Some((change.group, change.asked_by));
        }
        self.table[usize::from(change.group)] = change.pair;
        match self.control.submit(&self.table) {
            Ok(()) => {
                self.under_way = Some(change);
                None
            }
            Err(_) => {
                self.refused += 1;
                Some((change.group, change.asked_by))
            }
        }
    }

    /// Whether an answer is waited for.
    pub(super) fn is_busy(&self) -> bool {
        self.under_way.is_some() || !self.waiting.is_empty()
    }
}
