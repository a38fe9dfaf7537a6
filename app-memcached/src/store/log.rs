//! The log: where the next item goes.

use super::index::Want;
use super::item::Addr;
use super::segment::{Number, State};
use super::{Store, WhenFull};

/// Free segments that only the cleaner may take, so that it can always copy what it keeps.
const RESERVE: usize = 1;

/// Free segments below which every write pays a share of the cleaning.
const LOW_WATER: usize = RESERVE + 2;

/// Copying that is worth not losing a byte, in bytes.
const LOSS: u64 = 8;

/// Which head an item is added to. Items that survived a cleaning stay apart from fresh ones, which die sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// Written by a client just now.
    Fresh,
    /// Copied by the cleaner.
    Survivor,
}

/// The segments that are being filled.
#[derive(Default)]
pub(super) struct Heads {
    fresh: Option<Number>,
    survivor: Option<Number>,
}

impl Heads {
    fn of(&mut self, age: Age) -> &mut Option<Number> {
        match age {
            Age::Fresh => &mut self.fresh,
            Age::Survivor => &mut self.survivor,
        }
    }
}

impl Store {
    /// Room for an item of `bytes` bytes from a client, cleaning as needed. `None` if memory is full.
    pub(super) fn allocate(&mut self, bytes: usize) -> Option<Addr> {
        if bytes > self.segments.bytes() {
            return self.allocate_run(bytes.div_ceil(self.segments.bytes()) as u32, bytes);
        }
        if self.segments.free_count() < LOW_WATER {
            self.clean_share(bytes);
        }
        if let Some(addr) = self.bump(Age::Fresh, bytes) {
            return Some(addr);
        }
        self.seal(Age::Fresh);
        self.heads.fresh = Some(self.take_segment(State::Head)?);
        self.bump(Age::Fresh, bytes)
    }

    /// Room for an item of `bytes` bytes that the cleaner keeps; takes from the reserve and cleans nothing.
    pub(super) fn allocate_survivor(&mut self, bytes: usize) -> Option<Addr> {
        if let Some(addr) = self.bump(Age::Survivor, bytes) {
            return Some(addr);
        }
        let number = self.segments.take(State::Head, 0)?;
        self.seal(Age::Survivor);
        self.heads.survivor = Some(number);
        self.bump(Age::Survivor, bytes)
    }

    /// Gives the index the segments it asks for, as far as there are any; whether an insertion will find room.
    pub(super) fn provide_for_index(&mut self) -> Option<()> {
        while let Some(want) = self.index.wants() {
            let Some(number) = self.take_segment(State::Index) else {
                return if want == Want::Overflow { None } else { Some(()) };
            };
            let (base, bytes) = (self.segments.base(number), self.segments.bytes());
            self.index.add_segment(want, base, bytes);
        }
        Some(())
    }

    /// Frees a segment that holds nothing any more.
    pub(super) fn release_if_dead(&mut self, number: Number) {
        let segment = self.segments.get(number);
        let done = match segment.state {
            State::Sealed => segment.live == 0 && !self.cleaner.is_on(number),
            State::Draining => true,
            _ => false,
        };
        if done && !segment.is_pinned() {
            self.segments.release(number);
        }
    }

    /// Adds to a head, if it has room.
    fn bump(&mut self, age: Age, bytes: usize) -> Option<Addr> {
        let number = (*self.heads.of(age))?;
        let (base, size) = (self.segments.base(number), self.segments.bytes());
        let head = self.segments.get_mut(number);
        let at = head.used as usize;
        if at + bytes > size {
            return None;
        }
        head.used += bytes as u32;
        Some(Addr(base + at))
    }

    fn seal(&mut self, age: Age) {
        if let Some(number) = self.heads.of(age).take() {
            self.segments.get_mut(number).state = State::Sealed;
            self.release_if_dead(number);
        }
    }

    /// A free segment, by cleaning if need be.
    fn take_segment(&mut self, state: State) -> Option<Number> {
        if self.segments.free_count() <= RESERVE && !self.clean_until_free(RESERVE + 1) {
            return None;
        }
        self.segments.take(state, RESERVE)
    }

    /// Room for an item that needs `span` whole segments: as many are freed first, anywhere, and then the run that is
    /// cheapest to clear is cleared. Cleans `2·span` segments or so, at once.
    fn allocate_run(&mut self, span: u32, bytes: usize) -> Option<Addr> {
        if span as usize > self.segments.total() / 2 {
            return None;
        }
        self.finish_cleaning();
        if !self.clean_until_free(span as usize + RESERVE) {
            return None;
        }
        let first = self.cheapest_run(span)?;
        let run = first..first + span;
        // Segments are claimed as they become free, so that what is moved out of one does not move into the next.
        for number in run.clone() {
            self.segments.claim(number);
            if self.segments.get(number).is_cleanable() {
                let step = self.segments.get(number).span;
                self.clear_segment(number);
                (number..run.end.min(number + step)).for_each(|number| self.segments.claim(number));
            }
        }
        if !run.clone().all(|number| self.segments.get(number).state == State::Claimed) {
            run.for_each(|number| self.segments.unclaim(number));
            return None;
        }
        self.segments.open_run(first, span);
        self.segments.get_mut(first).used = bytes as u32;
        Some(Addr(self.segments.base(first)))
    }

    /// The run of `span` segments that costs least to clear. Looks at every segment.
    fn cheapest_run(&self, span: u32) -> Option<Number> {
        let total = self.segments.total() as Number;
        (0..=total - span).filter_map(|first| Some((self.run_cost(first, span)?, first))).min().map(|(_, first)| first)
    }

    /// What clearing a run costs, in bytes to copy; `None` if something in it has to stay where it is. A large item that
    /// reaches beyond the run's end goes as a whole; one that reaches into its beginning rules it out.
    fn run_cost(&self, first: Number, span: u32) -> Option<u64> {
        let mut cost = 0;
        let mut number = first;
        while number < first + span {
            if self.segments.is_free(number) {
                number += 1;
                continue;
            }
            let segment = self.segments.get(number);
            if !segment.is_cleanable() {
                return None;
            }
            cost += match (segment.span, self.when_full) {
                (1, _) => u64::from(segment.live),
                // Large items do not move: they would be lost.
                (_, WhenFull::Evict) => LOSS * u64::from(segment.live),
                (_, WhenFull::Refuse) => return None,
            };
            number += segment.span;
        }
        Some(cost)
    }
}
