//! The receiver: payload in order goes to the app in the buffers it came in, payload out of order waits, and the peer's
//! FIN takes effect when its turn comes.
//!
//! What waits is bounded three times: by the window in bytes, by [`HELD`] buffers per connection (a peer that sends single
//! bytes binds a whole buffer with each), and by a share of the pool over all connections. What does not fit is dropped
//! and counted; the peer sends it again.

use netdrv::pktbuf::PktBuf;

use super::context::Context;
use super::segments::{NIL, Span};
use super::seq::SeqNum;
use super::tcb::{Notices, State, Tcb, Wants};
use super::wire::{Control, Segment};

/// Buffers of each kind, ready and out of order, that a connection may hold.
const HELD: u32 = 64;

impl Tcb {
    /// Takes the payload and FIN of an acceptable segment.
    pub(super) fn payload_arrives(&mut self, segment: &Segment, mut payload: PktBuf, cx: &mut Context<'_>) {
        if !matches!(self.state, State::Established | State::FinWait1 | State::FinWait2) {
            cx.iface.counters.drop_tcp_after_fin += u64::from(segment.payload_len > 0);
            return self.want(Wants::ACK, cx);
        }
        self.recv.longest = self.recv.longest.max(segment.payload_len);
        self.note_fin(segment);
        let seq = self.trim_to_window(segment.seq, &mut payload);
        if payload.is_empty() {
            if segment.payload_len > 0 && (segment.seq + segment.payload_len).le(self.recv.nxt) {
                cx.iface.counters.drop_tcp_duplicate += 1;
            } else if segment.payload_len > 0 {
                cx.iface.counters.drop_tcp_out_of_window += 1;
            }
            self.want(Wants::ACK, cx);
        } else if seq == self.recv.nxt {
            self.take_in_order(payload, cx);
        } else {
            self.hold(seq, payload, cx);
            self.want(Wants::ACK, cx); // a duplicate ACK tells the peer of the hole (RFC 5681, section 4.2)
        }
        self.take_fin(cx);
    }

    /// Remembers where the peer's data ends, if its FIN lies in the window.
    fn note_fin(&mut self, segment: &Segment) {
        let at = segment.seq + segment.payload_len;
        if segment.has(Control::FIN) && self.recv.fin.is_none() && self.recv.nxt.le(at) && at.le(self.recv.adv) {
            self.recv.fin = Some(at);
        }
    }

    /// Cuts off what has been received before and what lies beyond the window or the FIN. Returns the new first byte's
    /// number.
    fn trim_to_window(&self, mut seq: SeqNum, payload: &mut PktBuf) -> SeqNum {
        let old = self.recv.nxt.since(seq);
        payload.trim_front(old as usize);
        seq += old;
        let edge = self.recv.fin.filter(|fin| fin.lt(self.recv.adv)).unwrap_or(self.recv.adv);
        payload.truncate(edge.since(seq) as usize);
        seq
    }

    /// Takes the payload that is expected next, and what has waited for it.
    fn take_in_order(&mut self, mut payload: PktBuf, cx: &mut Context<'_>) {
        // What waits came first, and the first copy of a byte is the one that counts.
        if let Some(waiting) = cx.shared.segments.span(self.recv.out_of_order.head) {
            payload.truncate(waiting.seq.since(self.recv.nxt) as usize);
        }
        let hole = self.recv.out_of_order.head != NIL;
        if !payload.is_empty() && !self.make_ready(payload, cx) {
            return;
        }
        while cx.shared.segments.span(self.recv.out_of_order.head).is_some_and(|next| next.seq == self.recv.nxt)
            && self.recv.ready.len < HELD
            && let Some(payload) = cx.shared.segments.pop_front(&mut self.recv.out_of_order)
        {
            cx.shared.out_of_order -= 1;
            self.make_ready(payload, cx);
        }
        let unacked = self.recv.nxt - self.recv.acked;
        let due = hole || unacked >= 2 * self.recv.longest; // every second full segment (RFC 9293, section 3.8.6.3)
        self.want(if due { Wants::ACK } else { Wants::DELAYED_ACK }, cx);
        self.extend_fin_wait_2(cx);
    }

    /// Hands payload on to the app.
    fn make_ready(&mut self, payload: PktBuf, cx: &mut Context<'_>) -> bool {
        let len = payload.len() as u32;
        let full = self.recv.ready.len >= HELD;
        if full || cx.shared.segments.push_back(&mut self.recv.ready, self.recv.nxt, payload).is_err() {
            cx.iface.counters.drop_tcp_backlog_full += 1;
            return false;
        }
        self.recv.nxt += len;
        self.recv.held += len;
        self.notify(Notices::empty(), cx);
        true
    }

    /// Keeps payload until what is missing before it arrives.
    fn hold(&mut self, seq: SeqNum, mut payload: PktBuf, cx: &mut Context<'_>) {
        let short_of_memory = cx.iface.pool.available() < cx.iface.pool.capacity() / 8;
        if self.recv.out_of_order.len >= HELD
            || cx.shared.out_of_order >= cx.shared.out_of_order_limit
            || short_of_memory
            || !cx.shared.segments.has_room()
        {
            cx.iface.counters.drop_tcp_out_of_order_full += 1;
            return;
        }
        let Some((prev, seq)) = self.find_gap(seq, &mut payload, cx) else {
            cx.iface.counters.drop_tcp_duplicate += 1;
            return;
        };
        if cx.shared.segments.insert_after(&mut self.recv.out_of_order, prev, seq, payload).is_ok() {
            cx.shared.out_of_order += 1;
            cx.iface.counters.tcp_out_of_order += 1;
        }
    }

    /// Where payload belongs among what waits already: after which segment, and from which number on. Cuts off what
    /// overlaps; of a segment that reaches over a waiting one, only what lies before it is kept. The walk is at most
    /// [`HELD`] steps, and none if it belongs at the end.
    fn find_gap(&self, mut seq: SeqNum, payload: &mut PktBuf, cx: &Context<'_>) -> Option<(u32, SeqNum)> {
        let chain = &self.recv.out_of_order;
        let after = |id| cx.shared.segments.span(id).map(Span::end);
        if after(chain.tail).is_some_and(|end| end.le(seq)) {
            return Some((chain.tail, seq));
        }
        let (mut prev, mut next) = (NIL, chain.head);
        while let Some(waiting) = cx.shared.segments.span(next) {
            if seq.lt(waiting.seq) {
                payload.truncate((waiting.seq - seq) as usize);
                break;
            }
            let overlap = waiting.end().since(seq);
            payload.trim_front(overlap as usize);
            seq += overlap;
            (prev, next) = (next, cx.shared.segments.next(next));
        }
        (!payload.is_empty()).then_some((prev, seq))
    }

    /// Takes the peer's FIN once everything before it has been taken.
    fn take_fin(&mut self, cx: &mut Context<'_>) {
        if self.recv.fin != Some(self.recv.nxt) {
            return;
        }
        self.recv.nxt += 1;
        self.recv.adv = self.recv.adv.max(self.recv.nxt);
        self.want(Wants::ACK, cx);
        self.notify(Notices::PEER_CLOSED, cx);
        self.fin_arrived(cx);
    }
}
