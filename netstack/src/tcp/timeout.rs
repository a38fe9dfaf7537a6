//! What happens when a connection's timers run out (RFC 6298, section 5; RFC 9293, sections 3.8.1 and 3.8.6.1).

use core::time::Duration;

use super::context::{Context, Timer};
use super::rto::MAX_RETRIES;
use super::tcb::{State, Tcb, Wants};
use crate::app::Reason;

/// The most an ACK waits for a reply to ride on, or for a second segment (RFC 9293, section 3.8.6.3: under 500 ms).
pub(super) const DELAYED_ACK: Duration = Duration::from_millis(40);
/// How long a connection that the app has closed waits for the peer to say something.
pub(super) const FIN_WAIT_2: Duration = Duration::from_secs(60);

impl Tcb {
    /// A timer has run out.
    pub(super) fn timer_fires(&mut self, timer: Timer, cx: &mut Context<'_>) {
        match timer {
            _ if self.state == State::Closed => {}
            Timer::DelayedAck => self.want(Wants::ACK, cx),
            Timer::Retransmit if self.is_all_acked() && self.state == State::FinWait2 => self.give_up(cx),
            Timer::Retransmit => self.retransmission_timeout(cx),
        }
    }

    /// Something was not acknowledged in time; or, with nothing in flight, the peer's window has stayed shut, or its
    /// link address unknown.
    fn retransmission_timeout(&mut self, cx: &mut Context<'_>) {
        if self.retries >= MAX_RETRIES {
            return self.give_up(cx);
        }
        self.retries += 1;
        self.rtt.back_off();
        if self.is_all_acked() {
            self.want(Wants::PROBE, cx);
        } else {
            cx.iface.counters.tcp_timeouts += 1;
            self.congestion.on_timeout(self.send.max, self.flight(), self.retries);
            self.send.nxt = self.send.una;
            self.send.cursor = self.send.queue.head;
            self.wants.remove(Wants::RETRANSMIT);
            self.mark_dirty(cx);
        }
        self.arm_retransmit(cx);
    }

    fn give_up(&mut self, cx: &mut Context<'_>) {
        cx.iface.counters.tcp_timed_out += 1;
        self.kill(Reason::TimedOut, cx);
    }

    /// The peer still talks after our close: it gets the full time again.
    pub(super) fn extend_fin_wait_2(&self, cx: &mut Context<'_>) {
        if self.state == State::FinWait2 {
            cx.shared.timers.arm(Timer::Retransmit.id(self.index), cx.now + FIN_WAIT_2);
        }
    }
}
