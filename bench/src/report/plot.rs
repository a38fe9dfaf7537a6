//! Plots in SVG: lines over an axis, by plotters.

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use super::table::number;

/// Of a picture, in pixels.
const SIZE: (u32, u32) = (860, 480);
const TITLE_PX: u32 = 18;
const LABEL_PX: u32 = 14;
const LINE_PX: u32 = 2;
/// Colours that stay apart for colour-blind readers (Okabe and Ito).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
    RGBColor(150, 150, 60),
];

/// What a plot shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// Above it.
    pub title: String,
    /// Quantity and unit.
    pub x: Axis,
    /// Quantity and unit.
    pub y: Axis,
    /// The lines.
    pub series: Vec<Series>,
    /// A horizontal line to compare with, and what it is.
    pub bound: Option<(f64, String)>,
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Quantity and unit.
    pub name: String,
    /// How values are laid out on it.
    pub scale: Scale,
}

/// How values are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly, from zero.
    Linear,
    /// By their logarithms.
    Logarithmic,
}

/// A line with its points, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// As in the legend.
    pub name: String,
    /// Where it passes.
    pub points: Vec<(f64, f64)>,
}

/// Why there is no plot.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw \"{title}\": {why}")]
pub struct PlotError {
    title: String,
    why: String,
}

impl Plot {
    /// As SVG; `None` if there is nothing to show.
    pub fn to_svg(&self) -> Result<Option<String>, PlotError> {
        let points = || self.series.iter().flat_map(|series| series.points.iter().copied());
        if points().next().is_none() {
            return Ok(None);
        }
        let x = range(points().map(|(x, _)| x), self.x.scale);
        let y = range(points().map(|(_, y)| y).chain(self.bound.iter().map(|(y, _)| *y)), self.y.scale);
        let mut svg = String::new();
        let drawn = match (self.x.scale, self.y.scale) {
            (Scale::Linear, Scale::Linear) => self.draw(&mut svg, x.0..x.1, y.0..y.1),
            (Scale::Linear, Scale::Logarithmic) => self.draw(&mut svg, x.0..x.1, (y.0..y.1).log_scale()),
            (Scale::Logarithmic, Scale::Linear) => self.draw(&mut svg, (x.0..x.1).log_scale(), y.0..y.1),
            (Scale::Logarithmic, Scale::Logarithmic) => {
                self.draw(&mut svg, (x.0..x.1).log_scale(), (y.0..y.1).log_scale())
            }
        };
        drawn.map_err(|error| PlotError { title: self.title.clone(), why: error.to_string() })?;
        Ok(Some(svg))
    }

    fn draw<X, Y>(&self, svg: &mut String, x: X, y: Y) -> Result<(), Box<dyn std::error::Error>>
    where
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, ("sans-serif", TITLE_PX))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(84)
            .build_cartesian_2d(x, y)?;
        let format = |value: &f64| number(*value);
        chart
            .configure_mesh()
            .x_desc(&self.x.name)
            .y_desc(&self.y.name)
            .x_label_formatter(&format)
            .y_label_formatter(&format)
            .label_style(("sans-serif", LABEL_PX))
            .light_line_style(WHITE)
            .draw()?;
        for (series, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            let style = colour.stroke_width(LINE_PX);
            let line = chart.draw_series(LineSeries::new(series.points.iter().copied(), style).point_size(3))?;
            line.label(&series.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
        }
        if let Some((bound, name)) = &self.bound {
            let ends = chart.x_range();
            let line = [(ends.start, *bound), (ends.end, *bound)];
            let style = RED.stroke_width(1);
            let line = chart.draw_series(DashedLineSeries::new(line, 6, 4, style))?;
            line.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .label_font(("sans-serif", LABEL_PX))
            .position(SeriesLabelPosition::UpperLeft)
            .draw()?;
        area.present()?;
        Ok(())
    }
}

/// From the least value, or zero, to a little more than the largest.
fn range(values: impl Iterator<Item = f64>, scale: Scale) -> (f64, f64) {
    const ROOM: f64 = 1.08;
    let (least, most) =
        values.fold((f64::INFINITY, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
    match scale {
        Scale::Linear => (0.0, if most > 0.0 { most * ROOM } else { 1.0 }),
        Scale::Logarithmic => {
            let least = least.max(f64::MIN_POSITIVE) / ROOM;
            (least, (most * ROOM).max(least * 10.0))
        }
    }
}
