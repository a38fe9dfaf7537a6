//! Segments: equal pieces of the arena, each filled by one core from its first byte to its last and then cleaned as a whole.
//!
//! ```text
//! Free -> Head -> Sealed -> Cleaning -> Limbo -> Free      Sealed -> Limbo: all of its items are dead
//!     \-> Index, for good        \-> Sealed: something had to stay
//! ```
//!
//! Who takes a segment to `Head` or `Cleaning` owns it until it leaves that state. In `Limbo` nothing of it is in the index any
//! more; it is free once no core can see it (see `epoch`) and none holds a pin on it.
//!
//! An item larger than a segment takes a run of whole segments: the first stands for all (`span`), the others are `Tail`s.

use alloc::boxed::Box;

use super::epoch::Epochs;
use super::pins::Pins;
use super::pool::{End, FreePool, Number, NumberSet};
use super::sync::{Apart, AtomicU32, AtomicU64, Ordering, order_after_rmw};

/// What a segment is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum State {
    /// Nothing.
    Free,
    /// Items are added, by one core.
    Head,
    /// Full.
    Sealed,
    /// A core moves or evicts its items.
    Cleaning,
    /// Nothing in it is to be found any more, but some cores may still look at it.
    Limbo,
    /// Part of the run that an earlier segment began.
    Tail,
    /// Buckets of the index.
    Index,
}

/// One segment.
#[repr(align(32))]
pub(super) struct Segment {
    state: AtomicU32,
    span: AtomicU32,
    used: AtomicU32,
    dead: AtomicU32,
    sequence: AtomicU64,
    /// The epoch that has to pass before it is free.
    retired: AtomicU64,
}

impl Segment {
    fn new() -> Segment {
        let zero = || AtomicU32::new(0);
        let state = AtomicU32::new(State::Free as u32);
        Segment {
            state,
            span: AtomicU32::new(1),
            used: zero(),
            dead: zero(),
            sequence: AtomicU64::new(0),
            retired: AtomicU64::new(0),
        }
    }

    pub(super) fn state(&self) -> State {
        const STATES: [State; 7] =
            [State::Free, State::Head, State::Sealed, State::Cleaning, State::Limbo, State::Tail, State::Index];
        STATES.get(self.state.load(Ordering::SeqCst) as usize).copied().unwrap_or(State::Index)
    }

    fn set_state(&self, state: State) {
        // A swap rather than a store: what is loaded after it is loaded after it, see `add_dead`.
        self.state.swap(state as u32, Ordering::SeqCst);
        order_after_rmw();
    }

    fn change_state(&self, from: State, to: State) -> bool {
        self.state.compare_exchange(from as u32, to as u32, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Segments of the run that begins here: 1, or more for one large item.
    pub(super) fn span(&self) -> u32 {
        self.span.load(Ordering::Relaxed)
    }

    /// Bytes given to items. Not known while the segment is a head.
    pub(super) fn used(&self) -> u32 {
        self.used.load(Ordering::SeqCst)
    }

    /// Bytes of items that the index holds, or will once they are published.
    pub(super) fn live(&self) -> u32 {
        self.used().saturating_sub(self.dead.load(Ordering::SeqCst))
    }

    /// Bytes of items that the index no longer holds.
    #[cfg(all(test, not(loom)))]
    pub(super) fn dead(&self) -> u32 {
        self.dead.load(Ordering::SeqCst)
    }

    /// Order in which segments were opened.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Relaxed)
    }
}

/// Which items a segment holds. Those that survived a cleaning stay apart from fresh ones, which die sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// Written by clients.
    Fresh,
    /// Copied by a cleaner.
    Survivor,
}

/// What is known of a segment's items.
#[derive(Default)]
struct Origin {
    stamp_base: AtomicU64,
    is_survivor: AtomicU32,
    /// When the first item expires, or earlier; [`NEVER`]: none does.
    first_expiry: AtomicU32,
    /// The first segment of the run that this one is a tail of.
    run: AtomicU32,
}

const NEVER: u32 = u32::MAX;

/// All segments of an arena.
pub(super) struct Segments {
    table: Box<[Segment]>,
    shift: u32,
    free: FreePool,
    limbo: NumberSet,
    limbo_count: Apart<AtomicU32>,
    sequence: AtomicU64,
    origins: Box<[Origin]>,
}

impl Segments {
    /// `total` segments of `bytes` bytes each (a power of two).
    pub(super) fn new(total: usize, bytes: usize) -> Segments {
        Segments {
            table: (0..total).map(|_| Segment::new()).collect(),
            shift: bytes.ilog2(),
            free: FreePool::new(total),
            limbo: NumberSet::new(total),
            limbo_count: Apart(AtomicU32::new(0)),
            sequence: AtomicU64::new(0),
            origins: (0..total).map(|_| Origin::default()).collect(),
        }
    }

    /// Where the stamps of a segment's items begin.
    #[inline]
    pub(super) fn stamp_base(&self, number: Number) -> u64 {
        self.origins[number as usize].stamp_base.load(Ordering::Relaxed)
    }

    /// Which items a segment holds.
    pub(super) fn age(&self, number: Number) -> Age {
        match self.origins[number as usize].is_survivor.load(Ordering::Relaxed) {
            0 => Age::Fresh,
            _ => Age::Survivor,
        }
    }

    /// When the first of a segment's items expires, or earlier.
    pub(super) fn first_expiry(&self, number: Number) -> u32 {
        self.origins[number as usize].first_expiry.load(Ordering::Relaxed)
    }

    /// Notes that an item of a segment expires at `exptime`.
    #[inline]
    pub(super) fn note_expiry(&self, number: Number, exptime: u32) {
        let first = &self.origins[number as usize].first_expiry;
        if exptime < first.load(Ordering::Relaxed) {
            first.fetch_min(exptime, Ordering::Relaxed);
        }
    }

    /// Forgets when items of a segment expire that is about to be walked.
    pub(super) fn forget_expiry(&self, number: Number) {
        self.origins[number as usize].first_expiry.store(NEVER, Ordering::SeqCst);
    }

    /// Says where the stamps of a segment begin, and which items it will hold. Nobody else looks at it yet: whoever finds an item
    /// there sees it too.
    pub(super) fn set_origin(&self, number: Number, stamp_base: u64, age: Age) {
        let origin = &self.origins[number as usize];
        origin.stamp_base.store(stamp_base, Ordering::Relaxed);
        origin.is_survivor.store(u32::from(age == Age::Survivor), Ordering::Relaxed);
        origin.first_expiry.store(NEVER, Ordering::Relaxed);
    }

    /// Segments in all.
    pub(super) fn total(&self) -> usize {
        self.table.len()
    }

    /// Bytes of a segment.
    pub(super) fn bytes(&self) -> usize {
        1 << self.shift
    }

    /// Segments that hold nothing.
    #[inline]
    pub(super) fn free_count(&self) -> usize {
        self.free.count()
    }

    /// Arena offset of a segment.
    pub(super) fn base(&self, number: Number) -> usize {
        (number as usize) << self.shift
    }

    /// The segment that an arena offset lies in.
    #[inline]
    pub(super) fn containing(&self, offset: usize) -> Number {
        (offset >> self.shift) as Number
    }

    /// The segment of an item that is held, part of which lies at an arena offset: for a large item, the first of its run.
    pub(super) fn holding(&self, offset: usize) -> Number {
        let number = self.containing(offset);
        match self.get(number).state() {
            State::Tail => self.origins[number as usize].run.load(Ordering::Relaxed),
            _ => number,
        }
    }

    pub(super) fn get(&self, number: Number) -> &Segment {
        &self.table[number as usize]
    }

    /// All segments, with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Number, &Segment)> {
        (0..).zip(&self.table)
    }

    /// Takes a free segment to fill it, unless only `reserve` are left.
    pub(super) fn take_head(&self, reserve: usize) -> Option<Number> {
        let number = self.free.take(reserve, End::Lowest)?;
        self.open(number, State::Head, 1);
        Some(number)
    }

    /// Takes a free segment for the index, unless only `reserve` are left.
    pub(super) fn take_for_index(&self, reserve: usize) -> Option<Number> {
        let number = self.free.take(reserve, End::Highest)?;
        self.open(number, State::Index, 1);
        Some(number)
    }

    /// Gives back a segment that nobody has ever looked at.
    pub(super) fn put_back(&self, number: Number) {
        self.get(number).set_state(State::Free);
        self.free.put(number);
    }

    /// Takes this segment to clean it, if it is free.
    pub(super) fn claim_free(&self, number: Number) -> bool {
        let taken = self.free.take_exactly(number);
        if taken {
            self.open(number, State::Cleaning, 1);
        }
        taken
    }

    /// Takes this segment to clean it, if it is full and nobody holds anything of it.
    pub(super) fn claim(&self, number: Number, pins: &Pins) -> bool {
        let segment = self.get(number);
        if pins.are_held(number) || !segment.change_state(State::Sealed, State::Cleaning) {
            return false;
        }
        // Writers pin only heads: a reservation that was open when the segment was sealed is seen now if not before.
        if pins.are_held(number) {
            self.unclaim(number);
            return false;
        }
        true
    }

    /// Gives up cleaning a segment.
    pub(super) fn unclaim(&self, number: Number) {
        self.get(number).set_state(State::Sealed);
    }

    /// Ends a head with `used` bytes in it.
    pub(super) fn seal(&self, number: Number, used: usize) {
        let segment = self.get(number);
        segment.used.store(used as u32, Ordering::SeqCst);
        segment.set_state(State::Sealed);
    }

    /// Makes the `span` segments from `first` on, all of them claimed, a run for one item.
    pub(super) fn open_run(&self, first: Number, span: u32) {
        for number in first + 1..first + span {
            self.open(number, State::Tail, 1);
            self.origins[number as usize].run.store(first, Ordering::Relaxed);
        }
        self.open(first, State::Head, span);
    }

    /// Makes a run that is being cleaned that many segments that are being cleaned.
    pub(super) fn split_run(&self, first: Number) -> u32 {
        let span = self.get(first).span();
        (first..first + span).for_each(|number| self.open(number, State::Cleaning, 1));
        span
    }

    /// Notes that the index no longer holds `bytes` bytes of a segment.
    #[inline]
    pub(super) fn add_dead(&self, number: Number, bytes: usize, epochs: &Epochs) {
        let segment = self.get(number);
        segment.dead.fetch_add(bytes as u32, Ordering::SeqCst);
        // Who seals sets the state before it looks for dead bytes; here it is the other way round: one of the two sees both.
        order_after_rmw();
        self.retire_if_dead(number, epochs);
    }

    /// Retires a full segment that holds nothing any more.
    #[inline]
    pub(super) fn retire_if_dead(&self, number: Number, epochs: &Epochs) {
        let segment = self.get(number);
        if segment.state() == State::Sealed && segment.live() == 0 && segment.change_state(State::Sealed, State::Limbo)
        {
            self.put_in_limbo(number, epochs);
        }
    }

    /// Retires a segment that was cleaned by the caller.
    pub(super) fn retire(&self, number: Number, epochs: &Epochs) {
        self.get(number).set_state(State::Limbo);
        self.put_in_limbo(number, epochs);
    }

    fn put_in_limbo(&self, number: Number, epochs: &Epochs) {
        self.get(number).retired.store(epochs.begin(), Ordering::Relaxed);
        self.limbo_count.0.fetch_add(1, Ordering::Relaxed);
        self.limbo.insert(number);
    }

    /// Frees what is in limbo and no longer seen by anybody. Returns how many segments only wait for other cores' turns to end.
    pub(super) fn reclaim(&self, epochs: &Epochs, pins: &Pins) -> usize {
        if self.limbo_count.0.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        // The set is read first: what is in it has its epoch.
        let mut waiting = 0;
        let mut passed = None;
        for number in self.limbo.iter() {
            let segment = self.get(number);
            let passed = *passed.get_or_insert_with(|| epochs.passed_by_all());
            if segment.retired.load(Ordering::Relaxed) > passed {
                waiting += segment.span() as usize;
            } else if !pins.are_held(number) && self.limbo.remove(number) {
                self.limbo_count.0.fetch_sub(1, Ordering::Relaxed);
                pins.settle(number, segment.span());
                self.release(number);
            }
        }
        waiting
    }

    /// Frees a segment and the run that begins there.
    fn release(&self, number: Number) {
        for number in number..number + self.get(number).span() {
            self.get(number).span.store(1, Ordering::Relaxed);
            self.put_back(number);
        }
    }

    /// Makes a segment the youngest.
    pub(super) fn renew(&self, number: Number) {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        self.get(number).sequence.store(sequence, Ordering::Relaxed);
    }

    fn open(&self, number: Number, state: State, span: u32) {
        let segment = self.get(number);
        segment.span.store(span, Ordering::Relaxed);
        segment.used.store(0, Ordering::Relaxed);
        segment.dead.store(0, Ordering::Relaxed);
        self.renew(number);
        segment.set_state(state);
    }

    /// Whether moving its live items elsewhere could gain memory: some are dead, or it was sealed half empty. The end of a
    /// segment that a large item did not fit into is no gain.
    pub(super) fn is_compactable(&self, segment: &Segment) -> bool {
        let used = segment.used() as usize;
        // Another core may open it anew between the two.
        let dead = used.saturating_sub(segment.live() as usize);
        segment.state() == State::Sealed
            && segment.span() == 1
            && (dead >= self.bytes() / 16 || used <= self.bytes() / 2)
    }
}
