//! What a connection sends, in one place, at egress: so that an acknowledgement rides on a reply, and many changes in one
//! turn make one segment (RFC 9293, section 3.8).

use netdrv::pktbuf::PktBuf;

use super::egress::{self, Egress};
use super::header::{Fields, flag};
use super::input::Answer;
use super::options::Options;
use super::scoreboard::Fate;
use super::segments::{NONE, Record};
use super::seq::SeqNum;
use super::tail_probe::{Carried, TailProbe};
use super::tcb::{AckDue, Fin, Probe, State, Tcb};
use super::{Tcp, Work};
use crate::ipv4::Codepoint;
use crate::link::{Link, Route, Sink};
use crate::time::Instant;

/// How far a connection got.
enum Progress {
    /// Nothing is left to send now.
    Done,
    /// The ring is full, or the pool empty: on at the next egress.
    Later,
    /// The next hop's address is not known: on when it is.
    Unresolved,
}

/// What was in flight before a connection sends what it has to.
pub(super) struct Before {
    /// Nothing.
    pub(super) idle: bool,
    /// Up to this.
    pub(super) max: SeqNum,
}

/// Why a segment was not sent.
pub(super) enum Stop {
    /// The window is full.
    Window,
    /// The ring still holds it.
    InRing,
    /// The pool is empty.
    NoBuffer,
}

impl Tcp {
    /// Sends what connections have to send, as far as `sink` takes it.
    pub(crate) fn output(&mut self, link: &mut Link, sink: &mut Sink<'_>, work: &mut Work<'_>) {
        self.retry_unresolved();
        while sink.has_room() {
            let Some(index) = self.dirty.pop() else { return };
            let Some(before) = self.send_ready(index, link, sink, work) else { continue };
            match self.output_of(index, before, link, sink, work) {
                Progress::Done => {}
                Progress::Later => {
                    self.dirty.push(index);
                    return;
                }
                Progress::Unresolved => self.unresolved.push(index),
            }
        }
    }

    /// Builds the frame of an answer without a connection.
    pub(crate) fn build_answer(&self, route: Route, answer: Answer) -> Option<PktBuf> {
        let mut frame = self.pool.alloc()?;
        let checksum = egress::wrap(&mut frame, &answer.fields, &route, self.tx_checksum)?;
        frame.set_checksum(checksum);
        Some(frame)
    }

    #[inline(never)]
    fn output_of(
        &mut self,
        index: u32,
        before: Before,
        link: &mut Link,
        sink: &mut Sink<'_>,
        work: &mut Work<'_>,
    ) -> Progress {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return Progress::Done };
        let remote = tcb.key.remote_ip();
        let resets = tcb.receive.ack == AckDue::Reset;
        let Some(route) = link.route(remote, work.now, work.counters) else {
            if !self.is_main_armed(index) {
                self.arm_retransmit(index, work.now); // or nobody would ask again
            }
            return Progress::Unresolved;
        };
        tcb.hop = link.hop_of(&route, work.now);
        self.widen_path(index, work.now);
        let out = &mut Egress { route, tx_checksum: self.tx_checksum, sink };
        if resets {
            let sent = self.send_reset(index, out, work);
            self.free_slot(index);
            work.counters.tcp_resets_out += u64::from(sent);
            return Progress::Done;
        }
        let progress = self.output_segments(index, out, work);
        // When idle, the timer may be armed for the window.
        let is_new = self.tcbs[index as usize].as_ref().is_some_and(|tcb| tcb.send.max != before.max);
        if is_new && (before.idle || !self.is_retransmission_armed(index)) {
            self.arm_for_flight(index, work.now);
        } else if !self.is_main_armed(index) {
            self.arm_retransmit(index, work.now);
        }
        progress
    }

    /// Sends what the windows allow, and an acknowledgement if it is still due then.
    fn output_segments(&mut self, index: u32, out: &mut Egress<'_, '_>, work: &mut Work<'_>) -> Progress {
        let mut outcome = Ok(true);
        while let Ok(true) = outcome {
            if !out.sink.has_room() {
                return Progress::Later;
            }
            outcome = self.send_next(index, out, work);
        }
        if !matches!(outcome, Err(Stop::NoBuffer)) {
            outcome = self.send_pure_ack(index, out, work).map(|()| false);
        }
        if outcome.is_err() {
            work.counters.tx_no_buffer += 1;
            return Progress::Later;
        }
        Progress::Done
    }

    /// Sends the next segment that takes sequence numbers. Says whether there was one.
    fn send_next(&mut self, index: u32, out: &mut Egress<'_, '_>, work: &mut Work<'_>) -> Result<bool, Stop> {
        let Some(tcb) = self.tcb(index) else { return Ok(false) };
        match tcb.state {
            State::TimeWait => return Ok(false),
            State::SynSent | State::SynReceived => {
                if tcb.send.nxt != tcb.send.iss {
                    return Ok(false);
                }
                return self.send_syn(index, out, work).map(|()| true);
            }
            _ => {}
        }
        if tcb.send.scoreboard.lost_records() > 0 {
            self.retransmit(index, out, work)?;
            return Ok(true);
        }
        if tcb.send.probe == Some(Probe::Tail) {
            self.send_tail_probe(index, out, work)?;
            return Ok(true);
        }
        let (at, fin) = (tcb.send.cursor, tcb.send.fin);
        if at != NONE {
            self.fit_new_record(index, at, work)?;
            self.send_record(index, at, out, work)?;
            return Ok(true);
        }
        if fin == Fin::Wanted {
            return self.send_fin(index, out, work).map(|()| true);
        }
        Ok(false)
    }

    /// Sends the first record that is thought lost, if the congestion window has room.
    fn retransmit(&mut self, index: u32, out: &mut Egress<'_, '_>, work: &mut Work<'_>) -> Result<(), Stop> {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return Err(Stop::Window) };
        let send = &tcb.send;
        let head = send.queue.head();
        let lost = |at: u32| self.segments.get(at).is_some_and(|record| record.transmission.fate == Fate::Lost);
        let mut at = head;
        while at != NONE && !lost(at) {
            at = self.segments.next(at);
        }
        let Some(record) = self.segments.get(at) else { return Err(Stop::Window) };
        let (len, mss) = (record.len(), u32::from(send.mss));
        if send.congestion_room() < len.min(mss) && send.scoreboard.in_network() > 0 {
            return Err(Stop::Window);
        }
        if len > mss {
            self.cut(index, at, mss, work)?;
        }
        self.send_record(index, at, out, work)?;
        if at == head {
            self.arm_retransmit(index, work.now);
        }
        Ok(())
    }

    /// Sends a tail loss probe, whatever the congestion window.
    fn send_tail_probe(&mut self, index: u32, out: &mut Egress<'_, '_>, work: &mut Work<'_>) -> Result<(), Stop> {
        let Some(tcb) = self.tcb(index) else { return Err(Stop::Window) };
        tcb.send.probe = None;
        let (head, cursor, carried) = (tcb.send.queue.head(), tcb.send.cursor, tcb.send.probe_carries());
        let at = match carried {
            Carried::New => {
                self.fit_new_record(index, cursor, work)?;
                cursor
            }
            // All was acknowledged before the ring had room for the probe.
            Carried::Last if head == cursor => return Ok(()),
            Carried::Last => {
                let mut last = head;
                while self.segments.next(last) != cursor {
                    last = self.segments.next(last);
                }
                self.last_segment(index, last, work)?
            }
        };
        if at == NONE {
            return Ok(());
        }
        self.send_record(index, at, out, work)?;
        if let Some(tcb) = self.tcb(index) {
            tcb.send.tail_probe = Some(TailProbe { end: tcb.send.max, carried });
        }
        self.arm_retransmit(index, work.now);
        Ok(())
    }

    /// The last full segment of the record at `at`, cut off if it is a part.
    fn last_segment(&mut self, index: u32, at: u32, work: &mut Work<'_>) -> Result<u32, Stop> {
        let Some(tcb) = &self.tcbs[index as usize] else { return Ok(NONE) };
        let (len, mss) = (self.segments.get(at).map_or(0, Record::len), u32::from(tcb.send.mss));
        if len <= mss {
            return Ok(at);
        }
        self.cut(index, at, len - mss, work)?;
        Ok(self.segments.next(at))
    }

    /// Sends our SYN, with an ACK if the peer's has come.
    fn send_syn(&mut self, index: u32, out: &mut Egress<'_, '_>, work: &mut Work<'_>) -> Result<(), Stop> {
        let our_mss = self.mss;
        let Some(tcb) = self.tcb(index) else { return Ok(()) };
        let mut fields = Fields { seq: tcb.send.iss, flags: flag::SYN | flag::ACK, ..fields_of(tcb, work.now) };
        if tcb.state == State::SynSent {
            (fields.flags, fields.ack) = (flag::SYN, SeqNum(0));
        }
        fields.flags |= tcb.syn_ecn_flags();
        fields.window = tcb.receive.syn_window();
        fields.options.mss = Some(our_mss);
        fields.options.window_shift = tcb.receive.shift;
        fields.options.sack_permitted = tcb.sack_permitted;
        self.send_empty(fields, out)?;
        work.counters.tcp_segments_out += 1;
        let now = work.now;
        if let Some(tcb) = self.tcb(index) {
            let send = &mut tcb.send;
            let first = send.max == send.iss;
            send.sent_at = if first { now } else { Instant::ZERO }; // Karn
            work.counters.tcp_syn_retransmits += u64::from(!first);
            send.nxt = send.iss + 1;
            send.max = send.max.max(send.nxt);
            tcb.receive.ack = AckDue::No;
        }
        self.arm_retransmit(index, now);
        Ok(())
    }

    fn send_fin(&mut self, index: u32, out: &mut Egress<'_, '_>, work: &mut Work<'_>) -> Result<(), Stop> {
        let Some(tcb) = self.tcb(index) else { return Ok(()) };
        let again = tcb.fin_sent();
        let fields =
            Fields { seq: tcb.send.end, flags: flag::FIN | flag::ACK | tcb.ecn_flags(), ..fields_of(tcb, work.now) };
        self.send_empty(fields, out)?;
        work.counters.tcp_segments_out += 1;
        work.counters.tcp_retransmits += u64::from(again);
        if let Some(tcb) = self.tcb(index) {
            tcb.send.fin = Fin::Sent;
            tcb.send.max = tcb.send.end + 1;
        }
        self.acknowledged_by_segment(index);
        if !self.is_main_armed(index) {
            self.arm_retransmit(index, work.now);
        }
        Ok(())
    }

    /// Sends the payload of a record: headers go in front of it, in place, and a second handle goes to the ring.
    #[inline(always)] // on the way of nearly every segment
    fn send_record(&mut self, index: u32, at: u32, out: &mut Egress<'_, '_>, work: &mut Work<'_>) -> Result<(), Stop> {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return Err(Stop::Window) };
        let Some(record) = self.segments.get_mut(at) else { return Err(Stop::Window) };
        if !record.payload.is_unique() {
            // It has not even left: sending it again would only add to the queue it stands in.
            work.counters.tcp_retransmits_deferred += 1;
            return Err(Stop::InRing);
        }
        let next = record.next();
        let push = if next == NONE { flag::PSH } else { 0 };
        let mut fields = Fields { seq: record.seq, ..fields_of(tcb, work.now) };
        let (ecn, mark) = tcb.ecn_of_payload(record.transmission.fate);
        (fields.flags, fields.mark) = (fields.flags | push | ecn, mark);
        let send = &mut tcb.send;
        out.send(&mut record.payload, &fields, send.mss).ok_or(Stop::NoBuffer)?;
        let len = record.len();
        work.counters.tcp_segments_out += 1;
        work.counters.tcp_retransmits += u64::from(record.transmission.fate != Fate::Unsent);
        send.scoreboard.sent(record, work.now);
        send.recovery.sent(len);
        send.max = send.max.max(record.seq + len);
        send.nxt = send.max;
        send.sent_at = work.now;
        send.probe = None;
        if send.cursor == at {
            send.cursor = next;
        }
        if tcb.receive.acknowledged() {
            self.cancel_delayed_ack(index);
        }
        Ok(())
    }

    /// Sends an ACK or a probe, if one is due and nothing carried it.
    fn send_pure_ack(&mut self, index: u32, out: &mut Egress<'_, '_>, work: &mut Work<'_>) -> Result<(), Stop> {
        let Some(tcb) = self.tcb(index) else { return Ok(()) };
        let probe = core::mem::take(&mut tcb.send.probe) == Some(Probe::Window);
        let before_syn_ack = tcb.send.max == tcb.send.iss;
        if before_syn_ack || (tcb.receive.ack != AckDue::Now && !probe) {
            if tcb.receive.ack == AckDue::Delayed {
                self.arm_delayed_ack(index, work.now);
            }
            return Ok(());
        }
        // A probe repeats a byte that was acknowledged: it cannot be acceptable, so it is answered.
        let seq = if probe && !tcb.is_waiting_for_ack() { tcb.send.una - 1 } else { tcb.send.max };
        let mut fields = Fields { seq, ..fields_of(tcb, work.now) };
        fields.options.sack = self.sack_blocks(index);
        self.send_empty(fields, out)?;
        work.counters.tcp_segments_out += 1;
        if let Some(tcb) = self.tcb(index) {
            tcb.receive.all_told();
        }
        self.cancel_delayed_ack(index);
        Ok(())
    }

    /// Sends a reset. Says whether it could.
    fn send_reset(&mut self, index: u32, out: &mut Egress<'_, '_>, work: &Work<'_>) -> bool {
        let Some(tcb) = self.tcb(index) else { return false };
        let fields = Fields { seq: tcb.send.max, flags: flag::RST | flag::ACK, window: 0, ..fields_of(tcb, work.now) };
        self.send_empty(fields, out).is_ok()
    }

    /// Sends a segment without payload.
    fn send_empty(&mut self, fields: Fields, out: &mut Egress<'_, '_>) -> Result<(), Stop> {
        let mut empty = self.pool.alloc().ok_or(Stop::NoBuffer)?;
        out.send(&mut empty, &fields, u16::MAX).ok_or(Stop::NoBuffer)
    }

    /// Every segment carries an acknowledgement: none is due any more, unless it must leave without payload.
    fn acknowledged_by_segment(&mut self, index: u32) {
        if self.tcb(index).is_some_and(|tcb| tcb.receive.acknowledged()) {
            self.cancel_delayed_ack(index);
        }
    }
}

/// The fields that most segments of a connection have. Telling the window moves its edge.
#[inline(always)] // on the way of nearly every segment
fn fields_of(tcb: &mut Tcb, now: Instant) -> Fields {
    tcb.receive.last_ack_sent = tcb.receive.nxt;
    Fields {
        src_port: tcb.key.local_port(),
        dst_port: tcb.key.remote_port(),
        seq: tcb.send.max,
        ack: tcb.receive.nxt,
        flags: flag::ACK | tcb.ecn_flags(),
        window: tcb.receive.window(),
        mark: Codepoint::NotCapable,
        options: Options { timestamps: tcb.timestamps.map(|clock| clock.stamp(now)), ..Options::default() },
    }
}
