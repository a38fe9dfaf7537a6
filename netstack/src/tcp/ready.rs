//! The record that is ready: new payload of a connection at rest, which MSS and windows take as it is. It leaves with what
//! `output`, `fit` and `egress` would make of it, in one pass; everything else goes their way. (What `expected` is to
//! segments that arrive.)

use netdrv::nic::TxChecksum;
use netdrv::pktbuf::PktBuf;

use super::header::flag;
use super::output::Before;
use super::segments::{NONE, Record, Segments};
use super::tcb::{MAX_SENT_RECORDS, Send, Tcb, Timer};
use super::{Tcp, Work, timers};
use crate::link::{Link, Sink};
use crate::plain::{self, Plain};
use crate::time::Instant;

impl Tcp {
    /// Sends the records of a connection that are ready. Returns what was in flight before, if that may not be all that is to be
    /// sent; then the rest decides on the main timer.
    #[inline]
    pub(super) fn send_ready(
        &mut self,
        index: u32,
        link: &Link,
        sink: &mut Sink<'_>,
        work: &mut Work<'_>,
    ) -> Option<Before> {
        let tcb = self.tcbs[index as usize].as_mut()?;
        let before = Before { idle: !tcb.is_waiting_for_ack(), max: tcb.send.max };
        if self.tx_checksum != TxChecksum::Device || !tcb.send_one(&mut self.segments, link, sink, work) {
            return Some(before);
        }
        while tcb.send.cursor != NONE && sink.has_room() && tcb.send_another(&mut self.segments, link, sink, work) {}
        if tcb.receive.acknowledged() {
            self.wheel.cancel(timers::delayed_ack(index));
        }
        if tcb.send.cursor != NONE {
            return Some(before);
        }
        let main = timers::main(index);
        if before.idle || tcb.send.timer != Timer::Retransmission || !self.wheel.is_armed(main) {
            let timeout_us = tcb.flight_timeout_us();
            self.wheel.arm(main, work.now.after_us(timeout_us));
        }
        None
    }
}

impl Tcb {
    /// Sends the next record, for which there is room, if it is ready. Says whether it was.
    #[inline(always)] // on the way of nearly every segment
    fn send_one(&mut self, segments: &mut Segments, link: &Link, sink: &mut Sink<'_>, work: &mut Work<'_>) -> bool {
        let Some(record) = segments.get_mut(self.send.cursor) else { return false };
        if !self.sends_plainly() || !link.is_plain_to(&self.hop, work.now) || !self.send.takes(record) {
            return false;
        }
        let Some(frame) = self.frame(record, link, work.now) else { return false };
        sink.push(frame);
        work.counters.tcp_segments_out += 1;
        self.send.sent_first(record, work.now);
        true
    }

    /// The same for one behind it, out of the way of a single one.
    #[inline(never)]
    fn send_another(&mut self, segments: &mut Segments, link: &Link, sink: &mut Sink<'_>, work: &mut Work<'_>) -> bool {
        self.send_one(segments, link, sink, work)
    }

    /// Whether nothing but new payload is to be sent, on plain segments, with nothing to be told beside it.
    #[inline(always)]
    fn sends_plainly(&self) -> bool {
        debug_assert!(!self.at_rest || self.is_at_rest());
        self.at_rest
            && self.send.reduced.is_none()
            && !self.send.scoreboard.has_bodies()
            && !self.receive.needs_pure_ack()
            && self.timestamps.is_some()
            && self.ecn.is_none()
    }

    /// The frame of a record that is ready: a second handle of its buffer, with headers in front.
    #[inline(always)]
    fn frame(&mut self, record: &mut Record, link: &Link, now: Instant) -> Option<PktBuf> {
        self.receive.last_ack_sent = self.receive.nxt;
        let push = if record.next() == NONE { flag::PSH } else { 0 };
        let plain = Plain {
            src_port: self.key.local_port(),
            dst_port: self.key.remote_port(),
            seq: record.seq,
            ack: self.receive.nxt,
            flags: flag::ACK | push,
            window: self.receive.window(),
            timestamps: self.timestamps?.stamp(now),
        };
        let route = link.route_by(&self.hop, self.key.remote_ip())?;
        let len = record.payload.len();
        plain::emit(record.payload.headers_mut()?, len, &plain, &route);
        let mut frame = record.payload.with_headers(plain::HEADERS_LEN)?;
        frame.set_checksum(plain::CHECKSUM);
        Some(frame)
    }
}

impl Send {
    /// Whether a record that was never sent can leave as it is: whole, in one frame.
    #[inline(always)]
    fn takes(&self, record: &Record) -> bool {
        let len = record.payload.len() as u32;
        !record.payload.has_attachment()
            && record.payload.is_unique()
            && len <= self.mss.into()
            && record.seq + len - self.una <= self.window
            && self.scoreboard.in_network() + len <= self.congestion.window()
            && self.scoreboard.sent_records() < MAX_SENT_RECORDS
    }

    /// The record at the cursor was sent, for the first time.
    #[inline(always)]
    fn sent_first(&mut self, record: &mut Record, now: Instant) {
        self.scoreboard.sent_first(record, now);
        self.max = record.seq + record.payload.len() as u32;
        self.nxt = self.max;
        self.sent_at = now;
        self.cursor = record.next();
    }
}
