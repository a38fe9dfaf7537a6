//! Congestion control: Reno (RFC 5681) with NewReno's recovery (RFC 6582).

use super::seq::SeqNum;

/// Segments of the initial window (RFC 6928).
const INITIAL_SEGMENTS: u32 = 10;
/// Duplicate acknowledgements that mean a loss.
const DUPLICATES: u8 = 3;
/// The window grows no further: more than the peer's or our own limits ever allow.
const MAX_WINDOW: u32 = 1 << 24;

/// What the sender should do after a duplicate acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnDuplicate {
    /// Nothing, or send what the window now allows.
    Wait,
    /// Retransmit the first segment: fast retransmit.
    Retransmit,
}

/// Congestion state of one connection. Windows are in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Congestion {
    window: u32,
    threshold: u32,
    duplicates: u8,
    /// In recovery until everything below this is acknowledged.
    recover: Option<SeqNum>,
    mss: u32,
}

impl Congestion {
    pub(super) fn new(mss: u16) -> Congestion {
        let mss = u32::from(mss);
        Congestion { window: INITIAL_SEGMENTS * mss, threshold: u32::MAX, duplicates: 0, recover: None, mss }
    }

    /// The congestion window.
    pub(super) fn window(&self) -> u32 {
        self.window
    }

    /// New data up to `una` was acknowledged, `bytes` of it. Says whether the next segment is lost too (a partial
    /// acknowledgement, RFC 6582, section 3.2).
    pub(super) fn acknowledged(&mut self, una: SeqNum, bytes: u32) -> bool {
        self.duplicates = 0;
        match self.recover {
            Some(recover) if una.lt(recover) => {
                self.window = self.window.saturating_sub(bytes).max(self.mss) + self.mss;
                true
            }
            Some(_) => {
                self.recover = None;
                self.window = self.threshold;
                false
            }
            None => {
                let slow_start = self.window < self.threshold;
                let step = if slow_start { bytes.min(self.mss) } else { (self.mss * self.mss / self.window).max(1) };
                self.window = (self.window + step).min(MAX_WINDOW);
                false
            }
        }
    }

    /// A duplicate acknowledgement came while `flight` bytes were unacknowledged, sent up to `sent`.
    pub(super) fn duplicate(&mut self, flight: u32, sent: SeqNum) -> OnDuplicate {
        self.duplicates = self.duplicates.saturating_add(1);
        if self.recover.is_some() {
            self.window = (self.window + self.mss).min(MAX_WINDOW);
            return OnDuplicate::Wait;
        }
        if self.duplicates != DUPLICATES {
            return OnDuplicate::Wait;
        }
        self.recover = Some(sent);
        self.threshold = (flight / 2).max(2 * self.mss);
        self.window = self.threshold + u32::from(DUPLICATES) * self.mss;
        OnDuplicate::Retransmit
    }

    /// The retransmission timer fired while `flight` bytes were unacknowledged (RFC 5681, section 3.1). `first`: not for a
    /// segment that was retransmitted already.
    pub(super) fn timed_out(&mut self, flight: u32) {
        self.threshold = (flight / 2).max(2 * self.mss);
        self.window = self.mss;
        self.recover = None;
        self.duplicates = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_start_then_avoidance() {
        let mut reno = Congestion::new(1000);
        assert_eq!(reno.window(), 10_000);
        reno.acknowledged(SeqNum(1000), 1000);
        assert_eq!(reno.window(), 11_000);
        reno.timed_out(11_000);
        assert_eq!((reno.window(), reno.threshold), (1000, 5500));
        for n in 0..5 {
            reno.acknowledged(SeqNum(2000 + n), 1000);
        }
        let before = reno.window();
        reno.acknowledged(SeqNum(9000), 1000);
        assert!(reno.window() - before < 1000);
    }

    #[test]
    fn third_duplicate_retransmits_and_recovery_ends() {
        let mut reno = Congestion::new(1000);
        let sent = SeqNum(10_000);
        assert_eq!(reno.duplicate(10_000, sent), OnDuplicate::Wait);
        assert_eq!(reno.duplicate(10_000, sent), OnDuplicate::Wait);
        assert_eq!(reno.duplicate(10_000, sent), OnDuplicate::Retransmit);
        assert_eq!(reno.window(), 8000);
        assert_eq!(reno.duplicate(10_000, sent), OnDuplicate::Wait);
        assert_eq!(reno.window(), 9000);
        assert!(reno.acknowledged(SeqNum(5000), 5000), "partial: the next hole is lost too");
        assert!(!reno.acknowledged(SeqNum(10_000), 5000));
        assert_eq!(reno.window(), 5000);
    }
}
