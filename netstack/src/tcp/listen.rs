//! Passive open: from a SYN to a connection that knocks (RFC 9293, sections 3.5 and 3.10.7.2).

use super::flow_table::FlowKey;
use super::header::Header;
use super::seq::SeqNum;
use super::tcb::{Owner, State, Tcb};
use super::timestamps::Clock;
use super::{Addresses, Tcp, Work};
use crate::app::{Event, Reason};
use crate::time::Instant;

impl Tcp {
    /// Opens a connection for a SYN; the SYN-ACK leaves at egress.
    pub(super) fn passive_open(&mut self, addresses: Addresses, key: FlowKey, header: &Header, work: &mut Work<'_>) {
        work.counters.tcp_syns += 1;
        let Some(index) = self.take_slot(work) else {
            work.counters.drop_tcp_conn_limit += 1;
            return;
        };
        let (iss, clock_offset) = self.initial_numbers(addresses, key, work.now);
        let (generation, control) = (self.generations[index as usize], self.congestion_control);
        let mut tcb = Tcb::new(key, generation, iss, header.seq, self.mss, control);
        tcb.agree(&header.options, self.mss, control);
        tcb.heard_at = work.now;
        tcb.send.window = header.window.into();
        tcb.receive.shift = header.options.window_shift.map(|_| self.windows.shift());
        tcb.timestamps =
            header.options.timestamps.map(|timestamps| Clock::new(clock_offset, timestamps.value, work.now));
        self.tcbs[index as usize] = Some(tcb);
        self.limit_to_path(index, work.now);
        self.flows.insert(key, index);
        self.half_open.push(index);
        self.half_open_count += 1;
        self.dirty.push(index);
    }

    /// Our SYN was acknowledged.
    pub(super) fn handshake_completes(&mut self, index: u32, work: &mut Work<'_>) {
        self.half_open_count -= 1;
        let Some(tcb) = self.tcb(index) else { return };
        tcb.handshake_measured(work.now);
        tcb.state = State::Established;
        if tcb.owner != Owner::None {
            tcb.send.una = tcb.send.iss + 1;
            tcb.send.rto.progress();
            return self.announce(index, work);
        }
        tcb.owner = Owner::Knocked;
        let event = Event::Knock { flow: tcb.flow(index), remote: Tcp::remote(tcb.key) };
        let _ = work.events.push_back(event); // room: MOST_EVENTS
        work.counters.tcp_established += 1;
    }

    /// A free slot; else that of the oldest connection in TIME-WAIT, else of the oldest half-open one.
    pub(super) fn take_slot(&mut self, work: &mut Work<'_>) -> Option<u32> {
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

    /// The initial sequence number (RFC 6528: a clock of 4 us, plus a keyed hash of the flow), and the offset of the
    /// connection's timestamps.
    pub(super) fn initial_numbers(&self, addresses: Addresses, key: FlowKey, now: Instant) -> (SeqNum, u32) {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&key.to_bytes());
        bytes[8..].copy_from_slice(&addresses.local.octets());
        let clock = (now.as_micros() / 4) as u32;
        let hash = self.isn_hasher.hash(&bytes);
        (SeqNum(clock.wrapping_add(hash as u32)), (hash >> 32) as u32)
    }
}
