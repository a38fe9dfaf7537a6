//! Plots in SVG: lines over an axis, by plotters. The legend stands beside them, where it hides none.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::span::Span;

/// Of a picture, in pixels; on its right, the legend.
const SIZE: (u32, u32) = (960, 480);
const LEGEND_PX: u32 = 240;
const TITLE_PX: u32 = 18;
const LABEL_PX: u32 = 13;
const LINE_PX: u32 = 2;
const POINT_PX: i32 = 4;
/// Of a line of the legend, and of the piece of line in it.
const LEGEND_LINE_PX: i32 = 22;
const SAMPLE_PX: i32 = 22;
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
    /// Below it.
    pub footnote: String,
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Quantity and unit.
    pub name: String,
    /// How values are laid out on it.
    pub scale: Scale,
    /// Values that are named, and how; where there are none, round ones are chosen.
    pub ticks: Vec<(f64, String)>,
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
    pub points: Vec<Point>,
}

/// A point of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
    /// Whether the truth may lie higher: drawn as a triangle.
    pub is_least: bool,
}

/// Why there is no plot.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw \"{title}\": {why}")]
pub struct PlotError {
    title: String,
    why: String,
}

type Drawn = Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

impl Plot {
    /// As SVG; `None` if there is nothing to show.
    pub fn to_svg(&self) -> Result<Option<String>, PlotError> {
        if self.points().next().is_none() {
            return Ok(None);
        }
        let x = Span::over(self.points().map(|point| point.x), &self.x);
        let y = Span::over(self.points().map(|point| point.y).chain(self.bound.iter().map(|(y, _)| *y)), &self.y);
        let mut svg = String::new();
        let drawn = self.draw(&mut svg, x, y);
        drawn.map_err(|error| PlotError { title: self.title.clone(), why: error.to_string() })?;
        Ok(Some(svg))
    }

    fn points(&self) -> impl Iterator<Item = Point> {
        self.series.iter().flat_map(|series| series.points.iter().copied())
    }

    fn draw(&self, svg: &mut String, x: Span, y: Span) -> Drawn {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let (lines, legend) = area.split_horizontally(SIZE.0 - LEGEND_PX);
        self.draw_lines(&lines, x, y)?;
        self.draw_legend(&legend)?;
        let below = (16, SIZE.1 as i32 - LABEL_PX as i32 - 4);
        area.draw(&Text::new(self.footnote.clone(), below, label(&BLACK.mix(0.7))))?;
        Ok(area.present()?)
    }

    fn draw_lines(&self, area: &Area<'_>, x: Span, y: Span) -> Drawn {
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", TITLE_PX))
            .margin(12)
            .margin_bottom(28)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .x_desc(&self.x.name)
            .y_desc(&self.y.name)
            .label_style(("sans-serif", LABEL_PX))
            .bold_line_style(BLACK.mix(0.12))
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (series, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            let at = |point: &Point| (point.x, point.y);
            chart.draw_series(LineSeries::new(series.points.iter().map(at), colour.stroke_width(LINE_PX)))?;
            let (least, exact): (Vec<&Point>, Vec<&Point>) = series.points.iter().partition(|point| point.is_least);
            chart.draw_series(exact.into_iter().map(|point| Circle::new(at(point), POINT_PX - 1, colour.filled())))?;
            chart.draw_series(
                least.into_iter().map(|point| TriangleMarker::new(at(point), POINT_PX + 2, colour.filled())),
            )?;
        }
        if let Some((bound, _)) = &self.bound {
            let ends = chart.x_range();
            let line = [(ends.start, *bound), (ends.end, *bound)];
            chart.draw_series(DashedLineSeries::new(line, 6, 4, RED.stroke_width(1)))?;
        }
        Ok(())
    }

    /// The names of the lines.
    fn draw_legend(&self, area: &Area<'_>) -> Drawn {
        let names =
            self.series.iter().zip(COLOURS.iter().cycle()).map(|(series, colour)| (&series.name, *colour, LINE_PX));
        let bound = self.bound.iter().map(|(_, name)| (name, RED, 1));
        for (line, (name, colour, width)) in names.chain(bound).enumerate() {
            let y = 60 + line as i32 * LEGEND_LINE_PX;
            area.draw(&PathElement::new([(4, y), (4 + SAMPLE_PX, y)], colour.stroke_width(width)))?;
            area.draw(&Text::new(name.clone(), (10 + SAMPLE_PX, y - LABEL_PX as i32 / 2 - 1), label(&BLACK.mix(1.0))))?;
        }
        Ok(())
    }
}

fn label(colour: &RGBAColor) -> TextStyle<'static> {
    ("sans-serif", LABEL_PX).into_font().color(colour)
}
