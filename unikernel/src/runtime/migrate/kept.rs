//! Frames that wait at the target of a migration for what has to come before them.
//!
//! ```text
//! expect -> [what others pass on waits]                          -> arrived -> [served]
//!        -> [what the NIC brings waits]   if the NIC steers                              -> drained -> [served]
//! ```

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use netdrv::pktbuf::PktBuf;
use netstack::steering::{FLOW_GROUPS, GroupSet};
use netstack::time::Instant;

/// Frames that wait, at most.
const MOST_KEPT: usize = 1024;

/// How a frame came to this core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) enum Way {
    /// Another core has passed it on.
    Passed,
    /// The NIC has brought it.
    Queue,
}

/// What the NIC's table has to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// The NIC steers by the table, which changes later.
    Table,
    /// It does not.
    Nothing,
}

/// The frames, and the groups that they are of.
pub(super) struct Kept {
    /// Groups all of whose frames wait, and those of them that have arrived.
    keeping: GroupSet,
    arrived: GroupSet,
    frames_of_groups: VecDeque<(u8, PktBuf)>,
    /// Groups of which what the NIC brings waits for what their source still passes on.
    undrained: GroupSet,
    from_queue: VecDeque<(u8, PktBuf)>,
    /// When the first frame of a group came from the queue.
    since: Box<[Option<Instant>]>,
    pub(super) frames: u64,
    pub(super) full: u64,
    /// The beginning of the turn.
    now: Instant,
}

impl Kept {
    /// For one of `cores` cores.
    pub(super) fn new(cores: usize) -> Kept {
        let capacity = if cores > 1 { MOST_KEPT } else { 0 };
        Kept {
            keeping: 0,
            arrived: 0,
            frames_of_groups: VecDeque::with_capacity(capacity),
            undrained: 0,
            from_queue: VecDeque::with_capacity(capacity),
            since: alloc::vec![None; FLOW_GROUPS].into(),
            frames: 0,
            full: 0,
            now: Instant::ZERO,
        }
    }

    /// A turn begins.
    pub(super) fn turn(&mut self, now: Instant) {
        self.now = now;
    }

    /// A group will come.
    pub(super) fn expect(&mut self, group: u8, follows: Follows) {
        self.keeping |= 1 << group;
        self.arrived &= !(1 << group);
        if follows == Follows::Table {
            self.undrained |= 1 << group;
        }
    }

    /// A group has arrived.
    pub(super) fn arrived(&mut self, group: u8) {
        self.arrived |= 1 << group;
    }

    /// Its source has nothing more of it. Returns since when frames have waited for that, if any did.
    pub(super) fn source_is_drained(&mut self, group: u8) -> Option<Instant> {
        self.undrained &= !(1 << group);
        let since = self.since[usize::from(group)].take()?;
        // They go behind all that were passed on, and before what comes now.
        self.keeping |= 1 << group;
        self.arrived |= 1 << group;
        for _ in 0..self.from_queue.len() {
            match self.from_queue.pop_front() {
                Some((of, frame)) if of == group => self.frames_of_groups.push_back((of, frame)),
                Some(other) => self.from_queue.push_back(other),
                None => break,
            }
        }
        Some(since)
    }

    /// Whether frames of some groups wait.
    pub(super) fn is_keeping(&self) -> bool {
        self.keeping | self.undrained != 0
    }

    /// Whether frames of a group wait.
    pub(super) fn keeps(&self, group: u8) -> bool {
        (self.keeping | self.undrained) >> group & 1 == 1
    }

    /// Whether frames need not wait any more.
    pub(super) fn is_due(&self) -> bool {
        self.arrived != 0
    }

    /// Keeps a frame, if it has to wait.
    pub(super) fn unless_kept(&mut self, group: u8, frame: PktBuf, way: Way) -> Option<PktBuf> {
        let waits_for_source = way == Way::Queue && self.undrained >> group & 1 == 1;
        if !waits_for_source && self.keeping >> group & 1 == 0 {
            return Some(frame);
        }
        if self.frames_of_groups.len() + self.from_queue.len() == MOST_KEPT {
            self.full += 1;
            return None;
        }
        self.frames += 1;
        if waits_for_source {
            let now = self.now;
            self.since[usize::from(group)].get_or_insert(now);
            self.from_queue.push_back((group, frame));
        } else {
            self.frames_of_groups.push_back((group, frame));
        }
        None
    }

    /// The next frame that need not wait any more.
    pub(super) fn take(&mut self) -> Option<PktBuf> {
        if self.arrived == 0 {
            return None;
        }
        let at = self.frames_of_groups.iter().position(|(group, _)| self.arrived >> group & 1 == 1);
        let Some(at) = at else {
            // Nothing is left for any of them: what comes from now on need not be kept.
            self.keeping &= !self.arrived;
            self.arrived = 0;
            return None;
        };
        self.frames_of_groups.remove(at).map(|(_, frame)| frame)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::time::Duration;

    use netdrv::pktbuf::{Pool, PoolMemory};

    use super::*;

    /// Frames of one byte.
    struct Bench {
        kept: Kept,
        pool: &'static Pool,
    }

    impl Bench {
        fn new() -> Bench {
            Bench { kept: Kept::new(2), pool: Pool::leak(PoolMemory::leak(MOST_KEPT + 8)) }
        }

        /// Whether a frame is served at once.
        fn comes(&mut self, group: u8, number: u8, way: Way) -> bool {
            let mut frame = self.pool.alloc().unwrap();
            frame.extend_from_slice(&[number]).unwrap();
            self.kept.unless_kept(group, frame, way).is_some()
        }

        fn served(&mut self) -> Vec<u8> {
            core::iter::from_fn(|| self.kept.take()).map(|frame| frame.bytes()[0]).collect()
        }
    }

    #[test]
    fn frames_wait_for_their_group_in_order() {
        let mut bench = Bench::new();
        assert!(bench.comes(5, 0, Way::Passed));
        bench.kept.expect(5, Follows::Nothing);
        assert!(!bench.comes(5, 1, Way::Passed) && !bench.comes(5, 2, Way::Queue) && bench.comes(6, 3, Way::Queue));
        assert_eq!(bench.served(), []);
        bench.kept.arrived(5);
        assert!(!bench.comes(5, 4, Way::Passed), "behind those that wait");
        assert_eq!(bench.served(), [1, 2, 4]);
        assert!(bench.comes(5, 5, Way::Queue) && !bench.kept.is_keeping());
    }

    #[test]
    fn what_a_nic_brings_waits_for_what_the_source_passes_on() {
        let mut bench = Bench::new();
        bench.kept.expect(5, Follows::Table);
        bench.kept.turn(Instant::ZERO + Duration::from_micros(7));
        assert!(!bench.comes(5, 10, Way::Queue) && !bench.comes(5, 1, Way::Passed));
        bench.kept.arrived(5);
        assert_eq!(bench.served(), [1]);
        assert!(bench.comes(5, 2, Way::Passed), "served while the other waits");
        assert!(!bench.comes(5, 11, Way::Queue) && bench.kept.keeps(5));
        assert_eq!(bench.kept.source_is_drained(5), Some(Instant::from_nanos(7_000)));
        assert!(!bench.comes(5, 12, Way::Queue), "behind those that wait");
        assert_eq!(bench.served(), [10, 11, 12]);
        assert!(bench.comes(5, 13, Way::Queue) && !bench.kept.keeps(5));
    }

    #[test]
    fn nothing_waits_where_nothing_came() {
        let mut bench = Bench::new();
        bench.kept.expect(5, Follows::Table);
        bench.kept.arrived(5);
        assert_eq!((bench.served(), bench.kept.source_is_drained(5)), (Vec::new(), None));
        assert!(!bench.kept.is_keeping() && bench.comes(5, 1, Way::Queue));
    }

    #[test]
    fn there_are_never_too_many() {
        let mut bench = Bench::new();
        bench.kept.expect(5, Follows::Table);
        for n in 0..MOST_KEPT + 3 {
            assert!(!bench.comes(5, 0, if n % 2 == 0 { Way::Queue } else { Way::Passed }));
        }
        assert_eq!((bench.kept.frames, bench.kept.full), (MOST_KEPT as u64, 3));
    }
}
