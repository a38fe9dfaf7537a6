//! What connections share, lent to each of them while it works.

use netdrv::pktbuf::PktBuf;

use super::flow_table::FlowTable;
use super::segments::SegmentSlab;
use super::tcb::{Tcb, Wants};
use crate::index_queue::IndexQueue;
use crate::interface::Interface;
use crate::rate_limit::RateLimit;
use crate::time::Instant;
use crate::timer::{TimerId, TimerWheel};

/// Tables and queues of all connections.
pub(super) struct Shared {
    pub(super) flows: FlowTable,
    pub(super) segments: SegmentSlab,
    pub(super) timers: TimerWheel,
    /// Those that egress has to visit.
    pub(super) dirty: IndexQueue,
    /// Those that wait for their neighbor's link address.
    pub(super) parked: IndexQueue,
    /// Those with something to tell the app.
    pub(super) notify: IndexQueue,
    pub(super) challenges: RateLimit,
    pub(super) resets: RateLimit,
    /// Segments held out of order, over all connections.
    pub(super) out_of_order: u32,
    /// The most that may be held.
    pub(super) out_of_order_limit: u32,
}

/// The shared state at one moment.
pub(super) struct Context<'a> {
    pub(super) iface: &'a mut Interface,
    pub(super) shared: &'a mut Shared,
    pub(super) now: Instant,
}

/// The timers of an entry of the slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// Retransmission, persist or FIN-WAIT-2: never two of them at a time.
    Retransmit,
    /// A delayed ACK.
    DelayedAck,
}

/// Timers per entry.
pub(super) const TIMERS: usize = 2;

impl Timer {
    /// The timer's name in the wheel.
    pub(super) fn id(self, index: u32) -> TimerId {
        index * TIMERS as u32 + self as u32
    }

    /// The entry and the timer of a name.
    pub(super) fn from_id(id: TimerId) -> (u32, Timer) {
        let timer = if id.is_multiple_of(TIMERS as u32) { Timer::Retransmit } else { Timer::DelayedAck };
        (id / TIMERS as u32, timer)
    }
}

impl Tcb {
    /// Has egress visit the connection, for `wants` and whatever else it can send.
    pub(super) fn want(&mut self, wants: Wants, cx: &mut Context<'_>) {
        self.wants |= wants;
        cx.shared.dirty.push(self.index);
    }

    /// Has egress visit the connection.
    pub(super) fn mark_dirty(&self, cx: &mut Context<'_>) {
        cx.shared.dirty.push(self.index);
    }

    /// Arms the retransmission timer for the timeout from now.
    pub(super) fn arm_retransmit(&self, cx: &mut Context<'_>) {
        cx.shared.timers.arm(Timer::Retransmit.id(self.index), cx.now + self.rtt.timeout());
    }

    /// Whether the retransmission timer is armed.
    pub(super) fn is_retransmit_armed(&self, cx: &Context<'_>) -> bool {
        cx.shared.timers.is_armed(Timer::Retransmit.id(self.index))
    }

    /// Disarms a timer.
    pub(super) fn cancel(&self, timer: Timer, cx: &mut Context<'_>) {
        cx.shared.timers.cancel(timer.id(self.index));
    }

    /// Takes the first segment of the retransmission queue.
    pub(super) fn pop_acked(&mut self, cx: &mut Context<'_>) -> Option<PktBuf> {
        cx.shared.segments.pop_front(&mut self.send.queue)
    }
}
