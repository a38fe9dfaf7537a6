//! The retransmission timeout (RFC 6298), one measurement at a time and never of a retransmission (Karn's rule).

use core::time::Duration;

use super::seq::SeqNum;
use crate::time::Instant;

/// Before the first measurement (section 2.1).
const INITIAL_US: u32 = 1_000_000;
/// Least timeout. The RFC says a second; 200 ms is what hosts have used for decades.
const MIN_US: u32 = 200_000;
/// Greatest timeout (section 2.4).
const MAX_US: u32 = 60_000_000;

/// Timeouts without an answer before the peer is given up: about two minutes and a half from the least timeout, over the
/// 100 s of RFC 9293, section 3.8.3.
pub(super) const MAX_RETRIES: u8 = 10;

/// Estimates the round-trip time of a connection and derives its timeout.
#[derive(Clone, Copy, Debug)]
pub(super) struct RttEstimator {
    /// Smoothed round-trip time; zero before the first measurement.
    srtt_us: u32,
    rttvar_us: u32,
    rto_us: u32,
    /// Doublings of the timeout since the last answer.
    backoff: u8,
    /// What is being measured: the time from then until this is acknowledged.
    timing: Option<(SeqNum, Instant)>,
}

impl RttEstimator {
    /// Nothing measured yet.
    pub(super) const fn new() -> RttEstimator {
        RttEstimator { srtt_us: 0, rttvar_us: 0, rto_us: INITIAL_US, backoff: 0, timing: None }
    }

    /// The timeout now, backed off.
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_micros(u64::from(self.rto_us) << self.backoff.min(16)).min(Duration::from_micros(MAX_US.into()))
    }

    /// Doubles the timeout (section 5.5) and stops measuring.
    pub(super) fn back_off(&mut self) {
        self.backoff = self.backoff.saturating_add(1);
        self.timing = None;
    }

    /// The peer answers: the timeout is what was measured.
    pub(super) fn reset_backoff(&mut self) {
        self.backoff = 0;
    }

    /// New data up to `end` leaves: measure it, unless something is being measured.
    pub(super) fn on_send(&mut self, end: SeqNum, now: Instant) {
        self.timing.get_or_insert((end, now));
    }

    /// Something is sent again: what is measured may be what this answers.
    pub(super) fn on_retransmit(&mut self) {
        self.timing = None;
    }

    /// Everything before `ack` has arrived.
    pub(super) fn on_ack(&mut self, ack: SeqNum, now: Instant) {
        if let Some((end, sent)) = self.timing
            && end.le(ack)
        {
            self.timing = None;
            self.sample(now.since(sent));
        }
    }

    /// Takes a measurement (sections 2.2 and 2.3).
    pub(super) fn sample(&mut self, rtt: Duration) {
        let rtt = u32::try_from(rtt.as_micros()).unwrap_or(MAX_US).clamp(1, MAX_US);
        if self.srtt_us == 0 {
            self.srtt_us = rtt;
            self.rttvar_us = rtt / 2;
        } else {
            self.rttvar_us = self.rttvar_us - self.rttvar_us / 4 + self.srtt_us.abs_diff(rtt) / 4;
            self.srtt_us = (self.srtt_us - self.srtt_us / 8 + rtt / 8).max(1);
        }
        self.rto_us = (self.srtt_us + 4 * self.rttvar_us).clamp(MIN_US, MAX_US);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn follows_rfc_6298() {
        let mut rtt = RttEstimator::new();
        assert_eq!(rtt.timeout(), ms(1000));
        rtt.sample(ms(400));
        assert_eq!(rtt.timeout(), ms(1200), "srtt + 4 * srtt / 2");
        rtt.sample(ms(400));
        assert_eq!(rtt.timeout(), ms(1000));
        for _ in 0..200 {
            rtt.sample(ms(1));
        }
        assert_eq!(rtt.timeout(), Duration::from_micros(MIN_US.into()));
    }

    #[test]
    fn backs_off_to_a_minute() {
        let mut rtt = RttEstimator::new();
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            rtt.back_off();
            assert_eq!(rtt.timeout(), Duration::from_secs(seconds));
        }
        for _ in 0..300 {
            rtt.back_off();
        }
        assert_eq!(rtt.timeout(), Duration::from_secs(60));
        rtt.reset_backoff();
        assert_eq!(rtt.timeout(), Duration::from_secs(1));
    }

    #[test]
    fn measures_no_retransmission() {
        let mut rtt = RttEstimator::new();
        rtt.on_send(SeqNum(10), Instant::ZERO);
        rtt.on_send(SeqNum(20), Instant::ZERO + ms(500));
        rtt.on_ack(SeqNum(9), Instant::ZERO + ms(600));
        rtt.on_retransmit();
        rtt.on_ack(SeqNum(20), Instant::ZERO + ms(9000));
        assert_eq!(rtt.timeout(), ms(1000));
        rtt.on_send(SeqNum(u32::MAX), Instant::ZERO);
        rtt.on_ack(SeqNum(3), Instant::ZERO + ms(100));
        assert_eq!(rtt.timeout(), ms(300));
    }
}
