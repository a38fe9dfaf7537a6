//! Which plots there are: latency against throughput, and what was varied.

use super::plot::{Axis, Plot, Point, Scale, Series};
use super::table::{collect_workloads, grouped, markdown, number};
use crate::compare::Row;

/// What the names of plots of latency against throughput begin with.
pub(super) const LATENCY: &str = "latency-";

/// What is varied in the rows of a file, by the file's name; and how it is drawn.
struct Sweep {
    file: &'static str,
    title: &'static str,
    x: &'static str,
    x_scale: Scale,
    y: &'static str,
    y_scale: Scale,
    value: fn(&Row) -> Option<f64>,
    figure: fn(&Row) -> Option<f64>,
    is_least: fn(&Row) -> bool,
}

const RATE: &str = "requests/s, closed loop";
/// Where a connection that is kept is drawn, among numbers of requests for each.
const KEPT: f64 = 8192.0;
const VHOST_USER: &str = "vhost-user: memory shared by guest and client, a virtual wire, not a NIC.";
const LOWER_BOUND: &str = "Triangles: the generator was the limit, a lower bound.";

const SWEEPS: [Sweep; 6] = [
    Sweep {
        file: "connections",
        title: "Connections",
        x: "connections",
        x_scale: Scale::Logarithmic,
        y: RATE,
        y_scale: Scale::Logarithmic,
        value: |row| Some(row.connections as f64),
        figure: |row| Some(row.rps_peak),
        is_least: peak_is_least,
    },
    Sweep {
        file: "cores",
        title: "Cores",
        x: "cores of the server",
        x_scale: Scale::Linear,
        y: RATE,
        y_scale: Scale::Linear,
        value: |row| Some(row.server_cores.len() as f64),
        figure: |row| Some(row.rps_peak),
        is_least: peak_is_least,
    },
    Sweep {
        file: "requests-per-connection",
        title: "Requests per connection",
        x: "requests before a connection is closed and another opened",
        x_scale: Scale::Logarithmic,
        y: RATE,
        y_scale: Scale::Logarithmic,
        value: |row| Some(row.requests_per_connection.map_or(KEPT, f64::from)),
        figure: |row| Some(row.rps_peak),
        is_least: peak_is_least,
    },
    Sweep {
        file: "batch",
        title: "Batch bound",
        x: "most frames of a turn",
        x_scale: Scale::Logarithmic,
        y: "requests/s within the p99 bound",
        y_scale: Scale::Linear,
        value: |row| row.batch.map(f64::from),
        figure: |row| row.rps_at_sla,
        is_least: |row| row.limited_by == "generator",
    },
    Sweep {
        file: "value-bytes",
        title: "Message sizes: latency of one way",
        x: "bytes of a value (an echo carries it both ways, the answer to a GET once)",
        x_scale: Scale::Logarithmic,
        y: "half the median round trip (µs)",
        y_scale: Scale::Logarithmic,
        value: |row| row.value_bytes.map(|bytes| bytes as f64),
        figure: |row| row.p50_unloaded_us.map(|us| us / 2.0),
        is_least: |_| false,
    },
    Sweep {
        file: "value-bytes",
        title: "Message sizes: goodput of one connection, one message at a time",
        x: "bytes of a value (an echo carries it both ways, the answer to a GET once)",
        x_scale: Scale::Logarithmic,
        y: "Gbit/s of values, size over half the round trip",
        y_scale: Scale::Logarithmic,
        value: |row| row.value_bytes.map(|bytes| bytes as f64),
        // NetPIPE's figure: size over the time of one way.
        figure: |row| Some(row.value_bytes? as f64 * 8.0 / (row.p50_unloaded_us? / 2.0) / 1e3),
        is_least: |_| false,
    },
];

fn peak_is_least(row: &Row) -> bool {
    row.peak_limited_by == "generator"
}

/// The plots that there are rows for, with names for their files. A single value is no plot.
pub(super) fn plots(all: &[(String, Vec<Row>)]) -> Vec<(String, Plot)> {
    let mut plots = Vec::new();
    for (_, rows) in all.iter().filter(|(file, _)| file == "compare") {
        plots.extend(collect_workloads(rows).iter().map(|workload| latency(workload, rows)));
    }
    plots.retain(|(_, plot)| !plot.series.is_empty());
    for (number, sweep) in SWEEPS.iter().enumerate() {
        let earlier = SWEEPS[..number].iter().filter(|earlier| earlier.file == sweep.file).count();
        let name = if earlier == 0 { sweep.file.to_owned() } else { format!("{}-{}", sweep.file, earlier + 1) };
        let rows = sweep.collect_rows(all);
        if sweep.collect_values(&rows).len() > 1 {
            plots.push((name, sweep.plot(&rows)));
        }
    }
    plots
}

/// What was varied, in tables, each with how it was measured.
pub(super) fn tables(all: &[(String, Vec<Row>)]) -> String {
    let mut text = String::new();
    for sweep in &SWEEPS {
        let rows = sweep.collect_rows(all);
        let Some(first) = rows.first() else { continue };
        let series = sweep.collect_series(&rows);
        let heading = [vec![sweep.x.to_owned()], series.iter().map(|series| series.name.clone()).collect()].concat();
        let cells = sweep.collect_values(&rows).into_iter().map(|x| {
            let figure = |series: &Series| {
                let point = series.points.iter().find(|point| point.x == x)?;
                let mark = if point.is_least { ">= " } else { "" };
                Some(format!("{mark}{}", if point.y < 1000.0 { number(round(point.y)) } else { grouped(point.y) }))
            };
            let figures = series.iter().map(|series| figure(series).unwrap_or_else(|| "-".to_owned()));
            [tick(sweep, x)].into_iter().chain(figures).collect()
        });
        let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
        let table = markdown(&heading, cells);
        text += &format!("## {}\n\n{}: {}\n\n{table}\n", sweep.title, sweep.y, how(first));
    }
    text
}

fn how(row: &Row) -> String {
    let rounds = if row.rounds == 1 { "one round".to_owned() } else { format!("median of {} rounds", row.rounds) };
    format!("{rounds} of {} s, depth {}, {} records.", number(row.time_s), row.depth, grouped(row.records as f64))
}

fn round(value: f64) -> f64 {
    crate::compare::rounded(value, 3)
}

fn tick(sweep: &Sweep, x: f64) -> String {
    if sweep.file == "requests-per-connection" && x == KEPT { "kept".to_owned() } else { grouped(x) }
}

/// Latency against throughput, with the bound.
fn latency(workload: &str, rows: &[Row]) -> (String, Plot) {
    let of_workload = || rows.iter().filter(|row| row.workload == workload && row.accel != "tcg");
    let series = of_workload().map(|row| Series {
        name: row.label(),
        points: row.points.iter().map(|point| Point { x: point.rps, y: point.p99_us, is_least: false }).collect(),
    });
    let series: Vec<Series> = series.filter(|series| !series.points.is_empty()).collect();
    let bound = of_workload().map(|row| row.sla_us).fold(f64::INFINITY, f64::min);
    let plot = Plot {
        title: format!("{}: 99th percentile of latency against throughput", workload.to_uppercase()),
        x: Axis { name: "requests/s".to_owned(), scale: Scale::Logarithmic, ticks: Vec::new() },
        y: Axis { name: "99th percentile (µs)".to_owned(), scale: Scale::Logarithmic, ticks: Vec::new() },
        footnote: footnote(&series),
        series,
        bound: bound.is_finite().then(|| (bound, format!("p99 = {} µs", number(bound)))),
    };
    (format!("{LATENCY}{workload}"), plot)
}

/// What has to be known to read the lines.
fn footnote(series: &[Series]) -> String {
    let mut text = Vec::new();
    if series.iter().any(|series| series.name.contains("vhost-user")) {
        text.push(VHOST_USER);
    }
    if series.iter().flat_map(|series| &series.points).any(|point| point.is_least) {
        text.push(LOWER_BOUND);
    }
    text.join(" ")
}

impl Sweep {
    fn collect_rows<'a>(&self, all: &'a [(String, Vec<Row>)]) -> Vec<&'a Row> {
        let of_file = all.iter().filter(|(file, _)| file == self.file).flat_map(|(_, rows)| rows);
        of_file.filter(|row| (self.value)(row).is_some() && (self.figure)(row).is_some()).collect()
    }

    /// What it was varied over, in order.
    fn collect_values(&self, rows: &[&Row]) -> Vec<f64> {
        let mut values: Vec<f64> = rows.iter().filter_map(|row| (self.value)(row)).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        values
    }

    /// A line for each peer and workload, in the order of what was varied.
    fn collect_series(&self, rows: &[&Row]) -> Vec<Series> {
        let mut series: Vec<Series> = Vec::new();
        let is_one_workload = rows.windows(2).all(|pair| pair[0].workload == pair[1].workload);
        for row in rows {
            let Some((x, y)) = (self.value)(row).zip((self.figure)(row)) else { continue };
            let point = Point { x, y, is_least: (self.is_least)(row) };
            let name = if is_one_workload { row.label() } else { format!("{} {}", row.workload, row.label()) };
            match series.iter_mut().find(|series| series.name == name) {
                Some(series) => series.points.push(point),
                None => series.push(Series { name, points: vec![point] }),
            }
        }
        series.iter_mut().for_each(|series| series.points.sort_by(|a, b| a.x.total_cmp(&b.x)));
        series
    }

    fn plot(&self, rows: &[&Row]) -> Plot {
        let series = self.collect_series(rows);
        let ticks = self.collect_values(rows).into_iter().map(|x| (x, tick(self, x)));
        Plot {
            title: self.title.to_owned(),
            x: Axis { name: self.x.to_owned(), scale: self.x_scale, ticks: ticks.collect() },
            y: Axis { name: self.y.to_owned(), scale: self.y_scale, ticks: Vec::new() },
            footnote: footnote(&series),
            series,
            bound: None,
        }
    }
}
