//! Medians of rounds.

use serde::{Deserialize, Serialize};

/// A figure of several rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The median: of an even number of rounds, the mean of the middle two.
    pub median: f64,
    /// The smallest and the largest.
    pub spread: [f64; 2],
}

impl Sample {
    /// Of the rounds that have the figure; `None` if none has.
    pub fn of(rounds: impl IntoIterator<Item = f64>) -> Option<Sample> {
        let mut values: Vec<f64> = rounds.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (first, last) = (*values.first()?, *values.last()?);
        let (below, above) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Sample { median: below.midpoint(above), spread: [first, last] })
    }

    /// The same, rounded to so many significant digits, which is what a measurement is good for.
    pub fn rounded(self, digits: i32) -> Sample {
        let round = |value| round(value, digits);
        Sample { median: round(self.median), spread: self.spread.map(round) }
    }
}

/// Rounds to so many significant digits.
pub(crate) fn round(value: f64, digits: i32) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let places = digits - 1 - value.abs().log10().floor() as i32;
    // Multiplied or divided by a whole number: a reciprocal would leave traces in the last digits.
    let factor = 10_f64.powi(places.abs());
    if places >= 0 { (value * factor).round() / factor } else { (value / factor).round() * factor }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let sample = |values: &[f64]| Sample::of(values.iter().copied());
        assert_eq!(sample(&[3.0, 1.0, 2.0]), Some(Sample { median: 2.0, spread: [1.0, 3.0] }));
        assert_eq!(sample(&[4.0, 1.0, 2.0, 3.0]), Some(Sample { median: 2.5, spread: [1.0, 4.0] }));
        assert_eq!(sample(&[7.0]), Some(Sample { median: 7.0, spread: [7.0, 7.0] }));
        assert_eq!(sample(&[]), None);
        assert_eq!(sample(&[f64::NAN, f64::INFINITY]), None);
        // One round that was disturbed does not move it.
        assert_eq!(sample(&[100.0, 101.0, 5.0, 102.0, 99.0]).unwrap().median, 100.0);
    }

    #[test]
    fn digits_beyond_the_measurement_go() {
        assert_eq!(round(123_456.0, 4), 123_500.0);
        assert_eq!(round(0.012_345, 3), 0.0123);
        assert_eq!(round(9.996, 3), 10.0);
        assert_eq!(round(0.0, 3), 0.0);
        assert_eq!(round(-55.55, 2), -56.0);
        assert_eq!(Sample { median: 1.23456, spread: [1.0, 99.999] }.rounded(3).spread, [1.0, 100.0]);
    }
}
