//! TIME-WAIT: a connection that we closed first lingers (RFC 9293, section 3.6), unless a new SYN or want of room ends that.

use super::header::{Header, flag};
use super::seq::SeqNum;
use super::tcb::State;
use super::{Addresses, Tcp, Work};
use crate::time::Instant;

/// New sequence numbers begin so far behind those of the old connection.
const ISS_GAP: u32 = 1 << 16;

impl Tcp {
    /// Whether a SYN may take over the slot of a connection in TIME-WAIT (RFC 6191, section 2): it is newer than anything the
    /// old one had, by its timestamp where there is one. While the backlog is full the slot stays.
    pub(super) fn reopens(&self, index: u32, header: &Header, now: Instant) -> bool {
        let Some(tcb) = &self.tcbs[index as usize] else { return false };
        let is_syn = header.flags & (flag::SYN | flag::ACK | flag::RST) == flag::SYN;
        if tcb.state != State::TimeWait || !is_syn || self.is_backlog_full() {
            return false;
        }
        let later = tcb.receive.nxt.lt(header.seq);
        match (&tcb.timestamps, header.options.timestamps) {
            (Some(clock), Some(timestamps)) => {
                clock.is_behind(timestamps.value, now) || (later && !clock.is_old(timestamps.value, now))
            }
            (None, Some(_)) => true,
            (_, None) => later,
        }
    }

    /// Opens a connection in the place of one in TIME-WAIT, with sequence numbers behind those of the old one (RFC 9293,
    /// section 3.6.1).
    pub(super) fn reopen(&mut self, index: u32, addresses: Addresses, header: &Header, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        let (key, old) = (tcb.key, tcb.send.max);
        work.counters.tcp_syns += 1;
        work.counters.tcp_time_wait_reused += 1;
        self.free_slot(index);
        let (iss, clock_offset) = self.initial_numbers(addresses.flow_bytes(key), work.now);
        let numbers: (SeqNum, u32) = (iss.max(old + ISS_GAP), clock_offset);
        // There is room: that of the old one.
        let _ = self.half_open(key, header.seq, &header.options, numbers, work);
    }

    /// Takes the slot of the connection that lingers longest.
    pub(super) fn recycle_time_wait(&mut self, work: &mut Work<'_>) {
        while let Some(index) = self.time_wait.pop() {
            if self.tcb(index).is_some_and(|tcb| tcb.state == State::TimeWait) {
                work.counters.tcp_time_wait_recycled += 1;
                return self.free_slot(index);
            }
        }
    }
}
