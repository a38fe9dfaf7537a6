//! The sweeper: unlinks items that have expired, so that their memory is used before anybody asks for them.
//!
//! Each segment knows when the first of its items expires. Once a second, segments in which that has come are looked for; one at
//! a time is claimed, as for cleaning, and walked, a few items a turn. What is left of it is then worth compacting, or nothing.
//! A segment is walked at most every [`PAUSE`] seconds, and never if nothing in it expires.

use super::Handle;
use super::clean::{Mode, Victim};
use super::segment::State;

/// Items walked in a turn: each costs about a look-up.
const ITEMS_A_TURN: usize = 8;

/// Seconds between two walks of a segment.
const PAUSE: u32 = 15;

/// One core's sweeper.
#[derive(Default)]
pub(super) struct Sweeper {
    victim: Option<Victim>,
    /// Where to look for the next segment.
    next: usize,
    /// Whether there may be one.
    is_done: bool,
}

impl Sweeper {
    /// Whether there is something to do.
    #[inline]
    pub(super) fn is_busy(&self) -> bool {
        !self.is_done
    }
}

impl Handle {
    /// Looks for expired items from now on: at each new second.
    pub(super) fn begin_sweep(&mut self) {
        self.sweeper.is_done = false;
    }

    /// Walks a few items.
    #[cold]
    pub(super) fn sweep(&mut self) {
        let Some(mut victim) = self.sweeper.victim.take().or_else(|| self.next_to_sweep()) else {
            self.sweeper.is_done = true;
            return;
        };
        self.provide_lines();
        let has_more = (0..ITEMS_A_TURN).all(|_| self.clean_item_at(&mut victim));
        if has_more {
            self.sweeper.victim = Some(victim);
        } else {
            self.end_sweep(&victim);
        }
    }

    /// Leaves the segment that is being walked, if any, to whoever comes next.
    pub(super) fn stop_sweeping(&mut self) {
        if let Some(victim) = self.sweeper.victim.take() {
            self.shared.segments.note_expiry(victim.number, self.now);
            self.unclaim(victim.number);
        }
    }

    /// Claims a segment with expired items. Each of the cores looks at all segments, starting where it was.
    fn next_to_sweep(&mut self) -> Option<Victim> {
        let shared = &*self.shared;
        let (segments, total) = (&shared.segments, shared.segments.total());
        for _ in 0..total {
            let number = (self.sweeper.next % total) as u32;
            self.sweeper.next = (number as usize + 1) % total;
            let is_due = segments.get(number).state() == State::Sealed && segments.first_expiry(number) <= self.now;
            if is_due && segments.claim(number, &shared.pins) {
                // What is touched while the walk lasts counts for the next one.
                segments.forget_expiry(number);
                return Some(Victim::new(number, Mode::Inspect, 0));
            }
        }
        None
    }

    fn end_sweep(&mut self, victim: &Victim) {
        if let Some(first) = victim.first_expiry {
            self.shared.segments.note_expiry(victim.number, first.max(self.now.saturating_add(PAUSE)));
        }
        self.unclaim(victim.number);
    }
}
