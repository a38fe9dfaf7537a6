//! The highest rate at which a percentile of the latency stays below a bound.
//!
//! A closed loop first, which shows the scale; then the bound is bracketed and the bracket halved. On a shared machine something else
//! may take the server's core, or the generator's, for milliseconds at any time, which a percentile over a second does not survive.
//! So a run is recorded in pieces, and what most of them say holds. What takes a run is a parameter: the generator here,
//! a simulation in the tests.

use std::str::FromStr;

use super::generator::Rate;
use super::measured::{Limit, Measured};

/// The bracket is narrow enough at this share of its upper end.
const NARROW: f64 = 0.02;
/// Pieces of a run at a rate.
pub const PIECES: usize = 21;
/// Rates at most.
const STEPS: usize = 14;
/// The first rate that is tried, and how much is added while all goes well, as shares.
const FIRST: f64 = 0.7;
const UPWARDS: f64 = 1.25;
/// No rate below this share of the closed loop's is tried.
const LEAST: f64 = 0.01;

/// What is promised of the latency: `N:X`, the `N`-th percentile is at most `X` microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sla {
    /// The percentile, between 0 and 100.
    pub percentile: f64,
    /// The bound, in microseconds.
    pub latency_us: f64,
}

/// A promise that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no N:X: expected a percentile below 100 and a latency in microseconds, as 99:500")]
pub struct SlaError(String);

impl FromStr for Sla {
    type Err = SlaError;

    fn from_str(text: &str) -> Result<Sla, SlaError> {
        let parse = || {
            let (percentile, latency_us) = text.split_once(':')?;
            let (percentile, latency_us): (f64, f64) = (percentile.parse().ok()?, latency_us.parse().ok()?);
            (percentile > 0.0 && percentile < 100.0 && latency_us > 0.0 && latency_us.is_finite())
                .then_some(Sla { percentile, latency_us })
        };
        parse().ok_or_else(|| SlaError(text.to_owned()))
    }
}

impl Sla {
    /// The latency at the percentile, in microseconds.
    pub fn latency_us(&self, measured: &Measured) -> f64 {
        measured.record.all().value_at_quantile(self.percentile / 100.0) as f64 / 1e3
    }

    /// Whether a run keeps to it: at the rate asked for, not at what was left of it.
    pub fn is_met(&self, measured: &Measured) -> bool {
        measured.is_reached() && self.latency_us(measured) <= self.latency_us
    }
}

/// What a search has found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The closed loop.
    pub peak: Measured,
    /// The highest rate that met the promise, if there was one: the pieces that most agree with.
    pub best: Option<Measured>,
    /// All pieces at that rate, with those that something has disturbed.
    pub whole: Option<Measured>,
    /// What was the limit: where it is the generator, the rate is a lower bound.
    pub limit: Limit,
    /// For each rate that was tried, in their order, the pieces that have decided.
    pub steps: Vec<Measured>,
}

/// What was measured at a rate.
struct Step {
    /// Whether most pieces keep to the promise.
    is_kept: bool,
    /// The pieces that most agree with.
    agreed: Measured,
    /// All of them.
    whole: Measured,
}

impl Step {
    /// What most pieces of a run say.
    fn decide(sla: Sla, pieces: &[Measured]) -> Option<Step> {
        let (kept, broken): (Vec<&Measured>, Vec<&Measured>) = pieces.iter().partition(|piece| sla.is_met(piece));
        let is_kept = kept.len() > broken.len();
        let agreed = Measured::together(if is_kept { kept } else { broken })?;
        Some(Step { is_kept, agreed, whole: Measured::together(pieces)? })
    }
}

/// Searches after `peak`, with `measure` as what takes a run at a rate, in pieces.
pub fn highest_rate<E>(
    sla: Sla,
    peak: Measured,
    mut measure: impl FnMut(Rate) -> Result<Vec<Measured>, E>,
) -> Result<Found, E> {
    let scale = peak.per_second();
    let mut best: Option<(f64, Step)> = None;
    let mut failed: Option<(f64, Measured)> = None;
    let mut steps = Vec::new();
    let mut rate = FIRST * scale;
    while steps.len() < STEPS && rate >= LEAST * scale && rate > 0.0 {
        let Some(step) = Step::decide(sla, &measure(Rate::PerSecond(rate))?) else { break };
        steps.push(step.agreed.clone());
        if step.is_kept {
            best = Some((rate, step));
        } else {
            failed = Some((rate, step.agreed));
        }
        rate = match (&best, &failed) {
            (Some((low, _)), Some((high, _))) if high - low <= NARROW * high => break,
            (Some((low, _)), Some((high, _))) => (low + high) / 2.0,
            (Some((low, _)), None) => low * UPWARDS,
            (None, _) => rate / 2.0,
        };
    }
    let (best, whole) = best.map(|(_, step)| (step.agreed, step.whole)).unzip();
    // A rate that was kept was kept however late the generator was. What matters is why no more was.
    let by_generator = failed.is_none_or(|(_, failed)| failed.is_held_up());
    let limit = if by_generator { Limit::Generator } else { Limit::Server };
    Ok(Found { peak, best, whole, limit, steps })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use super::*;
    use crate::load::recorder::Record;

    /// A server that does `capacity` a second, with latencies as of a queue, 10 us when it is idle; and a generator that
    /// does `generator`.
    fn run(rate: Rate, capacity: f64, generator: f64) -> Measured {
        let asked = match rate {
            Rate::Peak => capacity,
            Rate::PerSecond(rate) => rate,
        };
        let load: f64 = asked / capacity;
        let mut record = Record::new(1);
        let latency_us = if load < 1.0 { 10.0 / (1.0 - load) } else { 1e6 };
        record.reads.record_n((latency_us * 1e3) as u64, 100).unwrap();
        record.lag.record_n(1000, 100).unwrap();
        record.intended = asked as u64;
        record.answered = asked.min(capacity).min(generator) as u64;
        let idle_share = (1.0 - asked / generator).max(0.0);
        Measured { rate, time: Duration::from_secs(1), record, idle_share, server: None }
    }

    fn search(capacity: f64, generator: f64) -> Found {
        let sla = "99:100".parse().unwrap();
        let peak = run(Rate::Peak, capacity, generator);
        highest_rate(sla, peak, |rate| Ok::<_, Infallible>(vec![run(rate, capacity, generator)])).unwrap()
    }

    #[test]
    fn the_bound_is_found_to_two_percent() {
        let found = search(1e6, 1e7);
        let rate = found.best.unwrap().per_second();
        assert!((0.88e6..=0.9e6).contains(&rate), "{rate}");
        assert_eq!(found.limit, Limit::Server);
        assert!(found.steps.len() <= 10, "{}", found.steps.len());
    }

    #[test]
    fn pieces_that_were_disturbed_change_nothing() {
        let sla = "99:100".parse().unwrap();
        let found = highest_rate(sla, run(Rate::Peak, 1e6, 1e7), |rate| {
            // A neighbour takes half of the machine, at times.
            let piece = |piece| run(rate, if piece % 3 == 0 { 5e5 } else { 1e6 }, 1e7);
            Ok::<_, Infallible>((0..PIECES).map(piece).collect())
        });
        let Found { best: Some(best), whole: Some(whole), .. } = found.unwrap() else { panic!("nothing found") };
        assert!((0.88e6..=0.9e6).contains(&best.per_second()), "{}", best.per_second());
        assert!(sla.is_met(&best) && sla.latency_us(&whole) > 1e5, "{}", sla.latency_us(&whole));
    }

    #[test]
    fn a_generator_that_does_no_more_is_named() {
        let found = search(1e6, 8e5);
        let rate = found.best.unwrap().per_second();
        assert!((6e5..=8.1e5).contains(&rate), "{rate}");
        assert_eq!(found.limit, Limit::Generator);
    }

    #[test]
    fn a_promise_that_no_rate_keeps_is_not_kept() {
        let sla = "99:5".parse().unwrap();
        let peak = run(Rate::Peak, 1e6, 1e7);
        let found = highest_rate(sla, peak, |rate| Ok::<_, Infallible>(vec![run(rate, 1e6, 1e7)])).unwrap();
        assert!(found.best.is_none() && found.steps.len() < 8);
    }

    #[test]
    fn promises_are_understood_or_refused() {
        assert_eq!("99.9:500".parse(), Ok(Sla { percentile: 99.9, latency_us: 500.0 }));
        for text in ["", "99", "99:", "100:5", "0:5", "99:0", "99:-1", "a:b", "99:inf"] {
            assert!(text.parse::<Sla>().unwrap_err().to_string().contains("as 99:500"), "{text}");
        }
    }
}
