//! The table that the NIC steers by, kept by the first core. The NIC takes its time to change it: all changes that are asked for
//! meanwhile are made at once.

use alloc::boxed::Box;

use netdrv::nic::steering::{FLOW_GROUPS, Progress, SteeringControl, Table};

/// A change: the group, its queue pair, and the core that waits for it.
#[derive(Clone, Copy, Debug)]
struct Change {
    group: u8,
    pair: u8,
    asked_by: u8,
}

/// The NIC's table.
pub struct NicTable {
    control: Box<dyn SteeringControl + Send>,
    table: Table,
    pairs: usize,
    waiting: heapless::Deque<Change, FLOW_GROUPS>,
    /// The NIC has not answered these yet.
    under_way: heapless::Deque<Change, FLOW_GROUPS>,
    /// It has answered these.
    answered: heapless::Deque<Change, FLOW_GROUPS>,
    /// Changes that the NIC did not make: software passes those groups on.
    pub(super) refused: u64,
}

impl NicTable {
    /// The table that the NIC has, of `pairs` queue pairs.
    pub fn new(control: Box<dyn SteeringControl + Send>, table: Table, pairs: usize) -> NicTable {
        let (waiting, under_way, answered) = (heapless::Deque::new(), heapless::Deque::new(), heapless::Deque::new());
        NicTable { control, table, pairs, waiting, under_way, answered, refused: 0 }
    }

    /// Asks for a group's frames to go to a core, or to the one that receives for it.
    pub(super) fn ask(&mut self, group: u8, to: u8, asked_by: usize) {
        let pair = to % self.pairs as u8;
        // A group moves once at a time, so there is room.
        let _ = self.waiting.push_back(Change { group, pair, asked_by: asked_by as u8 });
    }

    /// Goes on. Returns a group whose change is over, and who asked for it; call again until `None`.
    pub(super) fn poll(&mut self) -> Option<(u8, usize)> {
        if !self.under_way.is_empty() {
            match self.control.poll() {
                Progress::Idle | Progress::Pending => {}
                Progress::Done => self.answer(),
                Progress::Refused | Progress::Garbled => self.refuse(),
            }
        }
        if self.under_way.is_empty() && !self.waiting.is_empty() {
            self.submit();
        }
        self.answered.pop_front().map(|change| (change.group, change.asked_by.into()))
    }

    /// Has the NIC make all changes that wait.
    fn submit(&mut self) {
        let before = self.table;
        while let Some(change) = self.waiting.pop_front() {
            self.table[usize::from(change.group)] = change.pair;
            let _ = self.under_way.push_back(change); // as many as there are groups
        }
        if self.table == before {
            self.answer();
        } else if self.control.submit(&self.table).is_err() {
            self.refuse();
        }
    }

    /// What was under way is over.
    fn answer(&mut self) {
        while let Some(change) = self.under_way.pop_front() {
            let _ = self.answered.push_back(change); // a group has one change at a time
        }
    }

    fn refuse(&mut self) {
        self.refused += self.under_way.len() as u64;
        self.answer();
    }

    /// Whether an answer is waited for.
    pub(super) fn is_busy(&self) -> bool {
        !self.under_way.is_empty() || !self.waiting.is_empty()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::sync::Arc;
    use std::sync::Mutex;

    use netdrv::nic::steering::SubmitError;

    use super::*;

    /// Tables that were submitted, and what to answer.
    #[derive(Default)]
    struct Nic(Arc<Mutex<(Vec<Table>, Option<Progress>)>>);

    impl SteeringControl for Nic {
        fn submit(&mut self, table: &Table) -> Result<(), SubmitError> {
            self.0.lock().unwrap().0.push(*table);
            Ok(())
        }

        fn poll(&mut self) -> Progress {
            self.0.lock().unwrap().1.take().unwrap_or(Progress::Pending)
        }
    }

    #[test]
    fn changes_gather_while_the_nic_is_busy() {
        let nic = Nic::default();
        let seen = Arc::clone(&nic.0);
        let mut table = NicTable::new(Box::new(nic), [0; FLOW_GROUPS], 2);
        assert_eq!(table.poll(), None);
        table.ask(7, 1, 3);
        assert_eq!(table.poll(), None);
        (8..11).for_each(|group| table.ask(group, 1, 2));
        assert_eq!(table.poll(), None);
        assert_eq!(seen.lock().unwrap().0.len(), 1);
        seen.lock().unwrap().1 = Some(Progress::Done);
        assert_eq!((table.poll(), table.poll()), (Some((7, 3)), None));
        assert_eq!(seen.lock().unwrap().0.len(), 2, "one for all that have gathered");
        assert_eq!(seen.lock().unwrap().0[1].iter().filter(|pair| **pair == 1).count(), 4);
        seen.lock().unwrap().1 = Some(Progress::Refused);
        let over: Vec<_> = core::iter::from_fn(|| table.poll()).collect();
        assert_eq!((over, table.refused), (vec![(8, 2), (9, 2), (10, 2)], 3));
        assert!(!table.is_busy());
    }

    #[test]
    fn what_the_nic_does_already_is_not_asked_for() {
        let nic = Nic::default();
        let seen = Arc::clone(&nic.0);
        let mut table = NicTable::new(Box::new(nic), [0; FLOW_GROUPS], 2);
        table.ask(7, 2, 1);
        assert_eq!((table.poll(), table.poll()), (Some((7, 1)), None));
        assert!(seen.lock().unwrap().0.is_empty());
    }
}
