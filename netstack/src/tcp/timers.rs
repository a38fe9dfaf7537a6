//! What happens when nothing does: retransmission, probes, delayed ACKs, and the end of lingering.
//!
//! A connection has two timers. The main one serves what excludes each other: a retransmission while something is in
//! flight, a probe while the peer's window is shut, keepalive, FIN-WAIT-2 and TIME-WAIT once everything is acknowledged.

use core::time::Duration;

use super::delivery::Delivered;
use super::recovery::Found;
use super::tcb::{AckDue, Fin, Probe, State, Tcb, Timer};
use super::{Tcp, Work};
use crate::app::Reason;
use crate::time::Instant;
use crate::timer::TimerId;

/// An ACK waits so long for a reply to ride on (RFC 9293, section 3.8.6.3: at most half a second).
const DELAYED_ACK_US: u32 = 40_000;
/// Twice the maximum segment lifetime, which is taken as ten seconds instead of RFC 9293's two minutes: long enough for any
/// path to a cache.
const TIME_WAIT: Duration = Duration::from_secs(20);
/// Timeouts in a row before a peer is given up: SYN-ACKs and anything else.
const MAX_SYN_ACKS: u8 = 5;
const MAX_RETRANSMITS: u8 = 10;

/// Timers of each connection.
pub(super) const PER_CONNECTION: usize = 2;

/// The main timer of connection `index`.
pub(super) fn main(index: u32) -> TimerId {
    2 * index
}

/// The delayed-ACK timer of connection `index`.
pub(super) fn delayed_ack(index: u32) -> TimerId {
    2 * index + 1
}

impl Tcp {
    /// Whether a timer may be due.
    #[inline]
    pub(crate) fn is_timer_due(&mut self, now: Instant) -> bool {
        self.wheel.is_due(now)
    }

    /// Handles one timer that is due. Says whether there was one.
    pub(crate) fn expire_one(&mut self, work: &mut Work<'_>) -> bool {
        let Some(timer) = self.wheel.expire(work.now) else { return false };
        let index = timer / 2;
        if timer == delayed_ack(index) {
            if self.tcb(index).is_some_and(|tcb| tcb.receive.ack == AckDue::Delayed) {
                self.ack_now(index);
            }
        } else {
            self.main_timer(index, work);
        }
        true
    }

    #[inline(never)]
    fn main_timer(&mut self, index: u32, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        tcb.at_rest = false;
        match tcb.state {
            _ if tcb.address_lost => self.end(index, Reason::TimedOut, work.events),
            State::TimeWait => self.free_slot(index),
            State::FinWait2 => self.enter_time_wait(index, work),
            State::SynSent => self.syn_times_out(index, work),
            _ if tcb.is_waiting_for_ack() || tcb.state == State::SynReceived => match tcb.send.timer {
                Timer::Retransmission | Timer::Idle => self.retransmission_timeout(index, work),
                Timer::TailProbe => self.tail_probe_due(index, work),
                Timer::Reordering => self.reordering_over(index, work),
            },
            _ => self.window_probe(index, work),
        }
    }

    fn retransmission_timeout(&mut self, index: u32, work: &mut Work<'_>) {
        let user_timeout = self.settings.user_timeout;
        let Some(tcb) = self.tcb(index) else { return };
        work.counters.tcp_timeouts += 1;
        let half_open = tcb.state == State::SynReceived;
        if half_open && tcb.send.rto.backoffs >= MAX_SYN_ACKS {
            work.counters.tcp_half_open_timeouts += 1;
            return self.end(index, Reason::TimedOut, work.events);
        }
        if is_given_up(tcb, user_timeout, work.now) {
            work.counters.tcp_timed_out += 1;
            let reason = tcb.reason_to_give_up();
            return self.abort(index, reason, work);
        }
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return };
        let send = &mut tcb.send;
        Tcp::mark_timed_out(&mut self.segments, send, work.now);
        send.recover_from_timeout();
        if tcb.fin_sent() {
            tcb.send.fin = Fin::Wanted;
        }
        if half_open {
            tcb.send.nxt = tcb.send.iss;
        }
        self.arm_retransmit(index, work.now);
        self.dirty.push(index);
    }

    /// What was overtaken has had the time that reordering may take.
    fn reordering_over(&mut self, index: u32, work: &mut Work<'_>) {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return };
        let send = &mut tcb.send;
        let in_network = send.scoreboard.in_network();
        let wait = Tcp::detect_losses(&mut self.segments, send, work.now);
        if send.scoreboard.lost_records() > 0 {
            send.recover(work.counters);
            send.adapt_window(&Delivered::default(), in_network, Found::Losses, work.now);
        }
        match wait {
            Some(wait_us) => self.arm_as(index, Timer::Reordering, work.now.after_us(wait_us)),
            None => self.arm_retransmit(index, work.now),
        }
        self.dirty.push(index);
    }

    /// The peer's window is shut, or too small to be worth filling: ask for it (RFC 9293, section 3.8.6.1).
    fn window_probe(&mut self, index: u32, work: &mut Work<'_>) {
        let user_timeout = self.settings.user_timeout;
        let Some(tcb) = self.tcb(index) else { return };
        if !wants_to_send(tcb) {
            return self.idle_timer(index, work);
        }
        if is_given_up(tcb, user_timeout, work.now) {
            work.counters.tcp_timed_out += 1;
            let reason = tcb.reason_to_give_up();
            return self.abort(index, reason, work);
        }
        tcb.send.rto.back_off();
        tcb.send.probe = Some(Probe::Window);
        work.counters.tcp_window_probes += 1;
        self.arm_retransmit(index, work.now);
        self.dirty.push(index);
    }

    /// Arms the main timer for what is in flight or waits for the window, or disarms it.
    pub(super) fn arm_retransmit(&mut self, index: u32, now: Instant) {
        let Some(tcb) = self.tcb(index) else { return };
        if tcb.state == State::TimeWait || tcb.address_lost {
            return;
        }
        if tcb.is_waiting_for_ack() || wants_to_send(tcb) {
            let timeout_us = tcb.send.rto.timeout_us();
            self.arm_as(index, Timer::Retransmission, now.after_us(timeout_us));
        } else {
            self.arm_idle(index);
        }
    }

    /// Arms the main timer after payload was sent for the first time, or acknowledged: for a tail loss probe, if that comes
    /// before the retransmission.
    pub(super) fn arm_for_flight(&mut self, index: u32, now: Instant) {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return };
        if !tcb.is_waiting_for_ack() || tcb.state == State::TimeWait || tcb.address_lost {
            return self.arm_retransmit(index, now);
        }
        let timeout_us = tcb.flight_timeout_us();
        self.wheel.arm(main(index), now.after_us(timeout_us));
    }

    /// Arms the main timer after an acknowledgement of `acked` bytes: for what may be lost after `wait_us`, or for what is in
    /// flight now. One that acknowledges nothing does not put the retransmission off (RFC 6298, section 5.3).
    pub(super) fn arm_after_ack(&mut self, index: u32, acked: u32, wait_us: Option<u32>, now: Instant) {
        match wait_us {
            Some(wait_us) => self.arm_as(index, Timer::Reordering, now.after_us(wait_us)),
            None if acked > 0 || !self.is_retransmission_armed(index) => self.arm_for_flight(index, now),
            None => {}
        }
    }

    /// Whether the main timer is armed, for a retransmission.
    pub(super) fn is_retransmission_armed(&self, index: u32) -> bool {
        let timer = self.tcbs[index as usize].as_ref().map(|tcb| tcb.send.timer);
        self.is_main_armed(index) && timer == Some(Timer::Retransmission)
    }

    pub(super) fn arm_as(&mut self, index: u32, timer: Timer, deadline: Instant) {
        if let Some(tcb) = self.tcb(index) {
            tcb.send.timer = timer;
            self.wheel.arm(main(index), deadline);
        }
    }

    /// Whether the main timer is armed for something that does not wait for the app.
    pub(super) fn is_main_armed(&self, index: u32) -> bool {
        let timer = self.tcbs[index as usize].as_ref().map(|tcb| tcb.send.timer);
        self.wheel.is_armed(main(index)) && timer != Some(Timer::Idle)
    }

    /// Arms the timer of an acknowledgement that nothing has carried in the turn in which it became due.
    pub(super) fn arm_delayed_ack(&mut self, index: u32, now: Instant) {
        if !self.wheel.is_armed(delayed_ack(index)) {
            self.wheel.arm(delayed_ack(index), now.after_us(DELAYED_ACK_US));
        }
    }

    pub(super) fn cancel_delayed_ack(&mut self, index: u32) {
        self.wheel.cancel(delayed_ack(index));
    }

    pub(super) fn restart_time_wait(&mut self, index: u32, now: Instant) {
        self.wheel.arm(main(index), now + TIME_WAIT);
    }
}

impl Tcb {
    /// Decides what the main timer is for while something is in flight. Returns after how many microseconds.
    #[inline]
    pub(super) fn flight_timeout_us(&mut self) -> u32 {
        let rto_us = self.send.rto.timeout_us();
        let probe_us = self.send.probe_timeout_us(self.sack_permitted, rto_us);
        self.send.timer = if probe_us.is_some() { Timer::TailProbe } else { Timer::Retransmission };
        probe_us.unwrap_or(rto_us)
    }
}

/// Whether to wait for the peer no longer: it is silent, or the app has closed the connection and the peer takes nothing.
fn is_given_up(tcb: &Tcb, user_timeout: Option<Duration>, now: Instant) -> bool {
    if user_timeout.is_some_and(|timeout| now.since(tcb.heard_at) >= timeout) {
        return true;
    }
    let rto = &tcb.send.rto;
    let tries = if tcb.send.fin == Fin::Wanted { rto.backoffs } else { rto.unanswered };
    tries >= MAX_RETRANSMITS
}

/// Whether payload or a FIN waits to be sent for the first time.
fn wants_to_send(tcb: &Tcb) -> bool {
    tcb.send.max.lt(tcb.send.end) || (tcb.send.fin == Fin::Wanted && !tcb.fin_sent())
}
