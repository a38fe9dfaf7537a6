//! The cleaner: turns segments with dead items into free ones.
//!
//! Two ways, chosen per victim:
//!
//! - **Compact** the segment with the least live bytes, if it is at most 7/8 live: live items move to the survivors' head.
//!   As the least is never above the average, nothing live is lost while at most 7/8 of the sealed memory is live (of
//!   items that are small beside a segment: large ones leave gaps that no packing fills).
//! - **Evict** the oldest segment: items that were read since they were written, or kept the last time, are kept once more, up
//!   to half a segment of them; the others are gone (FIFO with reinsertion).
//!
//! When evictions are off, the second is replaced by **Inspect**: expired items are unlinked, so that their segment becomes
//! worth compacting, and nothing moves.
//!
//! The walk goes item by item and can stop after any; expired and flushed items vanish on its way. Whether an item is live
//! is asked of the index: nothing is written to dead items. Items pinned by readers move like others, as the old bytes stay;
//! only the segment is freed later (`Draining`).

use super::index::Entry;
use super::item::Addr;
use super::segment::{Number, State};
use super::{Miss, Store, WhenFull};

/// The live share above which compaction does not pay, in eighths.
const COMPACT_BELOW: usize = 7;

/// Bytes walked for each byte written, when evicting: twice the least gain of a walk, half of it.
const EVICT_PACE: usize = 4;

/// Bytes walked for each byte written, when inspecting.
const INSPECT_PACE: usize = 16;

/// Victims in a row that may leave no more free segments than before: 7/8 live ones need 8.
const MAX_FUTILE: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Compact,
    Evict,
    Inspect,
}

/// A segment on its way to be cleaned.
#[derive(Clone, Copy, Debug)]
struct Victim {
    number: Number,
    mode: Mode,
    /// Offset of the next item in the segment.
    at: usize,
    /// Bytes kept by reinsertion.
    kept: usize,
    /// Bytes to walk for each byte written.
    pace: usize,
}

/// The cleaner's state between two slices.
#[derive(Default)]
pub(super) struct Cleaner {
    victim: Option<Victim>,
}

impl Cleaner {
    /// Whether a segment is being cleaned.
    pub(super) fn is_on(&self, number: Number) -> bool {
        self.victim.is_some_and(|victim| victim.number == number)
    }
}

impl Store {
    /// Cleans for a write of `bytes` bytes: its share.
    pub(super) fn clean_share(&mut self, bytes: usize) {
        let Some(mut victim) = self.cleaner.victim.or_else(|| self.choose_victim()) else { return };
        let budget = victim.at + bytes * victim.pace;
        self.cleaner.victim = Some(victim);
        while victim.at < budget {
            if !self.clean_next(&mut victim) {
                return;
            }
        }
        self.cleaner.victim = Some(victim);
    }

    /// Cleans until `wanted` segments are free. Returns whether they are.
    pub(super) fn clean_until_free(&mut self, wanted: usize) -> bool {
        let mut most = self.segments.free_count();
        let mut futile = 0;
        while self.segments.free_count() < wanted {
            // Compaction gains an eighth of a segment at least, but for large items, which may not pack any better.
            let victim = match self.cleaner.victim {
                Some(begun) if begun.mode != Mode::Inspect => Some(begun),
                _ if futile > MAX_FUTILE => self.oldest_victim(),
                _ => self.choose_victim(),
            };
            match victim {
                Some(victim) if victim.mode != Mode::Inspect && futile < MAX_FUTILE + self.segments.total() => {
                    self.clean_rest(victim);
                }
                _ => return false,
            }
            let free = self.segments.free_count();
            futile = if free > most { 0 } else { futile + 1 };
            most = most.max(free);
        }
        true
    }

    /// Cleans the segment that was begun, if any, to its end.
    pub(super) fn finish_cleaning(&mut self) {
        if let Some(victim) = self.cleaner.victim {
            self.clean_rest(victim);
        }
    }

    /// Clears one segment: moves what there is room for, evicts the rest if that is allowed.
    pub(super) fn clear_segment(&mut self, number: Number) {
        self.clean_rest(Victim { number, mode: Mode::Compact, at: 0, kept: 0, pace: 0 });
    }

    fn clean_rest(&mut self, mut victim: Victim) {
        self.cleaner.victim = Some(victim);
        while self.clean_next(&mut victim) {}
    }

    /// Picks a victim among the segments that nobody holds. Looks at every segment.
    fn choose_victim(&mut self) -> Option<Victim> {
        let bytes = self.segments.bytes();
        let compactable = self.segments.iter().filter(|(_, segment)| segment.is_compactable(bytes));
        match compactable.min_by_key(|(_, segment)| segment.live) {
            Some((number, emptiest)) if emptiest.live as usize * 8 <= bytes * COMPACT_BELOW => {
                let pace = 2 * bytes / (bytes - emptiest.live as usize);
                Some(Victim { number, mode: Mode::Compact, at: 0, kept: 0, pace })
            }
            _ => self.oldest_victim(),
        }
    }

    /// The victim when compaction does not pay.
    fn oldest_victim(&mut self) -> Option<Victim> {
        let (mode, pace) = match self.when_full {
            WhenFull::Evict => (Mode::Evict, EVICT_PACE),
            WhenFull::Refuse => (Mode::Inspect, INSPECT_PACE),
        };
        let number = self.oldest_unread()?;
        Some(Victim { number, mode, at: 0, kept: 0, pace })
    }

    /// The oldest segment that may be cleaned. Large items, which have segments of their own, are not copied to be
    /// kept: one that was read since becomes the youngest instead.
    fn oldest_unread(&mut self) -> Option<Number> {
        loop {
            let (number, segment) = self
                .segments
                .iter()
                .filter(|(_, segment)| segment.is_cleanable())
                .min_by_key(|(_, segment)| segment.sequence)?;
            let addr = Addr(self.segments.base(number));
            if segment.span == 1 || self.arena.accessed(addr) == 0 {
                return Some(number);
            }
            self.arena.mark_accessed(addr, 0);
            self.segments.renew(number);
        }
    }

    /// Cleans the next item of the victim. Returns whether there is more.
    fn clean_next(&mut self, victim: &mut Victim) -> bool {
        let used = self.segments.get(victim.number).used as usize;
        if victim.at >= used || self.segments.get(victim.number).live == 0 {
            self.end_victim(*victim);
            return false;
        }
        let addr = Addr(self.segments.base(victim.number) + victim.at);
        let bytes = self.arena.item_footprint(addr);
        let hash = self.hash(self.arena.key(addr));
        if let Some(entry) = self.index.find_addr(&self.arena, hash, addr) {
            self.clean_item(victim, hash, entry, bytes);
        }
        victim.at += bytes;
        true
    }

    /// Moves, evicts or buries one item that the index holds.
    fn clean_item(&mut self, victim: &mut Victim, hash: u64, entry: Entry, bytes: usize) {
        let addr = entry.addr;
        if let Some(why) = self.why_dead(addr) {
            self.bury(addr, why);
            self.counters.reclaimed += 1;
            return self.unlink(hash, entry);
        }
        let keep = match victim.mode {
            Mode::Inspect => return,
            Mode::Compact => true,
            Mode::Evict => self.arena.accessed(addr) != 0 && victim.kept + bytes <= self.segments.bytes() / 2,
        };
        if keep && self.relocate(hash, entry, bytes) {
            if victim.mode == Mode::Evict {
                victim.kept += bytes;
            }
        } else if self.when_full == WhenFull::Evict {
            self.counters.evictions += 1;
            self.counters.evicted_unfetched += u64::from(self.arena.accessed(addr) == 0);
            self.unlink(hash, entry);
        }
    }

    /// Copies an item to the survivors' head. `false`, and no change, if there is no room.
    fn relocate(&mut self, hash: u64, entry: Entry, bytes: usize) -> bool {
        if bytes > self.segments.bytes() {
            return false;
        }
        let Some(to) = self.allocate_survivor(bytes) else { return false };
        self.arena.copy(entry.addr.0, to.0, bytes);
        self.index.repoint(&mut self.arena, hash, entry, to);
        self.add_live(to);
        self.subtract_live(entry.addr);
        self.counters.moved_bytes += bytes as u64;
        true
    }

    /// Frees the victim, or leaves that to the last reader; one that kept live items is full again.
    fn end_victim(&mut self, victim: Victim) {
        self.cleaner.victim = None;
        let segment = self.segments.get_mut(victim.number);
        if segment.live > 0 {
            return self.segments.renew(victim.number);
        }
        segment.state = State::Draining;
        self.counters.cleaned_segments += 1;
        self.release_if_dead(victim.number);
    }

    /// Counts an item that is found dead.
    pub(super) fn bury(&mut self, addr: Addr, why: Miss) {
        if why == Miss::Expired && self.arena.accessed(addr) == 0 {
            self.counters.expired_unfetched += 1;
        }
    }
}
