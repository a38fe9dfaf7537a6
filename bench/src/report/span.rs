//! The values along an axis: from where to where, and which are named.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use super::plot::{Axis, Scale};
use super::ticks::{collect_ticks, short};

/// Room beyond the largest value, as a factor; on a logarithmic axis also below the least.
const ROOM: f64 = 1.08;
const LOGARITHMIC_ROOM: f64 = 1.25;

/// The values along an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    least: f64,
    most: f64,
    scale: Scale,
    /// Values that are named, and how.
    ticks: Vec<(f64, String)>,
}

impl Span {
    /// From a little less than the least value, or zero, to a little more than the largest.
    pub(super) fn over(values: impl Iterator<Item = f64>, axis: &Axis) -> Span {
        let (least, most) =
            values.fold((f64::INFINITY, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
        let (least, most) = match axis.scale {
            Scale::Linear => (0.0, if most > 0.0 { most * ROOM } else { 1.0 }),
            Scale::Logarithmic => {
                let least = least.max(f64::MIN_POSITIVE) / LOGARITHMIC_ROOM;
                (least, (most * LOGARITHMIC_ROOM).max(least * 10.0))
            }
        };
        let round = || collect_ticks(axis.scale, least, most).into_iter().map(|value| (value, short(value))).collect();
        let ticks = if axis.ticks.is_empty() { round() } else { axis.ticks.clone() };
        Span { least, most, scale: axis.scale, ticks }
    }
}

impl Ranged for Span {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (begin, end): (i32, i32)) -> i32 {
        let share = match self.scale {
            Scale::Linear => (value - self.least) / (self.most - self.least),
            Scale::Logarithmic => (value / self.least).ln() / (self.most / self.least).ln(),
        };
        begin + (share * f64::from(end - begin)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.iter().map(|(value, _)| *value).collect()
    }

    fn range(&self) -> Range<f64> {
        self.least..self.most
    }
}

impl ValueFormatter<f64> for Span {
    fn format_ext(&self, value: &f64) -> String {
        let named = self.ticks.iter().find(|(at, _)| at == value);
        named.map_or_else(|| short(*value), |(_, name)| name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(scale: Scale, ticks: Vec<(f64, String)>) -> Axis {
        Axis { name: String::new(), scale, ticks }
    }

    #[test]
    fn a_decade_is_as_long_as_another() {
        let span = Span::over([10.0, 1000.0].into_iter(), &axis(Scale::Logarithmic, Vec::new()));
        let at = |value: f64| span.map(&value, (0, 10_000));
        assert!((at(100.0) - at(10.0) - (at(1000.0) - at(100.0))).abs() <= 1);
        assert!(at(10.0) > 0 && at(1000.0) < 10_000);
    }

    #[test]
    fn values_are_named_as_they_are_to_be() {
        let span = Span::over([1.0, 8.0].into_iter(), &axis(Scale::Linear, vec![(8.0, "kept".to_owned())]));
        assert_eq!(
            (span.range().start, span.format_ext(&8.0), span.format_ext(&5e6)),
            (0.0, "kept".into(), "5M".into())
        );
    }
}
