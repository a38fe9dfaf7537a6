//! Segments of a connection: what is acceptable, and in which order its parts are looked at (RFC 9293, section 3.10.7.4,
//! with the checks of RFC 5961 against blind attacks).

use netdrv::pktbuf::PktBuf;

use super::ack::Verdict;
use super::context::Context;
use super::tcb::{State, Tcb, Wants};
use super::wire::{Control, Segment};
use crate::app::Reason;

impl Tcb {
    /// Takes a segment and its payload.
    pub(super) fn segment_arrives(&mut self, segment: &Segment, payload: PktBuf, cx: &mut Context<'_>) {
        if self.state == State::Closed {
            cx.iface.counters.drop_tcp_no_connection += 1;
            return;
        }
        if !self.is_acceptable(segment) {
            return self.answer_unacceptable(segment, cx);
        }
        if segment.has(Control::RST) {
            return self.reset_arrives(segment, cx);
        }
        if segment.has(Control::SYN) {
            cx.iface.counters.drop_tcp_syn_in_window += 1;
            return self.challenge(cx);
        }
        if !segment.has(Control::ACK) {
            cx.iface.counters.drop_tcp_no_ack += 1;
            return;
        }
        if self.ack_arrives(segment, cx) == Verdict::Continue && segment.len() > 0 {
            self.payload_arrives(segment, payload, cx);
        }
    }

    /// The table of RFC 9293, section 3.4: whether any of the segment lies in the window. A window of zero still takes
    /// the ACK of a segment that begins where it should; its payload is cut off later.
    fn is_acceptable(&self, segment: &Segment) -> bool {
        let (nxt, adv) = (self.recv.nxt, self.recv.adv);
        let in_window = |seq| nxt.le(seq) && super::seq::SeqNum::lt(seq, adv);
        let last = segment.seq + segment.len().saturating_sub(1);
        segment.seq == nxt || in_window(segment.seq) || (segment.len() > 0 && in_window(last))
    }

    /// A segment outside the window is an old one come again, a probe, or forged: the answer is an ACK, but never to a
    /// reset, and at a bounded rate to what could be an answer itself.
    fn answer_unacceptable(&mut self, segment: &Segment, cx: &mut Context<'_>) {
        cx.iface.counters.drop_tcp_out_of_window += 1;
        if segment.has(Control::RST) {
            return;
        }
        if segment.len() > 0 {
            self.want(Wants::ACK, cx);
        } else {
            self.challenge(cx);
        }
    }

    /// RFC 5961, section 3.2: a reset has to name exactly what we expect next.
    fn reset_arrives(&mut self, segment: &Segment, cx: &mut Context<'_>) {
        if segment.seq != self.recv.nxt {
            cx.iface.counters.drop_tcp_inexact_reset += 1;
            return self.challenge(cx);
        }
        cx.iface.counters.tcp_resets_in += 1;
        self.kill(Reason::Reset, cx);
    }

    /// An ACK that makes the peer show whether it means it (RFC 5961).
    pub(super) fn challenge(&mut self, cx: &mut Context<'_>) {
        if cx.shared.challenges.allow(cx.now) {
            cx.iface.counters.tcp_challenge_acks += 1;
            self.want(Wants::ACK, cx);
        }
    }
}
