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
    /// TS.Recent: the peer's value to return.
    recent: u32,
}

impl Clock {
    /// The clock of a flow whose hash is `offset`; the peer's SYN said `recent`.
    pub(super) fn new(offset: u32, recent: u32) -> Clock {
        Clock { offset, recent }
    }

    /// What a segment that leaves now says.
    pub(super) fn stamp(&self, now: Instant) -> Timestamps {
        Timestamps { value: ticks(now).wrapping_add(self.offset), echo: self.recent }
    }

    /// Takes the peer's value of an acceptable segment that begins at or before the last acknowledgement sent (section 4.3).
    pub(super) fn arrived(&mut self, value: u32) {
        if !is_before(value, self.recent) {
            self.recent = value;
        }
    }
}

/// The clock without an offset.
fn ticks(now: Instant) -> u32 {
    (now.as_nanos() >> TICK_SHIFT) as u32
}

/// Whether `a` is earlier than `b`, on the circle (section 5.2).
fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}
