//! The established sender: what an ACK acknowledges, what it says about loss, and the window it gives.

use super::close::FinAcked;
use super::congestion::Action;
use super::context::{Context, Timer};
use super::segments::NIL;
use super::tcb::{Notices, Tcb, Wants};
use super::wire::{Control, Segment};

/// Whether the rest of a segment is worth a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Payload and FIN come next.
    Continue,
    /// No.
    Drop,
}

impl Tcb {
    /// Takes the ACK and the window of an acceptable segment.
    pub(super) fn ack_arrives(&mut self, segment: &Segment, cx: &mut Context<'_>) -> Verdict {
        let ack = segment.ack;
        // RFC 5961, section 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT
        if self.send.max.lt(ack) || ack.lt(self.send.una - self.send.max_wnd) {
            cx.iface.counters.drop_tcp_bad_ack += 1;
            self.challenge(cx);
            return Verdict::Drop;
        }
        if self.send.una.lt(ack) {
            let fin_acked = self.take_ack(segment, cx);
            self.update_window(segment, cx);
            if fin_acked == FinAcked::Yes {
                self.fin_acked(cx);
            }
        } else {
            if self.is_duplicate(segment) {
                let (una, max, flight) = (self.send.una, self.send.max, self.flight());
                let action = self.congestion.on_duplicate(una, max, flight);
                cx.iface.counters.tcp_fast_retransmits += u64::from(action == Action::Retransmit);
                self.act(action, cx);
            }
            self.update_window(segment, cx);
        }
        if self.state == super::tcb::State::Closed { Verdict::Drop } else { Verdict::Continue }
    }

    /// Takes an ACK of something new. Returns whether our FIN is part of it.
    fn take_ack(&mut self, segment: &Segment, cx: &mut Context<'_>) -> FinAcked {
        let ack = segment.ack;
        let fin_acked = if self.send.fin && ack == self.send.end + 1 { FinAcked::Yes } else { FinAcked::No };
        let acked = ack - self.send.una;
        let payload = acked - u32::from(fin_acked == FinAcked::Yes);
        let flight = self.send.max - self.send.una;
        self.rtt.on_ack(ack, cx.now);
        self.rtt.reset_backoff();
        self.retries = 0;
        let action = self.congestion.on_ack(ack, payload, flight);
        self.drop_acked(payload, cx);
        self.send.una = ack;
        self.send.nxt = self.send.nxt.max(ack);
        self.wants.remove(Wants::RETRANSMIT);
        self.act(action, cx);
        if self.is_all_acked() {
            self.cancel(Timer::Retransmit, cx);
        } else {
            self.arm_retransmit(cx);
        }
        self.send.acked += payload;
        self.notify(Notices::SENT, cx);
        if self.has_unsent() {
            self.mark_dirty(cx);
        }
        fin_acked
    }

    /// Returns acknowledged buffers to the pool.
    fn drop_acked(&mut self, mut bytes: u32, cx: &mut Context<'_>) {
        while bytes > 0
            && let Some(span) = cx.shared.segments.span(self.send.queue.head)
        {
            if span.len > bytes {
                cx.shared.segments.trim_front(self.send.queue.head, bytes);
                return;
            }
            if self.send.cursor == self.send.queue.head {
                self.send.cursor = cx.shared.segments.next(self.send.cursor);
            }
            self.pop_acked(cx);
            bytes -= span.len;
        }
    }

    /// RFC 5681, section 2: an ACK that acknowledges, carries and changes nothing while something is in flight.
    fn is_duplicate(&self, segment: &Segment) -> bool {
        segment.ack == self.send.una
            && segment.len() == 0
            && !self.is_all_acked()
            && u32::from(segment.window) << self.send.shift == self.send.wnd
            && !segment.has(Control::SYN)
    }

    /// RFC 9293, section 3.10.7.4: takes the window from the latest segment only.
    fn update_window(&mut self, segment: &Segment, cx: &mut Context<'_>) {
        let newer = self.send.wl1.lt(segment.seq) || (self.send.wl1 == segment.seq && self.send.wl2.le(segment.ack));
        if !newer || segment.ack.lt(self.send.una) {
            return;
        }
        let before = self.send.wnd;
        self.send.wnd = u32::from(segment.window) << self.send.shift;
        self.send.max_wnd = self.send.max_wnd.max(self.send.wnd);
        (self.send.wl1, self.send.wl2) = (segment.seq, segment.ack);
        if self.send.wnd == 0 {
            self.retries = 0; // it lives, and keeps its window shut (RFC 9293, section 3.8.6.1)
        } else if self.send.wnd > before {
            self.rtt.reset_backoff();
            self.notify(Notices::SENT, cx);
            if self.has_unsent() {
                self.mark_dirty(cx);
            }
        }
    }

    fn act(&mut self, action: Action, cx: &mut Context<'_>) {
        if action == Action::Retransmit && (self.send.queue.head != NIL || self.send.fin) {
            self.want(Wants::RETRANSMIT, cx);
        }
    }
}
