//! What a connection sends, in one place, at egress: so that an acknowledgement rides on a reply, and many changes in one
//! turn make one segment (RFC 9293, section 3.8).

use core::net::Ipv4Addr;

use netdrv::nic::TxChecksum;
use netdrv::pktbuf::{Checksum, PktBuf};

use super::header::{self, CHECKSUM, Fields, flag};
use super::input::Reset;
use super::options::SynOptions;
use super::segments::NONE;
use super::seq::SeqNum;
use super::tcb::{AckDue, Fin, State, Tcb};
use super::{Tcp, Work};
use crate::ethernet::{self, Mac};
use crate::ipv4;
use crate::link::{Link, Sink};

/// Bytes in front of the TCP header: Ethernet and IPv4.
const LOWER_HEADERS: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN;

/// How far a connection got.
enum Progress {
    /// Nothing is left to send now.
    Done,
    /// The ring is full, or the pool empty: on at the next egress.
    Later,
    /// The next hop's address is not known: on when it is.
    Unresolved,
}

/// Why a segment was not sent.
enum Stop {
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
        while sink.has_room() {
            let Some(index) = self.dirty.pop() else { return };
            match self.output_of(index, link, sink, work) {
                Progress::Done => {}
                Progress::Later => {
                    self.dirty.push(index);
                    return;
                }
                Progress::Unresolved => self.unresolved.push(index),
            }
        }
    }

    /// Builds the frame of a reset without a connection.
    pub(crate) fn build_reset(&self, link: &Link, mac: Mac, remote: Ipv4Addr, reset: Reset) -> Option<PktBuf> {
        let mut frame = self.pool.alloc()?;
        let checksum = wrap(&mut frame, reset.fields, link, mac, remote, self.tx_checksum)?;
        frame.set_checksum(checksum);
        Some(frame)
    }

    fn output_of(&mut self, index: u32, link: &mut Link, sink: &mut Sink<'_>, work: &mut Work<'_>) -> Progress {
        let Some(tcb) = &self.tcbs[index as usize] else { return Progress::Done };
        let Some(mac) = link.resolve(tcb.key.remote_ip, work.now, work.counters) else {
            if !self.is_main_armed(index) {
                self.arm_retransmit(index, work.now); // or nobody would ask again
            }
            return Progress::Unresolved;
        };
        if tcb.receive.ack == AckDue::Reset {
            let sent = self.send_reset(index, mac, link, sink);
            self.free_slot(index);
            work.counters.tcp_resets_out += u64::from(sent);
            return Progress::Done;
        }
        loop {
            if !sink.has_room() {
                return Progress::Later;
            }
            match self.send_next(index, mac, link, sink, work) {
                Ok(true) => {}
                Ok(false) => break,
                Err(Stop::Window | Stop::InRing) => break,
                Err(Stop::NoBuffer) => {
                    work.counters.tx_no_buffer += 1;
                    return Progress::Later;
                }
            }
        }
        if self.send_pure_ack(index, mac, link, sink, work).is_err() {
            work.counters.tx_no_buffer += 1;
            return Progress::Later;
        }
        if !self.is_main_armed(index) {
            self.arm_retransmit(index, work.now);
        }
        Progress::Done
    }

    /// Sends the next segment that takes sequence numbers. Says whether there was one.
    fn send_next(
        &mut self,
        index: u32,
        mac: Mac,
        link: &Link,
        sink: &mut Sink<'_>,
        work: &mut Work<'_>,
    ) -> Result<bool, Stop> {
        let Some(tcb) = self.tcb(index) else { return Ok(false) };
        match tcb.state {
            State::TimeWait => return Ok(false),
            State::SynReceived => {
                if tcb.send.nxt != tcb.send.iss {
                    return Ok(false);
                }
                return self.send_syn_ack(index, mac, link, sink, work).map(|()| true);
            }
            _ => {}
        }
        tcb.send.retransmit_first &= !tcb.send.queue.is_empty();
        if tcb.send.retransmit_first {
            let at = tcb.send.queue.head();
            self.send_record(index, at, mac, link, sink, work)?;
            if let Some(tcb) = self.tcb(index) {
                tcb.send.retransmit_first = false;
            }
            self.arm_retransmit(index, work.now);
            return Ok(true);
        }
        if tcb.send.cursor != NONE {
            let at = tcb.send.cursor;
            self.fit_record(index, at, work)?;
            self.send_record(index, at, mac, link, sink, work)?;
            return Ok(true);
        }
        let tcb_fin = tcb.send.fin == Fin::Wanted && tcb.send.nxt == tcb.send.end;
        if tcb_fin {
            return self.send_fin(index, mac, link, sink, work).map(|()| true);
        }
        Ok(false)
    }

    fn send_syn_ack(
        &mut self,
        index: u32,
        mac: Mac,
        link: &Link,
        sink: &mut Sink<'_>,
        work: &mut Work<'_>,
    ) -> Result<(), Stop> {
        let our_mss = self.mss;
        let Some(tcb) = self.tcb(index) else { return Ok(()) };
        let scaled = tcb.receive.shift > 0;
        let options = SynOptions { mss: Some(our_mss), window_shift: scaled.then_some(0) };
        let fields = Fields { seq: tcb.send.iss, flags: flag::SYN | flag::ACK, options, ..fields_of(tcb) };
        self.send_empty(index, fields, mac, link, sink)?;
        work.counters.tcp_segments_out += 1;
        let now = work.now;
        if let Some(tcb) = self.tcb(index) {
            let send = &mut tcb.send;
            let first = send.max == send.iss;
            send.timed = first.then_some((send.iss + 1, now)); // Karn
            work.counters.tcp_syn_ack_retransmits += u64::from(!first);
            send.nxt = send.iss + 1;
            send.max = send.max.max(send.nxt);
            tcb.receive.ack = AckDue::No;
        }
        self.arm_retransmit(index, now);
        Ok(())
    }

    fn send_fin(
        &mut self,
        index: u32,
        mac: Mac,
        link: &Link,
        sink: &mut Sink<'_>,
        work: &mut Work<'_>,
    ) -> Result<(), Stop> {
        let Some(tcb) = self.tcb(index) else { return Ok(()) };
        let again = tcb.fin_sent();
        let fields = Fields { seq: tcb.send.end, flags: flag::FIN | flag::ACK, ..fields_of(tcb) };
        self.send_empty(index, fields, mac, link, sink)?;
        work.counters.tcp_segments_out += 1;
        work.counters.tcp_retransmits += u64::from(again);
        if let Some(tcb) = self.tcb(index) {
            tcb.send.nxt = tcb.send.end + 1;
            tcb.send.max = tcb.send.max.max(tcb.send.nxt);
        }
        self.acknowledged_by_segment(index);
        if !self.is_main_armed(index) {
            self.arm_retransmit(index, work.now);
        }
        Ok(())
    }

    /// Cuts the record at `at` to what MSS and window allow; [`Stop::Window`] if that is nothing worth sending (sender's
    /// silly window avoidance, RFC 9293, section 3.8.6.2.1).
    fn fit_record(&mut self, index: u32, at: u32, work: &mut Work<'_>) -> Result<(), Stop> {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return Err(Stop::Window) };
        let Some(record) = self.segments.get(at) else { return Err(Stop::Window) };
        let send = &mut tcb.send;
        let len = record.payload.len() as u32;
        let mss = u32::from(send.mss);
        let available = (send.una + send.usable_window()).since(record.seq);
        let worth = available >= len.min(mss) || available >= send.largest_window / 2 || send.probe;
        if available == 0 || !worth {
            return Err(Stop::Window);
        }
        let fits = len.min(mss).min(available);
        if fits == len {
            return Ok(());
        }
        let mut tail = self.pool.alloc().ok_or(Stop::NoBuffer)?;
        tail.extend_from_slice(&record.payload.bytes()[fits as usize..]).ok_or(Stop::NoBuffer)?;
        let tail_seq = record.seq + fits;
        self.segments.insert(&mut send.queue, at, tail_seq, tail).map_err(|_| Stop::NoBuffer)?;
        if let Some(record) = self.segments.get_mut(at) {
            record.payload.truncate(fits as usize);
        }
        work.counters.tcp_segments_split += 1;
        Ok(())
    }

    /// Sends the payload of a record: headers go in front of it, in place, and a second handle goes to the ring.
    fn send_record(
        &mut self,
        index: u32,
        at: u32,
        mac: Mac,
        link: &Link,
        sink: &mut Sink<'_>,
        work: &mut Work<'_>,
    ) -> Result<(), Stop> {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return Err(Stop::Window) };
        let (remote, nxt, max) = (tcb.key.remote_ip, tcb.send.nxt, tcb.send.max);
        let next = self.segments.next(at);
        let Some(record) = self.segments.get_mut(at) else { return Err(Stop::Window) };
        if !record.payload.is_unique() {
            // It has not even left: sending it again would only add to the queue it stands in.
            work.counters.tcp_retransmits_deferred += 1;
            return Err(Stop::InRing);
        }
        let (seq, len) = (record.seq, record.payload.len());
        let end = seq + len as u32;
        let push = if next == NONE { flag::PSH } else { 0 };
        let fields = Fields { seq, flags: flag::ACK | push, ..fields_of(tcb) };
        let checksum = wrap(&mut record.payload, fields, link, mac, remote, self.tx_checksum).ok_or(Stop::NoBuffer)?;
        let mut frame = record.payload.clone();
        frame.set_checksum(checksum);
        record.payload.trim_front(frame.len() - len);
        sink.push(frame);
        work.counters.tcp_segments_out += 1;
        work.counters.tcp_retransmits += u64::from(seq.lt(max));
        self.sent(index, at, next, (seq, end), nxt, work);
        Ok(())
    }

    /// Notes that a record was sent: where to go on, what to time.
    fn sent(&mut self, index: u32, at: u32, next: u32, (seq, end): (SeqNum, SeqNum), nxt: SeqNum, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        let idle = !tcb.is_waiting_for_ack();
        let send = &mut tcb.send;
        send.probe = false;
        if send.cursor == at {
            send.cursor = next;
            send.nxt = nxt.max(end);
        }
        if send.timed.is_none() && send.max.le(seq) {
            send.timed = Some((end, work.now));
        }
        send.max = send.max.max(end);
        self.acknowledged_by_segment(index);
        // When idle, it may be armed for the window.
        if idle || !self.is_main_armed(index) {
            self.arm_retransmit(index, work.now);
        }
    }

    /// Sends an ACK or a probe, if one is due and nothing carried it.
    fn send_pure_ack(
        &mut self,
        index: u32,
        mac: Mac,
        link: &Link,
        sink: &mut Sink<'_>,
        work: &mut Work<'_>,
    ) -> Result<(), Stop> {
        let Some(tcb) = self.tcb(index) else { return Ok(()) };
        let probe = core::mem::take(&mut tcb.send.probe);
        let before_syn_ack = tcb.send.max == tcb.send.iss;
        if before_syn_ack || (tcb.receive.ack != AckDue::Now && !probe) {
            return Ok(());
        }
        // A probe repeats a byte that was acknowledged: it cannot be acceptable, so it is answered.
        let seq = if probe && !tcb.is_waiting_for_ack() { tcb.send.una - 1 } else { tcb.send.max };
        let fields = Fields { seq, ..fields_of(tcb) };
        self.send_empty(index, fields, mac, link, sink)?;
        work.counters.tcp_segments_out += 1;
        self.acknowledged_by_segment(index);
        Ok(())
    }

    /// Sends a reset. Says whether it could.
    fn send_reset(&mut self, index: u32, mac: Mac, link: &Link, sink: &mut Sink<'_>) -> bool {
        let Some(tcb) = self.tcb(index) else { return false };
        let fields = Fields { seq: tcb.send.max, flags: flag::RST | flag::ACK, window: 0, ..fields_of(tcb) };
        self.send_empty(index, fields, mac, link, sink).is_ok()
    }

    /// Sends a segment without payload.
    fn send_empty(
        &mut self,
        index: u32,
        fields: Fields,
        mac: Mac,
        link: &Link,
        sink: &mut Sink<'_>,
    ) -> Result<(), Stop> {
        let Some(tcb) = self.tcb(index) else { return Err(Stop::Window) };
        let remote = tcb.key.remote_ip;
        let mut frame = self.pool.alloc().ok_or(Stop::NoBuffer)?;
        let checksum = wrap(&mut frame, fields, link, mac, remote, self.tx_checksum).ok_or(Stop::NoBuffer)?;
        frame.set_checksum(checksum);
        sink.push(frame);
        Ok(())
    }

    /// Every segment carries an acknowledgement: none is due any more.
    fn acknowledged_by_segment(&mut self, index: u32) {
        if let Some(tcb) = self.tcb(index) {
            tcb.receive.ack = AckDue::No;
            tcb.receive.unacked_segments = 0;
            self.cancel_delayed_ack(index);
        }
    }
}

/// The fields that most segments of a connection have. Telling the window moves its edge.
fn fields_of(tcb: &mut Tcb) -> Fields {
    Fields {
        src_port: tcb.key.local_port,
        dst_port: tcb.key.remote_port,
        seq: tcb.send.max,
        ack: tcb.receive.nxt,
        flags: flag::ACK,
        window: tcb.receive.window().min(u16::MAX.into()) as u16,
        options: SynOptions::default(),
    }
}

/// Writes TCP, IPv4 and Ethernet headers in front of a payload. Says who completes the checksum; `None` if the headroom is
/// too small or the buffer is shared.
fn wrap(
    payload: &mut PktBuf,
    fields: Fields,
    link: &Link,
    mac: Mac,
    remote: Ipv4Addr,
    tx_checksum: TxChecksum,
) -> Option<Checksum> {
    let local = link.address()?.ip;
    let header_len = fields.len();
    let segment_len = header_len + payload.len();
    fields.emit(payload.prepend(header_len)?);
    let pseudo = header::pseudo_header(local, remote, segment_len);
    let (field, checksum) = match tx_checksum {
        TxChecksum::Device => {
            (pseudo.partial(), Checksum::Partial { start: LOWER_HEADERS as u8, field: CHECKSUM as u8 })
        }
        TxChecksum::Software => (pseudo.add(payload.bytes()).checksum(), Checksum::None),
    };
    payload.bytes_mut()?[CHECKSUM..CHECKSUM + 2].copy_from_slice(&field);
    ipv4::emit(payload.prepend(ipv4::HEADER_LEN)?.first_chunk_mut()?, local, remote, ipv4::protocol::TCP, segment_len);
    ethernet::emit(payload.prepend(ethernet::HEADER_LEN)?.first_chunk_mut()?, link.mac(), mac, ethernet::Payload::Ipv4);
    Some(checksum)
}
