//! What the peer acknowledges, and the window it offers (RFC 9293, section 3.10.7.4, fifth check).

use super::congestion::OnDuplicate;
use super::header::{Header, flag};
use super::segments::NONE;
use super::tcb::{Owner, State};
use super::{Tcp, Work};
use crate::app::{Event, Reason};

impl Tcp {
    /// Takes the acknowledgement of a segment with `len` bytes of payload. Says whether its payload is to be looked at.
    pub(super) fn ack_arrives(&mut self, index: u32, header: &Header, len: usize, work: &mut Work<'_>) -> bool {
        let Some(tcb) = self.tcb(index) else { return false };
        let (una, max) = (tcb.send.una, tcb.send.max);
        // RFC 5961, section 5: what acknowledges the future, or the long past, is challenged.
        let oldest = una - tcb.send.largest_window.max(1);
        if max.lt(header.ack) || header.ack.lt(oldest) {
            work.counters.drop_tcp_bad_ack += 1;
            self.challenge_ack(index, work);
            return false;
        }
        if tcb.state == State::SynReceived {
            self.handshake_completes(index, work);
        }
        let window_changed = self.update_window(index, header, work);
        if una.lt(header.ack) {
            self.new_data_acknowledged(index, header, work);
        } else if header.ack == una && len == 0 && !window_changed && !header.has(flag::FIN) {
            self.duplicate_ack(index, work);
        }
        self.offer_credit(index, work);
        self.after_ack(index, work)
    }

    /// Takes the window that a segment offers, unless an older segment brings it. Says whether it changed.
    fn update_window(&mut self, index: u32, header: &Header, work: &mut Work<'_>) -> bool {
        let Some(tcb) = self.tcb(index) else { return false };
        let send = &mut tcb.send;
        if send.window == 0 {
            send.rto.answered();
        }
        let newer = send.window_seq.lt(header.seq) || (send.window_seq == header.seq && send.window_ack.le(header.ack));
        if !newer {
            return false;
        }
        let window = u32::from(header.window) << send.shift;
        let (before, was_shut) = (send.window, send.window == 0);
        send.window = window;
        send.largest_window = send.largest_window.max(window);
        send.window_seq = header.seq;
        send.window_ack = header.ack;
        if was_shut && window > 0 {
            send.rto.progress();
            send.probe = false;
            self.arm_retransmit(index, work.now);
        }
        if window > before {
            self.dirty.push(index);
        }
        window != before
    }

    fn new_data_acknowledged(&mut self, index: u32, header: &Header, work: &mut Work<'_>) {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return };
        let send = &mut tcb.send;
        let bytes = header.ack - send.una;
        send.una = header.ack;
        send.nxt = send.nxt.max(send.una);
        send.rto.progress();
        if let Some((until, at)) = send.timed
            && until.le(header.ack)
        {
            send.rto.measure(work.now.since(at));
            send.timed = None;
        }
        while let Some(record) = self.segments.get(send.queue.head()) {
            let (at, end) = (send.queue.head(), record.seq + record.payload.len() as u32);
            if send.una.lt(end) {
                break;
            }
            if send.cursor == at {
                send.cursor = self.segments.next(at);
            }
            self.segments.pop(&mut send.queue);
        }
        send.retransmit_first = send.congestion.acknowledged(send.una, bytes);
        if let Owner::App(cookie) = tcb.owner {
            // The FIN takes a sequence number too, but is no payload.
            let fin = u32::from(tcb.fin_acknowledged());
            let credit = tcb.send.grant();
            let _ = work.events.push_back(Event::Sent { cookie, acked: bytes - fin.min(bytes), credit }); // room: MOST_EVENTS
        }
        self.arm_retransmit(index, work.now);
        self.dirty.push(index);
    }

    fn duplicate_ack(&mut self, index: u32, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        if !tcb.is_waiting_for_ack() || tcb.send.window == 0 {
            return;
        }
        let (flight, sent) = (tcb.flight(), tcb.send.max);
        if tcb.send.congestion.duplicate(flight, sent) == OnDuplicate::Retransmit {
            tcb.send.retransmit_first = true;
            tcb.send.timed = None;
            work.counters.tcp_fast_retransmits += 1;
        }
        self.dirty.push(index);
    }

    /// Tells the app of credit that a wider window brings.
    fn offer_credit(&mut self, index: u32, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        let Owner::App(cookie) = tcb.owner else { return };
        let credit = tcb.send.grant();
        if credit > 0 {
            let _ = work.events.push_back(Event::Sent { cookie, acked: 0, credit }); // room: MOST_EVENTS
        }
    }

    /// What our FIN's acknowledgement changes. Says whether payload is to be looked at.
    fn after_ack(&mut self, index: u32, work: &mut Work<'_>) -> bool {
        let Some(tcb) = self.tcb(index) else { return false };
        let fin_acknowledged = tcb.fin_acknowledged();
        match tcb.state {
            State::FinWait1 if fin_acknowledged => {
                tcb.state = State::FinWait2;
                self.arm_fin_wait_2(index, work.now);
            }
            State::Closing if fin_acknowledged => {
                self.enter_time_wait(index, work);
                return false;
            }
            State::LastAck if fin_acknowledged => {
                self.end(index, Reason::Closed, work.events);
                return false;
            }
            State::TimeWait => return false,
            _ => {}
        }
        true
    }

    /// The last step of a connection that we closed first (RFC 9293, section 3.6): the app is told, the slot lingers.
    pub(super) fn enter_time_wait(&mut self, index: u32, work: &mut Work<'_>) {
        self.disown(index, Reason::Closed, work.events);
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return };
        tcb.state = State::TimeWait;
        tcb.send.cursor = NONE;
        self.segments.clear(&mut tcb.send.queue);
        self.segments.clear(&mut tcb.receive.out_of_order);
        self.time_wait.push(index);
        self.restart_time_wait(index, work.now);
    }
}
