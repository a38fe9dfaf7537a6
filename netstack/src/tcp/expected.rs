//! The segment that was expected (header prediction, after Van Jacobson): the next payload of a connection at rest, an
//! acknowledgement of what was sent, or both. It takes what `input`, `ack` and `receive` make of it in one pass, with what
//! cannot be left out; every other segment goes their way.

use netdrv::pktbuf::PktBuf;

use super::segments::NONE;
use super::tcb::{AckDue, Fin, Owner, State, Tcb, Timer};
use super::{Tcp, Work, timers};
use crate::app::{Cookie, Event};
use crate::plain::{self, PlainSegment, Recipient};

impl Tcb {
    /// Whether nothing but the next payload, or the acknowledgement of what is in flight, is to be expected: the connection is open
    /// in both directions, and no loss, gap, probe or shut window is to be looked after.
    pub(super) fn is_at_rest(&self) -> bool {
        let (send, receive) = (&self.send, &self.receive);
        self.state == State::Established
            && matches!(self.owner, Owner::App(_))
            && !self.address_lost
            && send.fin == Fin::No
            && send.window > 0
            && send.window_seq.le(receive.nxt)
            && send.probe.is_none()
            && send.tail_probe.is_none()
            && send.scoreboard.is_without_loss()
            && !send.recovery.is_under_way()
            && receive.out_of_order.head() == NONE
            && !receive.has_gap()
            && receive.fin.is_none()
            && receive.ack != AckDue::Reset
    }

    /// The app's name for the connection, if `segment` is what was expected: then nothing is to be checked any more.
    #[inline]
    fn expects(&self, segment: &PlainSegment<'_>) -> Option<Cookie> {
        debug_assert!(!self.at_rest || self.is_at_rest());
        let (send, receive) = (&self.send, &self.receive);
        let Owner::App(cookie) = self.owner else { return None };
        if !self.at_rest || segment.seq() != receive.nxt || send.scoreboard.has_bodies() || segment.window() == 0 {
            return None;
        }
        // Whether a value that seems to be earlier is so old that it says nothing (PAWS) is asked on the general way.
        let is_timely = match (&self.timestamps, segment.timestamp()) {
            (Some(clock), Some(timestamp)) => !clock.is_later_than(timestamp),
            (clock, timestamp) => clock.is_none() && timestamp.is_none(),
        };
        let (len, acked) = (segment.len(), segment.ack() - send.una);
        let says_something = acked | len != 0; // else it may be a duplicate
        let is_valid = len <= receive.edge - receive.nxt && acked <= send.max - send.una;
        (is_timely && is_valid && says_something).then_some(cookie)
    }
}

impl Tcp {
    /// Takes a frame with a segment that was expected. It comes back if it is anything else.
    #[inline]
    pub(crate) fn take_expected(
        &mut self,
        mut frame: PktBuf,
        own: &Recipient,
        work: &mut Work<'_>,
    ) -> Result<(), PktBuf> {
        let Some(segment) = plain::recognise(&frame, own) else { return Err(frame) };
        let Some(index) = self.flows.get(segment.key()) else { return Err(frame) };
        let Some(tcb) = self.tcbs.get_mut(index as usize).and_then(Option::as_mut) else { return Err(frame) };
        let Some(cookie) = tcb.expects(&segment) else { return Err(frame) };
        if self.windows.are_buffers_short() {
            return Err(frame); // its payload may have to be refused
        }
        work.counters.tcp_segments_in += 1;
        tcb.heard_at = work.now;
        let (seq, ack, len) = (segment.seq(), segment.ack(), segment.len());
        if let Some(clock) = &mut tcb.timestamps
            && tcb.receive.last_ack_sent == seq
        {
            clock.note(segment.timestamp().unwrap_or_default(), work.now);
        }
        let send = &mut tcb.send;
        let (window, acked) = (send.window, ack - send.una);
        send.set_window(seq, ack, segment.window());
        if acked > 0 {
            send.take_ack_at_rest(&mut self.segments, ack, work.now);
        }
        let waits = send.cursor != NONE;
        if waits && (acked > 0 || send.window > window) {
            self.dirty.push(index);
        }
        let is_idle = send.flight() == 0 && !waits;
        if let Some((acked, credit)) = send.news() {
            let _ = work.events.push_back(Event::Sent { cookie, acked, credit }); // room: MOST_EVENTS
        }
        if len > 0 {
            let payload = segment.payload();
            frame.narrow(payload);
            let _ = work.events.push_back(Event::Recv { cookie, payload: frame }); // room: MOST_EVENTS
            if tcb.receive.take_next(len) {
                self.dirty.push(index);
            }
            tcb.receive.fill_window();
        }
        match acked {
            0 => {}
            _ if is_idle => {
                tcb.send.timer = Timer::Idle; // armed as it is for what was in flight: it fires once and finds this
                debug_assert!(self.wheel.is_armed(timers::main(index)));
            }
            _ => self.arm_for_flight(index, work.now),
        }
        Ok(())
    }

    /// The general way has done with a segment of connection `index`.
    pub(super) fn note_rest(&mut self, index: u32) {
        if let Some(tcb) = self.tcb(index) {
            tcb.at_rest = tcb.is_at_rest();
        }
    }
}
