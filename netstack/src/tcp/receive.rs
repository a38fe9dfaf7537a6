//! Payload, in and out of order, and the peer's FIN (RFC 9293, section 3.10.7.4, seventh and eighth check).
//!
//! In-order payload goes to the app as it lies in its packet buffer. What comes early is held until the gap is filled, as is
//! what comes before the app has accepted the connection.

use netdrv::pktbuf::PktBuf;

use super::header::{Header, flag};
use super::seq::SeqNum;
use super::tcb::{AckDue, Owner, Receive, State};
use super::{Tcp, Work};
use crate::app::Event;

/// Full segments are at least of this size, however small all of them are: the least MSS that paths must carry.
pub(super) const LEAST_FULL_SEGMENT: u16 = 536;
/// Every second full segment is acknowledged at once (RFC 5681, section 4.2).
const FULL_SEGMENTS_PER_ACK: u8 = 2;

impl Receive {
    /// Counts the next `len` bytes of payload. Says whether they are to be acknowledged at once.
    fn advance(&mut self, len: u32) -> bool {
        self.nxt += len;
        self.report.delivered(self.nxt);
        self.count_segment(len) || self.has_gap()
    }

    /// Takes the next `len` bytes of payload for the app while nothing is held. Says whether an acknowledgement has become due by
    /// that: unless something carries one that may wait, its timer is armed at egress.
    #[inline]
    pub(super) fn take_next(&mut self, len: u32) -> bool {
        self.held_by_app += len;
        self.nxt += len;
        if self.count_segment(len) {
            self.ack = AckDue::Now;
        } else if self.ack == AckDue::No {
            self.ack = AckDue::Delayed;
        } else {
            return false;
        }
        true
    }

    /// Counts a segment of payload. Says whether it is the second full one that is not acknowledged.
    #[inline]
    fn count_segment(&mut self, len: u32) -> bool {
        if len >= self.full_segment.into() {
            self.full_segment = len as u16;
            self.unacked_segments = self.unacked_segments.saturating_add(1);
        }
        self.unacked_segments >= FULL_SEGMENTS_PER_ACK
    }

    /// A segment left, and with it an acknowledgement: none is due any more, unless it must leave without payload. Says whether
    /// one had been put off.
    #[inline]
    pub(super) fn acknowledged(&mut self) -> bool {
        if self.ack == AckDue::Now && self.needs_pure_ack() {
            return false;
        }
        let put_off = self.ack != AckDue::No;
        self.all_told();
        put_off
    }

    /// No acknowledgement is due any more.
    #[inline]
    pub(super) fn all_told(&mut self) {
        self.ack = AckDue::No;
        self.unacked_segments = 0;
    }
}

impl Tcp {
    /// Takes the payload and the FIN of an acceptable segment.
    pub(super) fn payload_arrives(&mut self, index: u32, header: &Header, mut payload: PktBuf, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        let fin = header.has(flag::FIN);
        if payload.is_empty() && !fin {
            return;
        }
        if !tcb.may_receive() {
            work.counters.drop_tcp_after_fin += 1;
            return self.ack_now(index);
        }
        let end = header.seq + payload.len() as u32;
        if tcb.receive.nxt.lt(end) && self.windows.is_payload_refused(work.events) {
            // What it acknowledges was taken. It is not acknowledged itself: the peer sends it again.
            work.counters.drop_tcp_no_buffers += 1;
            return;
        }
        let Some(tcb) = self.tcb(index) else { return };
        let (nxt, edge) = (tcb.receive.nxt, tcb.receive.edge);
        if fin && end.le(edge) && tcb.receive.fin.is_none() {
            tcb.receive.fin = Some(end);
        }
        let last = tcb.receive.fin.map_or(edge, |fin| fin.min(edge));
        if last.lt(end.min(edge)) {
            work.counters.drop_tcp_after_fin += 1;
        }
        if header.seq.lt(nxt) && !payload.is_empty() {
            tcb.receive.report.duplicate(header.seq, end.min(nxt));
            tcb.receive.unacked_segments = FULL_SEGMENTS_PER_ACK;
        }
        payload.truncate(last.since(header.seq) as usize);
        payload.trim_front(nxt.since(header.seq) as usize);
        let seq = header.seq.max(nxt);
        if !payload.is_empty() {
            let in_order = seq == nxt && tcb.owner != Owner::Knocked;
            if in_order {
                // What is held came first, and counts; what lies behind it comes again.
                if let Some(held) = self.held_from(index) {
                    payload.truncate(held.since(seq) as usize);
                }
                if !payload.is_empty() {
                    self.deliver(index, payload, work);
                }
                self.deliver_held(index, work);
            } else {
                self.hold(index, seq, payload, work);
            }
        }
        self.take_fin(index, work);
    }

    /// Where the first payload held out of order begins.
    fn held_from(&mut self, index: u32) -> Option<SeqNum> {
        let head = self.tcb(index)?.receive.out_of_order.head();
        self.segments.get(head).map(|record| record.seq)
    }

    /// Hands the next payload to the app and says when it is to be acknowledged.
    pub(super) fn deliver(&mut self, index: u32, payload: PktBuf, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        let len = payload.len() as u32;
        let now = tcb.receive.advance(len);
        match tcb.owner {
            Owner::App(cookie) => {
                tcb.receive.held_by_app += len;
                let _ = work.events.push_back(Event::Recv { cookie, payload }); // room: MOST_EVENTS
            }
            // Closed by the app: what still comes is acknowledged and dropped.
            _ => work.counters.drop_tcp_after_fin += 1,
        }
        match tcb.receive.ack {
            _ if now => self.ack_now(index),
            AckDue::No => {
                tcb.receive.ack = AckDue::Delayed;
                self.dirty.push(index); // unless something carries it, the timer is armed at egress
            }
            _ => {}
        }
        self.window_fills(index);
        if self.tcb(index).is_some_and(|tcb| tcb.state == State::FinWait2) {
            self.arm_fin_wait_2(index, work.now); // a peer that still sends will close
        }
    }

    /// Takes the peer's FIN once everything before it has come.
    pub(super) fn take_fin(&mut self, index: u32, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        if tcb.receive.fin != Some(tcb.receive.nxt) || !tcb.may_receive() || tcb.owner == Owner::Knocked {
            return;
        }
        tcb.receive.nxt += 1;
        if let Owner::App(cookie) = tcb.owner {
            let _ = work.events.push_back(Event::PeerClosed { cookie }); // room: MOST_EVENTS
        }
        let state = tcb.state;
        match state {
            State::Established => tcb.state = State::CloseWait,
            State::FinWait1 => tcb.state = State::Closing,
            _ => {}
        }
        self.ack_now(index);
        if state == State::FinWait2 {
            self.enter_time_wait(index, work);
        }
    }
}
