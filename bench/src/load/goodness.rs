//! Whether samples follow a distribution: the test of Kolmogorov and Smirnov, against distribution functions written down
//! apart from what draws the samples.

use statrs::function::erf::erf;

/// A distribution function: the share of samples at most `x`.
pub(super) type Cdf = fn(f64) -> f64;

/// Where the statistic, times the root of the number of samples, lies in one case of a thousand.
const CRITICAL: f64 = 1.949;

/// Asserts that samples of a continuous distribution follow it.
pub(super) fn assert_follows(what: &str, samples: &mut [f64], cdf: impl Fn(f64) -> f64) {
    samples.sort_by(f64::total_cmp);
    let count = samples.len() as f64;
    let distance = |(below, &sample): (usize, &f64)| {
        let expected = cdf(sample);
        (expected - below as f64 / count).abs().max(((below + 1) as f64 / count - expected).abs())
    };
    judge(what, samples.iter().enumerate().map(distance).fold(0.0, f64::max), count);
}

/// Asserts that whole numbers follow a distribution, given as the share of samples at most `n`. The test is then milder
/// than for a continuous one, by little where no number is frequent.
pub(super) fn assert_counts_follow(what: &str, samples: &[usize], at_most: impl Fn(usize) -> f64) {
    let mut counts = vec![0_usize; samples.iter().max().map_or(0, |largest| largest + 1)];
    samples.iter().for_each(|&sample| counts[sample] += 1);
    let (mut below, mut worst) = (0, 0.0_f64);
    for (value, count) in counts.iter().enumerate() {
        below += count;
        worst = worst.max((at_most(value) - below as f64 / samples.len() as f64).abs());
    }
    judge(what, worst, samples.len() as f64);
}

fn judge(what: &str, distance: f64, count: f64) {
    let statistic = distance * count.sqrt();
    assert!(statistic < CRITICAL, "{what}: {statistic:.2} over {count} samples");
}

/// Generalized Pareto.
pub(super) fn pareto(x: f64, loc: f64, scale: f64, shape: f64) -> f64 {
    if x < loc { 0.0 } else { 1.0 - (1.0 + shape * (x - loc) / scale).powf(-1.0 / shape) }
}

/// Generalized extreme value.
pub(super) fn gev(x: f64, loc: f64, scale: f64, shape: f64) -> f64 {
    let t = 1.0 + shape * (x - loc) / scale;
    if t <= 0.0 { 0.0 } else { (-t.powf(-1.0 / shape)).exp() }
}

/// Normal.
pub(super) fn normal(x: f64, mean: f64, sd: f64) -> f64 {
    0.5 * (1.0 + erf((x - mean) / (sd * std::f64::consts::SQRT_2)))
}

/// Key lengths of ETC.
pub(super) const FACEBOOK_KEY: Cdf = |x| gev(x, 30.7984, 8.20449, 0.078688);

/// Value lengths of ETC: the table that mutilate has for 0 to 14 bytes, in hundred-thousandths, else generalized Pareto.
pub(super) const FACEBOOK_VALUE: Cdf = |x| {
    let table = [536, 47, 17820, 9239, 18, 2740, 65, 606, 23, 837, 837, 8989, 92, 326, 1980];
    let small = f64::from(table.iter().sum::<u32>()) / 1e5;
    if x < 15.0 {
        f64::from(table.iter().take(x.floor() as usize + 1).sum::<u32>()) / 1e5
    } else {
        small + (1.0 - small) * pareto(x, 15.0, 214.476, 0.348238)
    }
};

#[test]
#[should_panic(expected = "uniform")]
fn what_follows_another_distribution_is_noticed() {
    // Two in a hundred lie elsewhere.
    let mut samples: Vec<f64> = (0..100_000).map(|n| (f64::from(n) / 1e5).max(0.02)).collect();
    assert_follows("uniform", &mut samples, |x| x.clamp(0.0, 1.0));
}
