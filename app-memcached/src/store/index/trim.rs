//! Giving back the last bucket of a chain, once it is empty. Chains grow under churn without it: sooner or later, each bucket has
//! had more items than it has slots.
//!
//! 1. *close* its slots, one by one, from empty to closed: nothing can be put there;
//! 2. its link from none to [`DEAD`]: nothing in the bucket changes any more. Where somebody has put an item into a slot, or
//!    another bucket behind it meanwhile, this cannot be: the slots are opened again. They are closed by the core whose number they
//!    have, and opened by it alone; others pass by as if they were full;
//! 3. *unlink* it from the bucket before. Whoever meets a dead bucket may do this; who does it owns the bucket, and uses it
//!    again once no core can see it ([`Lines`](super::Lines)).
//!
//! A core that is stopped in the middle keeps nobody: an insertion that finds all slots closed adds a bucket behind. A split freezes closed
//! slots as any others, and thaws them to what they were, so the first step holds over a split; the second and third fail while a
//! link is frozen. What was left undone is done by the next insertion into the chain.
//!
//! That a key is added once ([`insert`](super::insert)) holds: an entry keeps its bucket from dying, and all before it from
//! being the last. So of two insertions, the later one walks from the first bucket on after the earlier one has its
//! entry, and comes to it; a dead bucket that it may come to instead was unlinked after that, and was the last until then. For the same
//! reason a look-up misses no entry that is there all the time.

use super::super::arena::Arena;
use super::super::layout::Addr;
use super::super::sync::Ordering;
use super::{DEAD, Entry, FROZEN, Index, MOVER_SHIFT, SLOTS, Scope, line_at, link_to, swap};

impl Index {
    /// After `entry` was removed: gives its bucket back if that can be.
    #[inline]
    pub(super) fn trim_behind<H: Fn(Addr) -> u64>(&self, scope: &mut Scope<'_, H>, entry: Entry) {
        if is_empty(scope.arena, entry.line) {
            self.trim_chain_of(scope, entry);
        }
    }

    #[cold]
    fn trim_chain_of<H: Fn(Addr) -> u64>(&self, scope: &mut Scope<'_, H>, entry: Entry) {
        let bucket = self.bucket_of((scope.hash_of)(entry.addr()), self.state().buckets);
        if bucket != entry.line {
            self.trim(scope, bucket);
        }
    }

    /// Gives back the last buckets of the chain that begins at `bucket`, as far as they are empty.
    #[cold]
    pub(super) fn trim<H: Fn(Addr) -> u64>(&self, scope: &mut Scope<'_, H>, bucket: usize) {
        while let Some((before, last)) = last_two(scope.arena, bucket)
            && close(scope.arena, scope.core, last)
            && self.unlink(scope, before, last)
        {}
    }

    /// Takes the dead bucket `last` out of its chain, from behind `before`. Whether nobody else has done so, and the chain is
    /// not being split.
    pub(super) fn unlink<H: Fn(Addr) -> u64>(&self, scope: &mut Scope<'_, H>, before: usize, last: usize) -> bool {
        let unlinked = swap(&scope.arena.line(before)[SLOTS], link_to(last), 0);
        if unlinked {
            scope.lines.retire(scope.arena, scope.epochs, &self.overflow, last);
        }
        unlinked
    }
}

#[cfg(all(test, loom))]
impl Index {
    /// Buckets in the chain of `hash`.
    pub(in super::super) fn chain_len(&self, arena: &Arena, hash: u64) -> usize {
        let link_of = |line: &usize| line_at(arena.line(*line)[SLOTS].load(Ordering::SeqCst));
        core::iter::successors(Some(self.bucket_of(hash, self.state().buckets)), link_of).count()
    }
}

/// Whether the last bucket of a chain, or the only one, holds nothing.
#[inline]
pub(super) fn is_empty(arena: &Arena, line: usize) -> bool {
    arena.line(line).iter().all(|word| word.load(Ordering::SeqCst) == 0)
}

/// Whether the last bucket of a chain, behind others, could be given back.
#[inline]
pub(super) fn is_spent(arena: &Arena, line: usize) -> bool {
    is_empty(arena, line) || arena.line(line)[SLOTS].load(Ordering::SeqCst) == DEAD
}

/// The last bucket of a chain and the one before it, if there are two.
fn last_two(arena: &Arena, bucket: usize) -> Option<(usize, usize)> {
    let link_of = |line: usize| line_at(arena.line(line)[SLOTS].load(Ordering::SeqCst));
    let (mut before, mut last) = (bucket, link_of(bucket)?);
    while let Some(next) = link_of(last) {
        (before, last) = (last, next);
    }
    Some((before, last))
}

/// Closes an empty bucket. Whether it is dead now.
fn close(arena: &Arena, core: usize, line: usize) -> bool {
    let [slots @ .., link] = arena.line(line);
    if link.load(Ordering::SeqCst) == DEAD {
        return true;
    }
    if !is_empty(arena, line) {
        return false;
    }
    let closed = (core as u64 + 1) << MOVER_SHIFT;
    let count = slots.iter().take_while(|slot| swap(slot, 0, closed)).count();
    if count == SLOTS && swap(link, 0, DEAD) {
        return true;
    }
    // Nobody else changes a closed slot, but for freezing and thawing it.
    slots[..count].iter().for_each(|slot| _ = slot.fetch_and(FROZEN, Ordering::SeqCst));
    false
}
