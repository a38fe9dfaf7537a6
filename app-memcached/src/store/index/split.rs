//! Growth: bucket `n` is split off its parent, whose hashes differ from its own in one bit. Any core may do each step, and a core
//! that cannot go on without the split does all that are left:
//!
//! 1. *freeze* the parent's slots and links: no core changes them any more, all read them;
//! 2. *fill* the new bucket with what belongs there. It was blank before, and a slot is filled once, so a core that comes
//!    late changes nothing;
//! 3. say that there is one bucket more: from now on look-ups and changes of its items go there;
//! 4. *thaw* the parent, and empty what has gone. A look-up that misses in the parent sees the new number, and looks again.
//!
//! Who took step 3 prepares the bucket that comes next, or says that there is no segment for it. If that core is stopped, the
//! table does not grow meanwhile; nobody waits.
//!
//! A core that comes late to steps 1 or 4 could do harm in the parent's next split, a doubling later; so could one that has
//! seen what it froze, and thaws that late. So a doubling begins when all cores have ended the turn they were in, twice.

use super::super::arena::{Arena, LINE};
use super::super::epoch::Epochs;
use super::super::layout::Addr;
use super::super::sync::Ordering;
use super::lines;
use super::{
    ADDR, BLANK, DEAD, FROZEN, Index, LOAD, MOVER, NO_CHUNK, SLOTS, Scope, TENTATIVE, addr_of, line_at, link_to,
    number_of, swap,
};

/// Which of the two waits before a doubling an epoch is for, beside the epoch.
const FIRST_HOLD: u64 = 0;
const SECOND_HOLD: u64 = 1;

/// How far the bucket that comes next is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// A core prepares it.
    Busy,
    /// It is blank: the split may begin.
    Ready,
    /// There is no segment for it.
    Starved,
}

/// How many buckets there are, for the items that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Size {
    /// As many as there should be, or as memory is lent for.
    Enough,
    /// Fewer: a doubling had to wait.
    Behind,
}

/// Buckets in use, and the stage of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) buckets: usize,
    pub(super) stage: Stage,
}

impl State {
    #[inline]
    pub(super) fn of(word: u64) -> State {
        let stage = match word & 3 {
            0 => Stage::Busy,
            1 => Stage::Ready,
            _ => Stage::Starved,
        };
        State { buckets: (word >> 2) as usize, stage }
    }

    pub(super) fn word(self) -> u64 {
        (self.buckets as u64) << 2 | self.stage as u64
    }
}

impl Index {
    /// Whether the table should get a segment for buckets, if it holds `items`. Without it chains grow longer.
    #[inline]
    pub(in super::super) fn wants_buckets(&self, items: usize) -> bool {
        let state = self.state();
        state.stage == Stage::Starved && items >= state.buckets * LOAD
    }

    /// The segment that overflow buckets are cut from.
    pub(in super::super) fn overflow(&self) -> &lines::Overflow {
        &self.overflow
    }

    /// Takes the segment at `base` for buckets. Whether there was need for it.
    pub(in super::super) fn lend_for_buckets(&self, arena: &Arena, base: usize) -> bool {
        let starved = self.state();
        let busy = State { stage: Stage::Busy, ..starved };
        if starved.stage != Stage::Starved || !swap(&self.state, starved.word(), busy.word()) {
            return false;
        }
        self.chunks[starved.buckets >> self.chunk_shift].store((base / LINE) as u64, Ordering::Release);
        self.prepare(arena, starved.buckets);
        true
    }

    /// Splits one bucket, if `items` items ask for it and it can be done now. Says whether that was enough.
    #[inline]
    pub(in super::super) fn grow<H: Fn(Addr) -> u64>(&self, scope: &mut Scope<'_, H>, items: usize) -> Size {
        let State { buckets, stage } = self.state();
        if items < buckets * LOAD {
            return Size::Enough;
        }
        if stage == Stage::Ready && (!buckets.is_power_of_two() || self.may_double(scope.epochs, scope.core)) {
            self.split(scope, buckets);
        }
        if items < (buckets + 1) * LOAD || stage == Stage::Starved { Size::Enough } else { Size::Behind }
    }

    /// Whether nobody is left who could disturb a new doubling. The calling core is at the end of its turn, as far as the index
    /// is concerned.
    fn may_double(&self, epochs: &Epochs, core: usize) -> bool {
        let hold = self.hold.load(Ordering::Acquire);
        if hold != 0 {
            epochs.pass(core);
            if epochs.passed_by_all() >= hold / 2 {
                let next = if hold % 2 == FIRST_HOLD { epochs.begin() * 2 + SECOND_HOLD } else { 0 };
                swap(&self.hold, hold, next);
            }
        }
        hold == 0
    }

    /// Ends what has frozen `bucket`, the first line or any of a chain.
    #[cold]
    pub(super) fn help<H: Fn(Addr) -> u64>(&self, scope: &mut Scope<'_, H>, bucket: usize) {
        // The number is loaded after a frozen word was: it is that of the split, or a later one.
        let State { buckets, stage } = self.state();
        let is_held = buckets.is_power_of_two() && self.hold.load(Ordering::Acquire) != 0;
        if stage == Stage::Ready && !is_held {
            let parent = self.locate(parent_of(buckets));
            if in_chain(scope.arena, parent, bucket) {
                return self.split(scope, buckets);
            }
        }
        self.thaw(scope, bucket);
    }

    /// Splits bucket `new` off its parent, from wherever other cores have left it.
    #[cold]
    fn split<H: Fn(Addr) -> u64>(&self, scope: &mut Scope<'_, H>, new: usize) {
        let parent = self.locate(parent_of(new));
        freeze(scope.arena, parent);
        self.fill(scope, parent, new);
        let from = State { buckets: new, stage: Stage::Ready };
        let to = State { buckets: new + 1, stage: Stage::Busy };
        let is_first = swap(&self.state, from.word(), to.word());
        self.thaw(scope, parent);
        if is_first {
            if to.buckets.is_power_of_two() {
                self.hold.store(scope.epochs.begin() * 2 + FIRST_HOLD, Ordering::Release);
            }
            self.prepare(scope.arena, to.buckets);
            self.trim(scope, parent);
        }
    }

    /// Copies what belongs to bucket `new` there, in the order of the parent's chain.
    fn fill<H: Fn(Addr) -> u64>(&self, scope: &mut Scope<'_, H>, parent: usize, new: usize) {
        let (mut at, mut slot) = (self.locate(new), 0);
        let mut from = Some(parent);
        while let Some(line) = from {
            for place in &scope.arena.line(line)[..SLOTS] {
                let word = place.load(Ordering::SeqCst) & !(FROZEN | MOVER);
                if word & ADDR == 0 || word & TENTATIVE != 0 {
                    continue;
                }
                if number_of((scope.hash_of)(addr_of(word)), new + 1) != new {
                    continue;
                }
                if slot == SLOTS {
                    let Some(next) = self.extend(scope, at) else { return };
                    (at, slot) = (next, 0);
                }
                swap(&scope.arena.line(at)[slot], BLANK, word);
                slot += 1;
            }
            from = line_at(scope.arena.line(line)[SLOTS].load(Ordering::SeqCst));
        }
        let line = scope.arena.line(at);
        for place in &line[slot..] {
            swap(place, BLANK, 0);
        }
    }

    /// The bucket behind a full one that is being filled. `None`: there is no memory for it, on which all cores agree, and what
    /// is left is evicted.
    fn extend<H: Fn(Addr) -> u64>(&self, scope: &mut Scope<'_, H>, at: usize) -> Option<usize> {
        let link = &scope.arena.line(at)[SLOTS];
        scope.lines.refill(scope.arena, scope.epochs, &self.overflow);
        if link.load(Ordering::SeqCst) == BLANK {
            match scope.lines.take() {
                Some(line) => {
                    lines::write(scope.arena, line, BLANK);
                    if !swap(link, BLANK, link_to(line)) {
                        scope.lines.put(line);
                    }
                }
                None => _ = swap(link, BLANK, 0),
            }
        }
        line_at(link.load(Ordering::SeqCst))
    }

    /// Gives a chain back to those who change it, without what belongs elsewhere by now.
    fn thaw<H: Fn(Addr) -> u64>(&self, scope: &mut Scope<'_, H>, bucket: usize) {
        let buckets = self.state().buckets;
        let mut next = Some(bucket);
        while let Some(at) = next {
            let line = scope.arena.line(at);
            for place in &line[..SLOTS] {
                thaw_word(place, |word| {
                    // What is closed stays so.
                    let stays = word & ADDR == 0 || {
                        let home = self.bucket_of((scope.hash_of)(addr_of(word)), buckets);
                        in_chain(scope.arena, home, at)
                    };
                    if stays { word & !BLANK } else { 0 }
                });
            }
            next = line_at(thaw_word(&line[SLOTS], |link| link & !FROZEN));
        }
    }

    /// Makes bucket `next` blank, for its split. Only for the one core that has made the stage busy.
    pub(super) fn prepare(&self, arena: &Arena, next: usize) {
        let chunk = self.chunks.get(next >> self.chunk_shift).map_or(NO_CHUNK, |chunk| chunk.load(Ordering::Acquire));
        let stage = if chunk == NO_CHUNK { Stage::Starved } else { Stage::Ready };
        if stage == Stage::Ready {
            lines::write(arena, self.locate(next), BLANK);
        }
        self.state.store(State { buckets: next, stage }.word(), Ordering::Release);
    }
}

/// The bucket that shares its hashes with bucket `new` before that is split off.
fn parent_of(new: usize) -> usize {
    new & !(1 << new.ilog2())
}

/// Freezes a chain, bucket by bucket.
fn freeze(arena: &Arena, bucket: usize) {
    let mut next = Some(bucket);
    while let Some(at) = next {
        let line = arena.line(at);
        for place in &line[..SLOTS] {
            freeze_word(place, |word| match word {
                _ if word & TENTATIVE != 0 => 0,
                _ if word & ADDR == 0 => word,
                _ => word & !MOVER,
            });
        }
        next = line_at(freeze_word(&line[SLOTS], |word| word));
    }
}

/// Freezes a word that becomes `frozen` of it, unless it never changes any more. Returns what it was.
fn freeze_word(place: &super::AtomicU64, frozen: impl Fn(u64) -> u64) -> u64 {
    loop {
        let word = place.load(Ordering::SeqCst);
        if word & FROZEN != 0 || word == DEAD || swap(place, word, frozen(word) | FROZEN) {
            return word;
        }
    }
}

/// Thaws a word to what `thawed` makes of it. Returns what it was.
fn thaw_word(place: &super::AtomicU64, thawed: impl Fn(u64) -> u64) -> u64 {
    loop {
        let word = place.load(Ordering::SeqCst);
        // It may be opened meanwhile, if it was closed.
        if word & FROZEN == 0 || swap(place, word, thawed(word)) {
            return word;
        }
    }
}

/// Whether `line` is in the chain that begins at `bucket`.
fn in_chain(arena: &Arena, bucket: usize, line: usize) -> bool {
    let mut next = Some(bucket);
    while let Some(at) = next {
        if at == line {
            return true;
        }
        next = line_at(arena.line(at)[SLOTS].load(Ordering::SeqCst));
    }
    false
}
