//! Segments: equal pieces of the arena, each filled from its first byte to its last and then cleaned as a whole.
//!
//! ```text
//! never used -> Head -> Sealed -> (the cleaner's victim) -> Free -> Head -> ...
//!            \-> Index, for good                        \-> Draining (readers left) -> Free
//! ```
//!
//! An item larger than a segment takes a run of whole segments: the first stands for all (`span`), the others are `Tail`s.
//! The table's entries are written when a segment is first used, so a large arena costs nothing at boot.

use alloc::vec::Vec;

/// What a segment is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing.
    Free,
    /// Items are added.
    Head,
    /// Full.
    Sealed,
    /// Cleaned, but some readers still hold items of it.
    Draining,
    /// Part of the run that an earlier segment began.
    Tail,
    /// Set aside for a run.
    Claimed,
    /// Buckets of the index.
    Index,
}

/// One segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) state: State,
    /// Segments of the run that begins here: 1, or more for one large item.
    pub(super) span: u32,
    /// Bytes given to items.
    pub(super) used: u32,
    /// Bytes of items that the index holds.
    pub(super) live: u32,
    /// Items being sent from here.
    pub(super) readers: u32,
    /// Items reserved here that are not published yet.
    pub(super) writers: u32,
    /// Order in which segments were opened.
    pub(super) sequence: u64,
}

/// A segment's number.
pub(super) type Number = u32;

/// Segments of the largest arena whose segments may be smaller than the largest item.
const MAX_WITH_RUNS: usize = 128;

/// All segments of an arena.
pub(super) struct Segments {
    table: Vec<Segment>,
    free: Vec<Number>,
    total: usize,
    shift: u32,
    sequence: u64,
    /// Segments that a reader or writer holds.
    pinned: usize,
}

impl Segments {
    /// `total` segments of `bytes` bytes each (a power of two).
    pub(super) fn new(total: usize, bytes: usize) -> Segments {
        let (table, free) = (Vec::with_capacity(total), Vec::with_capacity(total));
        Segments { table, free, total, shift: bytes.ilog2(), sequence: 0, pinned: 0 }
    }

    /// Segments in all.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Bytes of a segment.
    pub(super) fn bytes(&self) -> usize {
        1 << self.shift
    }

    /// Segments that hold nothing.
    pub(super) fn free_count(&self) -> usize {
        self.free.len() + self.total - self.table.len()
    }

    /// Segments that a reader or writer holds.
    pub(super) fn pinned(&self) -> usize {
        self.pinned
    }

    /// Arena offset of a segment.
    pub(super) fn base(&self, number: Number) -> usize {
        (number as usize) << self.shift
    }

    /// The segment that an arena offset lies in; for a large item, the first of its run.
    pub(super) fn containing(&self, offset: usize) -> Number {
        (offset >> self.shift) as Number
    }

    pub(super) fn get(&self, number: Number) -> &Segment {
        &self.table[number as usize]
    }

    pub(super) fn get_mut(&mut self, number: Number) -> &mut Segment {
        &mut self.table[number as usize]
    }

    /// All segments that were ever used, with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Number, &Segment)> {
        (0..).zip(&self.table)
    }

    /// Takes a free segment for `state`, unless only `reserve` are left.
    pub(super) fn take(&mut self, state: State, reserve: usize) -> Option<Number> {
        if self.free_count() <= reserve {
            return None;
        }
        let number = match (state, self.free.pop()) {
            (State::Index, used) => {
                self.free.extend(used);
                self.take_last()?
            }
            (_, Some(used)) => used,
            (_, None) => self.extend()?,
        };
        self.open(number, state, 1);
        Some(number)
    }

    /// Takes the last free segment out of the free ones. What never moves stands at the arena's end, out of the way of runs;
    /// a large arena, which has no runs, does not care.
    fn take_last(&mut self) -> Option<Number> {
        while self.total <= MAX_WITH_RUNS
            && let Some(number) = self.extend()
        {
            self.free.insert(0, number);
        }
        match (0..self.free.len()).max_by_key(|&i| self.free[i]) {
            Some(last) => Some(self.free.swap_remove(last)),
            None => self.extend(),
        }
    }

    /// Sets a free segment aside for a run; one that is not free stays as it is.
    pub(super) fn claim(&mut self, number: Number) {
        while self.table.len() <= number as usize {
            let Some(new) = self.extend() else { return };
            self.free.push(new);
        }
        if self.is_free(number) {
            self.free.retain(|&free| free != number);
            self.get_mut(number).state = State::Claimed;
        }
    }

    /// Frees a segment that was set aside.
    pub(super) fn unclaim(&mut self, number: Number) {
        if self.get(number).state == State::Claimed {
            self.release(number);
        }
    }

    /// Opens the run of `span` segments at `first`, all of them claimed, for one item.
    pub(super) fn open_run(&mut self, first: Number, span: u32) {
        for number in first + 1..first + span {
            self.open(number, State::Tail, 1);
        }
        self.open(first, State::Sealed, span);
    }

    /// Whether a segment is free, used before or not.
    pub(super) fn is_free(&self, number: Number) -> bool {
        self.table.get(number as usize).is_none_or(|segment| segment.state == State::Free)
    }

    /// Frees a segment and the run that begins there.
    pub(super) fn release(&mut self, number: Number) {
        for number in number..number + self.get(number).span {
            let segment = self.get_mut(number);
            (segment.state, segment.span) = (State::Free, 1);
            self.free.push(number);
        }
    }

    /// Makes a segment the youngest.
    pub(super) fn renew(&mut self, number: Number) {
        self.sequence += 1;
        self.get_mut(number).sequence = self.sequence;
    }

    /// Notes one more reader.
    pub(super) fn add_reader(&mut self, number: Number) {
        self.count_pin(number, |segment| segment.readers += 1);
    }

    /// Notes one reader less.
    pub(super) fn remove_reader(&mut self, number: Number) {
        self.count_pin(number, |segment| segment.readers -= 1);
    }

    /// Notes one more writer.
    pub(super) fn add_writer(&mut self, number: Number) {
        self.count_pin(number, |segment| segment.writers += 1);
    }

    /// Notes one writer less.
    pub(super) fn remove_writer(&mut self, number: Number) {
        self.count_pin(number, |segment| segment.writers -= 1);
    }

    /// Applies `change` to a segment's pins and keeps count of the pinned segments.
    fn count_pin(&mut self, number: Number, change: impl FnOnce(&mut Segment)) {
        let segment = self.get_mut(number);
        let before = segment.is_pinned();
        change(segment);
        let (after, span) = (segment.is_pinned(), segment.span as usize);
        match (before, after) {
            (false, true) => self.pinned += span,
            (true, false) => self.pinned -= span,
            _ => {}
        }
    }

    /// Adds the next segment that was never used to the table.
    fn extend(&mut self) -> Option<Number> {
        if self.table.len() == self.total {
            return None;
        }
        let number = self.table.len() as Number;
        self.table.push(Segment { state: State::Free, span: 1, used: 0, live: 0, readers: 0, writers: 0, sequence: 0 });
        Some(number)
    }

    fn open(&mut self, number: Number, state: State, span: u32) {
        self.sequence += 1;
        let sequence = self.sequence;
        *self.get_mut(number) = Segment { state, span, used: 0, live: 0, readers: 0, writers: 0, sequence };
    }
}

impl Segment {
    /// Whether somebody holds an item of it.
    pub(super) fn is_pinned(&self) -> bool {
        self.readers + self.writers > 0
    }

    /// Whether the cleaner may take it.
    pub(super) fn is_cleanable(&self) -> bool {
        self.state == State::Sealed && !self.is_pinned()
    }

    /// Whether moving its live items elsewhere could gain memory: some are dead, or it was sealed half empty. The end of a
    /// segment that a large item did not fit into is no gain.
    pub(super) fn is_compactable(&self, segment_bytes: usize) -> bool {
        let dead = (self.used - self.live) as usize;
        self.is_cleanable() && self.span == 1 && (dead >= segment_bytes / 16 || self.used as usize <= segment_bytes / 2)
    }
}
