//! Passive open: from a SYN to a connection that knocks (RFC 9293, sections 3.5 and 3.10.7.2).

use super::flow_table::FlowKey;
use super::header::Header;
use super::input::Answer;
use super::options::Options;
use super::seq::SeqNum;
use super::tcb::{Owner, State, Tcb};
use super::timestamps::Clock;
use super::{Addresses, Tcp, Work};
use crate::app::Event;
use crate::time::Instant;

/// The MSS of a peer that names none (RFC 9293, section 3.7.1), and the least that is believed.
const DEFAULT_MSS: u16 = 536;
const LEAST_MSS: u16 = 88;

impl Tcp {
    /// Opens a connection for a SYN; the SYN-ACK leaves at egress, or is returned if the backlog is full.
    pub(super) fn passive_open(
        &mut self,
        addresses: Addresses,
        key: FlowKey,
        header: &Header,
        work: &mut Work<'_>,
    ) -> Option<Answer> {
        work.counters.tcp_syns += 1;
        if self.is_backlog_full() {
            return Some(self.cookie_for(addresses, key, header, work));
        }
        let numbers = self.initial_numbers(addresses.flow_bytes(key), work.now);
        let uses = self.settings.ecn;
        match self.half_open(key, header.seq, &header.options, numbers, work).and_then(|index| self.tcb(index)) {
            Some(tcb) => tcb.agree_on_ecn(header, uses),
            None => work.counters.drop_tcp_conn_limit += 1,
        }
        None
    }

    pub(super) fn is_backlog_full(&self) -> bool {
        self.half_open_count >= self.half_open_limit
    }

    /// Makes a half-open connection, for a SYN with sequence number `irs` and `options`. `None` if all slots are in use.
    pub(super) fn half_open(
        &mut self,
        key: FlowKey,
        irs: SeqNum,
        options: &Options,
        (iss, clock_offset): (SeqNum, u32),
        work: &mut Work<'_>,
    ) -> Option<u32> {
        let index = self.take_slot(work)?;
        let (generation, control) = (self.generations[index as usize], self.congestion_control);
        let mut tcb = Tcb::new(key, generation, iss, irs, self.mss, control);
        tcb.agree(options, self.mss_for(options), control);
        tcb.heard_at = work.now;
        tcb.receive.shift = options.window_shift.map(|_| self.windows.shift());
        tcb.timestamps = options.timestamps.map(|timestamps| Clock::new(clock_offset, timestamps.value, work.now));
        self.tcbs[index as usize] = Some(tcb);
        self.limit_to_path(index, work.now);
        self.flows.insert(key, index);
        self.half_open_count += 1;
        self.dirty.push(index);
        Some(index)
    }

    /// The largest segment that a peer with these options on its SYN takes, options not counted.
    pub(super) fn mss_for(&self, options: &Options) -> u16 {
        options.mss.unwrap_or(DEFAULT_MSS).clamp(LEAST_MSS, self.mss)
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
        let event =
            Event::Knock { flow: tcb.flow(index), local_port: tcb.key.local_port(), remote: Tcp::remote(tcb.key) };
        let _ = work.events.push_back(event); // room: MOST_EVENTS
        work.counters.tcp_established += 1;
    }

    /// A free slot, else that of the oldest connection in TIME-WAIT.
    pub(super) fn take_slot(&mut self, work: &mut Work<'_>) -> Option<u32> {
        self.free.pop().or_else(|| self.use_another_slot()).or_else(|| {
            self.recycle_time_wait(work);
            self.free.pop()
        })
    }

    /// The initial sequence number (RFC 6528: a clock of 4 us, plus a keyed hash of the flow), and the offset of the
    /// connection's timestamps.
    pub(super) fn initial_numbers(&self, flow: [u8; 12], now: Instant) -> (SeqNum, u32) {
        let clock = (now.as_micros() / 4) as u32;
        let hash = self.isn_hasher.hash(&flow);
        (SeqNum(clock.wrapping_add(hash as u32)), (hash >> 32) as u32)
    }
}
