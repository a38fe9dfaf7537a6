//! Latencies while they are counted: the cells of the HDR histogram that they end in, without its bookkeeping for each value.
//!
//! Values and cells are those of a histogram of three digits: the upper 11 bits of a value tell its cell, so that the lowest
//! value of a cell stands for all of it, there as here. What is longer than is usual is left to the histogram itself.

use hdrhistogram::Histogram;

/// Bits of a value that tell its cell: 2,048 cells, of which the upper half is new in each doubling.
const BITS: u32 = 11;
/// Doublings that are counted here: up to 134 ms in nanoseconds.
const DOUBLINGS: usize = 17;
/// All of it is 72 KiB.
const CELLS: usize = (DOUBLINGS + 1) << (BITS - 1);

/// Counts of latencies.
#[derive(Clone, Debug)]
pub(super) struct Latencies(Box<[u32]>);

impl Latencies {
    pub(super) fn new() -> Latencies {
        Latencies(vec![0; CELLS].into())
    }

    /// Counts a latency; `None` if it is too long, or its cell is full.
    #[inline]
    pub(super) fn record(&mut self, ns: u64) -> Option<()> {
        let shift = (u64::BITS - BITS) - (ns | ((1 << BITS) - 1)).leading_zeros();
        let cell = ((shift as usize) << (BITS - 1)) + (ns >> shift) as usize;
        let count = self.0.get_mut(cell)?;
        *count = count.checked_add(1)?;
        Some(())
    }

    /// Forgets everything. All memory is written.
    pub(super) fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Adds what was counted to a histogram.
    pub(super) fn add_to(&self, histogram: &mut Histogram<u64>) {
        for (cell, &count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            let shift = (cell >> (BITS - 1)).saturating_sub(1);
            let lowest = (cell - (shift << (BITS - 1))) << shift;
            histogram.saturating_record_n(lowest as u64, count.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::random::Random;

    #[test]
    fn cells_are_those_of_the_histogram() {
        let histogram = || Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
        let (mut direct, mut counted, mut latencies) = (histogram(), histogram(), Latencies::new());
        let mut random = Random::with_seed(1);
        let edges = (0..42).flat_map(|power| [(1_u64 << power) - 1, 1 << power, (1 << power) + 1]);
        let values = edges.chain((0..200_000).map(|_| random.u64(..) >> random.u32(22..64)));
        let mut beyond = 0;
        for ns in values {
            direct.saturating_record(ns);
            if latencies.record(ns).is_none() {
                assert!(ns >= 1 << 27, "{ns}");
                counted.saturating_record(ns);
                beyond += 1;
            }
        }
        latencies.add_to(&mut counted);
        assert!(beyond > 0 && beyond < 100_000, "{beyond}");
        assert_eq!(counted, direct);
        assert_eq!((counted.min(), counted.max(), counted.mean()), (direct.min(), direct.max(), direct.mean()));
        latencies.clear();
        latencies.add_to(&mut counted);
        assert_eq!(counted.len(), direct.len());
    }
}
