//! How a core that halts is woken by another, and only then: a wake-up costs the sender tens of microseconds under a
//! hypervisor.
//!
//! ```text
//! sleeper: halted = true;  fence;  look at every ring;  halt          (the interrupt stays pending until the halt)
//! ringer:  publish;        fence;  halted? -> interrupt
//! ```
//!
//! The fences make one of the two see the other: either the sleeper finds what was published, or the ringer finds it
//! halted. This is Dekker's mutual exclusion; release and acquire alone would not do.

use super::sync::atomic::{AtomicBool, Ordering, fence};

/// Whether one core halts.
#[derive(Debug)]
#[repr(align(128))]
pub struct Bell {
    halted: AtomicBool,
    /// Few packet buffers are left to it.
    short: AtomicBool,
}

impl Default for Bell {
    fn default() -> Bell {
        Bell::new()
    }
}

impl Bell {
    /// The bell of a core that runs.
    pub fn new() -> Bell {
        Bell { halted: AtomicBool::new(false), short: AtomicBool::new(false) }
    }

    /// Says that the core is about to halt. What it waits for has to be looked at after this.
    pub fn lie_down(&self) {
        self.halted.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst); // pairs with that of `must_ring`
    }

    /// Says that the core runs again.
    pub fn get_up(&self) {
        self.halted.store(false, Ordering::Relaxed);
    }

    /// Says whether few packet buffers are left to the core.
    pub fn say_short(&self, short: bool) {
        if self.short.load(Ordering::Relaxed) != short {
            self.short.store(short, Ordering::Relaxed);
        }
    }

    /// Whether few packet buffers were left to the core lately.
    pub fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    /// Whether the core has to be interrupted, after something was published for it. Says so to one of all that ask.
    pub fn must_ring(&self) -> bool {
        fence(Ordering::SeqCst); // pairs with that of `lie_down`
        self.halted.load(Ordering::Relaxed) && self.halted.swap(false, Ordering::Relaxed)
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::super::ring::ring;
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// A sleeper that waits for a value from each of some cores is never left halted: loom finds a halt that nobody ends as
    /// a deadlock. A thread's park token stands for the pending interrupt.
    fn no_wake_up_is_lost(cores: usize, preemptions: Option<usize>) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = preemptions;
        model.check(move || {
            let bell = Arc::new(Bell::new());
            let sleeper = thread::current();
            let mut rings = Vec::new();
            for n in 0..cores {
                let (mut producer, consumer) = ring(1);
                rings.push(consumer);
                let (bell, sleeper) = (Arc::clone(&bell), sleeper.clone());
                thread::spawn(move || {
                    producer.push(n).unwrap();
                    producer.publish();
                    if bell.must_ring() {
                        sleeper.unpark();
                    }
                });
            }
            let mut taken = 0;
            loop {
                taken += rings.iter_mut().filter_map(|ring| ring.pop()).count();
                if taken == cores {
                    break;
                }
                bell.lie_down();
                if rings.iter_mut().all(|ring| ring.is_empty()) {
                    thread::park();
                }
                bell.get_up();
            }
        });
    }

    #[test]
    fn loom_one_ringer() {
        no_wake_up_is_lost(1, None);
    }

    #[test]
    fn loom_two_ringers() {
        no_wake_up_is_lost(2, Some(2));
    }
}
