//! Which core is to have which flow group, and which cores are parked: the first core's to decide.
//!
//! What is wanted is written down, and every turn one more group that is elsewhere is asked to move; a core that has none left
//! and is to be parked is told so. While all is as wanted, a turn costs a few instructions. The control plane will set what is
//! wanted; `exercise=` does it at random.

use core::time::Duration;

use netdrv::nic::steering::{FLOW_GROUPS, Table};
use netstack::app::Statistics;
use netstack::steering::GroupSet;
use netstack::time::Instant;

use super::directory::Directory;
use super::mesh::{CoreSet, cores_of};
use super::message::Power;

/// Groups that are asked to move at a time.
const MOST_UNDER_WAY: usize = 4;
/// A core is parked or unparked with each of so many moves of an exercise.
const MOVES_PER_PARKING: u64 = 10;

/// What the first core is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Has this group migrate from its owner to a core.
    Migrate(u8, u8, usize),
    /// Tells a core whether it serves.
    Power(usize, Power),
}

/// What is wanted.
#[cfg_attr(test, derive(Debug))]
pub struct Control {
    directory: Directory,
    wanted: Table,
    /// Groups that are wanted on another core than before, and were not asked to move since.
    to_ask: GroupSet,
    /// Moves that were asked for and not seen yet, with their targets.
    under_way: heapless::Vec<(u8, u8), MOST_UNDER_WAY>,
    /// All cores, those that are to serve, and those that were told to.
    cores: CoreSet,
    serving: CoreSet,
    told: CoreSet,
    exercise: Option<Exercise>,
    parkings: u64,
}

/// Moves at random.
#[cfg_attr(test, derive(Debug))]
struct Exercise {
    interval: Duration,
    due: Instant,
    random: u64,
    moves: u64,
}

impl Control {
    /// Wants what there is. Each second an exercise of so many moves, if not 0.
    pub fn new(directory: Directory, cores: usize, moves_per_second: u32, seed: u64) -> Control {
        let wanted = core::array::from_fn(|group| directory.owner(group as u8) as u8);
        let all = CoreSet::MAX >> (CoreSet::BITS as usize - cores);
        let exercise = (moves_per_second > 0 && cores > 1).then(|| Exercise {
            interval: Duration::from_secs(1) / moves_per_second.max(1),
            due: Instant::ZERO,
            random: seed | 1,
            moves: 0,
        });
        let under_way = heapless::Vec::new();
        Control { directory, wanted, to_ask: 0, under_way, cores: all, serving: all, told: all, exercise, parkings: 0 }
    }

    /// Wants a group on a core that serves.
    pub fn migrate(&mut self, group: u8, to: usize) {
        if self.serving >> to & 1 == 1 {
            self.want(group.into(), to);
        }
    }

    fn want(&mut self, group: usize, core: usize) {
        self.wanted[group] = core as u8;
        self.to_ask |= 1 << group;
    }

    /// Wants a core to serve no more; its groups go to the others in turn. The first core always serves.
    pub fn park(&mut self, core: usize) {
        if core == 0 || self.serving >> core & 1 == 0 {
            return;
        }
        self.serving &= !(1 << core);
        self.parkings += 1;
        let mut others = cores_of(self.serving).cycle();
        for group in 0..FLOW_GROUPS {
            if usize::from(self.wanted[group]) == core {
                self.want(group, others.next().unwrap_or(0));
            }
        }
    }

    /// Wants a core to serve again, with its share of the groups.
    pub fn unpark(&mut self, core: usize) {
        if self.cores >> core & 1 == 0 || self.serving >> core & 1 == 1 {
            return;
        }
        self.serving |= 1 << core;
        let cores = self.serving.count_ones() as usize;
        for group in (0..FLOW_GROUPS).filter(|group| group % cores == core % cores) {
            self.want(group, core);
        }
    }

    /// When the next step of an exercise is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.exercise.as_ref().map(|exercise| exercise.due)
    }

    /// What is to be done next, to have what is wanted.
    pub(super) fn next_action(&mut self, now: Instant) -> Option<Action> {
        self.exercise(now);
        let directory = &self.directory;
        self.under_way.retain(|(group, to)| directory.owner(*group) != usize::from(*to));
        if let Some(core) = cores_of(self.serving & !self.told).next() {
            self.told |= 1 << core;
            return Some(Action::Power(core, Power::Serving));
        }
        let has_groups = |core: usize| (0..FLOW_GROUPS).any(|group| directory.owner(group as u8) == core);
        if let Some(core) = cores_of(self.told & !self.serving).find(|core| !has_groups(*core)) {
            self.told &= !(1 << core);
            return Some(Action::Power(core, Power::Parked));
        }
        self.next_move()
    }

    /// The next group that is to move and is not doing so already.
    fn next_move(&mut self) -> Option<Action> {
        let moving = self.under_way.iter().fold(0, |set: GroupSet, (group, _)| set | 1 << group);
        while self.to_ask & !moving != 0 && !self.under_way.is_full() {
            let group = (self.to_ask & !moving).trailing_zeros() as u8;
            self.to_ask &= !(1 << group);
            let (owner, to) = (self.directory.owner(group), self.wanted[usize::from(group)]);
            if owner != usize::from(to) {
                let _ = self.under_way.push((group, to)); // its place is free
                return Some(Action::Migrate(group, to, owner));
            }
        }
        None
    }

    /// A move was refused: it may be asked for again.
    pub(super) fn refused(&mut self, group: u8) {
        self.under_way.retain(|(under_way, _)| *under_way != group);
        self.to_ask |= 1 << group;
    }

    fn exercise(&mut self, now: Instant) {
        // One after the other: a move that has not ended is not replaced by another.
        let settled = self.under_way.is_empty() && self.told == self.serving;
        let Some(exercise) = self.exercise.as_mut().filter(|exercise| now >= exercise.due && settled) else { return };
        exercise.due = now + exercise.interval;
        exercise.moves += 1;
        let parking = exercise.moves.is_multiple_of(MOVES_PER_PARKING);
        let mut random = |below: usize| {
            exercise.random ^= exercise.random << 13;
            exercise.random ^= exercise.random >> 7;
            exercise.random ^= exercise.random << 17;
            (exercise.random >> 33) as usize % below
        };
        let group = random(FLOW_GROUPS) as u8;
        // The first core always serves.
        let (other, of_serving) =
            (1 + random(self.cores.count_ones() as usize - 1), random(self.serving.count_ones() as usize));
        if parking && self.serving >> other & 1 == 1 {
            self.park(other);
        } else if parking {
            self.unpark(other);
        } else if let Some(core) = cores_of(self.serving).nth(of_serving) {
            self.migrate(group, core);
        }
    }
}

impl Control {
    /// Visits as many values as there are, of a core that decides nothing.
    pub(super) fn visit_none(visit: &mut dyn FnMut(&str, u64)) {
        visit("cores_serving", 0);
        visit("cores_parkings", 0);
    }
}

impl Statistics for Control {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        visit("cores_serving", self.told.count_ones().into());
        visit("cores_parkings", self.parkings);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn control(cores: usize) -> Control {
        let table: Table = core::array::from_fn(|group| (group % cores) as u8);
        Control::new(Directory::new(&table), cores, 0, 1)
    }

    /// Does what is asked for until nothing more is. Returns the moves.
    fn settle(control: &mut Control) -> Vec<(u8, u8)> {
        let mut moves = Vec::new();
        while let Some(action) = control.next_action(Instant::ZERO) {
            if let Action::Migrate(group, to, owner) = action {
                assert_eq!(control.directory.owner(group), owner);
                control.directory.set_owner(group, to.into());
                moves.push((group, to));
            }
        }
        moves
    }

    #[test]
    fn a_group_is_asked_once_and_again_if_refused_or_wanted_elsewhere() {
        let mut control = control(4);
        assert_eq!(control.next_action(Instant::ZERO), None);
        control.migrate(5, 2);
        assert_eq!(control.next_action(Instant::ZERO), Some(Action::Migrate(5, 2, 1)));
        assert_eq!(control.next_action(Instant::ZERO), None, "under way");
        control.refused(5);
        assert_eq!(control.next_action(Instant::ZERO), Some(Action::Migrate(5, 2, 1)));
        control.migrate(5, 3);
        assert_eq!(control.next_action(Instant::ZERO), None, "one move at a time");
        control.directory.set_owner(5, 2);
        assert_eq!(control.next_action(Instant::ZERO), Some(Action::Migrate(5, 3, 2)));
        control.directory.set_owner(5, 3);
        assert_eq!(settle(&mut control), []);
    }

    #[test]
    fn few_groups_move_at_a_time() {
        let mut control = control(2);
        (0..20).for_each(|group| control.migrate(group, 1));
        let asked = core::iter::from_fn(|| control.next_action(Instant::ZERO)).count();
        assert_eq!(asked, MOST_UNDER_WAY);
        control.directory.set_owner(0, 1);
        assert_eq!(core::iter::from_fn(|| control.next_action(Instant::ZERO)).count(), 1);
    }

    #[test]
    fn a_core_is_parked_when_its_groups_are_gone_and_gets_its_share_back() {
        let mut control = control(4);
        control.park(3);
        let moves = settle(&mut control);
        assert_eq!(moves.len(), FLOW_GROUPS / 4);
        assert!(moves.iter().all(|(group, to)| group % 4 == 3 && *to < 3));
        assert_eq!(control.told, 0b0111);
        control.unpark(3);
        let moves = settle(&mut control);
        assert_eq!(moves.len(), FLOW_GROUPS / 4);
        assert!(moves.iter().all(|(group, to)| group % 4 == 3 && *to == 3));
        assert_eq!(control.told, 0b1111);
    }
}
