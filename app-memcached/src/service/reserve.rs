//! How many packet buffers replies may take, and what is left to whom when they are short.
//!
//! Replies leave a part of the pool to input. Were that all, a pool full of requests that were kept and of answers that were not
//! acknowledged yet could stand still: where an acknowledgement comes with the next request, each buffer that it frees holds
//! another request. So below that level two kinds of replies are still written, one buffer at a time:
//!
//! - That to a request which has just come and before which nothing waits: its own buffer is freed in return.
//! - The next of a connection that has waited for long, a few in each millisecond.

use core::time::Duration;

use netdrv::pktbuf::Pool;
use netstack::reserves::{self, buffers};
use netstack::time::Instant;

/// How long connections wait for the others to free buffers, before a few get some of those that are left.
const PATIENCE: Duration = Duration::from_millis(1);
/// How many get one then: this share of the buffers that replies leave.
const RELIEF_SHARE: usize = 16;

/// Why a connection is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A request has come, before which none waits.
    Request,
    /// There may be room for what waits.
    Room,
    /// It has waited for long enough.
    Relief,
}

/// The levels of one core's pool, and for how long nobody who waits has got a buffer.
pub(super) struct Reserve {
    pool: &'static Pool,
    /// What replies leave.
    from_replies: usize,
    /// What is left by connections that send requests without reading replies.
    pub(super) from_idle: usize,
    /// What is left by all.
    pub(super) from_all: usize,
    /// When somebody who waited was served last.
    served: Instant,
}

impl Reserve {
    pub(super) fn new(pool: &'static Pool) -> Reserve {
        Reserve {
            pool,
            from_replies: buffers(pool, reserves::REPLIES),
            from_idle: buffers(pool, reserves::WINDOWS),
            from_all: buffers(pool, reserves::ANSWERS),
            served: Instant::ZERO,
        }
    }

    /// Buffers that may be taken for replies now.
    #[inline]
    pub(super) fn allow(&self, cause: Cause) -> usize {
        let available = self.pool.available();
        if available > self.from_replies { available - self.from_replies } else { self.allow_of_rest(cause) }
    }

    #[cold]
    fn allow_of_rest(&self, cause: Cause) -> usize {
        usize::from(cause != Cause::Room && self.pool.available() > self.from_all)
    }

    /// Whether connections that wait get no buffers.
    pub(super) fn is_used_up(&self) -> bool {
        self.pool.available() <= self.from_replies
    }

    /// How many of the connections that wait are served all the same.
    pub(super) fn relief(&self, now: Instant) -> usize {
        let is_due = now.since(self.served) >= PATIENCE;
        if is_due { (self.from_replies / RELIEF_SHARE).max(1) } else { 0 }
    }

    /// One that waited is served.
    pub(super) fn note_served(&mut self, now: Instant) {
        self.served = now;
    }
}
