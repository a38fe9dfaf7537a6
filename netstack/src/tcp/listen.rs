//! Passive open: from a SYN to a connection that knocks (RFC 9293, sections 3.5 and 3.10.7.2).

use super::flow_table::FlowKey;
use super::header::Header;
use super::seq::SeqNum;
use super::tcb::{Owner, State, Tcb};
use super::{Addresses, Tcp, Work};
use crate::app::{Event, Reason};
use crate::time::Instant;

/// The MSS of a peer that names none (RFC 9293, section 3.7.1), and the least that is believed.
const DEFAULT_MSS: u16 = 536;
const LEAST_MSS: u16 = 88;

impl Tcp {
    /// Opens a connection for a SYN; the SYN-ACK leaves at egress.
    pub(super) fn passive_open(&mut self, addresses: Addresses, key: FlowKey, header: &Header, work: &mut Work<'_>) {
        work.counters.tcp_syns += 1;
        let Some(index) = self.take_slot(work) else {
            work.counters.drop_tcp_conn_limit += 1;
            return;
        };
        let iss = self.initial_sequence_number(addresses, key, work.now);
        let mss = header.options.mss.unwrap_or(DEFAULT_MSS).clamp(LEAST_MSS, self.mss);
        let mut tcb = Tcb::new(key, self.generations[index as usize], iss, header.seq, mss);
        tcb.send.window = header.window.into();
        if let Some(shift) = header.options.window_shift {
            tcb.send.shift = shift;
        }
        tcb.receive.shift = u8::from(header.options.window_shift.is_some());
        self.tcbs[index as usize] = Some(tcb);
        self.flows.insert(key, index);
        self.half_open.push(index);
        self.half_open_count += 1;
        self.dirty.push(index);
    }

    /// Our SYN was acknowledged.
    pub(super) fn handshake_completes(&mut self, index: u32, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        tcb.state = State::Established;
        tcb.owner = Owner::Knocked;
        let event = Event::Knock { flow: tcb.flow(index), remote: Tcp::remote(tcb.key) };
        let _ = work.events.push_back(event); // room: MOST_EVENTS
        self.half_open_count -= 1;
        work.counters.tcp_established += 1;
    }

    /// A free slot; else that of the oldest connection in TIME-WAIT, else of the oldest half-open one.
    fn take_slot(&mut self, work: &mut Work<'_>) -> Option<u32> {
        if self.half_open_count >= self.half_open_limit {
            self.recycle_half_open(work);
        }
        self.free.pop().or_else(|| {
            if !self.recycle_time_wait(work) {
                self.recycle_half_open(work);
            }
            self.free.pop()
        })
    }

    fn recycle_time_wait(&mut self, work: &mut Work<'_>) -> bool {
        while let Some(index) = self.time_wait.pop() {
            if self.tcb(index).is_some_and(|tcb| tcb.state == State::TimeWait) {
                work.counters.tcp_time_wait_recycled += 1;
                self.free_slot(index);
                return true;
            }
        }
        false
    }

    fn recycle_half_open(&mut self, work: &mut Work<'_>) -> bool {
        while let Some(index) = self.half_open.pop() {
            if self.tcb(index).is_some_and(|tcb| tcb.state == State::SynReceived) {
                work.counters.tcp_half_open_recycled += 1;
                self.end(index, Reason::TimedOut, work.events);
                return true;
            }
        }
        false
    }

    /// RFC 6528: a clock of 4 us, plus a keyed hash of the flow.
    fn initial_sequence_number(&self, addresses: Addresses, key: FlowKey, now: Instant) -> SeqNum {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&key.to_bytes());
        bytes[8..].copy_from_slice(&addresses.local.octets());
        let clock = (now.as_micros() / 4) as u32;
        SeqNum(clock.wrapping_add(self.isn_hasher.hash(&bytes) as u32))
    }
}
