//! Recovery from losses: when it begins and ends, and what it makes of the congestion window.
//!
//! ```text
//! Open -> Fast    losses were found by what came behind them
//! Open, Fast -> Timeout    the retransmission timer fired      either -> Open once what was sent by then is acknowledged
//! ```

use super::congestion::Loss;
use super::delivery::Delivered;
use super::rate_reduction::{Progress, RateReduction};
use super::seq::SeqNum;
use super::tcb::Send;
use crate::counters::Counters;
use crate::time::Instant;

/// Duplicate acknowledgements of a peer without SACK that mean a loss (RFC 5681, section 3.2).
const DUPLICATES: u8 = 3;

/// The recovery of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recovery {
    phase: Phase,
    /// It is over when this is acknowledged.
    until: SeqNum,
    /// Duplicate acknowledgements in a row, of a peer without SACK.
    duplicates: u8,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// No loss is known.
    Open,
    /// Losses were found by what came behind them.
    Fast(RateReduction),
    /// The retransmission timer fired.
    Timeout,
}

/// Whether an acknowledgement, or a timer, has brought losses to light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It has.
    Losses,
    /// It has not.
    Nothing,
}

impl Recovery {
    pub(super) fn new(iss: SeqNum) -> Recovery {
        Recovery { phase: Phase::Open, until: iss, duplicates: 0 }
    }

    /// Whether losses are being recovered from.
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(self.phase, Phase::Open)
    }

    /// Whether an acknowledgement up to `una` leaves something of what recovery began with.
    pub(super) fn is_partial(&self, una: SeqNum) -> bool {
        self.is_under_way() && una.lt(self.until)
    }

    /// A duplicate acknowledgement from a peer without SACK, which acknowledges `una`. Says whether it means a loss.
    pub(super) fn duplicate(&mut self, una: SeqNum) -> bool {
        self.duplicates = self.duplicates.saturating_add(1);
        // What was sent again needlessly is answered by duplicates, too (RFC 6582, section 3.2, step 2).
        self.duplicates == DUPLICATES && !self.is_under_way() && self.until.lt(una)
    }

    /// The row of duplicates is over.
    pub(super) fn no_duplicate(&mut self) {
        self.duplicates = 0;
    }

    /// Bytes were sent.
    pub(super) fn sent(&mut self, bytes: u32) {
        if let Phase::Fast(reduction) = &mut self.phase {
            reduction.sent(bytes);
        }
    }

    /// Ends if everything is acknowledged that was sent when it began. Says whether it does now.
    fn ends(&mut self, una: SeqNum) -> bool {
        let ends = self.is_under_way() && self.until.le(una);
        if ends {
            self.phase = Phase::Open;
        }
        ends
    }
}

impl Send {
    /// Losses were found: begins a recovery, unless one is under way.
    pub(super) fn recover(&mut self, counters: &mut Counters) {
        if self.recovery.is_under_way() {
            return;
        }
        counters.tcp_fast_retransmits += 1;
        self.congestion.loss();
        self.recovery.until = self.max;
        self.recovery.phase = Phase::Fast(RateReduction::new(self.flight(), self.mss));
    }

    /// The retransmission timer fired, and what it tells is marked.
    pub(super) fn recover_from_timeout(&mut self) {
        let loss = if self.rto.backoffs == 0 { Loss::First } else { Loss::Again };
        self.congestion.timed_out(self.scoreboard.in_network(), loss);
        self.recovery.until = self.max;
        self.recovery.duplicates = 0;
        self.recovery.phase = Phase::Timeout;
        self.tail_probe = None;
        self.rto.back_off();
    }

    /// Adapts the congestion window to what was delivered, when `before` bytes were in the network before.
    pub(super) fn adapt_window(&mut self, delivered: &Delivered, before: u32, found: Found, now: Instant) {
        let reducing = matches!(self.recovery.phase, Phase::Fast(_));
        if self.recovery.ends(self.una) {
            self.rack.recovered();
            if reducing {
                return self.congestion.set_window(self.congestion.threshold());
            }
        }
        let progress = Progress {
            delivered: delivered.bytes,
            in_network: self.scoreboard.in_network(),
            threshold: self.congestion.threshold(),
            is_safe: delivered.acked > 0 && found == Found::Nothing,
        };
        match &mut self.recovery.phase {
            Phase::Open if delivered.acked > 0 => {
                self.congestion.acknowledged(delivered.bytes, before, self.rto.smoothed_us(), now);
            }
            Phase::Open => {}
            Phase::Fast(reduction) => self.congestion.set_window(reduction.window(progress)),
            Phase::Timeout => {
                self.congestion.slow_start(delivered.bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_of_what_was_sent_again_mean_nothing() {
        let mut recovery = Recovery::new(SeqNum(0));
        assert_eq!([(); 3].map(|()| recovery.duplicate(SeqNum(1))), [false, false, true]);
        recovery.until = SeqNum(5000);
        recovery.phase = Phase::Timeout;
        recovery.no_duplicate();
        assert!(recovery.is_partial(SeqNum(4000)) && !recovery.ends(SeqNum(4000)));
        assert!(!recovery.is_partial(SeqNum(5000)) && recovery.ends(SeqNum(5000)));
        assert_eq!([(); 4].map(|()| recovery.duplicate(SeqNum(5000))), [false; 4]);
        recovery.no_duplicate();
        assert_eq!([(); 3].map(|()| recovery.duplicate(SeqNum(5001))), [false, false, true]);
    }
}
