//! Tail loss probes (RFC 8985, section 7): when the last segments of a flight are lost nothing behind them tells, so after
//! two round trips the last one is sent once more, or a new one, and its acknowledgement tells.

use super::delivery::Delivered;
use super::header::Header;
use super::segments::NONE;
use super::seq::SeqNum;
use super::tcb::{Probe, Send};
use super::{Tcp, Work};

/// How long a peer may delay an acknowledgement (WCDelAckT).
const WORST_DELAYED_ACK_US: u32 = 200_000;
/// The least time to probe after: a host that is busy for a while loses nothing.
const LEAST_US: u32 = 2_000;

/// A probe that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct TailProbe {
    /// It is answered once this is acknowledged.
    pub(super) end: SeqNum,
    /// What it carried.
    pub(super) carried: Carried,
}

/// What a probe carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    /// New payload.
    New,
    /// The last segment, once more.
    Last,
}

/// What the answer to a probe says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing, or that nothing was lost.
    Fine,
    /// The segment that was sent once more had been lost.
    Repaired,
}

impl Send {
    /// After how many microseconds to probe; `None` if the retransmission timer, due after `rto_us`, is to do.
    #[inline]
    pub(super) fn probe_timeout_us(&self, sack_permitted: bool, rto_us: u32) -> Option<u32> {
        let open = !self.recovery.is_under_way() && self.scoreboard.sacked() == 0 && self.tail_probe.is_none();
        let in_flight = self.scoreboard.in_network();
        if !sack_permitted || !open || in_flight == 0 || self.rto.is_unmeasured() {
            return None;
        }
        let delayed = if in_flight <= self.mss.into() { WORST_DELAYED_ACK_US } else { 0 };
        let timeout_us = (2 * self.rto.smoothed_us()).max(LEAST_US) + delayed;
        (timeout_us < rto_us).then_some(timeout_us)
    }

    /// Takes an acknowledgement while a probe is under way (section 7.4.2).
    pub(super) fn probe_answered(&mut self, header: &Header, delivered: &Delivered) -> Verdict {
        let Some(probe) = self.tail_probe else { return Verdict::Fine };
        if header.ack.lt(probe.end) {
            return Verdict::Fine;
        }
        let plain_duplicate = delivered.acked == 0 && header.options.sack.is_empty();
        match probe.carried {
            Carried::New => {}
            Carried::Last if delivered.duplicate || plain_duplicate => {}
            Carried::Last if probe.end.lt(header.ack) => {
                self.tail_probe = None;
                return Verdict::Repaired;
            }
            Carried::Last => return Verdict::Fine,
        }
        self.tail_probe = None;
        Verdict::Fine
    }

    /// What a probe carries now: new payload if the peer's window has room for a segment.
    pub(super) fn probe_carries(&self) -> Carried {
        let room = (self.una + self.window).since(self.max);
        if self.cursor != NONE && room >= self.mss.into() { Carried::New } else { Carried::Last }
    }
}

impl Tcp {
    /// The probe timer fired.
    pub(super) fn tail_probe_due(&mut self, index: u32, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        tcb.send.probe = Some(Probe::Tail);
        work.counters.tcp_tail_probes += 1;
        self.arm_retransmit(index, work.now);
        self.dirty.push(index);
    }
}
