//! The retransmission timeout (RFC 6298).

/// Before the first measurement (section 2.1).
const INITIAL_US: u32 = 1_000_000;
/// Least and most. The least is below the RFC's second, as in every stack of today.
const MIN_US: u32 = 200_000;
const MAX_US: u32 = 60_000_000;

/// Round-trip estimate and backoff of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rto {
    smoothed_us: u32,
    variation_us: u32,
    rto_us: u32,
    /// Timeouts in a row.
    pub(super) backoffs: u8,
    /// Those since the peer was last heard of.
    pub(super) unanswered: u8,
}

impl Rto {
    pub(super) fn new() -> Rto {
        Rto { smoothed_us: 0, variation_us: 0, rto_us: INITIAL_US, backoffs: 0, unanswered: 0 }
    }

    /// Takes a measurement of a segment that was sent once (Karn), and ends the backoff.
    pub(super) fn measure(&mut self, round_trip_us: u32) {
        let us = round_trip_us.clamp(1, MAX_US);
        if self.smoothed_us == 0 {
            self.smoothed_us = us;
            self.variation_us = us / 2;
        } else {
            let error = self.smoothed_us.abs_diff(us);
            self.variation_us = self.variation_us - self.variation_us / 4 + error / 4;
            self.smoothed_us = self.smoothed_us - self.smoothed_us / 8 + us / 8;
        }
        self.rto_us = (self.smoothed_us + (4 * self.variation_us).max(1)).clamp(MIN_US, MAX_US);
    }

    /// The smoothed round trip, zero before the first measurement.
    pub(super) fn smoothed_us(&self) -> u32 {
        self.smoothed_us
    }

    /// Whether nothing was measured yet.
    pub(super) fn is_unmeasured(&self) -> bool {
        self.smoothed_us == 0
    }

    /// Progress was made: the next timeout is not backed off.
    pub(super) fn progress(&mut self) {
        self.backoffs = 0;
        self.unanswered = 0;
    }

    /// The peer answered, but keeps its window shut: it is asked no more often, and not given up.
    pub(super) fn answered(&mut self) {
        self.unanswered = 0;
    }

    /// The timer fired (section 5.5).
    pub(super) fn back_off(&mut self) {
        self.backoffs = self.backoffs.saturating_add(1);
        self.unanswered = self.unanswered.saturating_add(1);
    }

    /// The timeout now.
    pub(super) fn timeout_us(&self) -> u32 {
        let us = u64::from(self.rto_us) << self.backoffs.min(16);
        us.min(MAX_US.into()) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_rfc_6298() {
        let mut rto = Rto::new();
        assert_eq!(rto.timeout_us(), 1_000_000);
        rto.measure(100_000);
        assert_eq!(rto.timeout_us(), 300_000); // SRTT + 4 * RTTVAR
        rto.back_off();
        assert_eq!(rto.timeout_us(), 600_000);
        for _ in 0..20 {
            rto.back_off();
        }
        assert_eq!(rto.timeout_us(), 60_000_000);
        rto.progress();
        for _ in 0..100 {
            rto.measure(50);
        }
        assert_eq!(rto.timeout_us(), 200_000);
    }
}
