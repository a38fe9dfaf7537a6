//! Passive open: LISTEN and SYN-RECEIVED (RFC 9293, sections 3.5 and 3.10.7.2 to 3.10.7.4).
//!
//! A half-open connection is a small record in a slab of its own; when that is full, the oldest makes room, so that a
//! flood of SYNs cannot keep others out. The connection gets its TCB when the handshake is complete.

use core::time::Duration;

use super::Tcp;
use super::context::{Context, Timer};
use super::options::SynOptions;
use super::output::Output;
use super::seq::SeqNum;
use super::tcb::{Agreement, Tcb};
use super::window::{RECV_SHIFT, receive_limit};
use super::wire::{self, Control, Header, Segment};
use crate::counters::DropReason;
use crate::interface::Interface;
use crate::neighbor::Hint;
use crate::time::Instant;

/// SYN-ACKs sent again before the peer is given up: after 1, 2, 4, 8 and 16 seconds, and 32 for the last answer.
const RETRIES: u8 = 5;
/// What a peer takes that does not say (RFC 9293, section 3.7.1).
const DEFAULT_MSS: u16 = 536;
/// The least we cut segments to, whatever the peer says.
const MIN_MSS: u16 = 64;

/// A connection in SYN-RECEIVED.
pub(super) struct HalfOpen {
    agreed: Agreement,
    /// Whether the peer scales windows.
    scales: bool,
    /// Whether a SYN-ACK has to be sent.
    due: bool,
    retries: u8,
    /// When the SYN-ACK was sent first.
    sent: Option<Instant>,
}

impl Tcp {
    /// Takes a SYN to a port that is listened on. Our sequence numbers begin after `floor`, if there is one: the last
    /// that an earlier connection of the same flow used.
    pub(super) fn syn_arrives(
        &mut self,
        segment: &Segment,
        floor: Option<SeqNum>,
        iface: &mut Interface,
        now: Instant,
    ) -> Result<(), DropReason> {
        if self.free.is_empty() {
            return Err(|c| &mut c.drop_tcp_conn_limit);
        }
        let Some(address) = iface.address else { return Err(|c| &mut c.drop_ip_no_address) };
        if self.half_open.is_full()
            && let Some(oldest) = self.half_open.oldest()
        {
            iface.counters.tcp_half_open_recycled += 1;
            self.remove_half_open(oldest);
        }
        let cx = &mut Context { iface, shared: &mut self.shared, now };
        let window = receive_limit(cx).min(u16::MAX.into()) as u16;
        let scales = segment.options.window_shift.is_some();
        let clock = self.isn.generate(address.ip, segment.key, now);
        let agreed = Agreement {
            key: segment.key,
            iss: floor.map_or(clock, |floor| clock.max(floor + 1)),
            irs: segment.seq,
            mss: segment.options.mss.unwrap_or(DEFAULT_MSS).clamp(MIN_MSS, own_mss(cx.iface.mtu)),
            shifts: segment.options.window_shift.map_or((0, 0), |shift| (shift, RECV_SHIFT)),
            window,
            hop: Hint::default(),
        };
        let record = HalfOpen { agreed, scales, due: true, retries: 0, sent: None };
        if let Some(slot) = self.half_open.insert(record) {
            let index = self.half_open_base + slot;
            cx.shared.flows.insert(segment.key, index);
            cx.shared.dirty.push(index);
            cx.iface.counters.tcp_syns += 1;
        }
        Ok(())
    }

    /// Takes a segment of a half-open connection.
    pub(super) fn half_open_segment(
        &mut self,
        slot: u32,
        segment: &Segment,
        iface: &mut Interface,
        now: Instant,
    ) -> Result<HalfOpenResult, DropReason> {
        let Some(record) = self.half_open.get_mut(slot) else { return Err(|c| &mut c.drop_tcp_no_connection) };
        let Agreement { iss, irs, window, .. } = record.agreed;
        let offset = segment.seq - (irs + 1);
        if segment.has(Control::RST) {
            if offset != 0 {
                return Err(|c| &mut c.drop_tcp_inexact_reset);
            }
            iface.counters.tcp_resets_in += 1;
            self.remove_half_open(slot);
            return Ok(HalfOpenResult::Taken);
        }
        if segment.has(Control::SYN) {
            if segment.seq == irs && !segment.has(Control::ACK) {
                record.due = true;
                self.shared.dirty.push(self.half_open_base + slot);
                return Ok(HalfOpenResult::Taken);
            }
            if segment.has(Control::ACK) {
                return Err(|c| &mut c.drop_tcp_syn_in_window);
            }
            // The peer has begun anew; nothing was promised for the old attempt.
            self.remove_half_open(slot);
            self.syn_arrives(segment, None, iface, now)?;
            return Ok(HalfOpenResult::Taken);
        }
        if !segment.has(Control::ACK) {
            return Err(|c| &mut c.drop_tcp_no_ack);
        }
        if segment.ack != iss + 1 {
            iface.counters.drop_tcp_bad_ack += 1;
            return Ok(HalfOpenResult::Reset);
        }
        if offset >= u32::from(window).max(1) {
            return Err(|c| &mut c.drop_tcp_out_of_window);
        }
        self.promote(slot, segment, iface, now).map(HalfOpenResult::Promoted)
    }

    /// Gives a half-open connection its TCB.
    fn promote(
        &mut self,
        slot: u32,
        segment: &Segment,
        iface: &mut Interface,
        now: Instant,
    ) -> Result<u32, DropReason> {
        let Some(index) = self.free.pop() else { return Err(|c| &mut c.drop_tcp_conn_limit) };
        let Some(record) = self.remove_half_open(slot) else {
            self.free.push(index);
            return Err(|c| &mut c.drop_tcp_no_connection);
        };
        let generation = self.tcbs[index as usize].generation;
        let mut tcb = Tcb::established(index, generation, record.agreed);
        tcb.send.wl1 = segment.seq - 1; // so that this segment's window is taken as newer
        if let Some(sent) = record.sent.filter(|_| record.retries == 0) {
            tcb.rtt.sample(now.since(sent));
        }
        self.tcbs[index as usize] = tcb;
        self.shared.flows.insert(segment.key, index);
        self.shared.notify.push(index);
        iface.counters.tcp_established += 1;
        Ok(index)
    }

    /// Sends a SYN-ACK, if one is due.
    pub(super) fn emit_syn_ack(&mut self, slot: u32, iface: &mut Interface, now: Instant) -> Output {
        let Some(record) = self.half_open.get_mut(slot).filter(|record| record.due) else { return Output::Idle };
        let key = record.agreed.key;
        let timer = Timer::Retransmit.id(self.half_open_base + slot);
        self.shared.timers.arm(timer, now + Duration::from_secs(1 << record.retries));
        let Some(mac) = iface.resolve(key.remote_ip, &mut record.agreed.hop, now) else { return Output::Unresolved };
        let Some(mut frame) = iface.alloc() else { return Output::NoBuffer };
        let options = SynOptions { mss: Some(own_mss(iface.mtu)), window_shift: record.scales.then_some(RECV_SHIFT) };
        let header = Header {
            seq: record.agreed.iss,
            ack: record.agreed.irs + 1,
            control: Control::SYN | Control::ACK,
            window: record.agreed.window,
            options,
        };
        record.due = false;
        record.sent.get_or_insert(now);
        iface.counters.tcp_segments_out += 1;
        match wire::emit(iface, &mut frame, mac, key, header) {
            Some(()) => Output::Frame(frame),
            None => Output::Idle,
        }
    }

    /// No answer to a SYN-ACK: sends it again, or gives up.
    pub(super) fn half_open_timeout(&mut self, slot: u32, iface: &mut Interface) {
        let Some(record) = self.half_open.get_mut(slot) else { return };
        if record.retries >= RETRIES {
            iface.counters.tcp_half_open_timeouts += 1;
            self.remove_half_open(slot);
            return;
        }
        record.retries += 1;
        record.due = true;
        iface.counters.tcp_syn_ack_retransmits += 1;
        self.shared.dirty.push(self.half_open_base + slot);
    }

    fn remove_half_open(&mut self, slot: u32) -> Option<HalfOpen> {
        let record = self.half_open.remove(slot)?;
        self.shared.flows.remove(record.agreed.key);
        self.shared.timers.cancel(Timer::Retransmit.id(self.half_open_base + slot));
        Some(record)
    }

    /// Forgets all half-open connections.
    pub(super) fn clear_half_open(&mut self) {
        while let Some(slot) = self.half_open.oldest() {
            self.remove_half_open(slot);
        }
    }
}

/// What became of a segment of a half-open connection.
pub(super) enum HalfOpenResult {
    /// Done.
    Taken,
    /// The handshake is complete: the segment belongs to this connection.
    Promoted(u32),
    /// It acknowledges what was never sent: answered by a reset, and the connection waits on.
    Reset,
}

/// The greatest payload of a segment on our link, without options.
pub(super) fn own_mss(mtu: u16) -> u16 {
    mtu.saturating_sub(40).clamp(MIN_MSS, crate::app::MAX_SEND as u16)
}
