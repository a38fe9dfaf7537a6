//! A segment arrives (RFC 9293, section 3.10.7).

use netdrv::pktbuf::{Checksum, PktBuf};

use super::flow_table::FlowKey;
use super::header::{self, Fields, Header, flag};
use super::options::Options;
use super::seq::SeqNum;
use super::syn_cookie::Returned;
use super::tcb::{AckDue, State};
use super::{Addresses, Tcp, Work};
use crate::app::Reason;
use crate::ipv4::Codepoint;
use crate::time::Instant;

/// What comes of a segment.
pub(crate) enum Arrival {
    /// Nothing that the caller has to see to.
    Done,
    /// This is to be sent.
    Answer(Answer),
    /// Another core has its flow.
    Stray {
        /// What [`Tcp::input`] took, less the TCP header at its front.
        segment: PktBuf,
    },
}

impl From<Option<Answer>> for Arrival {
    fn from(answer: Option<Answer>) -> Arrival {
        answer.map_or(Arrival::Done, Arrival::Answer)
    }
}

/// A segment of no connection that answers another: a reset, or a SYN-ACK of which nothing is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(super) fields: Fields,
}

impl Tcp {
    /// Takes a segment: `segment` is the IP payload. Returns what is to be answered to one that no connection answers.
    pub(crate) fn input(&mut self, addresses: Addresses, mut segment: PktBuf, work: &mut Work<'_>) -> Arrival {
        let verify = segment.checksum() != Checksum::Verified;
        let pseudo = verify.then(|| header::pseudo_header(addresses.remote, addresses.local, segment.len()));
        let mut header = match header::parse(segment.bytes(), pseudo) {
            Ok(header) => header,
            Err(reason) => {
                work.counters.count(reason);
                return Arrival::Done;
            }
        };
        header.mark = addresses.mark;
        segment.trim_front(header.header_len);
        let key = FlowKey::new(addresses.remote, header.src_port, header.dst_port);
        match self.flows.get(key) {
            Some(index) => {
                let answer = self.of_connection(index, addresses, &header, segment, work);
                self.note_rest(index);
                answer.into()
            }
            None if self.flows.is_foreign(key) => Arrival::Stray { segment },
            None => self.no_connection(addresses, key, &header, segment, work).into(),
        }
    }

    fn of_connection(
        &mut self,
        index: u32,
        addresses: Addresses,
        header: &Header,
        segment: PktBuf,
        work: &mut Work<'_>,
    ) -> Option<Answer> {
        work.counters.tcp_segments_in += 1;
        if self.reopens(index, header, work.now) {
            self.reopen(index, addresses, header, work);
            return None;
        }
        if self.is_syn_sent(index) {
            return self.answer_arrives(index, header, segment.len(), work);
        }
        if self.is_no_handshake(index, header) {
            work.counters.drop_tcp_bad_ack += 1;
            return self.refuse(header, segment.len(), work);
        }
        self.segment_arrives(index, header, segment, work);
        None
    }

    fn no_connection(
        &mut self,
        addresses: Addresses,
        key: FlowKey,
        header: &Header,
        segment: PktBuf,
        work: &mut Work<'_>,
    ) -> Option<Answer> {
        let listening = self.listen.contains(&header.dst_port);
        match header.flags & (flag::SYN | flag::ACK | flag::RST) {
            flag::SYN if listening => return self.passive_open(addresses, key, header, work),
            flag::SYN => work.counters.drop_tcp_port_closed += 1,
            flag::ACK if listening => match self.cookie_returns(addresses, key, header, work) {
                Returned::Opened(index) => {
                    self.segment_arrives(index, header, segment, work);
                    return None;
                }
                Returned::NoRoom => {
                    work.counters.drop_tcp_conn_limit += 1;
                    return None;
                }
                // Payload may have overtaken the ACK that returns the cookie: a reset would end what is about to begin.
                Returned::MayFollow if !segment.is_empty() => {
                    work.counters.drop_tcp_bad_cookie += 1;
                    return None;
                }
                Returned::MayFollow | Returned::NoCookie => work.counters.drop_tcp_no_connection += 1,
            },
            _ => work.counters.drop_tcp_no_connection += 1,
        }
        if header.has(flag::RST) { None } else { self.refuse(header, segment.len(), work) }
    }

    /// Whether a segment acknowledges something else than our SYN, which alone is to be acknowledged: it is reset, and the
    /// handshake goes on (RFC 9293, section 3.10.7.4, fifth check).
    fn is_no_handshake(&self, index: u32, header: &Header) -> bool {
        let Some(tcb) = &self.tcbs[index as usize] else { return false };
        let plain = header.flags & (flag::SYN | flag::RST | flag::ACK) == flag::ACK;
        tcb.state == State::SynReceived && plain && (header.ack != tcb.send.iss + 1 || tcb.send.max == tcb.send.iss)
    }

    /// Answers by a reset, as often as the limit allows.
    pub(super) fn refuse(&mut self, header: &Header, len: usize, work: &mut Work<'_>) -> Option<Answer> {
        if !self.resets.allow(work.now) {
            work.counters.tcp_resets_suppressed += 1;
            return None;
        }
        work.counters.tcp_resets_out += 1;
        Some(reset_for(header, len))
    }

    fn segment_arrives(&mut self, index: u32, header: &Header, payload: PktBuf, work: &mut Work<'_>) {
        if !self.is_timely(index, header, payload.len(), work)
            || !self.is_acceptable(index, header, payload.len(), work)
        {
            return;
        }
        if let Some(tcb) = self.tcb(index) {
            tcb.heard_at = work.now;
            tcb.take_mark(header, payload.len(), work);
        }
        if header.has(flag::RST) {
            return self.reset_arrives(index, header, work);
        }
        if header.has(flag::SYN) {
            return self.syn_arrives(index, header, work);
        }
        if !header.has(flag::ACK) {
            work.counters.drop_tcp_no_ack += 1;
            return;
        }
        self.timestamps_arrive(index, header, work.now);
        if self.ack_arrives(index, header, payload.len(), work) {
            self.payload_arrives(index, header, payload, work);
        }
    }

    /// Takes the peer's clock, to be returned (RFC 7323, section 4.3).
    fn timestamps_arrive(&mut self, index: u32, header: &Header, now: Instant) {
        let Some(tcb) = self.tcb(index) else { return };
        if let (Some(clock), Some(timestamps)) = (&mut tcb.timestamps, header.options.timestamps)
            && header.seq.le(tcb.receive.last_ack_sent)
        {
            clock.arrived(timestamps.value, now);
        }
    }

    /// The check before the first: on a connection with timestamps, every segment but a reset has one (RFC 7323, section 3.2),
    /// and it is none of long ago (section 5.3). Those without payload are not answered: nearly always they have been
    /// overtaken by others.
    fn is_timely(&mut self, index: u32, header: &Header, len: usize, work: &mut Work<'_>) -> bool {
        let Some(tcb) = self.tcb(index) else { return false };
        let Some(clock) = tcb.timestamps.as_ref().filter(|_| !header.has(flag::RST)) else { return true };
        match header.options.timestamps {
            Some(timestamps) if !clock.is_old(timestamps.value, work.now) => return true,
            Some(_) => work.counters.drop_tcp_old_timestamp += 1,
            None => {
                work.counters.drop_tcp_no_timestamp += 1;
                return false;
            }
        }
        if len > 0 || header.has(flag::SYN | flag::FIN) {
            self.challenge_ack(index, work); // whoever forges it needs no sequence number
        }
        false
    }

    /// The first check: does the segment lie in the receive window? If not it is answered by an ACK.
    fn is_acceptable(&mut self, index: u32, header: &Header, len: usize, work: &mut Work<'_>) -> bool {
        let Some(tcb) = self.tcb(index) else { return false };
        let (nxt, edge) = (tcb.receive.nxt, tcb.receive.edge);
        let payload_len = len;
        let len = len as u32 + u32::from(header.has(flag::FIN));
        let (first, last) = (header.seq, header.seq + len.saturating_sub(1));
        let in_window = |seq: SeqNum| nxt.le(seq) && seq.lt(edge);
        let acceptable = match (len, edge == nxt) {
            (0, true) => first == nxt,
            (0, false) => in_window(first),
            (_, true) => false,
            // Payload around the window counts too: it begins before and ends behind it.
            (_, false) => in_window(first) || in_window(last) || (first.lt(nxt) && edge.le(last)),
        };
        if acceptable {
            return true;
        }
        if header.has(flag::RST) {
            work.counters.drop_tcp_out_of_window += 1;
            return false;
        }
        // An old duplicate is the peer's sign that our ACK was lost, and a probe of a shut window asks for one. What it
        // acknowledges still counts.
        let duplicate = first.lt(nxt) && len > 0;
        work.counters.count(if duplicate { |c| &mut c.drop_tcp_duplicate } else { |c| &mut c.drop_tcp_out_of_window });
        if header.has(flag::SYN) && tcb.state == State::SynReceived && first + 1 == nxt {
            if header.has(flag::ACK) && header.ack == tcb.send.iss + 1 {
                // Both have opened at once: its SYN-ACK has crossed ours.
                self.ack_arrives(index, header, payload_len, work);
                self.ack_now(index);
            } else {
                // Our SYN-ACK was lost.
                tcb.send.nxt = tcb.send.iss;
                self.dirty.push(index);
            }
            return false;
        }
        if tcb.state == State::TimeWait {
            self.restart_time_wait(index, work.now);
        }
        if header.flags & (flag::ACK | flag::SYN) == flag::ACK && (first + 1 == nxt || edge == nxt) {
            self.ack_arrives(index, header, payload_len, work);
        }
        if duplicate {
            if let Some(tcb) = self.tcb(index) {
                tcb.receive.report.duplicate(first, (first + payload_len as u32).min(nxt));
            }
            self.ack_now(index); // at most one a turn, and never for a pure ACK: no ACK is answered by an ACK for ever
        } else {
            self.challenge_ack(index, work);
        }
        false
    }

    /// RFC 5961, section 3: only the exact number resets; one that is merely in the window is challenged.
    fn reset_arrives(&mut self, index: u32, header: &Header, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        if tcb.state == State::TimeWait {
            work.counters.drop_tcp_time_wait += 1;
        } else if header.seq == tcb.receive.nxt {
            work.counters.tcp_resets_in += 1;
            self.end(index, Reason::Reset, work.events);
        } else {
            work.counters.drop_tcp_inexact_reset += 1;
            self.challenge_ack(index, work);
        }
    }

    /// RFC 5961, section 4: a SYN within a connection is challenged.
    fn syn_arrives(&mut self, index: u32, _: &Header, work: &mut Work<'_>) {
        work.counters.drop_tcp_syn_in_window += 1;
        self.challenge_ack(index, work);
    }

    /// Sends an ACK in this turn.
    pub(super) fn ack_now(&mut self, index: u32) {
        if let Some(tcb) = self.tcb(index)
            && tcb.receive.ack != AckDue::Reset
        {
            tcb.receive.ack = AckDue::Now;
            self.dirty.push(index);
        }
    }
}

/// The reset that answers a segment (RFC 9293, section 3.10.7.1).
fn reset_for(header: &Header, payload_len: usize) -> Answer {
    let len = payload_len as u32 + u32::from(header.has(flag::SYN)) + u32::from(header.has(flag::FIN));
    let (seq, ack, flags) = if header.has(flag::ACK) {
        (header.ack, SeqNum(0), flag::RST)
    } else {
        (SeqNum(0), header.seq + len, flag::RST | flag::ACK)
    };
    let (src_port, dst_port) = (header.dst_port, header.src_port);
    Answer {
        fields: Fields {
            src_port,
            dst_port,
            seq,
            ack,
            flags,
            window: 0,
            options: Options::default(),
            mark: Codepoint::NotCapable,
        },
    }
}
