//! Payload, in and out of order, and the peer's FIN (RFC 9293, section 3.10.7.4, seventh and eighth check).
//!
//! In-order payload goes to the app as it lies in its packet buffer. What comes early is held until the gap is filled; of
//! bytes that come twice the first copy counts. Payload that comes before the app has accepted the connection is held
//! in the same way.

use netdrv::pktbuf::PktBuf;

use super::header::{Header, flag};
use super::segments::NONE;
use super::seq::SeqNum;
use super::tcb::{AckDue, Owner, State};
use super::{Tcp, Work};
use crate::app::Event;

/// Out-of-order segments held for one connection at most.
pub(super) const MAX_HELD: u32 = 32;
/// All connections together hold at most this share of the records (and so of the pool).
const HELD_SHARE: usize = 4;

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
        let (nxt, edge) = (tcb.receive.nxt, tcb.receive.edge);
        if fin && end.le(edge) && tcb.receive.fin.is_none() {
            tcb.receive.fin = Some(end);
        }
        payload.truncate(edge.since(header.seq) as usize);
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
    fn deliver(&mut self, index: u32, payload: PktBuf, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        let len = payload.len() as u32;
        let full = len >= u32::from(tcb.send.mss);
        tcb.receive.nxt += len;
        tcb.receive.unacked_segments = tcb.receive.unacked_segments.saturating_add(if full { 1 } else { 0 });
        match tcb.owner {
            Owner::App(cookie) => {
                tcb.receive.held_by_app += len;
                let _ = work.events.push_back(Event::Recv { cookie, payload }); // room: MOST_EVENTS
            }
            // Closed by the app: what still comes is acknowledged and dropped.
            _ => work.counters.drop_tcp_after_fin += 1,
        }
        let now = tcb.receive.unacked_segments >= 2;
        match tcb.receive.ack {
            _ if now => self.ack_now(index),
            AckDue::No => {
                tcb.receive.ack = AckDue::Delayed;
                self.arm_delayed_ack(index, work.now);
            }
            _ => {}
        }
    }

    /// Delivers what was held and is next now.
    pub(super) fn deliver_held(&mut self, index: u32, work: &mut Work<'_>) {
        loop {
            let Some(tcb) = self.tcbs[index as usize].as_mut() else { return };
            let receive = &mut tcb.receive;
            match self.segments.get(receive.out_of_order.head()) {
                Some(record) if record.seq.le(receive.nxt) => {}
                _ => return,
            }
            let Some(mut record) = self.segments.pop(&mut receive.out_of_order) else { return };
            record.payload.trim_front(receive.nxt.since(record.seq) as usize);
            // A filled gap is acknowledged at once (RFC 5681, section 4.2).
            self.ack_now(index);
            if !record.payload.is_empty() {
                self.deliver(index, record.payload, work);
            }
        }
    }

    /// Holds payload that is not next, in sequence order, less what is held already. It is acknowledged at once, which the
    /// peer counts as a duplicate.
    fn hold(&mut self, index: u32, seq: SeqNum, mut payload: PktBuf, work: &mut Work<'_>) {
        self.ack_now(index);
        let (available, capacity) = (self.segments.available(), self.pool.capacity());
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return };
        let list = &mut tcb.receive.out_of_order;
        if list.len() >= MAX_HELD || available < capacity - capacity / HELD_SHARE {
            work.counters.drop_tcp_out_of_order_full += 1;
            return;
        }
        let (mut before, mut at) = (NONE, list.head());
        let mut seq = seq;
        while let Some(record) = self.segments.get(at) {
            let record_end = record.seq + record.payload.len() as u32;
            if seq.lt(record.seq) {
                // Keep only what ends before this one; what lies behind it comes again.
                payload.truncate((record.seq - seq) as usize);
                break;
            }
            let overlap = record_end.since(seq) as usize;
            payload.trim_front(overlap);
            seq = seq.max(record_end);
            before = at;
            at = self.segments.next(at);
        }
        if payload.is_empty() {
            work.counters.drop_tcp_duplicate += 1;
            return;
        }
        if self.segments.insert(list, before, seq, payload).is_ok() {
            work.counters.tcp_out_of_order += 1;
        } else {
            work.counters.drop_tcp_out_of_order_full += 1;
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
