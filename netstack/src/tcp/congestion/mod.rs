//! Congestion control: how much may be in the network (RFC 5681). What a loss is, and when it is over, is decided elsewhere.
//!
//! ```text
//! window < threshold: slow start      else: congestion avoidance, by NewReno or by CUBIC
//! ```

mod cubic;
mod new_reno;

use crate::time::Instant;
use cubic::Cubic;
use new_reno::NewReno;

/// Segments of the initial window (RFC 6928).
const INITIAL_SEGMENTS: u32 = 10;
/// Segments of the window after a timeout (RFC 5681, section 3.1), and of the least threshold.
const LOSS_SEGMENTS: u32 = 1;
const LEAST_THRESHOLD_SEGMENTS: u32 = 2;
/// The window grows no further, in bytes: more than the peer's or our own limits ever allow.
const MAX_WINDOW: u32 = 1 << 26;

/// Which algorithm grows the window in congestion avoidance, and cuts it at a loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CongestionControl {
    /// RFC 5681.
    NewReno,
    /// RFC 9438.
    #[default]
    Cubic,
}

/// Whether a timeout is the first since the last progress: only that says something new of the path (RFC 5681, section
/// 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// It is.
    First,
    /// The same segment timed out before.
    Again,
}

/// The state of the algorithm.
#[derive(Clone, Copy, Debug)]
enum Algorithm {
    NewReno(NewReno),
    Cubic(Cubic),
}

/// Congestion state of one connection. Windows are in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Congestion {
    window: u32,
    threshold: u32,
    mss: u32,
    algorithm: Algorithm,
}

impl Congestion {
    pub(super) fn new(control: CongestionControl, mss: u16) -> Congestion {
        let mss = u32::from(mss);
        let algorithm = match control {
            CongestionControl::NewReno => Algorithm::NewReno(NewReno::default()),
            CongestionControl::Cubic => Algorithm::Cubic(Cubic::default()),
        };
        Congestion { window: INITIAL_SEGMENTS * mss, threshold: u32::MAX, mss, algorithm }
    }

    /// The congestion window.
    pub(super) fn window(&self) -> u32 {
        self.window
    }

    /// Where slow start ends, and where the window is after a recovery.
    pub(super) fn threshold(&self) -> u32 {
        self.threshold
    }

    /// `bytes` were acknowledged by a peer that no loss is known to, `in_network` bytes were in the network before. A window
    /// that was not used proves nothing, and does not grow (RFC 7661 says why).
    #[inline]
    pub(super) fn acknowledged(&mut self, bytes: u32, in_network: u32, round_trip_us: u32, now: Instant) {
        let slow_start = self.window < self.threshold;
        let used = if slow_start { in_network.saturating_mul(2) } else { in_network + self.mss };
        if used >= self.window {
            self.grow_by_use(bytes, round_trip_us, now);
        }
    }

    /// `bytes` were acknowledged while the window was used.
    #[inline(never)]
    fn grow_by_use(&mut self, bytes: u32, round_trip_us: u32, now: Instant) {
        let slow_start = self.window < self.threshold;
        let avoided = if slow_start { self.slow_start(bytes) } else { bytes };
        if avoided == 0 {
            return;
        }
        let step = match &mut self.algorithm {
            Algorithm::NewReno(reno) => reno.step(self.window, avoided, self.mss),
            Algorithm::Cubic(cubic) => cubic.step(self.window, avoided, self.mss, round_trip_us, now),
        };
        self.grow(step);
    }

    /// Slow start, also while a timeout is recovered from. Returns the bytes acknowledged beyond the threshold.
    pub(super) fn slow_start(&mut self, bytes: u32) -> u32 {
        let step = bytes.min(self.threshold.saturating_sub(self.window));
        self.grow(step);
        bytes - step
    }

    /// A loss was found: sets the threshold. The window follows in recovery.
    pub(super) fn loss(&mut self) {
        self.threshold = self.reduced();
    }

    /// The retransmission timer fired, and `in_network` bytes are not thought lost.
    pub(super) fn timed_out(&mut self, in_network: u32, loss: Loss) {
        if loss == Loss::First {
            self.threshold = self.reduced();
        }
        self.window = in_network + LOSS_SEGMENTS * self.mss;
    }

    /// Sets the window: recovery knows how much may be sent.
    pub(super) fn set_window(&mut self, window: u32) {
        self.window = window.clamp(self.mss, MAX_WINDOW);
    }

    /// Nothing was sent for longer than the retransmission timeout: what was known of the path is stale (RFC 5681, section
    /// 4.1).
    pub(super) fn idle(&mut self) {
        self.window = self.window.min(INITIAL_SEGMENTS * self.mss);
        if let Algorithm::Cubic(cubic) = &mut self.algorithm {
            cubic.idle();
        }
    }

    fn reduced(&mut self) -> u32 {
        let threshold = match &mut self.algorithm {
            Algorithm::NewReno(reno) => reno.reduce(self.window),
            Algorithm::Cubic(cubic) => cubic.reduce(self.window),
        };
        threshold.max(LEAST_THRESHOLD_SEGMENTS * self.mss)
    }

    fn grow(&mut self, bytes: u32) {
        self.window = self.window.saturating_add(bytes).min(MAX_WINDOW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT_US: u32 = 20_000;

    fn acknowledged(congestion: &mut Congestion, bytes: u32) {
        congestion.acknowledged(bytes, congestion.window(), RTT_US, Instant::ZERO);
    }

    #[test]
    fn slow_start_doubles_and_ends_at_the_threshold() {
        let mut reno = Congestion::new(CongestionControl::NewReno, 1000);
        assert_eq!(reno.window(), 10_000);
        acknowledged(&mut reno, 10_000);
        assert_eq!(reno.window(), 20_000);
        reno.timed_out(0, Loss::First);
        assert_eq!((reno.window(), reno.threshold()), (1000, 10_000));
        assert_eq!(reno.slow_start(4000), 0);
        assert_eq!(reno.slow_start(8000), 3000);
        assert_eq!(reno.window(), 10_000);
    }

    #[test]
    fn an_unused_window_does_not_grow() {
        for control in [CongestionControl::NewReno, CongestionControl::Cubic] {
            let mut congestion = Congestion::new(control, 1000);
            congestion.acknowledged(1000, 1000, RTT_US, Instant::ZERO);
            assert_eq!(congestion.window(), 10_000);
            congestion.acknowledged(1000, 5000, RTT_US, Instant::ZERO);
            assert_eq!(congestion.window(), 11_000);
        }
    }

    #[test]
    fn idleness_forgets_the_window_but_not_the_threshold() {
        let mut cubic = Congestion::new(CongestionControl::Cubic, 1000);
        acknowledged(&mut cubic, 30_000);
        cubic.loss();
        cubic.set_window(cubic.threshold());
        let threshold = cubic.threshold();
        assert_eq!(threshold, 28_000);
        cubic.idle();
        assert_eq!((cubic.window(), cubic.threshold()), (10_000, threshold));
    }
}
