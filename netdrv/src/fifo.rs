//! A ring of fixed size: what hands batches from stage to stage.
//!
//! The positions count on for ever and are masked when a slot is looked at, so that a ring can be full, a power of two is
//! required, and an element costs a handful of instructions each way.

#![allow(unsafe_code)] // slots that are filled or not

use core::mem::MaybeUninit;

/// A first-in, first-out queue of at most `N` elements, a power of two.
pub struct Fifo<T, const N: usize> {
    slots: [MaybeUninit<T>; N],
    /// The first element, and behind the last.
    head: u32,
    tail: u32,
}

impl<T, const N: usize> Fifo<T, N> {
    const MASK: u32 = {
        assert!(N.is_power_of_two() && N <= 1 << 16, "positions are masked");
        N as u32 - 1
    };

    /// An empty queue.
    pub const fn new() -> Fifo<T, N> {
        Fifo { slots: [const { MaybeUninit::uninit() }; N], head: 0, tail: 0 }
    }

    /// Adds an element at the end; it comes back if there is no room.
    #[inline]
    pub fn push_back(&mut self, element: T) -> Result<(), T> {
        if self.is_full() {
            return Err(element);
        }
        self.fill(self.tail, element);
        self.tail = self.tail.wrapping_add(1);
        Ok(())
    }

    /// Adds an element at the front; it comes back if there is no room.
    pub fn push_front(&mut self, element: T) -> Result<(), T> {
        if self.is_full() {
            return Err(element);
        }
        self.head = self.head.wrapping_sub(1);
        self.fill(self.head, element);
        Ok(())
    }

    /// Takes the first element out.
    #[inline]
    pub fn pop_front(&mut self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let slot = self.slot(self.head);
        self.head = self.head.wrapping_add(1);
        // SAFETY:
        // - the position was between head and tail, so its slot is filled: who adds an element fills it before moving them;
        // - it is behind them now, so nobody reads it again before it is filled again: this is the only copy.
        Some(unsafe { self.slots[slot].assume_init_read() })
    }

    /// The first element.
    #[inline]
    pub fn front(&self) -> Option<&T> {
        self.iter().next()
    }

    /// Fills the slot of a position, which is empty: there is nothing to drop.
    #[inline]
    fn fill(&mut self, position: u32, element: T) {
        self.slots[self.slot(position)].write(element);
    }

    #[inline]
    const fn slot(&self, position: u32) -> usize {
        (position & Self::MASK) as usize
    }

    /// How many elements there are.
    #[inline]
    pub const fn len(&self) -> usize {
        self.tail.wrapping_sub(self.head) as usize
    }

    /// How many there can be.
    #[inline]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// Whether there are none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// Whether there is no room.
    #[inline]
    pub const fn is_full(&self) -> bool {
        self.len() == N
    }

    /// Drops all elements.
    pub fn clear(&mut self) {
        while self.pop_front().is_some() {}
    }

    /// The elements, the first first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        // SAFETY: positions between head and tail have filled slots, which stay so while the queue is borrowed.
        (0..self.len() as u32).map(|at| unsafe { self.slots[self.slot(self.head.wrapping_add(at))].assume_init_ref() })
    }
}

impl<T, const N: usize> Drop for Fifo<T, N> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<T, const N: usize> Default for Fifo<T, N> {
    fn default() -> Self {
        Fifo::new()
    }
}

impl<T: core::fmt::Debug, const N: usize> core::fmt::Debug for Fifo<T, N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::VecDeque;

    use super::*;

    proptest! {
        /// Against std's, from positions that are about to wrap.
        #[test]
        fn agrees_with_a_model(steps in proptest::collection::vec(0u8..6, 0..200), lapsed in any::<u32>()) {
            let (mut fifo, mut model) = (Fifo::<usize, 8>::new(), VecDeque::new());
            (fifo.head, fifo.tail) = (u32::MAX - lapsed % 16, u32::MAX - lapsed % 16);
            for (n, step) in steps.into_iter().enumerate() {
                match step {
                    0 if n % 7 == 0 => {
                        fifo.clear();
                        model.clear();
                    }
                    0..3 if model.len() < 8 => {
                        prop_assert_eq!(fifo.push_back(n), Ok(()));
                        model.push_back(n);
                    }
                    0..3 => prop_assert_eq!(fifo.push_back(n), Err(n)),
                    5 if model.len() < 8 => {
                        prop_assert_eq!(fifo.push_front(n), Ok(()));
                        model.push_front(n);
                    }
                    5 => prop_assert_eq!(fifo.push_front(n), Err(n)),
                    _ => prop_assert_eq!(fifo.pop_front(), model.pop_front()),
                }
                prop_assert_eq!((fifo.len(), fifo.is_empty()), (model.len(), model.is_empty()));
                prop_assert_eq!(fifo.front(), model.front());
                prop_assert!(fifo.iter().eq(model.iter()));
                prop_assert_eq!(fifo.is_full(), model.len() == 8);
            }
        }
    }

    #[test]
    fn drops_what_is_left() {
        let element = std::rc::Rc::new(());
        let mut fifo = Fifo::<_, 2>::new();
        fifo.push_back(element.clone()).unwrap();
        fifo.push_back(element.clone()).unwrap();
        assert_eq!(fifo.push_back(element.clone()).map_err(drop), Err(()));
        drop(fifo.pop_front());
        drop(fifo);
        assert_eq!(std::rc::Rc::strong_count(&element), 1);
    }
}
