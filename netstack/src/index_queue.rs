//! A queue of indices, each of which is in it at most once. Allocates when it is made; where indices come into use one by one,
//! their places are touched no sooner.

use alloc::vec::Vec;

use netdrv::cache;

/// Not in the queue.
const OUT: u32 = u32::MAX;
/// In the queue, as its last.
const END: u32 = u32::MAX - 1;

/// A first-in, first-out queue of the indices that it was made for, as far as they are in use. Adding one that is in it already changes nothing.
pub(crate) struct IndexQueue {
    /// The index behind each; [`OUT`] and [`END`] mark those without.
    next: Vec<u32>,
    head: u32,
    tail: u32,
    len: u32,
}

impl IndexQueue {
    /// For indices below `capacity`, none of which is in use.
    pub(crate) fn new(capacity: usize) -> IndexQueue {
        IndexQueue { next: Vec::with_capacity(capacity), head: END, tail: END, len: 0 }
    }

    /// The next index comes into use.
    pub(crate) fn extend(&mut self) {
        self.next.push(OUT);
    }

    /// Adds `index` at the end, unless it is queued.
    #[inline]
    pub(crate) fn push(&mut self, index: u32) {
        if self.next[index as usize] != OUT {
            return;
        }
        self.next[index as usize] = END;
        self.len += 1;
        if self.head == END {
            self.head = index;
        } else {
            self.next[self.tail as usize] = index;
        }
        self.tail = index;
    }

    /// Asks for the place of `index`, as it will be added.
    #[inline]
    pub(crate) fn expect(&self, index: u32) {
        if let Some(next) = self.next.get(index as usize) {
            cache::prefetch_value(next);
        }
    }

    /// The first index.
    pub(crate) fn front(&self) -> Option<u32> {
        (self.head != END).then_some(self.head)
    }

    /// Takes the first index out.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        let index = self.front()?;
        self.len -= 1;
        self.head = core::mem::replace(&mut self.next[index as usize], OUT);
        Some(index)
    }

    /// How many are queued.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Whether nothing is queued.
    pub(crate) fn is_empty(&self) -> bool {
        self.head == END
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_takes_each_once() {
        let mut queue = IndexQueue::new(4);
        (0..4).for_each(|_| queue.extend());
        for index in [2, 0, 2, 3, 0] {
            queue.push(index);
        }
        assert_eq!([queue.pop(), queue.pop()], [Some(2), Some(0)]);
        queue.push(2);
        assert_eq!([queue.pop(), queue.pop(), queue.pop()], [Some(3), Some(2), None]);
        assert!(queue.is_empty());
        queue.push(1);
        assert_eq!((queue.front(), queue.len()), (Some(1), 1));
    }
}
