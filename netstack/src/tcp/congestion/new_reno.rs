//! NewReno (RFC 5681, section 3.1): one segment more each round trip, half of it at a loss.

/// The state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NewReno {
    /// Bytes acknowledged that have not made the window grow yet (RFC 3465, section 2.1).
    counted: u32,
}

impl NewReno {
    /// By how much the window grows for `bytes` acknowledged: a segment for each window of them.
    pub(super) fn step(&mut self, window: u32, bytes: u32, mss: u32) -> u32 {
        self.counted = self.counted.saturating_add(bytes);
        if self.counted < window {
            return 0;
        }
        self.counted -= window;
        mss
    }

    /// The threshold after a loss.
    pub(super) fn reduce(&mut self, window: u32) -> u32 {
        self.counted = 0;
        window / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_segment_a_round_trip() {
        let mut reno = NewReno::default();
        let grown: u32 = (0..10).map(|_| reno.step(10_000, 1000, 1000)).sum();
        assert_eq!(grown, 1000);
        assert_eq!(reno.reduce(11_000), 5500);
    }
}
