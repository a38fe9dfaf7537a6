//! A hierarchical timer wheel: arming and cancelling are O(1), and the next deadline is found by a few bit scans.
//!
//! ```text
//! level 0: 256 slots of 16 us     level 1: 256 slots of 4 ms     level 2: 256 slots of 1 s
//! ```
//!
//! (Exactly 2^14, 2^22 and 2^30 ns.) A timer goes to the level of the highest digit, base 256, in which its tick differs
//! from the wheel's, and comes down a level each time that digit is reached. A timer never fires early, and late by at
//! most a tick. Those beyond the horizon of 270 s wait at the horizon and are armed again there.
//!
//! Most timers never fire: a retransmission is put off by every reply, and called off by every acknowledgement. So
//! cancelling and putting off only note the deadline, and leave the timer where it is; when its slot is reached it is
//! dropped, or goes where it belongs by then.
//!
//! Timers are named by small numbers, chosen by the caller, and linked through one array: nothing is allocated after
//! the wheel is made.

mod slots;

use alloc::vec::Vec;

use netdrv::cache;

use crate::time::Instant;
use slots::{Location, NONE, Occupancy};

/// Nanoseconds of a tick, as a power of two.
const TICK_SHIFT: u32 = 14;
/// Bits of a digit: slots per level.
const DIGIT_BITS: u32 = 8;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = 3;
/// Farthest a timer can be from the wheel's tick: a slot of the top level less than a full round.
const HORIZON: u64 = (1 << (DIGIT_BITS * LEVELS as u32)) - (1 << (DIGIT_BITS * (LEVELS as u32 - 1)));

/// The name of a timer: a number below the wheel's capacity.
pub(crate) type TimerId = u32;

/// The deadline of a timer that is not armed.
const NEVER: u64 = u64::MAX;

/// The wheel.
pub(crate) struct TimerWheel {
    nodes: Vec<Node>,
    heads: [[u32; SLOTS]; LEVELS],
    occupied: [Occupancy; LEVELS],
    /// Every timer before this tick has fired.
    tick: u64,
    /// No slot with a timer is reached before this tick.
    soonest: u64,
    /// The slot that is being emptied, until it is.
    emptying: Location,
}

/// A timer: its deadline and its place in the list of a slot, which is reached no later than the deadline.
#[derive(Clone, Copy)]
struct Node {
    deadline: u64,
    /// The tick that it was given the slot for.
    placed_for: u64,
    prev: u32,
    next: u32,
    location: Location,
}

impl TimerWheel {
    /// A wheel for timers 0 to `capacity` - 1, none of them in use.
    pub(crate) fn new(capacity: usize, now: Instant) -> TimerWheel {
        TimerWheel {
            nodes: Vec::with_capacity(capacity),
            heads: [[NONE; SLOTS]; LEVELS],
            occupied: [Occupancy::default(); LEVELS],
            tick: now.as_nanos() >> TICK_SHIFT,
            soonest: NEVER,
            emptying: Location::IDLE,
        }
    }

    /// The next `timers` timers come into use.
    pub(crate) fn extend(&mut self, timers: usize) {
        let idle = Node { deadline: NEVER, placed_for: 0, prev: NONE, next: NONE, location: Location::IDLE };
        self.nodes.extend(core::iter::repeat_n(idle, timers));
    }

    /// Arms `timer`, or moves it if it is armed.
    #[inline]
    pub(crate) fn arm(&mut self, timer: TimerId, deadline: Instant) {
        let deadline = deadline.as_nanos().div_ceil(1 << TICK_SHIFT);
        let node = &mut self.nodes[timer as usize];
        node.deadline = deadline;
        if node.location != Location::IDLE && node.placed_for <= deadline {
            return;
        }
        self.unlink(timer);
        self.link(timer);
    }

    /// Asks for what is kept of `timer`, as it will be armed.
    #[inline]
    pub(crate) fn expect(&self, timer: TimerId) {
        if let Some(node) = self.nodes.get(timer as usize) {
            cache::prefetch_value(node);
        }
    }

    /// Disarms `timer`, if it is armed.
    #[inline]
    pub(crate) fn cancel(&mut self, timer: TimerId) {
        self.nodes[timer as usize].deadline = NEVER;
    }

    /// Whether `timer` is armed.
    #[inline]
    pub(crate) fn is_armed(&self, timer: TimerId) -> bool {
        self.nodes[timer as usize].deadline != NEVER
    }

    /// When `timer` is due, if it is armed.
    pub(crate) fn deadline(&self, timer: TimerId) -> Option<Instant> {
        let deadline = self.nodes[timer as usize].deadline;
        (deadline != NEVER).then(|| Instant::from_nanos(deadline << TICK_SHIFT))
    }

    /// Whether [`expire`](TimerWheel::expire) has something to do; else it need not be called.
    #[inline]
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let now = now.as_nanos() >> TICK_SHIFT;
        if now < self.soonest {
            self.tick = now.max(self.tick);
            return false;
        }
        true
    }

    /// Takes a timer that is due at `now`, disarmed. Call until `None`.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<TimerId> {
        if self.is_due(now) { self.turn_to(now.as_nanos() >> TICK_SHIFT) } else { None }
    }

    /// When [`expire`](TimerWheel::expire) next has something to do. May be early, never late.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        (self.soonest != NEVER).then(|| Instant::from_nanos(self.soonest << TICK_SHIFT))
    }

    /// Turns the wheel to the next timer that is due at tick `now`, or to that.
    fn turn_to(&mut self, now: u64) -> Option<TimerId> {
        while let Some(timer) = self.next_due(now) {
            self.unlink(timer);
            match self.nodes[timer as usize].deadline {
                NEVER => {}
                deadline if deadline <= self.tick => {
                    self.nodes[timer as usize].deadline = NEVER;
                    return Some(timer);
                }
                _ => self.link(timer), // its digit is reached, or it was put off
            }
        }
        self.tick = now.max(self.tick);
        self.soonest = self.earliest().map_or(NEVER, |(_, tick)| tick);
        None
    }

    /// A timer of the slot that is being emptied, or of the next that is reached by tick `now`.
    fn next_due(&mut self, now: u64) -> Option<TimerId> {
        let head = |wheel: &TimerWheel, location: Location| wheel.heads[location.level()][location.slot()];
        if self.emptying != Location::IDLE && head(self, self.emptying) != NONE {
            return Some(head(self, self.emptying));
        }
        self.emptying = Location::IDLE;
        let (location, tick) = self.earliest().filter(|(_, tick)| *tick <= now)?;
        self.tick = tick.max(self.tick);
        self.emptying = location;
        Some(head(self, location))
    }

    /// The occupied slot that is reached first, and its tick. While a slot is being emptied, what is left in it may be earlier
    /// than what has come down a level already.
    fn earliest(&self) -> Option<(Location, u64)> {
        let first_of = |level: usize| {
            let shift = DIGIT_BITS * level as u32;
            let current = (self.tick >> shift) as usize % SLOTS;
            let slot = self.occupied[level].first_from(current)?;
            let round = (self.tick >> shift) & !(SLOTS as u64 - 1);
            let wrapped = if slot < current { SLOTS as u64 } else { 0 };
            Some((Location::new(level, slot), (round + wrapped + slot as u64) << shift))
        };
        (0..LEVELS).filter_map(first_of).min_by_key(|(_, tick)| *tick)
    }

    /// Takes a timer out of its slot, if it is in one.
    fn unlink(&mut self, timer: TimerId) {
        let Node { prev, next, location, .. } = self.nodes[timer as usize];
        if location == Location::IDLE {
            return;
        }
        match prev {
            NONE => self.heads[location.level()][location.slot()] = next,
            prev => self.nodes[prev as usize].next = next,
        }
        if next != NONE {
            self.nodes[next as usize].prev = prev;
        }
        if self.heads[location.level()][location.slot()] == NONE {
            self.occupied[location.level()].clear(location.slot());
        }
        self.nodes[timer as usize].location = Location::IDLE;
    }

    /// Puts a timer into the slot of its deadline.
    fn link(&mut self, timer: TimerId) {
        let deadline = self.nodes[timer as usize].deadline.clamp(self.tick, self.tick + HORIZON);
        let differing = (deadline ^ self.tick) | 1;
        let level = ((63 - differing.leading_zeros()) / DIGIT_BITS).min(LEVELS as u32 - 1);
        let digits = deadline >> (DIGIT_BITS * level);
        let slot = digits as usize % SLOTS;
        let head = core::mem::replace(&mut self.heads[level as usize][slot], timer);
        if head != NONE {
            self.nodes[head as usize].prev = timer;
        }
        let node = &mut self.nodes[timer as usize];
        node.placed_for = deadline;
        node.prev = NONE;
        node.next = head;
        node.location = Location::new(level as usize, slot);
        self.occupied[level as usize].set(slot);
        self.soonest = self.soonest.min(digits << (DIGIT_BITS * level));
    }
}

#[cfg(test)]
mod tests;
