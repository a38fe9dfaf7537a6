//! TIME-WAIT (RFC 9293, section 3.6.1): small records that answer what is late, and keep the flow's name from being used
//! again too soon. When their slab is full, the oldest makes room.

use core::time::Duration;

use super::Tcp;
use super::flow_table::FlowKey;
use super::output::Output;
use super::seq::SeqNum;
use super::tcb::{Tcb, Wants};
use super::wire::{self, Control, Header, Segment};
use crate::counters::DropReason;
use crate::interface::Interface;
use crate::neighbor::Hint;
use crate::time::Instant;

/// Twice the time a segment lives: as long as common hosts wait, rather than the RFC's four minutes.
pub(super) const DURATION: Duration = Duration::from_secs(60);

/// A connection in TIME-WAIT.
pub(super) struct TimeWait {
    key: FlowKey,
    /// SND.NXT and RCV.NXT.
    nxt: SeqNum,
    expected: SeqNum,
    window: u16,
    hop: Hint,
    /// Whether an ACK has to be sent.
    due: bool,
    until: Instant,
}

impl Tcp {
    /// Turns a connection that has entered TIME-WAIT into a record.
    pub(super) fn enter_time_wait(&mut self, tcb: u32, iface: &mut Interface, now: Instant) {
        let tcb = &mut self.tcbs[tcb as usize];
        let record = TimeWait {
            key: tcb.key,
            nxt: tcb.send.end + 1,
            expected: tcb.recv.nxt,
            window: ((tcb.recv.adv - tcb.recv.nxt) >> tcb.recv.shift).min(u16::MAX.into()) as u16,
            hop: tcb.hop,
            due: tcb.wants.contains(Wants::ACK),
            until: now + DURATION,
        };
        if self.time_wait.is_full()
            && let Some(oldest) = self.time_wait.oldest()
        {
            iface.counters.tcp_time_wait_recycled += 1;
            self.remove_time_wait(oldest);
        }
        let (key, due) = (record.key, record.due);
        match self.time_wait.insert(record) {
            Some(slot) => {
                let index = self.time_wait_base + slot;
                self.shared.flows.insert(key, index);
                if due {
                    self.shared.dirty.push(index);
                }
            }
            None => self.shared.flows.remove(key),
        }
    }

    /// Takes a segment of a connection in TIME-WAIT. `Ok(Some(floor))`: it is a SYN that may begin a new connection, whose
    /// sequence numbers have to begin after `floor` (RFC 1122, section 4.2.2.13).
    pub(super) fn time_wait_segment(
        &mut self,
        slot: u32,
        segment: &Segment,
        iface: &mut Interface,
        now: Instant,
    ) -> Result<Option<SeqNum>, DropReason> {
        let Some(record) = self.time_wait.get_mut(slot) else { return Err(|c| &mut c.drop_tcp_no_connection) };
        if segment.has(Control::RST) {
            return Err(|c| &mut c.drop_tcp_time_wait); // RFC 1337
        }
        if segment.control & (Control::SYN | Control::ACK) == Control::SYN && record.expected.lt(segment.seq) {
            iface.counters.tcp_time_wait_reused += 1;
            let floor = record.nxt;
            self.remove_time_wait(slot);
            return Ok(Some(floor));
        }
        if segment.len() == 0 {
            return Err(|c| &mut c.drop_tcp_time_wait); // it could be an answer itself
        }
        record.due = true;
        self.shared.dirty.push(self.time_wait_base + slot);
        if segment.has(Control::FIN) {
            record.until = now + DURATION;
            self.time_wait.renew(slot);
        }
        Ok(None)
    }

    /// Sends an ACK, if one is due.
    pub(super) fn emit_time_wait(&mut self, slot: u32, iface: &mut Interface, now: Instant) -> Output {
        let Some(record) = self.time_wait.get_mut(slot).filter(|record| record.due) else { return Output::Idle };
        let Some(mac) = iface.resolve(record.key.remote_ip, &mut record.hop, now) else { return Output::Unresolved };
        let Some(mut frame) = iface.alloc() else { return Output::NoBuffer };
        record.due = false;
        let header = Header {
            seq: record.nxt,
            ack: record.expected,
            control: Control::ACK,
            window: record.window,
            options: Default::default(),
        };
        iface.counters.tcp_segments_out += 1;
        match wire::emit(iface, &mut frame, mac, record.key, header) {
            Some(()) => Output::Frame(frame),
            None => Output::Idle,
        }
    }

    /// Forgets the records whose time is over.
    pub(super) fn expire_time_wait(&mut self, now: Instant) {
        while let Some(slot) = self.time_wait.oldest()
            && self.time_wait.get(slot).is_some_and(|record| record.until <= now)
        {
            self.remove_time_wait(slot);
        }
    }

    /// When the next record's time is over.
    pub(super) fn time_wait_deadline(&self) -> Option<Instant> {
        Some(self.time_wait.get(self.time_wait.oldest()?)?.until)
    }

    /// Forgets all records.
    pub(super) fn clear_time_wait(&mut self) {
        while let Some(slot) = self.time_wait.oldest() {
            self.remove_time_wait(slot);
        }
    }

    fn remove_time_wait(&mut self, slot: u32) {
        if let Some(record) = self.time_wait.remove(slot) {
            self.shared.flows.remove(record.key);
        }
    }
}

const _: () = assert!(size_of::<Option<TimeWait>>() <= 40);
const _: () = assert!(size_of::<Tcb>() > size_of::<TimeWait>());
