//! Connections on which nothing happens: is the peer still there? (RFC 1122, section 4.2.3.6.)
//!
//! The main timer serves this too, when nothing else needs it, and is not moved for what arrives: when it fires, it is put off
//! until the peer has been silent for long enough.

use core::time::Duration;

use super::tcb::{Probe, State, Timer};
use super::{Tcp, Work, timers};
use crate::time::Instant;

/// When to ask a silent peer, and when to give it up.
#[derive(Clone, Copy, Debug)]
pub struct Keepalive {
    /// Silence before the first question.
    pub idle: Duration,
    /// Between questions.
    pub interval: Duration,
    /// Questions without an answer before the connection ends.
    pub count: u8,
}

/// Linux's times, which memcached's connections have too.
impl Default for Keepalive {
    fn default() -> Keepalive {
        Keepalive { idle: Duration::from_secs(7200), interval: Duration::from_secs(75), count: 9 }
    }
}

impl Tcp {
    /// The main timer is not needed for anything in flight. It may stay armed for what was: then it fires, once, and finds this.
    pub(super) fn arm_idle(&mut self, index: u32) {
        let Some(tcb) = self.tcb(index) else { return };
        tcb.send.timer = Timer::Idle;
        let heard_at = tcb.heard_at;
        if let Some(keepalive) = self.settings.keepalive
            && !self.wheel.is_armed(timers::main(index))
        {
            self.wheel.arm(timers::main(index), heard_at + keepalive.idle);
        }
    }

    /// The main timer fired while nothing was in flight, and nothing to be sent.
    pub(super) fn idle_timer(&mut self, index: u32, work: &mut Work<'_>) {
        let Some(Keepalive { idle, interval, count }) = self.settings.keepalive else { return };
        let Some(tcb) = self.tcb(index) else { return };
        if !matches!(tcb.state, State::Established | State::CloseWait) {
            return;
        }
        if work.now.since(tcb.heard_at) < idle {
            tcb.keepalives = 0;
            let heard_at = tcb.heard_at;
            return self.arm_as(index, Timer::Idle, heard_at + idle);
        }
        if tcb.keepalives >= count {
            work.counters.tcp_timed_out += 1;
            let reason = tcb.reason_to_give_up();
            return self.abort(index, reason, work);
        }
        tcb.keepalives += 1;
        tcb.send.probe = Some(Probe::Window);
        work.counters.tcp_keepalives += 1;
        self.arm_as(index, Timer::Idle, work.now + interval);
        self.dirty.push(index);
    }

    /// Waits for the FIN of a peer that has acknowledged ours.
    pub(super) fn arm_fin_wait_2(&mut self, index: u32, now: Instant) {
        self.arm_as(index, Timer::Idle, now + self.settings.fin_wait_2);
    }
}
