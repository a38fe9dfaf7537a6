//! The log: where the next item goes.
//!
//! A core that allocates holds no reference into the store but under pins: so it passes a turn boundary of its own whenever
//! memory is short, and other cores need not wait for it.

use super::layout::Addr;
use super::pool::Number;
use super::segment::{Age, State};
use super::{Handle, WhenFull};

/// Copying that is worth not losing a byte, in bytes.
const LOSS: u64 = 8;

/// How often a core looks whether the others have ended their turns, when there is no other memory to be had: some tens of
/// milliseconds. A turn takes less, and a host that has stopped the other core lets it go on by then; else the write is refused.
const PATIENCE: u32 = 1_000_000;

/// How often a run is looked for.
const RUN_ATTEMPTS: usize = 4;

/// Memory is full: nothing could be, or may be, cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// A segment that is being filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) number: Number,
    /// Bytes given to items.
    pub(super) used: usize,
}

/// The segments that one core fills.
#[derive(Default)]
pub(super) struct Heads {
    fresh: Option<Head>,
    survivor: Option<Head>,
}

impl Heads {
    #[inline]
    pub(super) fn of(&mut self, age: Age) -> &mut Option<Head> {
        match age {
            Age::Fresh => &mut self.fresh,
            Age::Survivor => &mut self.survivor,
        }
    }
}

impl Handle {
    /// Room for an item of `bytes` bytes from a client, pinned; cleans as needed. `None` if memory is full.
    #[inline]
    pub(super) fn allocate(&mut self, bytes: usize) -> Option<Addr> {
        let segment_bytes = self.shared.segments.bytes();
        if bytes > segment_bytes {
            return self.allocate_run(bytes.div_ceil(segment_bytes) as u32, bytes);
        }
        let addr = self.find_room(bytes)?;
        self.add_pin(addr);
        Some(addr)
    }

    fn find_room(&mut self, bytes: usize) -> Option<Addr> {
        let segments = &self.shared.segments;
        if segments.free_count() < self.shared.low_water() {
            self.make_room(bytes);
        }
        if let Some(addr) = self.bump(Age::Fresh, bytes) {
            return Some(addr);
        }
        self.seal(Age::Fresh);
        let number = self.take_cleaned(|segments, reserve| segments.take_head(reserve))?;
        self.open_head(Age::Fresh, number);
        self.bump(Age::Fresh, bytes)
    }

    /// Room for an item of `bytes` bytes that the cleaner keeps; takes from the reserve and cleans nothing.
    pub(super) fn allocate_survivor(&mut self, bytes: usize) -> Option<Addr> {
        if let Some(addr) = self.bump(Age::Survivor, bytes) {
            return Some(addr);
        }
        let number = self.shared.segments.take_head(0)?;
        self.seal(Age::Survivor);
        self.open_head(Age::Survivor, number);
        self.bump(Age::Survivor, bytes)
    }

    /// Gives back the room of `bytes` bytes that was allocated last, and never seen by another core.
    pub(super) fn give_back_survivor(&mut self, bytes: usize) {
        if let Some(head) = self.heads.of(Age::Survivor) {
            head.used -= bytes;
        }
    }

    /// A segment for the index, if one is free.
    pub(super) fn spare_for_index(&self) -> Option<Number> {
        self.shared.segments.take_for_index(self.shared.reserve())
    }

    /// A segment for the index, by cleaning if need be.
    pub(super) fn take_for_index(&mut self) -> Option<Number> {
        self.take_cleaned(|segments, reserve| segments.take_for_index(reserve))
    }

    /// Frees what can be freed. Returns how many segments only wait for other cores' turns to end.
    pub(super) fn reclaim(&mut self) -> usize {
        self.moment = self.moment.wrapping_add(1);
        let shared = &*self.shared;
        shared.epochs.pass(self.core);
        shared.segments.reclaim(&shared.epochs, &shared.pins)
    }

    /// Cleans until `wanted` segments are free. Returns whether they are.
    pub(super) fn clean_until_free(&mut self, wanted: usize) -> bool {
        let mut patience = PATIENCE;
        loop {
            let waiting = self.reclaim();
            let free = self.shared.segments.free_count();
            if free >= wanted {
                return true;
            }
            if free + waiting < wanted {
                if !self.clean_more(free + waiting, wanted) {
                    return false;
                }
            } else if patience > 0 {
                patience -= 1;
                core::hint::spin_loop();
            } else {
                return false;
            }
        }
    }

    /// Memory is short: frees what can be freed, and pays a share of the cleaning for a write of `bytes` bytes, twice as much for
    /// each segment more that is missing.
    #[cold]
    pub(super) fn make_room(&mut self, bytes: usize) {
        let free = self.reclaim() + self.shared.segments.free_count();
        let missing = self.shared.low_water().saturating_sub(free) / self.shared.cores();
        if free < self.shared.low_water() {
            self.clean_share(bytes << missing.saturating_sub(1));
        }
    }

    /// Adds to a head, if it has room.
    #[inline]
    fn bump(&mut self, age: Age, bytes: usize) -> Option<Addr> {
        let segments = &self.shared.segments;
        let head = self.heads.of(age).as_mut()?;
        let at = head.used;
        if at + bytes > segments.bytes() {
            return None;
        }
        head.used += bytes;
        Some(Addr(segments.base(head.number) + at))
    }

    fn open_head(&mut self, age: Age, number: Number) {
        self.set_origin(number, age);
        *self.heads.of(age) = Some(Head { number, used: 0 });
    }

    fn set_origin(&self, number: Number, age: Age) {
        self.shared.segments.set_origin(number, self.shared.flushes.open_segment(self.core), age);
    }

    /// Ends heads that are so old that what is added soon may find no room for its stamp.
    pub(super) fn seal_outlived(&mut self) {
        for age in [Age::Fresh, Age::Survivor] {
            let number = self.heads.of(age).map(|head| head.number);
            let base = number.map(|number| self.shared.segments.stamp_base(number));
            if base.is_some_and(|base| self.shared.flushes.is_outlived(base)) {
                self.seal(age);
            }
        }
    }

    fn seal(&mut self, age: Age) {
        if let Some(head) = self.heads.of(age).take() {
            self.shared.segments.seal(head.number, head.used);
            self.shared.segments.retire_if_dead(head.number, &self.shared.epochs);
        }
    }

    /// What `take` takes beyond the reserve, by cleaning if need be.
    fn take_cleaned(&mut self, take: impl Fn(&super::segment::Segments, usize) -> Option<Number>) -> Option<Number> {
        let reserve = self.shared.reserve();
        loop {
            if let Some(number) = take(&self.shared.segments, reserve) {
                return Some(number);
            }
            // What was cleaned here may go to another core: then once more.
            if !self.clean_until_free(reserve + 1) {
                return None;
            }
        }
    }

    /// Room for an item that needs `span` whole segments: as many are freed first, anywhere, and then the run that is
    /// cheapest to clear is cleared. Cleans `2·span` segments or so, at once.
    fn allocate_run(&mut self, span: u32, bytes: usize) -> Option<Addr> {
        let total = self.shared.segments.total();
        if span as usize > total / 2 {
            return None;
        }
        // What is moved out of a run may need a segment that was to be part of it: then another one is looked for.
        (0..RUN_ATTEMPTS).find_map(|_| self.try_run(span, bytes))
    }

    fn try_run(&mut self, span: u32, bytes: usize) -> Option<Addr> {
        self.finish_cleaning();
        if !self.clean_until_free(span as usize + self.shared.reserve()) {
            return None;
        }
        let first = self.cheapest_run(span)?;
        let mut claimed = first;
        while claimed < first + span && self.claim_for_run(claimed) {
            let cleared = self.shared.segments.split_run(claimed);
            // A large item that reached beyond the run leaves the rest of its segments.
            (claimed.max(first + span)..claimed + cleared).for_each(|number| self.retire(number));
            claimed = (claimed + cleared).min(first + span);
        }
        // What was moved or evicted may have been pinned just before.
        let is_held = |number| self.shared.pins.are_held(number);
        if claimed < first + span || !self.outwait_others() || (first..claimed).any(is_held) {
            (first..claimed).for_each(|number| self.retire(number));
            return None;
        }
        let addr = Addr(self.shared.segments.base(first));
        self.shared.segments.open_run(first, span);
        self.set_origin(first, Age::Fresh);
        self.add_pin(addr);
        self.shared.segments.seal(first, bytes);
        Some(addr)
    }

    /// Claims a segment and clears it, so that what is moved out of it does not move into the next.
    fn claim_for_run(&mut self, number: Number) -> bool {
        let shared = &*self.shared;
        if shared.segments.claim_free(number) {
            return true;
        }
        shared.segments.claim(number, &shared.pins) && self.clear_segment(number)
    }

    fn retire(&self, number: Number) {
        self.shared.segments.retire(number, &self.shared.epochs);
    }

    /// Waits until no core sees what was unlinked so far; not for long. Whether that was enough.
    fn outwait_others(&self) -> bool {
        let epochs = &self.shared.epochs;
        let epoch = epochs.begin();
        (0..PATIENCE).any(|_| {
            epochs.pass(self.core);
            core::hint::spin_loop();
            epochs.passed_by_all() >= epoch
        })
    }

    /// The run of `span` segments that costs least to clear. Looks at every segment.
    fn cheapest_run(&self, span: u32) -> Option<Number> {
        let total = self.shared.segments.total() as Number;
        (0..=total - span).filter_map(|first| Some((self.run_cost(first, span)?, first))).min().map(|(_, first)| first)
    }

    /// What clearing a run costs, in bytes to copy; `None` if something in it has to stay where it is. A large item that
    /// reaches beyond the run's end goes as a whole; one that reaches into its beginning rules it out.
    fn run_cost(&self, first: Number, span: u32) -> Option<u64> {
        let mut cost = 0;
        let mut number = first;
        while number < first + span {
            let segment = self.shared.segments.get(number);
            match segment.state() {
                State::Free => {}
                State::Sealed if !self.shared.pins.are_held(number) => {
                    cost += match (segment.span(), self.shared.when_full) {
                        (1, _) => u64::from(segment.live()),
                        // Large items do not move: they would be lost.
                        (_, WhenFull::Evict) => LOSS * u64::from(segment.live()),
                        (_, WhenFull::Refuse) => return None,
                    };
                }
                _ => return None,
            }
            number += segment.span();
        }
        Some(cost)
    }
}
