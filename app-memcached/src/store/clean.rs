//! The cleaners: turn segments with dead items into free ones.
//!
//! Two ways, chosen per victim:
//!
//! - **Compact** the segment with the least live bytes, if it is at most 7/8 live: live items move to the survivors' head.
//!   As the least is never above the average, nothing live is lost while at most 7/8 of the sealed memory is live (of
//!   items that are small beside a segment: large ones leave gaps that no packing fills).
//! - **Evict** the oldest segment: items that were used since they were written, or kept the last time, are kept once more, up
//!   to three quarters of a segment of them; the others are gone. Fresh items have a tenth of the memory: the oldest fresh
//!   segment goes first while they have more, else the oldest one of survivors. What nobody reads passes through that tenth
//!   and is gone; a key that is written anew soon after, of which a [ghost](super::ghosts) tells, is kept the next time.
//!   This is S3-FIFO (Yang et al., SOSP 2023) with one bit for its counts.
//!
//! When evictions are off, the second is replaced by **Inspect**: expired items are unlinked, so that their segment becomes
//! worth compacting, and nothing moves.
//!
//! The walk goes item by item and can stop after any; expired and flushed items vanish on its way. Whether an item is live
//! is asked of the index: nothing is written to dead items. What is moved or unlinked stays readable until every core has
//! ended its turn (`segment::State::Limbo`).
//!
//! The core that needs memory cleans. It claims its victim, so that no two clean one segment; clients of all cores read, update
//! and delete its items meanwhile, and whoever is slower at an item looks again.

use super::index::Entry;
use super::layout::Addr;
use super::pins::Pins;
use super::pool::Number;
use super::segment::{Age, Segment, State};
use super::{Handle, Miss, Shared, WhenFull};

/// The live share above which compaction does not pay, in eighths.
const COMPACT_BELOW: usize = 7;

/// The share of an evicted segment that is kept at most, in quarters.
const KEEP_AT_MOST: usize = 3;

/// Bytes walked for each byte written, when evicting: twice what the least gain of a walk asks for, a quarter of it.
const EVICT_PACE: usize = 8;

/// The share of all segments that hold fresh items, in tenths, beyond which the oldest of them is evicted from rather than the oldest
/// survivors. Measured with `memstorm bench replay`: 1 is better than 2, 3 or all.
const FRESH_SHARE: usize = 1;

/// Bytes walked for each byte written, when inspecting.
const INSPECT_PACE: usize = 16;

/// Items whose buckets are asked for together: the misses of a write's share overlap.
const GROUP: usize = 8;

/// Victims in a row that may leave no more free segments than before: 7/8 live ones need 8.
const MAX_FUTILE: usize = 8;

/// What is done with the items of a victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Live ones are moved.
    Compact,
    /// Used ones are moved, others evicted.
    Evict,
    /// Expired ones are unlinked, nothing moves.
    Inspect,
}

/// What becomes of an item of a victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is there still.
    Stays,
    /// The index no longer holds it.
    Gone,
}

/// A segment on its way to be cleaned, claimed by this core.
#[derive(Clone, Copy, Debug)]
pub(super) struct Victim {
    pub(super) number: Number,
    mode: Mode,
    /// Offset of the next item in the segment.
    at: usize,
    /// Bytes kept by reinsertion.
    kept: usize,
    /// Items that stay where they are.
    stay: usize,
    /// When the first of those expires, if any does.
    pub(super) first_expiry: Option<u32>,
    /// Bytes to walk for each byte written.
    pace: usize,
}

impl Victim {
    /// A segment that was just claimed, to be walked at `pace`.
    pub(super) fn new(number: Number, mode: Mode, pace: usize) -> Victim {
        Victim { number, mode, at: 0, kept: 0, stay: 0, first_expiry: None, pace }
    }
}

/// One core's cleaner between two slices.
#[derive(Default)]
pub(super) struct Cleaner {
    victim: Option<Victim>,
    /// Items walked so far.
    #[cfg(test)]
    pub(super) walked: usize,
}

/// The segment that nobody holds with the least of some measure, so far.
struct Least(Option<(Number, u64)>);

impl Least {
    fn consider(&mut self, number: Number, value: u64, pins: &Pins) {
        if self.0.is_none_or(|(_, least)| value < least) && !pins.are_held(number) {
            self.0 = Some((number, value));
        }
    }
}

impl Handle {
    /// Cleans for a write of `bytes` bytes: its share.
    pub(super) fn clean_share(&mut self, bytes: usize) {
        let Some(mut victim) = self.cleaner.victim.take().or_else(|| self.choose_victim()) else { return };
        let budget = victim.at + bytes * victim.pace;
        let mut expected = victim.at;
        while victim.at < budget {
            if victim.at >= expected {
                expected = self.expect_group(&victim);
            }
            if !self.clean_next(&mut victim) {
                return;
            }
        }
        self.cleaner.victim = Some(victim);
    }

    /// Cleans until `wanted` segments are free or about to be; there are `before`. Returns whether anything was gained.
    pub(super) fn clean_more(&mut self, before: usize, wanted: usize) -> bool {
        let total = self.shared.segments.total();
        let mut most = before;
        let mut futile = 0;
        while most < wanted {
            // Compaction gains an eighth of a segment at least, but for large items, which may not pack any better.
            let victim = match self.cleaner.victim.take() {
                Some(begun) if begun.mode != Mode::Inspect => Some(begun),
                Some(begun) => {
                    self.clean_rest(begun);
                    continue;
                }
                None if futile > MAX_FUTILE => self.oldest_victim(),
                None => self.choose_victim(),
            };
            match victim {
                Some(victim) if victim.mode == Mode::Inspect => {
                    self.cleaner.victim = Some(victim);
                    return false;
                }
                Some(victim) => self.clean_rest(victim),
                None => return false,
            }
            let free = self.reclaim() + self.shared.segments.free_count();
            futile = if free > most { 0 } else { futile + 1 };
            most = most.max(free);
            if futile >= MAX_FUTILE + total {
                return false;
            }
        }
        true
    }

    /// Cleans the segment that was begun, if any, to its end.
    pub(super) fn finish_cleaning(&mut self) {
        if let Some(victim) = self.cleaner.victim.take() {
            self.clean_rest(victim);
        }
    }

    /// Leaves the segment that was begun, if any, to whoever cleans next.
    pub(super) fn stop_cleaning(&mut self) {
        if let Some(victim) = self.cleaner.victim.take() {
            self.unclaim(victim.number);
        }
    }

    /// Gives up a claimed segment, as it is.
    pub(super) fn unclaim(&self, number: Number) {
        let shared = &*self.shared;
        shared.segments.unclaim(number);
        shared.segments.retire_if_dead(number, &shared.epochs);
    }

    /// Clears a claimed segment: moves what there is room for, evicts the rest if that is allowed. Whether it holds nothing now,
    /// and is claimed still.
    pub(super) fn clear_segment(&mut self, number: Number) -> bool {
        let mut victim = Victim::new(number, Mode::Compact, 0);
        while self.clean_item_at(&mut victim) {}
        if victim.stay > 0 {
            self.leave(number);
        }
        victim.stay == 0
    }

    fn clean_rest(&mut self, mut victim: Victim) {
        while self.clean_next(&mut victim) {}
    }

    /// Claims a victim among the segments that nobody holds. Looks at every segment; once more for each core that is faster.
    fn choose_victim(&mut self) -> Option<Victim> {
        (0..self.shared.cores()).find_map(|_| self.try_victim())
    }

    fn try_victim(&mut self) -> Option<Victim> {
        let shared = &*self.shared;
        let bytes = shared.segments.bytes();
        let emptiest = |segment: &Segment| shared.segments.is_compactable(segment).then(|| u64::from(segment.live()));
        match self.least(emptiest) {
            Some((number, live)) if live as usize * 8 <= bytes * COMPACT_BELOW => {
                let pace = 2 * bytes / (bytes - live as usize);
                let victim = Victim::new(number, Mode::Compact, pace);
                shared.segments.claim(number, &shared.pins).then_some(victim)
            }
            _ => self.oldest_victim(),
        }
    }

    /// The victim when compaction does not pay. Large items, which have segments of their own, are not copied to be kept: one
    /// that was read since becomes the youngest instead.
    fn oldest_victim(&mut self) -> Option<Victim> {
        let (mode, pace) = match self.shared.when_full {
            WhenFull::Evict => (Mode::Evict, EVICT_PACE),
            WhenFull::Refuse => (Mode::Inspect, INSPECT_PACE),
        };
        let shared = &*self.shared;
        loop {
            let number = self.oldest()?;
            let addr = Addr(shared.segments.base(number));
            if shared.segments.get(number).span() == 1 || !shared.arena.access(addr).is_warm() {
                let victim = Victim::new(number, mode, pace);
                return shared.segments.claim(number, &shared.pins).then_some(victim);
            }
            shared.arena.set_access(addr, shared.arena.access(addr).cooled());
            shared.segments.renew(number);
        }
    }

    /// The segment whose turn to be evicted it is: the oldest fresh one if there are many of them, else the oldest survivor.
    fn oldest(&self) -> Option<Number> {
        let segments = &self.shared.segments;
        let mut fresh_segments = 0;
        let [mut fresh, mut survivor] = [const { Least(None) }; 2];
        for (number, segment) in segments.iter().filter(|(_, segment)| segment.state() == State::Sealed) {
            let oldest = match segments.age(number) {
                Age::Fresh => {
                    fresh_segments += segment.span() as usize;
                    &mut fresh
                }
                Age::Survivor => &mut survivor,
            };
            oldest.consider(number, segment.sequence(), &self.shared.pins);
        }
        let has_many_fresh = fresh_segments * 10 > segments.total() * FRESH_SHARE;
        let [first, second] = if has_many_fresh { [fresh, survivor] } else { [survivor, fresh] };
        first.0.or(second.0).map(|(number, _)| number)
    }

    /// The segment that nobody holds and for which `measure` is least.
    fn least(&self, measure: impl Fn(&Segment) -> Option<u64>) -> Option<(Number, u64)> {
        let mut least = Least(None);
        for (number, segment) in self.shared.segments.iter() {
            if let Some(value) = measure(segment) {
                least.consider(number, value, &self.shared.pins);
            }
        }
        least.0
    }

    /// Cleans the next item of the victim, or ends it. Returns whether there may be more.
    fn clean_next(&mut self, victim: &mut Victim) -> bool {
        let more = self.clean_item_at(victim);
        if !more {
            if victim.stay > 0 {
                self.leave(victim.number);
            } else {
                self.counts().events.cleaned_segments.add(1);
                self.shared.segments.retire(victim.number, &self.shared.epochs);
            }
        }
        more
    }

    /// Asks for the buckets of the victim's next items. Where the items behind those begin.
    fn expect_group(&self, victim: &Victim) -> usize {
        let Shared { arena, index, segments, .. } = &*self.shared;
        let (base, used) = (segments.base(victim.number), segments.get(victim.number).used() as usize);
        let mut at = victim.at;
        for _ in 0..GROUP {
            if at >= used {
                break;
            }
            let addr = Addr(base + at);
            index.prefetch(arena, self.shared.hash_of(addr));
            at += arena.item_footprint(addr);
        }
        at
    }

    /// Gives up a claimed segment that holds items still; full as it is, it becomes the youngest.
    fn leave(&self, number: Number) {
        self.shared.segments.renew(number);
        self.unclaim(number);
    }

    /// Cleans the next item of the victim, if there is one.
    pub(super) fn clean_item_at(&mut self, victim: &mut Victim) -> bool {
        let shared = &*self.shared;
        let segment = shared.segments.get(victim.number);
        if victim.at >= segment.used() as usize || segment.live() == 0 {
            return false;
        }
        #[cfg(test)]
        {
            self.cleaner.walked += 1;
        }
        let addr = Addr(shared.segments.base(victim.number) + victim.at);
        let bytes = shared.arena.item_footprint(addr);
        let hash = shared.hash_of(addr);
        while let Some(entry) = self.shared.index.find_addr(&self.shared.arena, hash, addr) {
            match self.clean_item(victim, entry, bytes, hash) {
                Some(Fate::Gone) => break,
                Some(Fate::Stays) => {
                    victim.stay += 1;
                    break;
                }
                None => {}
            }
        }
        victim.at += bytes;
        true
    }

    /// Moves, evicts or buries one item that the index holds. `None` if another core was faster.
    fn clean_item(&mut self, victim: &mut Victim, entry: Entry, bytes: usize, hash: u64) -> Option<Fate> {
        let addr = entry.addr();
        if let Some(why) = self.why_dead(addr) {
            self.unlink(entry).then_some(())?;
            self.bury(addr, why);
            self.counts().events.reclaimed.add(1);
            return Some(Fate::Gone);
        }
        let access = self.shared.arena.access(addr);
        let keep = match victim.mode {
            Mode::Inspect => {
                let exptime = self.shared.arena.exptime(addr);
                if exptime != 0 {
                    victim.first_expiry = Some(victim.first_expiry.map_or(exptime, |first| first.min(exptime)));
                }
                return Some(Fate::Stays);
            }
            Mode::Compact => true,
            Mode::Evict => access.is_warm() && victim.kept + bytes <= self.shared.segments.bytes() / 4 * KEEP_AT_MOST,
        };
        if keep && let Some(kept) = self.keep(entry)? {
            victim.kept += kept;
            return Some(Fate::Gone);
        }
        if self.shared.when_full == WhenFull::Refuse {
            return Some(Fate::Stays);
        }
        self.unlink(entry).then_some(())?;
        if self.shared.segments.age(victim.number) == Age::Fresh {
            self.shared.ghosts.add(&self.shared.arena, hash);
        }
        self.report_eviction(addr);
        self.counts().events.evictions.add(1);
        self.counts().events.evicted_unfetched.add(u64::from(!access.is_fetched()));
        Some(Fate::Gone)
    }

    /// Moves an item to the survivors' head, if there is room. Returns how many bytes it takes there. `None` if another core
    /// was faster.
    fn keep(&mut self, entry: Entry) -> Option<Option<usize>> {
        let plan = self.plan_of_copy(entry.addr());
        let bytes = plan.footprint();
        if bytes > self.shared.segments.bytes() {
            return Some(None);
        }
        let Some(to) = self.allocate_survivor(bytes) else { return Some(None) };
        if !self.copy_item(entry.addr(), to, plan) || !self.move_entry(entry, to) {
            self.give_back_survivor(bytes);
            return None;
        }
        self.add_live(to);
        self.subtract_live(entry.addr());
        self.counts().events.moved_bytes.add(bytes as u64);
        Some(Some(bytes))
    }

    /// Counts an item that is found dead.
    pub(super) fn bury(&mut self, addr: Addr, why: Miss) {
        if why == Miss::Expired && !self.shared.arena.access(addr).is_fetched() {
            self.counts().events.expired_unfetched.add(1);
        }
    }
}
