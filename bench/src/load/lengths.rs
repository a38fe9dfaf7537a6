//! Lengths drawn from a distribution, in a few cycles each.
//!
//! The unit interval is cut into cells. Where both ends of a cell stand for the same length, so does all that lies
//! between; only in the other cells the quantile function is asked. So the lengths are exact, and nearly always
//! looked up.

use super::distribution::Distribution;
use super::random::unit;

/// Cells, as a power of two: 16 KiB of table.
const CELL_BITS: u32 = 13;
const CELLS: usize = 1 << CELL_BITS;
/// In a cell whose ends differ.
const ASK: u16 = u16::MAX;

/// Lengths of keys or values.
#[derive(Clone, Debug)]
pub(super) struct Lengths {
    distribution: Distribution,
    rounding: Rounding,
    least: usize,
    most: usize,
    cells: Box<[u16; CELLS]>,
}

/// How a sample becomes a length. Mutilate rounds key lengths, and cuts value lengths off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    /// To the nearest.
    Nearest,
    /// Downwards.
    Down,
}

impl Lengths {
    /// Lengths between `least` and `most`: what lies beyond is set to the bound.
    pub(super) fn new(distribution: Distribution, rounding: Rounding, least: usize, most: usize) -> Lengths {
        let cells = Box::new([ASK; CELLS]);
        let mut lengths = Lengths { distribution, rounding, least, most, cells };
        let shift = u64::BITS - CELL_BITS;
        for cell in 0..CELLS {
            // Half a step of `unit` inside the cell, since its ends are no numbers that it returns.
            let first = (cell as u64) << shift;
            let [least, most] = [first, first | ((1 << shift) - 1)].map(|bits| lengths.ask(bits));
            if least == most {
                lengths.cells[cell] = u16::try_from(least).unwrap_or(ASK);
            }
        }
        lengths
    }

    /// The length that uniformly distributed bits stand for.
    #[inline(always)]
    pub(super) fn length(&self, bits: u64) -> usize {
        match self.cells[(bits >> (u64::BITS - CELL_BITS)) as usize] {
            ASK => self.ask(bits),
            length => usize::from(length),
        }
    }

    /// The longest.
    pub(super) fn longest(&self) -> usize {
        self.ask(u64::MAX)
    }

    /// Out of line: one in dozens comes here.
    #[cold]
    fn ask(&self, bits: u64) -> usize {
        let sample = self.distribution.quantile(unit(bits));
        let whole = if self.rounding == Rounding::Nearest { sample.round() } else { sample.floor() };
        (whole.max(0.0) as usize).clamp(self.least, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::distribution::FACEBOOK_KEY;
    use crate::load::goodness::{self, assert_counts_follow};
    use crate::load::random::Random;

    #[test]
    fn lengths_are_those_of_the_distribution() {
        let lengths = Lengths::new(FACEBOOK_KEY, Rounding::Nearest, 1, 250);
        let mut random = Random::with_seed(1);
        let samples: Vec<usize> = (0..200_000).map(|_| lengths.length(random.u64(..))).collect();
        assert_counts_follow("keys", &samples, |length| goodness::FACEBOOK_KEY(length as f64 + 0.5));
    }

    #[test]
    fn the_table_says_what_the_distribution_says() {
        let lengths = Lengths::new(Distribution::FacebookValue, Rounding::Down, 0, 1 << 20);
        let mut random = Random::with_seed(2);
        let mut asked = 0;
        for _ in 0..100_000 {
            let bits = random.u64(..);
            assert_eq!(lengths.length(bits), lengths.ask(bits));
            asked += usize::from(lengths.cells[(bits >> (u64::BITS - CELL_BITS)) as usize] == ASK);
        }
        assert!(asked < 20_000, "{asked} of 100,000 asked");
    }

    #[test]
    fn bounds_hold() {
        let normal = Lengths::new("normal:100,200".parse().unwrap(), Rounding::Nearest, 5, 250);
        let mut random = Random::with_seed(3);
        let samples: Vec<usize> = (0..10_000).map(|_| normal.length(random.u64(..))).collect();
        assert_eq!((samples.iter().min(), samples.iter().max()), (Some(&5), Some(&250)));
        assert_eq!(normal.longest(), 250);
        assert_eq!(Lengths::new(Distribution::Fixed(100_000.0), Rounding::Down, 0, 1 << 20).length(7), 100_000);
    }
}
