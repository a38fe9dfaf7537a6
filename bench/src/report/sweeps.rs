//! Which plots there are: latency against throughput, and what was varied.

use super::plot::{Axis, Plot, Scale, Series};
use super::table::{collect_workloads, number};
use crate::compare::Row;

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
}

const RATE: &str = "requests/s, closed loop";

const SWEEPS: [Sweep; 6] = [
    Sweep {
        file: "connections",
        title: "Connections",
        x: "connections",
        x_scale: Scale::Logarithmic,
        y: RATE,
        y_scale: Scale::Linear,
        value: |row| Some(row.connections as f64),
        figure: |row| Some(row.rps_peak),
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
    },
    Sweep {
        file: "requests-per-connection",
        title: "Requests per connection",
        x: "requests per connection",
        x_scale: Scale::Logarithmic,
        y: RATE,
        y_scale: Scale::Linear,
        value: |row| row.requests_per_connection.map(f64::from),
        figure: |row| Some(row.rps_peak),
    },
    Sweep {
        file: "batch",
        title: "Batch bound",
        x: "most frames of a turn",
        x_scale: Scale::Logarithmic,
        y: "requests/s within the p99 bound",
        y_scale: Scale::Linear,
        value: |row| row.batch.map(f64::from),
        figure: |row| row.rps_at_sla.or(Some(row.rps_peak)),
    },
    Sweep {
        file: "value-bytes",
        title: "Message sizes: latency of one way",
        x: "bytes of a value",
        x_scale: Scale::Logarithmic,
        y: "half the median round trip (µs)",
        y_scale: Scale::Logarithmic,
        value: |row| row.value_bytes.map(|bytes| bytes as f64),
        figure: |row| row.p50_unloaded_us.map(|us| us / 2.0),
    },
    Sweep {
        file: "value-bytes",
        title: "Message sizes: goodput of one connection, one message at a time",
        x: "bytes of a value",
        x_scale: Scale::Logarithmic,
        y: "Gbit/s of values, one way",
        y_scale: Scale::Linear,
        value: |row| row.value_bytes.map(|bytes| bytes as f64),
        // NetPIPE's figure: size over the time of one way.
        figure: |row| Some(row.value_bytes? as f64 * 8.0 / (row.p50_unloaded_us? / 2.0) / 1e3),
    },
];

/// The plots that there are rows for, with names for their files.
pub(super) fn plots(all: &[(String, Vec<Row>)]) -> Vec<(String, Plot)> {
    let mut plots = Vec::new();
    for (_, rows) in all.iter().filter(|(file, _)| file == "compare") {
        plots.extend(collect_workloads(rows).iter().map(|workload| latency(workload, rows)));
    }
    for (number, sweep) in SWEEPS.iter().enumerate() {
        let earlier = SWEEPS[..number].iter().filter(|earlier| earlier.file == sweep.file).count();
        let name = if earlier == 0 { sweep.file.to_owned() } else { format!("{}-{}", sweep.file, earlier + 1) };
        let rows = all.iter().filter(|(file, _)| file == sweep.file).flat_map(|(_, rows)| rows);
        plots.push((name, sweep.plot(&rows.collect::<Vec<_>>())));
    }
    plots.retain(|(_, plot)| plot.series.iter().any(|series| !series.points.is_empty()));
    plots
}

/// Latency against throughput, with the bound.
fn latency(workload: &str, rows: &[Row]) -> (String, Plot) {
    let of_workload = || rows.iter().filter(|row| row.workload == workload);
    let series = of_workload().map(|row| Series {
        name: row.label(),
        points: row.points.iter().map(|point| (point.rps, point.p99_us)).collect(),
    });
    let bound = of_workload().map(|row| row.sla_us).fold(f64::INFINITY, f64::min);
    let plot = Plot {
        title: format!("{}: 99th percentile of latency against throughput", workload.to_uppercase()),
        x: Axis { name: "requests/s".to_owned(), scale: Scale::Logarithmic },
        y: Axis { name: "99th percentile (µs)".to_owned(), scale: Scale::Logarithmic },
        series: series.filter(|series| !series.points.is_empty()).collect(),
        bound: bound.is_finite().then(|| (bound, format!("{} µs", number(bound)))),
    };
    (format!("latency-{workload}"), plot)
}

impl Sweep {
    /// A line for each peer and workload, in the order of what was varied.
    fn plot(&self, rows: &[&Row]) -> Plot {
        let mut series: Vec<Series> = Vec::new();
        for row in rows {
            let Some(point) = (self.value)(row).zip((self.figure)(row)) else { continue };
            let name = format!("{} {}", row.workload, row.label());
            match series.iter_mut().find(|series| series.name == name) {
                Some(series) => series.points.push(point),
                None => series.push(Series { name, points: vec![point] }),
            }
        }
        series.iter_mut().for_each(|series| series.points.sort_by(|a, b| a.0.total_cmp(&b.0)));
        Plot {
            title: self.title.to_owned(),
            x: Axis { name: self.x.to_owned(), scale: self.x_scale },
            y: Axis { name: self.y.to_owned(), scale: self.y_scale },
            series,
            bound: None,
        }
    }
}
