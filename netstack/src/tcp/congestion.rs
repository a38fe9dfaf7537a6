//! Congestion control: NewReno (RFC 5681, RFC 6582) with an initial window of ten segments (RFC 6928).
//!
//! All quantities are bytes. The caller tells what was acknowledged and how much was in flight; this answers how much may
//! be, and when to retransmit without waiting for the timeout.

use super::seq::SeqNum;

/// Segments in the initial and the restart window.
const INITIAL_SEGMENTS: u32 = 10;
/// Duplicate ACKs that mean a loss (RFC 5681, section 3.2).
const DUPLICATES: u8 = 3;
/// No window grows beyond this.
const MAX_WINDOW: u32 = 1 << 20;

/// What to do after an ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing special.
    None,
    /// Send the first unacknowledged segment again.
    Retransmit,
}

/// The state of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewReno {
    cwnd: u32,
    ssthresh: u32,
    mss: u32,
    /// The highest sequence number sent when the last loss was found.
    recover: SeqNum,
    duplicates: u8,
    recovering: bool,
}

impl NewReno {
    /// A connection whose first byte is `start`.
    pub(super) fn new(mss: u32, start: SeqNum) -> NewReno {
        let cwnd = INITIAL_SEGMENTS * mss;
        NewReno { cwnd, ssthresh: MAX_WINDOW, mss, recover: start, duplicates: 0, recovering: false }
    }

    /// Bytes that may be in flight.
    pub(super) fn window(&self) -> u32 {
        self.cwnd
    }

    /// New data was acknowledged up to `ack`; `flight` was in flight before.
    pub(super) fn on_ack(&mut self, ack: SeqNum, acked: u32, flight: u32) -> Action {
        self.duplicates = 0;
        if !self.recovering {
            self.grow(acked, flight);
            return Action::None;
        }
        if ack.lt(self.recover) {
            // A partial ACK: the next hole is lost as well (RFC 6582, section 3.2, step 3).
            self.cwnd = (self.cwnd.saturating_sub(acked) + self.mss).max(self.mss);
            return Action::Retransmit;
        }
        self.recovering = false;
        self.cwnd = self.ssthresh.min(flight.saturating_sub(acked).max(self.mss) + self.mss);
        Action::None
    }

    /// An ACK came again, so something after it has arrived.
    pub(super) fn on_duplicate(&mut self, una: SeqNum, max: SeqNum, flight: u32) -> Action {
        if self.recovering {
            self.cwnd = (self.cwnd + self.mss).min(MAX_WINDOW); // it has left the network
            return Action::None;
        }
        self.duplicates = self.duplicates.saturating_add(1);
        // Duplicates of what was sent before the last loss may come from its retransmissions (RFC 6582, section 4).
        if self.duplicates != DUPLICATES || !self.recover.lt(una + 1) {
            return Action::None;
        }
        self.ssthresh = self.half(flight);
        self.cwnd = self.ssthresh + u32::from(DUPLICATES) * self.mss;
        self.recover = max;
        self.recovering = true;
        Action::Retransmit
    }

    /// The retransmission timer ran out for the first time since the last answer, or again.
    pub(super) fn on_timeout(&mut self, max: SeqNum, flight: u32, retries: u8) {
        if retries <= 1 {
            self.ssthresh = self.half(flight);
        }
        self.cwnd = self.mss;
        self.recover = max;
        self.duplicates = 0;
        self.recovering = false;
    }

    /// The connection sends again after a timeout's worth of silence (RFC 5681, section 4.1).
    pub(super) fn on_idle(&mut self) {
        self.cwnd = self.cwnd.min(INITIAL_SEGMENTS * self.mss);
    }

    /// Slow start and congestion avoidance, only while the window is what limits us (RFC 7661, in short).
    fn grow(&mut self, acked: u32, flight: u32) {
        if flight < self.cwnd / 2 {
            return;
        }
        let step = if self.cwnd < self.ssthresh {
            acked.min(self.mss)
        } else {
            (u64::from(self.mss) * u64::from(self.mss) / u64::from(self.cwnd)).max(1) as u32
        };
        self.cwnd = (self.cwnd + step).min(MAX_WINDOW);
    }

    fn half(&self, flight: u32) -> u32 {
        (flight / 2).max(2 * self.mss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;

    #[test]
    fn slow_start_then_avoidance() {
        let mut reno = NewReno::new(MSS, SeqNum(0));
        assert_eq!(reno.window(), 10_000);
        reno.on_ack(SeqNum(1000), 1000, 10_000);
        assert_eq!(reno.window(), 11_000);
        reno.on_ack(SeqNum(2000), 1000, 1_000);
        assert_eq!(reno.window(), 11_000, "not limited by the window: no growth");
        reno.on_timeout(SeqNum(9000), 8000, 1);
        assert_eq!(reno.window(), MSS);
        for _ in 0..3 {
            reno.on_ack(SeqNum(9001), 1000, reno.window());
        }
        assert_eq!(reno.window(), 4000, "the threshold");
        reno.on_ack(SeqNum(9002), 1000, 4000);
        assert_eq!(reno.window(), 4250);
    }

    #[test]
    fn three_duplicates_and_a_partial_ack() {
        let mut reno = NewReno::new(MSS, SeqNum(0));
        let (una, max) = (SeqNum(1), SeqNum(10_001));
        assert_eq!(reno.on_duplicate(una, max, 10_000), Action::None);
        assert_eq!(reno.on_duplicate(una, max, 10_000), Action::None);
        assert_eq!(reno.on_duplicate(una, max, 10_000), Action::Retransmit);
        assert_eq!(reno.window(), 8000);
        assert_eq!(reno.on_duplicate(una, max, 10_000), Action::None);
        assert_eq!(reno.window(), 9000);
        assert_eq!(reno.on_ack(SeqNum(2001), 2000, 10_000), Action::Retransmit);
        assert_eq!(reno.window(), 8000);
        assert_eq!(reno.on_ack(max, 8000, 8000), Action::None);
        assert_eq!(reno.window(), 2000, "no burst after the recovery");
    }

    #[test]
    fn duplicates_after_a_timeout_are_no_new_loss() {
        let mut reno = NewReno::new(MSS, SeqNum(0));
        reno.on_timeout(SeqNum(10_000), 10_000, 1);
        for _ in 0..5 {
            assert_eq!(reno.on_duplicate(SeqNum(5000), SeqNum(10_000), 5000), Action::None);
        }
    }
}
