//! When requests are to be sent: arrivals one after another, whatever becomes of the answers.
//!
//! Each engine has one process of arrivals, which it deals to its connections at random; mutilate has one for each
//! connection. For exponential gaps that is the same, as a thinned Poisson process is one. For others it is not: Facebook's
//! gaps (`fb_ia`) were measured on the whole stream of a server, and are so kept as far as one engine makes it.

use super::distribution::Distribution;
use super::random::{Random, unit};

/// Why gaps cannot be drawn from a distribution.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// It cannot be scaled to a rate.
    #[error("{0} as the distribution of gaps: it has no mean to be scaled to the rate, or one of 0")]
    NoMean(Distribution),
    /// Time does not run backwards.
    #[error("{0} as the distribution of gaps: more than one in a thousand is negative")]
    Negative(Distribution),
}

/// Arrivals at a rate.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    gaps: Distribution,
    /// Cycles that the distribution's unit stands for.
    unit_cycles: f64,
    random: Random,
    start: u64,
    /// After the start, in cycles.
    next: f64,
}

impl Schedule {
    /// Whether gaps can be drawn from a distribution.
    pub(super) fn check(gaps: Distribution) -> Result<f64, ScheduleError> {
        let mean = gaps.mean().filter(|mean| mean.is_finite() && *mean > 0.0).ok_or(ScheduleError::NoMean(gaps))?;
        if gaps.quantile(0.001) < 0.0 { Err(ScheduleError::Negative(gaps)) } else { Ok(mean) }
    }

    /// Arrivals from `start` on, every `mean_cycles` on average.
    pub(super) fn new(
        gaps: Distribution,
        mean_cycles: f64,
        start: u64,
        random: Random,
    ) -> Result<Schedule, ScheduleError> {
        let unit_cycles = mean_cycles / Schedule::check(gaps)?;
        let mut schedule = Schedule { gaps, unit_cycles, random, start, next: 0.0 };
        schedule.step();
        Ok(schedule)
    }

    /// The time of the next arrival, if it is not after `now`.
    #[inline]
    pub(super) fn due(&mut self, now: u64) -> Option<u64> {
        let due = self.start + self.next as u64;
        if due > now {
            return None;
        }
        self.step();
        Some(due)
    }

    #[inline]
    fn step(&mut self) {
        let gap = self.gaps.quantile(unit(self.random.u64(..)));
        self.next += gap.max(0.0) * self.unit_cycles;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::goodness::{assert_follows, pareto};

    fn gaps(text: &str, mean: f64) -> Vec<f64> {
        let mut schedule = Schedule::new(text.parse().unwrap(), mean, 1000, Random::with_seed(1)).unwrap();
        let mut last = 1000;
        (0..100_000)
            .map(|_| {
                let due = schedule.due(u64::MAX).unwrap();
                (due - std::mem::replace(&mut last, due)) as f64
            })
            .collect()
    }

    #[test]
    fn gaps_follow_their_distribution_at_the_rate_asked_for() {
        assert_follows("exponential", &mut gaps("exponential", 1e5), |x| 1.0 - (-x / 1e5).exp());
        let scale = 1e5 * (1.0 - 0.154971);
        assert_follows("fb_ia", &mut gaps("fb_ia", 1e5), |x| pareto(x, 0.0, scale, 0.154971));
        for text in ["exponential", "fb_ia", "uniform", "fixed:1", "normal:10,1"] {
            let mean = gaps(text, 1e5).iter().sum::<f64>() / 1e5;
            assert!((mean / 1e5 - 1.0).abs() < 0.01, "{text}: {mean}");
        }
    }

    #[test]
    fn nothing_is_due_before_its_time() {
        let mut schedule = Schedule::new("fixed:1".parse().unwrap(), 100.0, 1000, Random::with_seed(1)).unwrap();
        assert_eq!([schedule.due(1099), schedule.due(1100), schedule.due(1150)], [None, Some(1100), None]);
        assert_eq!(schedule.due(5000), Some(1200), "late, but on record");
    }

    #[test]
    fn what_is_no_gap_is_refused() {
        let refusal =
            |text: &str| Schedule::new(text.parse().unwrap(), 1.0, 0, Random::with_seed(1)).unwrap_err().to_string();
        assert!(refusal("pareto:0,1,1").contains("no mean"));
        assert!(refusal("fixed:0").contains("or one of 0"));
        assert!(refusal("normal:1,1").contains("negative"));
    }
}
