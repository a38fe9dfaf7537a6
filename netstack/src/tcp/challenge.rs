//! Challenge ACKs (RFC 5961): what a forger might have sent is answered by an ACK, which tells the peer, and nobody else,
//! where we stand.
//!
//! They are limited for each connection, so that nobody makes two ends answer each other for ever, and for all (section 7). The
//! latter limit varies from second to second: how much of it is left tells a stranger nothing about other connections.

use super::tcb::AckDue;
use super::{Tcp, Work};
use crate::time::Instant;

/// So many a second for one connection.
const PER_CONNECTION: u8 = 8;
/// Nanoseconds of that second, as a power of two.
const SECOND_SHIFT: u32 = 30;

/// The challenges of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Challenges {
    second: u16,
    sent: u8,
}

impl Challenges {
    fn allow(&mut self, now: Instant) -> bool {
        let second = (now.as_nanos() >> SECOND_SHIFT) as u16;
        if second != self.second {
            *self = Challenges { second, sent: 0 };
        }
        let allowed = self.sent < PER_CONNECTION;
        self.sent += u8::from(allowed);
        allowed
    }
}

impl Tcp {
    /// Answers by an ACK, as often as the limits allow.
    pub(super) fn challenge_ack(&mut self, index: u32, work: &mut Work<'_>) {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return };
        if tcb.receive.ack == AckDue::Now {
            return; // one ACK answers all of a turn
        }
        if tcb.challenges.allow(work.now) && self.challenge_acks.allow(work.now) {
            work.counters.tcp_challenge_acks += 1;
            self.ack_now(index);
        } else {
            work.counters.tcp_challenges_suppressed += 1;
        }
    }
}
