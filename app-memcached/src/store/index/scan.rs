//! Walking the table: bucket by bucket, by their numbers.

use super::super::arena::Arena;
use super::super::sync::Ordering;
use super::{ADDR, Entry, Index, SLOTS, TENTATIVE, line_at};

impl Index {
    /// Buckets in use.
    pub(in super::super) fn buckets(&self) -> usize {
        self.state().buckets
    }

    /// The entries of a bucket in use. An item that a split is moving may be in two buckets.
    pub(in super::super) fn entries<'a>(&'a self, arena: &'a Arena, bucket: usize) -> impl Iterator<Item = Entry> + 'a {
        let lines = core::iter::successors(Some(self.locate(bucket)), |&line| {
            line_at(arena.line(line)[SLOTS].load(Ordering::SeqCst))
        });
        lines.flat_map(move |line| {
            (0..SLOTS).filter_map(move |slot| {
                let word = arena.line(line)[slot].load(Ordering::SeqCst);
                (word & ADDR != 0 && word & TENTATIVE == 0).then_some(Entry { line, slot, word })
            })
        })
    }
}
