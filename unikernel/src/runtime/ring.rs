//! A bounded queue from one core to another, without locks: one producer, one consumer.
//!
//! ```text
//! producer: push, push, push -> publish (one release store)        consumer: pop, pop, pop, and at the end one release store
//! ```
//!
//! Each side keeps its own index and a copy of the other's in a line of its own, and looks at the other's line only when
//! the copy says full or empty: in a stream, a line moves once a batch.

#![allow(unsafe_code)] // slots that change hands

use alloc::boxed::Box;
use core::mem::MaybeUninit;

use super::sync::atomic::{AtomicUsize, Ordering};
use super::sync::{Arc, UnsafeCell};

/// What both sides see. Indices count up for ever; a slot is an index modulo the capacity.
struct Shared<T> {
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
    /// Behind the last value published: written by the producer.
    tail: Line<AtomicUsize>,
    /// The first value not taken: written by the consumer.
    head: Line<AtomicUsize>,
}

/// Keeps its content apart from others': two lines, as adjacent ones are fetched together.
#[repr(align(128))]
struct Line<T>(T);

// SAFETY: a slot is touched by the producer from when `head` passed it to when `tail` does, and by the consumer from then
// until `head` does. Each hand-over is a release store and an acquire load of the index. Values are sent, hence `Send`.
unsafe impl<T: Send> Sync for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Shared<T> {}

/// The sending side.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    /// Behind the last value pushed, published or not.
    tail: usize,
    published: usize,
    /// The consumer's index when last looked at.
    head: usize,
}

/// The receiving side.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    head: usize,
    released: usize,
    /// The producer's index when last looked at.
    tail: usize,
}

/// A ring of `capacity` values, rounded up to a power of two.
pub fn ring<T: Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let slots = (0..capacity.next_power_of_two()).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect();
    let shared = Arc::new(Shared { slots, tail: Line(AtomicUsize::new(0)), head: Line(AtomicUsize::new(0)) });
    let producer = Producer { shared: Arc::clone(&shared), tail: 0, published: 0, head: 0 };
    (producer, Consumer { shared, head: 0, released: 0, tail: 0 })
}

impl<T> Shared<T> {
    fn slot(&self, index: usize) -> &UnsafeCell<MaybeUninit<T>> {
        &self.slots[index & (self.slots.len() - 1)]
    }
}

impl<T: Send> Producer<T> {
    /// Adds a value, which the consumer sees after [`publish`](Producer::publish). It comes back if the ring is full.
    pub fn push(&mut self, value: T) -> Result<(), T> {
        if !self.has_room(1) {
            return Err(value);
        }
        // SAFETY: `head` has passed the slot, and `tail` has not: it is the producer's.
        self.shared.slot(self.tail).with_mut(|slot| unsafe { (*slot).write(value) });
        self.tail = self.tail.wrapping_add(1);
        Ok(())
    }

    /// Whether `count` more values fit.
    pub fn has_room(&mut self, count: usize) -> bool {
        let capacity = self.shared.slots.len();
        if self.tail.wrapping_sub(self.head) + count > capacity {
            self.head = self.shared.head.0.load(Ordering::Acquire); // pairs with `Consumer::release`
        }
        self.tail.wrapping_sub(self.head) + count <= capacity
    }

    /// Shows the consumer what was pushed. Says whether there was anything new.
    pub fn publish(&mut self) -> bool {
        if self.published == self.tail {
            return false;
        }
        self.shared.tail.0.store(self.tail, Ordering::Release); // pairs with `Consumer::look`
        self.published = self.tail;
        true
    }
}

impl<T: Send> Consumer<T> {
    /// Takes the oldest value. When there are no more, the slots taken so far go back to the producer.
    pub fn pop(&mut self) -> Option<T> {
        if self.head == self.tail {
            self.release();
            self.look();
            if self.head == self.tail {
                return None;
            }
        }
        // SAFETY: `tail` has passed the slot, and `head` has not: it is the consumer's, and holds a value. It is read once, as
        // the index moves on.
        let value = self.shared.slot(self.head).with_mut(|slot| unsafe { (*slot).assume_init_read() });
        self.head = self.head.wrapping_add(1);
        Some(value)
    }

    /// Gives the slots taken so far back to the producer.
    pub fn release(&mut self) {
        if self.released != self.head {
            self.shared.head.0.store(self.head, Ordering::Release); // pairs with `Producer::has_room`
            self.released = self.head;
        }
    }

    /// Whether nothing is there.
    pub fn is_empty(&mut self) -> bool {
        self.look();
        self.head == self.tail
    }

    fn look(&mut self) {
        self.tail = self.shared.tail.0.load(Ordering::Acquire); // pairs with `Producer::publish`
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let (head, tail) = (self.head.0.load(Ordering::Acquire), self.tail.0.load(Ordering::Acquire));
        for index in 0..tail.wrapping_sub(head) {
            // SAFETY: both sides are gone; the slots from `head` to `tail` hold values.
            self.slot(head.wrapping_add(index)).with_mut(|slot| unsafe { (*slot).assume_init_drop() });
        }
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        self.shared.tail.0.store(self.tail, Ordering::Release); // what was pushed is to be dropped
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        self.shared.head.0.store(self.head, Ordering::Release); // what was popped is not
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn values_come_in_order_and_only_once_published() {
        let (mut producer, mut consumer) = ring(3);
        assert_eq!((0..6).map(|n| producer.push(n)).filter(Result::is_ok).count(), 4, "a power of two");
        assert_eq!((consumer.pop(), producer.publish(), producer.publish()), (None, true, false));
        assert_eq!([consumer.pop(), consumer.pop()], [Some(0), Some(1)]);
        assert!(!producer.has_room(1), "not given back yet");
        consumer.release();
        assert!(producer.has_room(2) && !producer.has_room(3));
        assert!(!consumer.is_empty());
        assert_eq!([consumer.pop(), consumer.pop(), consumer.pop()], [Some(2), Some(3), None]);
        assert!(consumer.is_empty() && producer.has_room(4));
    }

    #[test]
    fn what_was_not_taken_is_dropped() {
        let value = Arc::new(());
        let (mut producer, mut consumer) = ring(4);
        for _ in 0..4 {
            producer.push(Arc::clone(&value)).unwrap();
        }
        producer.publish();
        drop(consumer.pop());
        drop((consumer, producer));
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn many_values_between_two_threads() {
        let (mut producer, mut consumer) = ring(64);
        let sender = std::thread::spawn(move || {
            for n in 0..100_000u64 {
                while producer.push(n).is_err() {
                    producer.publish();
                    std::thread::yield_now();
                }
                if n % 7 == 0 {
                    producer.publish();
                }
            }
            producer.publish();
        });
        for expected in 0..100_000u64 {
            let value = loop {
                if let Some(value) = consumer.pop() {
                    break value;
                }
                std::thread::yield_now();
            };
            assert_eq!(value, expected);
        }
        sender.join().unwrap();
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;

    /// Every order of two cores over a ring smaller than the stream: each value once, in order, and no slot touched by both.
    #[test]
    fn loom_in_order_across_a_full_ring() {
        loom::model(|| {
            let (mut producer, mut consumer) = ring(2);
            let sender = loom::thread::spawn(move || {
                let mut sent = 0;
                for _ in 0..4 {
                    sent += u32::from(producer.push(sent).is_ok());
                    producer.publish();
                }
                sent
            });
            let mut taken = 0;
            for _ in 0..2 {
                if let Some(value) = consumer.pop() {
                    assert_eq!(value, taken);
                    taken += 1;
                }
            }
            consumer.release();
            let sent = sender.join().unwrap();
            while let Some(value) = consumer.pop() {
                assert_eq!(value, taken);
                taken += 1;
            }
            assert_eq!(taken, sent);
        });
    }

    /// Ends that go away at any time drop each value once.
    #[test]
    fn loom_dropped_at_any_time() {
        loom::model(|| {
            let (mut producer, mut consumer) = ring(2);
            let sender = loom::thread::spawn(move || {
                let _ = producer.push(Box::new(1));
                producer.publish();
                let _ = producer.push(Box::new(2));
            });
            if let Some(first) = consumer.pop() {
                assert_eq!(*first, 1);
            }
            drop(consumer);
            sender.join().unwrap();
        });
    }
}
