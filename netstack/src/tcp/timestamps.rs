//! The timestamps of a connection (RFC 7323, sections 3 to 5).
//!
//! A tick is 2^20 ns, a little more than a millisecond. Each flow's clock has an offset of its own, a keyed hash of its
//! addresses: it tells nobody how long we run (section 7.1), and goes on where an earlier connection between the same ports
//! stood (RFC 6191).

use super::options::Timestamps;
use crate::time::Instant;

/// Nanoseconds of a tick, as a power of two.
const TICK_SHIFT: u32 = 20;

/// The state of a connection that uses timestamps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    offset: u32,
    /// TS.Recent: the peer's value to return, and when it came.
    recent: u32,
    recent_at: u32,
}

/// How old TS.Recent may be to refuse anything, in ages: 24 days, after which the peer's clock may have come half round
/// (section 5.5).
const MOST_AGES: u32 = ((24 * 86_400 * 1_000_000_000_u64) >> AGE_SHIFT) as u32;
/// Nanoseconds of an age, as a power of two: about a second.
const AGE_SHIFT: u32 = 30;

impl Clock {
    /// The clock of a flow whose hash is `offset`; the peer's SYN said `recent`.
    pub(super) fn new(offset: u32, recent: u32, now: Instant) -> Clock {
        Clock { offset, recent, recent_at: ages(now) }
    }

    /// Takes the value of the peer's SYN, which came after ours had left.
    pub(super) fn begin(&mut self, recent: u32, now: Instant) {
        (self.recent, self.recent_at) = (recent, ages(now));
    }

    /// What a segment that leaves now says.
    pub(super) fn stamp(&self, now: Instant) -> Timestamps {
        Timestamps { value: ticks(now).wrapping_add(self.offset), echo: self.recent }
    }

    /// Takes the peer's value of an acceptable segment that begins at or before the last acknowledgement sent (section 4.3).
    pub(super) fn arrived(&mut self, value: u32, now: Instant) {
        if !self.is_old(value, now) {
            self.note(value, now);
        }
    }

    /// Takes the peer's value, which is not old.
    #[inline]
    pub(super) fn note(&mut self, value: u32, now: Instant) {
        self.recent = value;
        self.recent_at = ages(now);
    }

    /// Whether the peer's `value` is later than any that has come.
    pub(super) fn is_behind(&self, value: u32, now: Instant) -> bool {
        value != self.recent && !self.is_old(value, now)
    }

    /// Whether the newest that has come is later than the peer's `value`.
    #[inline]
    pub(super) fn is_later_than(&self, value: u32) -> bool {
        is_before(value, self.recent)
    }

    /// Whether a segment with the peer's `value` is a duplicate from long ago (PAWS, section 5.3).
    pub(super) fn is_old(&self, value: u32, now: Instant) -> bool {
        is_before(value, self.recent) && ages(now).wrapping_sub(self.recent_at) < MOST_AGES
    }
}

/// The clock without an offset.
fn ticks(now: Instant) -> u32 {
    (now.as_nanos() >> TICK_SHIFT) as u32
}

fn ages(now: Instant) -> u32 {
    (now.as_nanos() >> AGE_SHIFT) as u32
}

/// Whether `a` is earlier than `b`, on the circle (section 5.2).
fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}
