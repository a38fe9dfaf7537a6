//! Ranks by Zipf's law: rank k as often as k to the power of -alpha.
//!
//! By rejection and inversion (W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates from monotone discrete
//! distributions", 1996): exact, without a table, and few samples are rejected.

use crate::load::random::Random;

/// Ranks 0, 1, ... below a bound.
#[derive(Clone, Copy, Debug)]
pub struct Zipf {
    ranks: f64,
    alpha: f64,
    /// The hat's integral at both ends.
    low: f64,
    high: f64,
    /// A rank that lies within this of the inverse is accepted without a look at the hat.
    surely: f64,
}

impl Zipf {
    /// `ranks` of them, at least one; `alpha` above 0.
    pub fn new(ranks: u64, alpha: f64) -> Zipf {
        let mut zipf = Zipf { ranks: ranks.max(1) as f64, alpha, low: 0.0, high: 0.0, surely: 0.0 };
        zipf.low = zipf.integral(1.5) - 1.0;
        zipf.high = zipf.integral(zipf.ranks + 0.5);
        zipf.surely = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    /// A rank, the most frequent one being 0.
    pub(crate) fn draw(&self, random: &mut Random) -> u64 {
        loop {
            let u = self.high + random.f64() * (self.low - self.high);
            let x = self.inverse(u);
            let rank = x.round().clamp(1.0, self.ranks);
            if rank - x <= self.surely || u >= self.integral(rank + 0.5) - self.weight(rank) {
                return rank as u64 - 1;
            }
        }
    }

    fn weight(&self, x: f64) -> f64 {
        x.powf(-self.alpha)
    }

    /// The integral of the weight, from 1 to `x`.
    fn integral(&self, x: f64) -> f64 {
        let (log, power) = (x.ln(), 1.0 - self.alpha);
        let t = log * power;
        if t.abs() > 1e-8 { t.exp_m1() / power } else { log * (1.0 + t / 2.0) }
    }

    /// The other way round.
    fn inverse(&self, y: f64) -> f64 {
        let power = 1.0 - self.alpha;
        let t = (y * power).max(-1.0);
        if t.abs() > 1e-8 { (t.ln_1p() / power).exp() } else { (y * (1.0 - t / 2.0)).exp() }
    }
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{ChiSquared, ContinuousCDF as _};

    use super::*;

    const SAMPLES: usize = 400_000;

    /// How probable it is that a statistic of chi-square is as bad as that of `samples`, in cells of ranks that double: 1,
    /// 2, 3-4, 5-8, ...
    fn likelihood(ranks: u64, alpha: f64, samples: &[u64]) -> f64 {
        let cell = |rank: u64| (u64::BITS - rank.leading_zeros()) as usize;
        let cells = cell(ranks - 1) + 1;
        let (mut expected, mut counted) = (vec![0.0; cells], vec![0.0; cells]);
        (0..ranks).for_each(|rank| expected[cell(rank)] += ((rank + 1) as f64).powf(-alpha));
        samples.iter().for_each(|&rank| counted[cell(rank)] += 1.0);
        let scale = samples.len() as f64 / expected.iter().sum::<f64>();
        let statistic: f64 =
            expected.iter().map(|expected| expected * scale).zip(&counted).map(|(e, c)| (c - e).powi(2) / e).sum();
        1.0 - ChiSquared::new((cells - 1) as f64).unwrap().cdf(statistic)
    }

    fn samples(ranks: u64, alpha: f64) -> Vec<u64> {
        let (zipf, mut random) = (Zipf::new(ranks, alpha), Random::with_seed(7));
        (0..SAMPLES).map(|_| zipf.draw(&mut random)).collect()
    }

    #[test]
    fn ranks_are_as_frequent_as_the_law_says() {
        for (ranks, alpha) in
            [(1_000_000, 0.9), (1_000_000, 0.99), (1_000_000, 1.0), (1_000_000, 1.1), (10, 0.5), (1000, 2.0)]
        {
            let likelihood = likelihood(ranks, alpha, &samples(ranks, alpha));
            assert!(likelihood > 0.001, "{ranks} ranks, alpha {alpha}: {likelihood}");
        }
    }

    #[test]
    fn another_law_is_noticed() {
        assert!(likelihood(1_000_000, 0.99, &samples(1_000_000, 0.98)) < 1e-6);
        assert!(likelihood(1_000_000, 0.99, &samples(900_000, 0.99)) < 1e-6);
    }

    #[test]
    fn one_rank_is_always_the_same() {
        assert!(samples(1, 0.99).iter().all(|&rank| rank == 0));
    }
}
