//! Distributions, named and written as mutilate does: `fixed:30`, `normal:200,20`, `fb_value`.
//!
//! Each is its quantile function, so that a sample is a pure function of a uniform number: of a random one for what
//! happens once, of a record's hash for what stays as it is.

use std::fmt;
use std::str::FromStr;

use statrs::function::erf::erfc_inv;
use statrs::function::gamma::gamma;

/// A distribution of lengths or times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Fixed(f64),
    /// Between zero and `max`.
    Uniform {
        /// The upper bound.
        max: f64,
    },
    /// Normal.
    Normal {
        /// Its mean.
        mean: f64,
        /// Its standard deviation.
        sd: f64,
    },
    /// Exponential.
    Exponential {
        /// The rate: one over the mean.
        lambda: f64,
    },
    /// Generalized Pareto.
    Pareto(Tail),
    /// Generalized extreme value.
    Gev(Tail),
    /// The value lengths of Facebook's ETC pool: small ones by a table, the rest generalized Pareto.
    FacebookValue,
}

/// Parameters of a distribution with a heavy tail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// Where it lies.
    pub loc: f64,
    /// How wide it is.
    pub scale: f64,
    /// How heavy its tail is; not zero.
    pub shape: f64,
}

/// Key lengths of Facebook's ETC pool.
pub const FACEBOOK_KEY: Distribution = Distribution::Gev(Tail { loc: 30.7984, scale: 8.204_49, shape: 0.078_688 });
/// Inter-arrival times of Facebook's ETC pool, in microseconds.
pub const FACEBOOK_INTERARRIVAL: Distribution =
    Distribution::Pareto(Tail { loc: 0.0, scale: 16.0292, shape: 0.154_971 });

/// How often values of 0, 1, ... 14 bytes occur in Facebook's ETC pool.
const SMALL_VALUES: [f64; 15] = [
    0.005_36, 0.000_47, 0.178_20, 0.092_39, 0.000_18, 0.027_40, 0.000_65, 0.006_06, 0.000_23, 0.008_37, 0.008_37,
    0.089_89, 0.000_92, 0.003_26, 0.019_80,
];
/// The other values.
const LARGE_VALUES: Tail = Tail { loc: 15.0, scale: 214.476, shape: 0.348_238 };

impl Distribution {
    /// The value below which a share `u` of all samples lies, 0 < `u` < 1.
    pub fn quantile(&self, u: f64) -> f64 {
        match *self {
            Distribution::Fixed(value) => value,
            Distribution::Uniform { max } => max * u,
            Distribution::Normal { mean, sd } => mean - sd * std::f64::consts::SQRT_2 * erfc_inv(2.0 * u),
            Distribution::Exponential { lambda } => -(-u).ln_1p() / lambda,
            Distribution::Pareto(tail) => tail.above(1.0 - u),
            Distribution::Gev(tail) => tail.above(-u.ln()),
            Distribution::FacebookValue => facebook_value(u),
        }
    }

    /// The mean, which a heavy tail may lack.
    pub fn mean(&self) -> Option<f64> {
        match *self {
            Distribution::Fixed(value) => Some(value),
            Distribution::Uniform { max } => Some(max / 2.0),
            Distribution::Normal { mean, .. } => Some(mean),
            Distribution::Exponential { lambda } => Some(1.0 / lambda),
            Distribution::Pareto(tail) => tail.mean(1.0 / (1.0 - tail.shape)),
            Distribution::Gev(tail) => tail.mean(gamma(1.0 - tail.shape)),
            Distribution::FacebookValue => {
                let small: f64 = SMALL_VALUES.iter().enumerate().map(|(value, share)| value as f64 * share).sum();
                let rest = 1.0 - SMALL_VALUES.iter().sum::<f64>();
                LARGE_VALUES.mean(1.0 / (1.0 - LARGE_VALUES.shape)).map(|mean| small + rest * mean)
            }
        }
    }
}

impl Tail {
    /// The value at which the standard variable is `y`: the complement (Pareto), or its logarithm (GEV).
    fn above(self, y: f64) -> f64 {
        self.loc + self.scale * (y.powf(-self.shape) - 1.0) / self.shape
    }

    /// The mean, given that of `y.powf(-shape)`.
    fn mean(self, power: f64) -> Option<f64> {
        (self.shape < 1.0).then(|| self.loc + self.scale * (power - 1.0) / self.shape)
    }
}

fn facebook_value(u: f64) -> f64 {
    let mut below = 0.0;
    for (value, share) in SMALL_VALUES.iter().enumerate() {
        below += share;
        if u < below {
            return value as f64;
        }
    }
    LARGE_VALUES.above((1.0 - u) / (1.0 - below))
}

/// A distribution that nobody knows, or whose parameters make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{given}' {wrong}; expected a number, fixed:VALUE, uniform:MAX, normal:MEAN,SD, exponential:LAMBDA, \
     pareto:LOC,SCALE,SHAPE, gev:LOC,SCALE,SHAPE, fb_key, fb_value or fb_ia"
)]
pub struct DistributionError {
    given: String,
    wrong: &'static str,
}

impl FromStr for Distribution {
    type Err = DistributionError;

    fn from_str(text: &str) -> Result<Distribution, DistributionError> {
        parse(text).map_err(|wrong| DistributionError { given: text.to_owned(), wrong })
    }
}

fn parse(text: &str) -> Result<Distribution, &'static str> {
    let (name, parameters) = match text.split_once(':') {
        Some((name, parameters)) => (name, numbers(parameters)?),
        None if text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) => {
            ("fixed", numbers(text)?)
        }
        None => (text, Vec::new()),
    };
    match (name, parameters.as_slice()) {
        ("fixed", &[value]) if value >= 0.0 => Ok(Distribution::Fixed(value)),
        ("uniform", &[]) => Ok(Distribution::Uniform { max: 1.0 }),
        ("uniform", &[max]) if max > 0.0 => Ok(Distribution::Uniform { max }),
        ("normal", &[mean, sd]) if sd > 0.0 => Ok(Distribution::Normal { mean, sd }),
        ("exponential", &[]) => Ok(Distribution::Exponential { lambda: 1.0 }),
        ("exponential", &[lambda]) if lambda > 0.0 => Ok(Distribution::Exponential { lambda }),
        ("pareto", &[loc, scale, shape]) => Ok(Distribution::Pareto(tail(loc, scale, shape)?)),
        ("gev", &[loc, scale, shape]) => Ok(Distribution::Gev(tail(loc, scale, shape)?)),
        ("fb_key", &[]) => Ok(FACEBOOK_KEY),
        ("fb_value", &[]) => Ok(Distribution::FacebookValue),
        ("fb_ia", &[]) => Ok(FACEBOOK_INTERARRIVAL),
        ("fixed" | "uniform" | "normal" | "exponential" | "pareto" | "gev", _) => {
            Err("has a wrong number of parameters, or one out of range")
        }
        ("fb_key" | "fb_value" | "fb_ia", _) => Err("takes no parameters"),
        _ => Err("is no distribution"),
    }
}

fn tail(loc: f64, scale: f64, shape: f64) -> Result<Tail, &'static str> {
    if scale > 0.0 && shape != 0.0 {
        Ok(Tail { loc, scale, shape })
    } else {
        Err("needs a positive scale and a shape other than 0")
    }
}

fn numbers(text: &str) -> Result<Vec<f64>, &'static str> {
    let number = |text: &str| text.trim().parse().ok().filter(|number: &f64| number.is_finite());
    text.split(',').map(number).collect::<Option<_>>().ok_or("has a parameter that is no number")
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            &FACEBOOK_KEY => f.write_str("fb_key"),
            &FACEBOOK_INTERARRIVAL => f.write_str("fb_ia"),
            Distribution::FacebookValue => f.write_str("fb_value"),
            Distribution::Fixed(value) => write!(f, "fixed:{value}"),
            Distribution::Uniform { max } => write!(f, "uniform:{max}"),
            Distribution::Normal { mean, sd } => write!(f, "normal:{mean},{sd}"),
            Distribution::Exponential { lambda } => write!(f, "exponential:{lambda}"),
            Distribution::Pareto(Tail { loc, scale, shape }) => write!(f, "pareto:{loc},{scale},{shape}"),
            Distribution::Gev(Tail { loc, scale, shape }) => write!(f, "gev:{loc},{scale},{shape}"),
        }
    }
}

#[cfg(test)]
mod tests;
