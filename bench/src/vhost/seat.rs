//! Where a queue is handed from the thread that talks to the VMM to the thread that polls it, and back.
//!
//! The poller looks at one number, in a line that nobody writes while all is well.

use std::fs::File;
use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Fault;
use super::ring::Ring;

/// How long a poller may take to let go of a queue.
const PATIENCE: Duration = Duration::from_secs(1);

/// One queue's place.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// Counts the orders.
    orders: AtomicU32,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// A queue for the poller to take.
    waiting: Option<Ring>,
    /// Whether the poller has one, and where it was when it last let go of it.
    holder: Holder,
    position: u16,
    call: Option<File>,
    fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Holder {
    #[default]
    Nobody,
    Poller,
}

impl Seat {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the poller work on a queue, instead of the one that it has.
    pub(super) fn start(&self, ring: Ring) {
        self.state().waiting = Some(ring);
        self.orders.fetch_add(1, Ordering::Release);
    }

    /// Takes the queue back. Returns where it is; `None` if the poller does not let go of it.
    pub(super) fn stop(&self) -> Option<u16> {
        let mut state = self.state();
        if let Some(ring) = state.waiting.take() {
            state.position = ring.position();
        }
        self.orders.fetch_add(1, Ordering::Release);
        let held = |state: &mut State| state.holder == Holder::Poller;
        let waited = self.changed.wait_timeout_while(state, PATIENCE, held);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (state.holder == Holder::Nobody).then_some(state.position)
    }

    /// How the guest's interrupts are raised from now on.
    pub(super) fn set_call(&self, call: Option<File>) {
        self.state().call = call;
    }

    /// Whether a queue is polled.
    pub(super) fn is_polled(&self) -> bool {
        self.state().holder == Holder::Poller
    }

    /// Why the queue was given up, if it was.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.state().fault
    }
}

/// The poller's side of a seat.
#[derive(Debug)]
pub(super) struct Held {
    seat: Arc<Seat>,
    /// Orders that were followed.
    followed: u32,
    ring: Option<Ring>,
}

impl Held {
    pub(super) fn new(seat: Arc<Seat>) -> Held {
        Held { seat, followed: 0, ring: None }
    }

    /// The queue, if there is one now.
    #[inline]
    pub(super) fn ring(&mut self) -> Option<&mut Ring> {
        if self.seat.orders.load(Ordering::Acquire) != self.followed {
            self.follow_orders();
        }
        self.ring.as_mut()
    }

    /// The queue as it was at the last look.
    #[inline]
    pub(super) fn current(&self) -> Option<&Ring> {
        self.ring.as_ref()
    }

    #[cold]
    fn follow_orders(&mut self) {
        self.followed = self.seat.orders.load(Ordering::Acquire);
        self.let_go(None);
        let mut state = self.seat.state();
        if let Some(ring) = state.waiting.take() {
            state.holder = Holder::Poller;
            self.ring = Some(ring);
        }
    }

    /// The guest cannot be believed: its queue is used no more.
    #[cold]
    pub(super) fn give_up(&mut self, fault: Fault) {
        self.let_go(Some(fault));
    }

    fn let_go(&mut self, fault: Option<Fault>) {
        let mut state = self.seat.state();
        if let Some(ring) = self.ring.take() {
            state.position = ring.position();
        }
        state.fault = state.fault.or(fault);
        state.holder = Holder::Nobody;
        self.seat.changed.notify_all();
    }

    /// Interrupts the guest.
    #[cold]
    pub(super) fn call(&self) {
        if let Some(call) = &mut self.seat.state().call {
            // An eventfd: a write adds to it, and fails only where there is one to be seen already.
            let _ = call.write(&1u64.to_ne_bytes());
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.let_go(None);
    }
}
