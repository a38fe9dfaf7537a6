use super::*;
use crate::load::goodness::{self, Cdf, assert_counts_follow, assert_follows};
use crate::load::random::{Random, unit};

const SAMPLES: usize = 200_000;

fn samples(text: &str, seed: u64) -> Vec<f64> {
    let distribution: Distribution = text.parse().unwrap();
    let mut random = Random::with_seed(seed);
    (0..SAMPLES).map(|_| distribution.quantile(unit(random.u64(..)))).collect()
}

#[test]
fn samples_follow_the_definitions() {
    let cases: [(&str, Cdf); 7] = [
        ("uniform:1000", |x| (x / 1000.0).clamp(0.0, 1.0)),
        ("normal:200,20", |x| goodness::normal(x, 200.0, 20.0)),
        ("exponential:0.01", |x| 1.0 - (-0.01 * x).exp()),
        ("pareto:15,214.476,0.348238", |x| goodness::pareto(x, 15.0, 214.476, 0.348238)),
        ("gev:30.7984,8.20449,0.078688", |x| goodness::gev(x, 30.7984, 8.20449, 0.078688)),
        ("fb_key", goodness::FACEBOOK_KEY),
        ("fb_ia", |x| goodness::pareto(x, 0.0, 16.0292, 0.154971)),
    ];
    for (seed, (text, cdf)) in cases.into_iter().enumerate() {
        assert_follows(text, &mut samples(text, seed as u64), cdf);
    }
    let lengths: Vec<usize> = samples("fb_value", 7).into_iter().map(|sample| sample as usize).collect();
    // A length is a sample without its fraction, and 15 bytes and more are continuous before that.
    let at_most =
        |length: usize| goodness::FACEBOOK_VALUE(if length < 15 { length as f64 } else { length as f64 + 1.0 });
    assert_counts_follow("fb_value", &lengths, at_most);
}

#[test]
fn means_are_those_of_the_samples() {
    for text in ["30", "uniform:1000", "normal:200,20", "exponential:0.01", "fb_key", "fb_ia", "fb_value"] {
        let mean = text.parse::<Distribution>().unwrap().mean().unwrap();
        let sampled = samples(text, 42).iter().sum::<f64>() / SAMPLES as f64;
        assert!((sampled / mean - 1.0).abs() < 0.02, "{text}: {sampled} instead of {mean}");
    }
    assert_eq!("pareto:0,1,1".parse::<Distribution>().unwrap().mean(), None);
}

#[test]
fn every_form_is_understood_and_printed_as_it_was_written() {
    let forms = [
        "fixed:30",
        "uniform:7",
        "normal:200,20",
        "exponential:0.5",
        "pareto:0,1,0.5",
        "gev:1,2,0.5",
        "fb_key",
        "fb_value",
        "fb_ia",
    ];
    for text in forms {
        assert_eq!(text.parse::<Distribution>().unwrap().to_string(), text);
    }
    assert_eq!("30".parse(), Ok(Distribution::Fixed(30.0)));
    assert_eq!("exponential".parse(), Ok(Distribution::Exponential { lambda: 1.0 }));
}

#[test]
fn a_refusal_says_what_is_accepted() {
    let cases = [
        ("", "is no distribution"),
        ("zipf:1", "is no distribution"),
        ("-1", "wrong number of parameters, or one out of range"),
        ("1,2", "wrong number of parameters"),
        ("normal:1", "wrong number of parameters"),
        ("normal:1,-1", "out of range"),
        ("pareto:0,0,1", "positive scale"),
        ("gev:0,1,0", "shape other than 0"),
        ("normal:a,b", "a parameter that is no number"),
        ("uniform:inf", "a parameter that is no number"),
        ("fb_key:1", "takes no parameters"),
    ];
    for (text, wrong) in cases {
        let refusal = text.parse::<Distribution>().unwrap_err().to_string();
        assert!(refusal.contains(wrong) && refusal.contains("gev:LOC,SCALE,SHAPE"), "{text}: {refusal}");
    }
}
