//! The segment that was expected (header prediction, after Van Jacobson): the next payload of a connection at rest, an
//! acknowledgement of what was sent, or both. It takes what `input`, `ack` and `receive` make of it in one pass, with what
//! cannot be left out; every other segment goes their way.

use netdrv::pktbuf::PktBuf;

use super::delivery;
use super::flow_table::FlowKey;
use super::options::Timestamps;
use super::segments::NONE;
use super::seq::SeqNum;
use super::tcb::{AckDue, Fin, Owner, State, Tcb};
use super::{Tcp, Work};
use crate::app::{Cookie, Event};
use crate::time::Instant;

/// A plain segment: an ACK from a host, perhaps with payload, its checksum verified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpectedSegment {
    pub(crate) key: FlowKey,
    pub(crate) seq: SeqNum,
    pub(crate) ack: SeqNum,
    /// As on the wire, not scaled.
    pub(crate) window: u16,
    pub(crate) timestamps: Option<Timestamps>,
    /// Where its payload lies in the frame.
    pub(crate) start: u16,
    pub(crate) end: u16,
}

impl ExpectedSegment {
    fn len(&self) -> u32 {
        (self.end - self.start).into()
    }
}

impl Tcb {
    /// The app's name for the connection, if `segment` is what was expected: then nothing is to be checked any more.
    #[inline]
    fn expects(&self, segment: &ExpectedSegment, now: Instant) -> Option<Cookie> {
        let (send, receive) = (&self.send, &self.receive);
        let Owner::App(cookie) = self.owner else { return None };
        let timely = match (&self.timestamps, segment.timestamps) {
            (None, _) => true,
            (Some(clock), Some(timestamps)) => !clock.is_old(timestamps.value, now),
            (Some(_), None) => false,
        };
        let is_next = segment.seq == receive.nxt && segment.len() <= receive.edge - receive.nxt;
        let tells_window = send.window_seq.le(segment.seq);
        let acked = segment.ack - send.una;
        let says_something = acked > 0 || segment.len() > 0; // else it may be a duplicate
        let acknowledges = acked <= send.max - send.una && says_something;
        let at_rest = self.state == State::Established
            && !self.address_lost
            && send.fin == Fin::No
            && send.window > 0
            && send.probe.is_none()
            && send.tail_probe.is_none()
            && send.scoreboard.is_plain()
            && !send.recovery.is_under_way()
            && receive.out_of_order.head() == NONE
            && !receive.has_gap()
            && receive.fin.is_none()
            && receive.ack != AckDue::Reset;
        (is_next && tells_window && acknowledges && timely && at_rest).then_some(cookie)
    }
}

impl Tcp {
    /// Takes a segment that was expected. The frame comes back if it was not.
    #[inline]
    pub(crate) fn take_expected(
        &mut self,
        segment: &ExpectedSegment,
        mut frame: PktBuf,
        work: &mut Work<'_>,
    ) -> Result<(), PktBuf> {
        let Some(index) = self.flows.get(segment.key) else { return Err(frame) };
        let Some(tcb) = self.tcbs.get_mut(index as usize).and_then(Option::as_mut) else { return Err(frame) };
        let Some(cookie) = tcb.expects(segment, work.now) else { return Err(frame) };
        work.counters.tcp_segments_in += 1;
        tcb.heard_at = work.now;
        if let (Some(clock), Some(timestamps)) = (&mut tcb.timestamps, segment.timestamps)
            && tcb.receive.last_ack_sent == segment.seq
        {
            clock.note(timestamps.value, work.now);
        }
        let send = &mut tcb.send;
        let window = send.window;
        send.set_window(segment.seq, segment.ack, segment.window);
        let widened = send.window > window;
        let acked = segment.ack - send.una;
        if acked > 0 {
            let before = send.scoreboard.in_network();
            let delivered = delivery::take_cumulative(&mut self.segments, send, segment.ack, work.now);
            send.progress(&delivered, before, work.now);
        }
        let waits = tcb.send.cursor != NONE;
        if waits && (acked > 0 || widened) {
            self.dirty.push(index);
        }
        let is_idle = tcb.send.flight() == 0 && !waits;
        let credit = tcb.send.grant();
        if acked > 0 || credit > 0 {
            let _ = work.events.push_back(Event::Sent { cookie, acked, credit }); // room: MOST_EVENTS
        }
        if segment.len() > 0 {
            frame.narrow(segment.start..segment.end);
            tcb.receive.held_by_app += segment.len();
            let _ = work.events.push_back(Event::Recv { cookie, payload: frame }); // room: MOST_EVENTS
            let now = tcb.receive.advance(segment.len());
            self.windows.fill(&mut tcb.receive);
            if now {
                tcb.receive.ack = AckDue::Now;
                self.dirty.push(index);
            } else if tcb.receive.ack == AckDue::No {
                tcb.receive.ack = AckDue::Delayed;
                self.dirty.push(index); // unless something carries it, the timer is armed at egress
            }
        }
        match acked {
            0 => {}
            _ if is_idle => self.arm_idle(index),
            _ => self.arm_for_flight(index, work.now),
        }
        Ok(())
    }
}
