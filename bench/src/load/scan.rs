//! Rates one after another: `min:max:step`.

use std::str::FromStr;

/// Rates from `min` on, up to `max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scan {
    min: f64,
    max: f64,
    step: f64,
}

/// Rates that make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no min:max:step: expected three rates in requests/s, as 10000:100000:10000")]
pub struct ScanError(String);

/// More steps are a mistake.
const MOST: f64 = 10_000.0;

impl FromStr for Scan {
    type Err = ScanError;

    fn from_str(text: &str) -> Result<Scan, ScanError> {
        let numbers: Option<Vec<f64>> = text.split(':').map(|number| number.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[min, max, step]) if min > 0.0 && max >= min && step > 0.0 && (max - min) / step <= MOST => {
                Ok(Scan { min, max, step })
            }
            _ => Err(ScanError(text.to_owned())),
        }
    }
}

impl Scan {
    /// The rates.
    pub fn rates(self) -> impl Iterator<Item = f64> {
        // A little more than the last, which rounding may have missed.
        let steps = ((self.max - self.min) / self.step + 1e-9).floor() as u64;
        (0..=steps).map(move |step| self.min + step as f64 * self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_belong_to_it() {
        let rates = |text: &str| text.parse::<Scan>().unwrap().rates().collect::<Vec<f64>>();
        assert_eq!(rates("10:30:10"), [10.0, 20.0, 30.0]);
        assert_eq!(rates("10:35:10"), [10.0, 20.0, 30.0]);
        assert_eq!(rates("5:5:1"), [5.0]);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "1:2", "0:2:1", "3:2:1", "1:2:0", "1:2:3:4", "a:b:c", "1:1e9:1"] {
            assert!(text.parse::<Scan>().unwrap_err().to_string().contains("min:max:step"), "{text}");
        }
    }
}
