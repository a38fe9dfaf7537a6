//! Output: what a connection sends when egress visits it, one frame at a time.
//!
//! Segments leave from the retransmission queue in place: headers are written before the payload through the queue's
//! handle, and a clone goes to the ring. While the ring holds that clone the segment has not left, so sending it again
//! would be pointless, and writing to it wrong: such a retransmission is put off.

use netdrv::pktbuf::PktBuf;

use super::context::{Context, Timer};
use super::options::SynOptions;
use super::seq::SeqNum;
use super::tcb::{State, Tcb, Wants};
use super::timeout::DELAYED_ACK;
use super::window::SEND_SEGMENTS;
use super::wire::{self, Control, Header};
use crate::ethernet::Mac;

/// What a visit has come to.
pub(super) enum Output {
    /// A frame; there may be more.
    Frame(PktBuf),
    /// Nothing is left to send now.
    Idle,
    /// The neighbor's link address is not known yet.
    Unresolved,
    /// The pool is empty.
    NoBuffer,
}

/// What to send next.
#[derive(Clone, Copy)]
enum Next {
    /// The first `len` bytes of a segment of the retransmission queue.
    Data { id: u32, len: u32 },
    /// A segment without payload.
    Bare { seq: SeqNum, control: Control },
}

impl Tcb {
    /// Sends the next frame.
    pub(super) fn emit(&mut self, cx: &mut Context<'_>) -> Output {
        let Some(next) = self.next(cx) else {
            self.delay_ack(cx);
            return Output::Idle;
        };
        let Some(mac) = cx.iface.resolve(self.key.remote_ip, &mut self.hop, cx.now) else {
            return self.await_neighbor(cx);
        };
        match next {
            Next::Data { id, len } => self.emit_data(id, len, mac, cx),
            Next::Bare { seq, control } => self.emit_bare(seq, control, mac, cx),
        }
    }

    /// Chooses what to send: a reset, a fast retransmit, data, FIN, a probe, or an ACK, which all others carry as well.
    fn next(&mut self, cx: &mut Context<'_>) -> Option<Next> {
        if self.state == State::Closed {
            let reset = Next::Bare { seq: self.send.nxt, control: Control::RST | Control::ACK };
            return self.wants.contains(Wants::RESET).then_some(reset);
        }
        if self.wants.contains(Wants::RETRANSMIT)
            && let Some(next) = self.next_retransmit(cx)
        {
            return Some(next);
        }
        if let Some(next) = self.next_data(cx) {
            return Some(next);
        }
        if self.send.fin && self.send.nxt == self.send.end && self.permit(1, cx) > 0 {
            return Some(self.bare_fin());
        }
        if self.wants.contains(Wants::PROBE) {
            // An old number makes the peer answer with its window, and costs none of our data if it is still shut.
            return Some(Next::Bare { seq: self.send.una - 1, control: Control::ACK });
        }
        let ack = Next::Bare { seq: self.send.nxt, control: Control::ACK };
        self.wants.contains(Wants::ACK).then_some(ack)
    }

    fn bare_fin(&self) -> Next {
        Next::Bare { seq: self.send.end, control: Control::FIN | Control::ACK }
    }

    /// The first unacknowledged segment, whatever the windows say.
    fn next_retransmit(&mut self, cx: &mut Context<'_>) -> Option<Next> {
        let id = self.send.queue.head;
        let Some(span) = cx.shared.segments.span(id) else {
            return (self.send.fin && !self.is_all_acked()).then(|| self.bare_fin());
        };
        if cx.shared.segments.buf(id).is_some_and(|buf| buf.is_unique()) {
            return Some(Next::Data { id, len: span.len.min(self.send.mss) });
        }
        cx.iface.counters.tcp_retransmits_deferred += 1;
        self.wants.remove(Wants::RETRANSMIT);
        None
    }

    /// The segment at SND.NXT, as much of it as the windows permit.
    fn next_data(&mut self, cx: &mut Context<'_>) -> Option<Next> {
        while let Some(span) = cx.shared.segments.span(self.send.cursor) {
            let id = self.send.cursor;
            let leaves_again = self.send.nxt.lt(self.send.max);
            if leaves_again && cx.shared.segments.buf(id).is_some_and(|buf| !buf.is_unique()) {
                cx.iface.counters.tcp_retransmits_deferred += 1;
                self.send.nxt = span.end();
                self.send.cursor = cx.shared.segments.next(id);
                continue;
            }
            let len = self.permit(span.len, cx);
            let waits_to_fill = len < self.send.mss
                && id == self.send.queue.tail
                && self.send.queue.len > SEND_SEGMENTS
                && !leaves_again
                && !self.send.fin;
            return (len > 0 && !waits_to_fill).then_some(Next::Data { id, len });
        }
        None
    }

    /// How much of `len` bytes at SND.NXT may leave. Silly windows are not filled (RFC 9293, section 3.8.6.2.1): short of
    /// a full segment, or all of this one, only half of the peer's greatest window is worth a segment, or any window
    /// when the persist timer says so.
    fn permit(&mut self, len: u32, cx: &mut Context<'_>) -> u32 {
        let flight = self.flight();
        let want = len.min(self.send.mss);
        if self.is_all_acked() && cx.now.since(self.send.last) > self.rtt.timeout() {
            self.congestion.on_idle();
        }
        if flight > 0 && self.congestion.window().saturating_sub(flight) < want {
            return 0;
        }
        let usable = (self.send.una + self.send.wnd).since(self.send.nxt);
        let timed_out = flight == 0 && !self.is_all_acked();
        if usable >= want || timed_out {
            return want;
        }
        if usable > 0 && (self.wants.contains(Wants::PROBE) || usable >= self.send.max_wnd / 2) {
            return usable;
        }
        if flight == 0 && !self.is_retransmit_armed(cx) {
            self.arm_retransmit(cx); // as persist timer
        }
        0
    }

    fn emit_data(&mut self, id: u32, len: u32, mac: Mac, cx: &mut Context<'_>) -> Output {
        let Some(span) = cx.shared.segments.span(id) else { return Output::Idle };
        if len < span.len && !self.split(id, len, cx) {
            return Output::NoBuffer;
        }
        let (mut end, mut control) = (span.seq + len, Control::ACK);
        if end == self.send.end {
            control |= Control::PSH;
        }
        let usable = (self.send.una + self.send.wnd).since(end);
        if end == self.send.end && self.send.fin && usable > 0 {
            control |= Control::FIN;
            end += 1;
        }
        let header = self.header(span.seq, control, cx);
        let Some(buf) = cx.shared.segments.buf(id) else { return Output::Idle };
        let emitted = wire::emit(cx.iface, buf, mac, self.key, header);
        let frame = buf.clone();
        buf.trim_front(buf.len() - len as usize);
        self.wants.remove(Wants::RETRANSMIT | Wants::PROBE);
        if self.send.cursor == id {
            self.send.cursor = cx.shared.segments.next(id);
        }
        self.sent(span.seq, end, cx);
        if emitted.is_some() { Output::Frame(frame) } else { Output::Idle }
    }

    fn emit_bare(&mut self, seq: SeqNum, control: Control, mac: Mac, cx: &mut Context<'_>) -> Output {
        let Some(mut frame) = cx.iface.alloc() else { return Output::NoBuffer };
        let header = self.header(seq, control, cx);
        let emitted = wire::emit(cx.iface, &mut frame, mac, self.key, header);
        if control.contains(Control::RST) {
            cx.iface.counters.tcp_resets_out += 1;
            self.wants.remove(Wants::RESET);
        } else if control.contains(Control::FIN) {
            self.wants.remove(Wants::RETRANSMIT);
            self.sent(seq, seq + 1, cx);
        } else if self.wants.contains(Wants::PROBE) {
            cx.iface.counters.tcp_window_probes += 1;
            self.wants.remove(Wants::PROBE);
        }
        self.ack_sent(cx);
        if emitted.is_some() { Output::Frame(frame) } else { Output::Idle }
    }

    fn header(&mut self, seq: SeqNum, control: Control, cx: &Context<'_>) -> Header {
        Header { seq, ack: self.recv.nxt, control, window: self.advertise(cx), options: SynOptions::default() }
    }

    /// Notes that `seq` to `end` leaves.
    fn sent(&mut self, seq: SeqNum, end: SeqNum, cx: &mut Context<'_>) {
        if self.send.max.lt(end) {
            self.rtt.on_send(end, cx.now);
            if self.is_all_acked() {
                self.retries = 0;
                self.arm_retransmit(cx);
            }
            self.send.max = end;
        } else {
            cx.iface.counters.tcp_retransmits += 1;
            self.rtt.on_retransmit();
        }
        if seq == self.send.nxt {
            self.send.nxt = end;
        }
        self.send.last = cx.now;
        self.ack_sent(cx);
    }

    fn ack_sent(&mut self, cx: &mut Context<'_>) {
        cx.iface.counters.tcp_segments_out += 1;
        self.wants.remove(Wants::ACK | Wants::DELAYED_ACK);
        self.recv.acked = self.recv.nxt;
        self.cancel(Timer::DelayedAck, cx);
    }

    /// Cuts a segment of the queue after `len` bytes: the rest moves into a buffer of its own.
    fn split(&mut self, id: u32, len: u32, cx: &mut Context<'_>) -> bool {
        let Some(mut rest) = cx.iface.alloc() else { return false };
        let Some((span, buf)) = cx.shared.segments.span(id).zip(cx.shared.segments.buf(id)) else { return false };
        if rest.extend_from_slice(buf.bytes().get(len as usize..).unwrap_or_default()).is_none() {
            return false;
        }
        if cx.shared.segments.insert_after(&mut self.send.queue, id, span.seq + len, rest).is_err() {
            return false;
        }
        if let Some(buf) = cx.shared.segments.buf(id) {
            buf.truncate(len as usize);
        }
        cx.iface.counters.tcp_segments_split += 1;
        true
    }

    /// Nothing else has to leave: an ACK that is not urgent waits for a reply to ride on.
    fn delay_ack(&mut self, cx: &mut Context<'_>) {
        let timer = Timer::DelayedAck.id(self.index);
        if self.wants.contains(Wants::DELAYED_ACK) && self.state != State::Closed && !cx.shared.timers.is_armed(timer) {
            cx.shared.timers.arm(timer, cx.now + DELAYED_ACK);
        }
    }

    /// Waits for the neighbor's answer, though not for ever if something has to arrive.
    fn await_neighbor(&mut self, cx: &mut Context<'_>) -> Output {
        if self.state == State::Closed {
            self.wants.remove(Wants::RESET);
            return Output::Idle;
        }
        if (self.has_unsent() || !self.is_all_acked()) && !self.is_retransmit_armed(cx) {
            self.arm_retransmit(cx);
        }
        Output::Unresolved
    }
}
