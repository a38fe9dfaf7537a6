//! Which made-up traces there are.

use std::fmt;
use std::str::FromStr;

/// What a trace looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Zipf's exponent.
    pub alpha: f64,
    /// Whether there are scans.
    pub scans: Scans,
    /// When items expire.
    pub lifetimes: Lifetimes,
}

/// Requests for keys that nobody asks for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scans {
    /// None.
    None,
    /// A quarter of all requests: every other one in every other stretch of the trace.
    Quarter,
}

/// When items expire: a property of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetimes {
    /// Never.
    Unlimited,
    /// Half of the keys after 1 to 5 seconds, three tenths after 10 to 30, a tenth after 5 to 60 minutes, a tenth never.
    Mixed,
}

/// The exponent of the traces that have a name.
const ALPHA: f64 = 0.99;

impl Shape {
    /// Zipf's law and nothing else.
    pub fn zipf(alpha: f64) -> Shape {
        Shape { alpha, scans: Scans::None, lifetimes: Lifetimes::Unlimited }
    }

    /// Those that are measured unless others are named.
    pub fn usual() -> [Shape; 5] {
        let base = Shape::zipf(ALPHA);
        [
            Shape::zipf(0.9),
            base,
            Shape::zipf(1.1),
            Shape { scans: Scans::Quarter, ..base },
            Shape { lifetimes: Lifetimes::Mixed, ..base },
        ]
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.scans, self.lifetimes) {
            (Scans::None, Lifetimes::Unlimited) => write!(f, "zipf-{}", self.alpha),
            (Scans::Quarter, Lifetimes::Unlimited) => f.write_str("scan"),
            (Scans::None, Lifetimes::Mixed) => f.write_str("ttl"),
            (Scans::Quarter, Lifetimes::Mixed) => f.write_str("scan-ttl"),
        }
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Shape, String> {
        let base = Shape::zipf(ALPHA);
        match text.split_once('-') {
            Some(("zipf", alpha)) => match alpha.parse::<f64>() {
                Ok(alpha) if alpha > 0.0 && alpha <= 10.0 => Ok(Shape::zipf(alpha)),
                _ => Err(format!("'{alpha}' is no exponent: expected a number above 0, up to 10")),
            },
            None if text == "scan" => Ok(Shape { scans: Scans::Quarter, ..base }),
            None if text == "ttl" => Ok(Shape { lifetimes: Lifetimes::Mixed, ..base }),
            Some(("scan", "ttl")) => Ok(Shape { scans: Scans::Quarter, lifetimes: Lifetimes::Mixed, ..base }),
            _ => Err(format!("'{text}' is no trace: expected zipf-ALPHA, scan, ttl or scan-ttl")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for shape in Shape::usual() {
            assert_eq!(shape.to_string().parse(), Ok(shape));
        }
        assert_eq!(Shape::usual().map(|shape| shape.to_string()), ["zipf-0.9", "zipf-0.99", "zipf-1.1", "scan", "ttl"]);
        assert!("zipf-0".parse::<Shape>().unwrap_err().contains("above 0"));
        assert!("uniform".parse::<Shape>().unwrap_err().contains("zipf-ALPHA"));
    }
}
