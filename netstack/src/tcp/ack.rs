//! What the peer acknowledges, and the window it offers (RFC 9293, section 3.10.7.4, fifth check).

use super::delivery::{self, Delivered};
use super::header::{Header, flag};
use super::recovery::Found;
use super::scoreboard::Fate;
use super::segments::{NONE, Segments};
use super::seq::SeqNum;
use super::tail_probe::Verdict;
use super::tcb::{Owner, Send, State};
use super::{Tcp, Work};
use crate::app::{Event, Reason};
use crate::time::Instant;

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
        self.congestion_is_echoed(index, header, work);
        let repeats = header.ack == una && len == 0 && !window_changed && !header.has(flag::FIN);
        let kind = if repeats { Kind::Duplicate } else { Kind::Other };
        if una.lt(header.ack) || una != max {
            self.take_delivery(index, header, kind, work);
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
        let before = send.window;
        send.set_window(header.seq, header.ack, header.window);
        let window = send.window;
        if before == 0 && window > 0 {
            send.rto.progress();
            send.probe = None;
            self.arm_retransmit(index, work.now);
        }
        if window > before {
            self.dirty.push(index);
        }
        window != before
    }

    /// What was delivered, what was lost, and how much may be sent now.
    fn take_delivery(&mut self, index: u32, header: &Header, kind: Kind, work: &mut Work<'_>) {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return };
        let (send, segments, now) = (&mut tcb.send, &mut self.segments, work.now);
        let in_network = send.scoreboard.in_network();
        let mut delivered = delivery::take(segments, send, self.pool, header, now);
        if let Some(round_trip_us) = delivered.round_trip_us {
            send.rto.measure(round_trip_us);
        }
        let lost_before = send.scoreboard.lost_records();
        let wait = if tcb.sack_permitted {
            // Without gaps nothing is overtaken, and the records need not be looked at.
            let gaps = send.scoreboard.sacked() > 0 || send.recovery.is_under_way();
            if gaps { Tcp::detect_losses(segments, send, now) } else { None }
        } else {
            count_duplicates(segments, send, kind, &mut delivered);
            None
        };
        let found = if send.scoreboard.lost_records() > lost_before { Found::Losses } else { Found::Nothing };
        if send.probe_answered(header, &delivered) == Verdict::Repaired && !send.recovery.is_under_way() {
            send.congestion.loss();
            send.congestion.set_window(send.congestion.threshold());
        }
        if found == Found::Losses {
            send.recover(work.counters);
        }
        send.adapt_window(&delivered, in_network, found, now);
        if delivered.acked > 0 {
            send.rto.progress();
            if let Owner::App(cookie) = tcb.owner
                && let Some((acked, credit)) = send.news()
            {
                let _ = work.events.push_back(Event::Sent { cookie, acked, credit }); // room: MOST_EVENTS
            }
        }
        self.arm_after_ack(index, delivered.acked, wait, now);
        if self.tcbs[index as usize].as_ref().is_some_and(|tcb| tcb.send.has_output()) {
            self.dirty.push(index);
        }
    }

    /// Tells the app of credit that a wider window brings.
    fn offer_credit(&mut self, index: u32, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        let Owner::App(cookie) = tcb.owner else { return };
        if let Some((acked, credit)) = tcb.send.news() {
            let _ = work.events.push_back(Event::Sent { cookie, acked, credit }); // room: MOST_EVENTS
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
        self.discard_held(index);
        self.time_wait.push(index);
        self.restart_time_wait(index, work.now);
    }
}

impl Send {
    /// Takes the window field of the newest segment so far.
    #[inline]
    pub(super) fn set_window(&mut self, seq: SeqNum, ack: SeqNum, field: u16) {
        self.window = u32::from(field) << self.shift;
        self.largest_window = self.largest_window.max(self.window);
        self.window_seq = seq;
        self.window_ack = ack;
    }

    /// Takes the acknowledgement of payload at rest.
    #[inline(never)]
    pub(super) fn take_ack_at_rest(&mut self, segments: &mut Segments, ack: SeqNum, now: Instant) {
        let before = self.scoreboard.in_network();
        let delivered = delivery::take_at_rest(segments, self, ack, now);
        if let Some(round_trip_us) = delivered.round_trip_us {
            self.rto.measure(round_trip_us);
        }
        self.rto.progress();
        self.recovery.no_duplicate();
        self.congestion.acknowledged(delivered.bytes, before, self.rto.smoothed_us(), now);
    }
}

/// What an acknowledgement looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It repeats the last one, and carries nothing (RFC 5681, section 2).
    Duplicate,
    /// It does not.
    Other,
}

/// The signs of loss that a peer without SACK gives: duplicates, and in recovery an acknowledgement of a part (RFC 6582,
/// section 3.2). Either means that the first record is lost.
fn count_duplicates(segments: &mut Segments, send: &mut Send, kind: Kind, delivered: &mut Delivered) {
    let lost = if delivered.acked > 0 {
        send.recovery.no_duplicate();
        send.recovery.is_partial(send.una)
    } else if kind == Kind::Duplicate && send.window > 0 {
        send.scoreboard.duplicate(send.mss);
        delivered.bytes += u32::from(send.mss);
        send.recovery.duplicate(send.una)
    } else {
        false
    };
    if lost
        && let Some(first) = segments.get_mut(send.queue.head())
        && first.transmission.fate == Fate::InNetwork
    {
        send.scoreboard.set(first, Fate::Lost);
    }
}
