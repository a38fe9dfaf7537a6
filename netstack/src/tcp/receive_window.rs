//! The window that we offer (RFC 9293, section 3.8.6; RFC 7323, section 2).
//!
//! Each connection begins with a window of 64 KiB. Where its peer fills that while the app keeps up, it doubles, up to the
//! configured maximum and as long as a share of the packet buffers covers what all windows have grown by. When buffers run
//! short, windows halve. What was promised is never taken back.

use netdrv::pktbuf::Pool;

use super::calls::owned;
use super::seq::SeqNum;
use super::tcb::{Receive, Tcb};
use super::{Tcp, Work};
use crate::app::{Events, Flow};
use crate::reserves;

/// The window to begin with: what a SYN can offer, which scales nothing.
pub(super) const INITIAL_WINDOW: u32 = 65_535;
/// What is left of it when buffers are short: two segments, so that every second is acknowledged at once.
const LEAST_WINDOW: u32 = 2 * 1460;
/// All windows together grow by at most this share of the packet buffers.
const GROWTH_SHARE: usize = 4;
/// Payload that a buffer holds, at most.
const BUFFER_PAYLOAD: usize = 1460;

/// What all windows of a core have in common.
pub(super) struct Windows {
    /// No window is offered beyond this.
    largest: u32,
    /// Bytes by which windows may still grow.
    growth: u32,
    pool: &'static Pool,
    /// Buffers are short when fewer than so many are free.
    short: usize,
    /// Payload is refused when fewer than so many are free.
    refused: usize,
}

/// By how much a window has opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// By so much that the peer is to be told.
    Tell,
    /// By less.
    Little,
}

impl Windows {
    /// Windows of at most `largest` bytes for connections whose segments lie in buffers of `pool`.
    pub(super) fn new(largest: u32, pool: &'static Pool) -> Windows {
        let growth = pool.capacity() / GROWTH_SHARE * BUFFER_PAYLOAD;
        Windows {
            largest: largest.clamp(INITIAL_WINDOW, u32::from(u16::MAX) << super::options::MAX_SHIFT),
            growth: u32::try_from(growth).unwrap_or(u32::MAX),
            pool,
            short: reserves::scarce(pool),
            refused: reserves::buffers(pool, reserves::PAYLOAD),
        }
    }

    /// The shift that lets the largest window be told (RFC 7323, section 2.3).
    pub(super) fn shift(&self) -> u8 {
        (u32::BITS - (self.largest >> u16::BITS).leading_zeros()) as u8
    }

    /// Whether windows are to halve, and payload is perhaps to be refused.
    #[inline]
    pub(super) fn are_buffers_short(&self) -> bool {
        self.pool.available() < self.short
    }

    /// Whether there is no buffer left for payload, beside what has come for the app already.
    pub(super) fn is_payload_refused(&self, events: &Events) -> bool {
        self.pool.available() < self.refused + events.len()
    }

    /// Takes back what a window has grown by.
    pub(super) fn give_back(&mut self, limit: u32) {
        self.growth += limit.saturating_sub(INITIAL_WINDOW);
    }

    /// Takes a window over from another core, as far as it may have grown here.
    pub(super) fn take_over(&mut self, limit: &mut u32) {
        let growth = limit.saturating_sub(INITIAL_WINDOW).min(self.growth);
        self.growth -= growth;
        *limit = (*limit).min(INITIAL_WINDOW + growth);
    }

    /// Doubles a window, as far as it may grow.
    fn grow(&mut self, limit: &mut u32) {
        let grown = limit.saturating_mul(2).min(self.largest).max(*limit);
        let before = (*limit).max(INITIAL_WINDOW);
        let growth = grown.saturating_sub(before).min(self.growth);
        self.growth -= growth;
        *limit = grown.min(before + growth);
    }

    /// A window was filled up to `nxt`.
    fn fill(&mut self, receive: &mut Receive) {
        receive.fill_window();
        if self.are_buffers_short() {
            self.halve(&mut receive.limit);
        }
    }

    /// The app is done with `bytes` received bytes.
    #[inline]
    pub(super) fn open(&mut self, tcb: &mut Tcb, bytes: u32) -> Opened {
        let receive = &mut tcb.receive;
        receive.held_by_app = receive.held_by_app.saturating_sub(bytes);
        if receive.window_filled && receive.held_by_app < receive.limit / 4 && !self.are_buffers_short() {
            receive.window_filled = false;
            self.grow(&mut receive.limit);
        }
        if receive.update_is_due(tcb.send.mss) && tcb.may_receive() { Opened::Tell } else { Opened::Little }
    }

    #[cold]
    fn halve(&mut self, limit: &mut u32) {
        let halved = (*limit / 2).max(LEAST_WINDOW).min(*limit);
        self.give_back(*limit);
        self.growth -= halved.saturating_sub(INITIAL_WINDOW);
        *limit = halved;
    }
}

impl Receive {
    /// The window was filled up to `nxt`, while there are buffers.
    #[inline]
    pub(super) fn fill_window(&mut self) {
        self.window_filled |= self.edge.since(self.nxt) < 2 * u32::from(self.full_segment);
    }

    /// Where the window would end if nothing had been promised.
    fn offered(&self) -> SeqNum {
        self.nxt + self.limit.saturating_sub(self.held_by_app)
    }

    /// The window field of a segment that leaves now. Rounding up to whole units, so as not to take back what was told, may
    /// reach a unit beyond what is offered; where that is not enough, what is told falls short of the edge by less than a unit,
    /// and what comes up to the edge is still taken (RFC 7323, section 2.4).
    #[inline(always)] // on the way of nearly every segment
    pub(super) fn window(&mut self) -> u16 {
        let shift = self.shift.unwrap_or(0);
        let below_unit = (1 << shift) - 1;
        let offered = self.offered();
        let right = self.edge.max(offered);
        let rounded = self.nxt + ((right - self.nxt + below_unit) & !below_unit);
        self.edge = if rounded.le(offered + below_unit) { rounded } else { right };
        ((self.edge - self.nxt) >> shift).min(u16::MAX.into()) as u16
    }

    /// The window field of a SYN, which is not scaled.
    pub(super) fn syn_window(&self) -> u16 {
        (self.edge - self.nxt).min(u16::MAX.into()) as u16
    }

    /// Whether the window has opened so far beyond what was told that the peer should know (RFC 9293, section 3.8.6.2.2).
    fn update_is_due(&self, mss: u16) -> bool {
        self.offered().since(self.edge) >= (2 * u32::from(mss)).min(self.limit / 2)
    }
}

impl Tcp {
    /// Payload was delivered up to `nxt`.
    pub(super) fn window_fills(&mut self, index: u32) {
        if let Some(tcb) = self.tcbs[index as usize].as_mut() {
            self.windows.fill(&mut tcb.receive);
        }
    }

    /// The app is done with `bytes` received bytes.
    #[inline]
    pub(crate) fn received(&mut self, flow: Flow, bytes: u32, work: &mut Work<'_>) {
        let Some(tcb) = owned(&mut self.tcbs, flow) else { return work.counters.app_stale_calls += 1 };
        if self.windows.open(tcb, bytes) == Opened::Tell {
            self.ack_now(flow.index);
        }
    }
}

#[cfg(test)]
mod tests {
    use netdrv::pktbuf::PoolMemory;

    use super::*;

    fn windows(largest: u32) -> Windows {
        Windows::new(largest, Pool::leak(PoolMemory::leak(512)))
    }

    #[test]
    fn the_shift_is_the_least_that_tells_the_largest_window() {
        for (largest, shift) in [(0, 0), (65_535, 0), (65_536, 1), (1 << 20, 5), (u32::MAX, 14)] {
            assert_eq!(windows(largest).shift(), shift, "{largest}");
        }
    }

    #[test]
    fn growth_is_bounded_by_the_pool_and_given_back() {
        let mut windows = windows(1 << 20);
        let all = windows.growth;
        assert_eq!(all, 512 / 4 * 1460);
        let mut limits = [INITIAL_WINDOW; 5];
        for _ in 0..10 {
            limits.iter_mut().for_each(|limit| windows.grow(limit));
            assert_eq!(limits.iter().map(|limit| limit - INITIAL_WINDOW).sum::<u32>() + windows.growth, all);
        }
        assert_eq!(windows.growth, 0);
        for limit in &mut limits {
            for _ in 0..20 {
                windows.halve(limit);
            }
            assert_eq!(*limit, LEAST_WINDOW);
            windows.grow(limit);
            assert_eq!(*limit, 2 * LEAST_WINDOW);
            windows.give_back(*limit);
        }
        assert_eq!(windows.growth, all);
    }
}
