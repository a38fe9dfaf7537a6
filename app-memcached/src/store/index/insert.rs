//! Adding a key: two cores that add the same one must not both succeed.
//!
//! The item is put into an empty slot as *tentative*, invisible to all but other insertions. Then the whole chain is read once
//! more: a tentative entry of the same key is emptied, a real one ends the attempt. At last the tentative entry becomes a real
//! one, unless somebody emptied it. Of two that put theirs, the later one sees the other's: it empties it, or gives way.
//! Nobody waits: who was stopped halfway is pushed aside.

use super::super::layout::Addr;
use super::super::sync::{Ordering, order_after_rmw};
use super::{
    ADDR, DEAD, Entry, FROZEN, Index, LINE_WORDS, SLOTS, Scope, TAG_SHIFT, TENTATIVE, line_at, link_to, swap, word_of,
};
use super::{lines, trim};

/// What came of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Insert {
    /// The item is in the table.
    Done,
    /// It is not: another core was faster somewhere. The caller looks the key up again.
    Raced,
    /// It is not: its chain is full and there is no overflow bucket.
    Full,
}

/// What reading the chain once more has shown.
enum Rivals {
    /// None up to the last bucket of the chain.
    None {
        last: usize,
    },
    Winner,
}

impl Index {
    /// Adds an item whose key was not in the table; `is_it` compares an item's key with it.
    pub(in super::super) fn insert<H: Fn(Addr) -> u64>(
        &self,
        scope: &mut Scope<'_, H>,
        hash: u64,
        addr: Addr,
        is_it: impl Fn(Addr) -> bool,
    ) -> Insert {
        let word = word_of(hash, addr);
        let bucket = self.bucket_of(hash, self.state().buckets);
        let place = match self.put(scope, bucket, word | TENTATIVE) {
            Ok(place) => place,
            Err(why) => return why,
        };
        order_after_rmw();
        let slot = &scope.arena.line(place.line)[place.slot];
        let is_home = self.bucket_of(hash, self.state().buckets) == bucket;
        match if is_home { self.face_rivals(scope, bucket, place, is_it) } else { Rivals::Winner } {
            Rivals::None { last } if swap(slot, word | TENTATIVE, word) => {
                if last != bucket && trim::is_spent(scope.arena, last) {
                    self.trim(scope, bucket);
                }
                Insert::Done
            }
            Rivals::None { .. } => Insert::Raced,
            Rivals::Winner => {
                swap(slot, word | TENTATIVE, 0);
                Insert::Raced
            }
        }
    }

    /// Writes `word` into the first empty slot of the chain that begins at `bucket`.
    fn put<H: Fn(Addr) -> u64>(&self, scope: &mut Scope<'_, H>, bucket: usize, word: u64) -> Result<Entry, Insert> {
        let (mut at, mut before) = (bucket, bucket);
        loop {
            let line = scope.arena.line(at);
            for (slot, place) in line[..SLOTS].iter().enumerate() {
                match place.load(Ordering::SeqCst) {
                    0 if swap(place, 0, word) => return Ok(Entry { line: at, slot, word }),
                    0 => return Err(Insert::Raced),
                    FROZEN => {
                        self.help(scope, bucket);
                        return Err(Insert::Raced);
                    }
                    _ => {}
                }
            }
            match line[SLOTS].load(Ordering::SeqCst) {
                0 => return self.append(scope, at, word),
                link if link & FROZEN != 0 => {
                    self.help(scope, bucket);
                    return Err(Insert::Raced);
                }
                DEAD => {
                    self.unlink(scope, before, at);
                    return Err(Insert::Raced);
                }
                link => (before, at) = (at, line_at(link).unwrap_or(at)),
            }
        }
    }

    /// Writes `word` into a new bucket behind `last`.
    fn append<H: Fn(Addr) -> u64>(&self, scope: &mut Scope<'_, H>, last: usize, word: u64) -> Result<Entry, Insert> {
        let line = scope.lines.take().ok_or(Insert::Full)?;
        let mut words = [0; LINE_WORDS];
        words[0] = word;
        lines::write_slots(scope.arena, line, words);
        if swap(&scope.arena.line(last)[SLOTS], 0, link_to(line)) {
            return Ok(Entry { line, slot: 0, word });
        }
        scope.lines.put(line);
        Err(Insert::Raced)
    }

    /// Empties tentative entries of the same key, and looks for a real one.
    fn face_rivals<H: Fn(Addr) -> u64>(
        &self,
        scope: &Scope<'_, H>,
        bucket: usize,
        own: Entry,
        is_it: impl Fn(Addr) -> bool,
    ) -> Rivals {
        let mut at = bucket;
        loop {
            let line = scope.arena.line(at);
            for (slot, place) in line[..SLOTS].iter().enumerate() {
                if (at, slot) == (own.line, own.slot) {
                    continue;
                }
                let word = place.load(Ordering::SeqCst);
                let is_rival =
                    word >> TAG_SHIFT == own.word >> TAG_SHIFT && word & ADDR != 0 && is_it(super::addr_of(word));
                if is_rival && (word & TENTATIVE == 0 || !swap(place, word, 0)) {
                    return Rivals::Winner;
                }
            }
            match line_at(line[SLOTS].load(Ordering::SeqCst)) {
                Some(next) => at = next,
                None => return Rivals::None { last: at },
            }
        }
    }
}
