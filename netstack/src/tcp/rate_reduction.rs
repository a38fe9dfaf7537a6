//! Proportional rate reduction (RFC 6937): while the window has to come down, so much is sent for each byte delivered that
//! it has come down when all that was in flight is.

/// What an acknowledgement has brought, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// Newly known to be delivered.
    pub(super) delivered: u32,
    /// In the network now.
    pub(super) in_network: u32,
    /// Where the window has to come.
    pub(super) threshold: u32,
    /// Whether it acknowledged something cumulatively, and brought no new loss.
    pub(super) is_safe: bool,
}

/// The reduction of one recovery.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateReduction {
    /// In flight when recovery began (RecoverFS).
    flight: u32,
    delivered: u32,
    sent: u32,
    mss: u32,
}

impl RateReduction {
    /// The reduction of a flight of `flight` bytes.
    pub(super) fn new(flight: u32, mss: u16) -> RateReduction {
        RateReduction { flight: flight.max(1), delivered: 0, sent: 0, mss: mss.into() }
    }

    /// Bytes were sent.
    pub(super) fn sent(&mut self, bytes: u32) {
        self.sent = self.sent.saturating_add(bytes);
    }

    /// The window now.
    pub(super) fn window(&mut self, progress: Progress) -> u32 {
        let Progress { delivered, in_network, threshold, is_safe } = progress;
        self.delivered = self.delivered.saturating_add(delivered);
        let allowance = if in_network > threshold {
            let proportion = u64::from(self.delivered) * u64::from(threshold);
            (proportion.div_ceil(self.flight.into()) as u32).saturating_sub(self.sent)
        } else {
            let conserve = self.delivered.saturating_sub(self.sent).max(delivered);
            (conserve + if is_safe { self.mss } else { 0 }).min(threshold - in_network)
        };
        // The fast retransmission itself.
        in_network + if self.sent == 0 { allowance.max(self.mss) } else { allowance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;

    fn progress(delivered: u32, in_network: u32) -> Progress {
        Progress { delivered, in_network, threshold: 7000, is_safe: false }
    }

    #[test]
    fn sends_seven_segments_for_ten_delivered() {
        let mut reduction = RateReduction::new(10_000, MSS as u16);
        let (mut in_network, mut sent) = (9000, 0);
        for _ in 0..9 {
            in_network -= 1000;
            let window = reduction.window(progress(1000, in_network));
            while in_network + MSS <= window {
                reduction.sent(MSS);
                in_network += MSS;
                sent += 1;
            }
        }
        assert!((6..=7).contains(&sent), "{sent}");
    }

    #[test]
    fn the_first_retransmission_always_leaves() {
        let mut reduction = RateReduction::new(20_000, MSS as u16);
        assert_eq!(reduction.window(progress(0, 19_000)), 20_000);
    }

    #[test]
    fn many_losses_are_made_up_for_in_slow_start() {
        let mut reduction = RateReduction::new(14_000, MSS as u16);
        reduction.sent(MSS);
        let safe = Progress { is_safe: true, ..progress(1000, 2000) };
        assert_eq!(reduction.window(safe), 2000 + 2 * MSS);
        assert_eq!(reduction.window(Progress { in_network: 6500, ..safe }), 7000);
    }
}
