//! Round values along an axis, and how they are written.

use super::plot::Scale;

/// About so many are named.
const WANTED: f64 = 6.0;
/// What values begin with, the roundest first.
const BEGINNINGS: [&[f64]; 2] = [&[1.0], &[1.0, 2.0, 5.0]];
/// With fewer powers of ten than these on an axis, values between them are named, too.
const FEW_DECADES: usize = 4;

/// Round values between two.
pub(super) fn collect_ticks(scale: Scale, least: f64, most: f64) -> Vec<f64> {
    match scale {
        Scale::Linear => linear(least, most),
        Scale::Logarithmic => {
            let decades = of_decades(BEGINNINGS[0], least, most);
            if decades.len() < FEW_DECADES { of_decades(BEGINNINGS[1], least, most) } else { decades }
        }
    }
}

fn of_decades(beginnings: &[f64], least: f64, most: f64) -> Vec<f64> {
    let powers = least.log10().floor() as i32..=most.log10().ceil() as i32;
    let all = powers.flat_map(|power| beginnings.iter().map(move |beginning| beginning * 10_f64.powi(power)));
    all.filter(|value| (least..=most).contains(value)).collect()
}

fn linear(least: f64, most: f64) -> Vec<f64> {
    let rough = (most - least) / WANTED;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|beginning| beginning * power).into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * power);
    let first = (least / step).ceil() as i64;
    (first..).map(|index| index as f64 * step).take_while(|value| *value <= most).collect()
}

/// A number in few letters: 20k, 1.5M.
pub(super) fn short(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 1e9 => (value / 1e9, "G"),
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e4 => (value / 1e3, "k"),
        value => (value, ""),
    };
    format!("{}{unit}", crate::compare::rounded(value, 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_values_are_named() {
        assert_eq!(collect_ticks(Scale::Linear, 0.0, 2_300_000.0), [0.0, 5e5, 1e6, 1.5e6, 2e6]);
        assert_eq!(collect_ticks(Scale::Logarithmic, 8.0, 90_000.0), [10.0, 100.0, 1000.0, 10_000.0]);
        assert_eq!(collect_ticks(Scale::Logarithmic, 40.0, 1200.0), [50.0, 100.0, 200.0, 500.0, 1000.0]);
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 0.2, 500.0, 5000.0, 20_000.0, 1_500_000.0].map(short);
        assert_eq!(texts, ["0", "0.2", "500", "5000", "20k", "1.5M"]);
    }
}
