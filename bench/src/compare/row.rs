//! What a comparison finds, as programs read it.

use serde::{Deserialize, Serialize};

use super::sample::Sample;
use crate::load::PIECES;

/// Digits of a figure that are given.
const DIGITS: i32 = 4;

/// One peer under one load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What is asked for: etc, etc75, usr, or echo.
    pub workload: String,
    /// What serves: its name begins with memstorm, memcached, redis or limit.
    pub peer: String,
    /// What lies between: tap, veth, loopback, or vhost-user, which is shared memory and no NIC.
    pub wire: String,
    /// What executes it: native, kvm or tcg.
    pub accel: String,

    /// The highest rate of requests a second at which the 99th percentile of latency kept below the bound; median of rounds.
    /// Null where it was not searched for, or no rate kept it.
    pub rps_at_sla: Option<f64>,
    /// Smallest and largest of the rounds.
    pub rps_at_sla_spread: Option<[f64; 2]>,
    /// The bound, in microseconds.
    pub sla_us: f64,
    /// Pieces of a run, most of which have kept it; 1: the run as a whole.
    #[serde(default = "pieces")]
    pub sla_pieces: usize,
    /// The 99th percentile at that rate, in microseconds: over the pieces of the run that most agree with.
    pub p99_at_sla_us: Option<f64>,
    /// Smallest and largest of the rounds.
    pub p99_at_sla_us_spread: Option<[f64; 2]>,
    /// The same over all pieces of the run at that rate, those included in which the machine was taken away.
    #[serde(default)]
    pub p99_at_sla_whole_us: Option<f64>,
    /// Requests a second in a closed loop.
    pub rps_peak: f64,
    /// Smallest and largest of the rounds.
    pub rps_peak_spread: [f64; 2],
    /// The 99th percentile in the closed loop, in microseconds.
    pub p99_peak_us: f64,
    /// The 99th percentile with one connection and one request at a time, in microseconds.
    pub p99_unloaded_us: Option<f64>,
    /// Smallest and largest of the rounds.
    pub p99_unloaded_us_spread: Option<[f64; 2]>,
    /// The median with one connection and one request at a time, in microseconds.
    pub p50_unloaded_us: Option<f64>,
    /// Busy cycles of the server's core for a request, in the closed loop.
    pub server_cycles_per_request: Option<f64>,
    /// Smallest and largest of the rounds.
    pub server_cycles_per_request_spread: Option<[f64; 2]>,
    /// Where the cycles come from.
    pub server_cycles_counted: String,
    /// What limited `rps_at_sla`: server, or generator. Then the figure is a lower bound.
    pub limited_by: String,
    /// What limited `rps_peak`.
    pub peak_limited_by: String,

    /// From the start of the process to its first answer, in milliseconds; over vhost-user until the guest says it is ready.
    pub boot_ms: Option<f64>,
    /// Smallest and largest of the rounds.
    pub boot_ms_spread: Option<[f64; 2]>,
    /// Bytes of a guest's image, or of its kernel and file system.
    pub image_bytes: Option<u64>,
    /// Memory of the process, when it had just answered, in bytes: an empty server, and its VMM.
    pub resident_bytes: u64,

    /// The machine, and what runs on it.
    #[serde(default)]
    pub host: String,
    /// The server's own name and version.
    pub version: String,
    /// How it was started.
    pub flags: String,
    /// Rounds.
    pub rounds: usize,
    /// Seconds of a measurement.
    pub time_s: f64,
    /// The cores that served.
    pub server_cores: Vec<usize>,
    /// The core that asked.
    pub client_core: usize,
    /// Connections.
    pub connections: usize,
    /// Requests under way on each.
    pub depth: usize,
    /// Records.
    pub records: u64,
    /// Memory for items, in MiB.
    pub memory_mib: u32,
    /// Bytes of every value, where the workload's own lengths were not used.
    pub value_bytes: Option<usize>,
    /// Requests after which a connection was closed and another opened.
    pub requests_per_connection: Option<u32>,
    /// The most frames of one of the appliance's turns.
    pub batch: Option<u32>,
    /// Measurements at one rate each, of the round with the median rate: latency against throughput.
    pub points: Vec<Point>,
}

/// A measurement at one rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Answers a second.
    pub rps: f64,
    /// Median of the latency, in microseconds.
    pub p50_us: f64,
    /// Its 99th percentile.
    pub p99_us: f64,
}

/// What limited a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitedBy {
    /// The server.
    Server,
    /// The generator: the figure is a lower bound.
    Generator,
}

impl LimitedBy {
    /// As rows have it.
    pub fn name(self) -> &'static str {
        match self {
            LimitedBy::Server => "server",
            LimitedBy::Generator => "generator",
        }
    }

    /// Over rounds: one lower bound makes the median one.
    pub fn over(rounds: impl IntoIterator<Item = LimitedBy>) -> LimitedBy {
        let generator = rounds.into_iter().any(|limit| limit == LimitedBy::Generator);
        if generator { LimitedBy::Generator } else { LimitedBy::Server }
    }
}

/// What one round finds of a peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// See [`Row::rps_at_sla`], as all of these.
    pub rps_at_sla: Option<f64>,
    /// In microseconds.
    pub p99_at_sla_us: Option<f64>,
    /// In microseconds.
    pub p99_at_sla_whole_us: Option<f64>,
    /// A second.
    pub rps_peak: f64,
    /// In microseconds.
    pub p99_peak_us: f64,
    /// In microseconds.
    pub p99_unloaded_us: Option<f64>,
    /// In microseconds.
    pub p50_unloaded_us: Option<f64>,
    /// Cycles.
    pub server_cycles_per_request: Option<f64>,
    /// What limited the rate at the bound.
    pub limited_by: LimitedBy,
    /// What limited the closed loop.
    pub peak_limited_by: LimitedBy,
    /// In milliseconds.
    pub boot_ms: Option<f64>,
    /// In bytes.
    pub resident_bytes: u64,
    /// All measurements at a rate.
    pub points: Vec<Point>,
}

impl Row {
    /// Puts the figures of all rounds in. There is at least one; `None` else.
    pub fn with_rounds(mut self, rounds: &[Round]) -> Option<Row> {
        let sample = |figure: fn(&Round) -> Option<f64>| {
            Sample::of(rounds.iter().filter_map(figure)).map(|sample| sample.rounded(DIGITS))
        };
        let split = |sample: Option<Sample>| (sample.map(|sample| sample.median), sample.map(|sample| sample.spread));
        let peak = sample(|round| Some(round.rps_peak))?;
        let at_sla = sample(|round| round.rps_at_sla);
        (self.rps_peak, self.rps_peak_spread) = (peak.median, peak.spread);
        (self.rps_at_sla, self.rps_at_sla_spread) = split(at_sla);
        (self.p99_at_sla_us, self.p99_at_sla_us_spread) = split(sample(|round| round.p99_at_sla_us));
        self.p99_at_sla_whole_us = sample(|round| round.p99_at_sla_whole_us).map(|sample| sample.median);
        self.p99_peak_us = sample(|round| Some(round.p99_peak_us))?.median;
        (self.p99_unloaded_us, self.p99_unloaded_us_spread) = split(sample(|round| round.p99_unloaded_us));
        self.p50_unloaded_us = sample(|round| round.p50_unloaded_us).map(|sample| sample.median);
        (self.server_cycles_per_request, self.server_cycles_per_request_spread) =
            split(sample(|round| round.server_cycles_per_request));
        self.limited_by = LimitedBy::over(rounds.iter().map(|round| round.limited_by)).name().to_owned();
        self.peak_limited_by = LimitedBy::over(rounds.iter().map(|round| round.peak_limited_by)).name().to_owned();
        (self.boot_ms, self.boot_ms_spread) = split(sample(|round| round.boot_ms));
        self.resident_bytes = Sample::of(rounds.iter().map(|round| round.resident_bytes as f64))?.median as u64;
        self.rounds = rounds.len();
        self.points = points_of_the_median(rounds, at_sla.unwrap_or(peak).median);
        Some(self)
    }

    /// Its peer, wire and what executes it, in a word.
    pub fn label(&self) -> String {
        format!("{}/{}/{}", self.peer, self.wire, self.accel)
    }
}

/// Of rows that do not say.
fn pieces() -> usize {
    PIECES
}

/// Those of the round that is nearest to the median, in the order of their rates.
fn points_of_the_median(rounds: &[Round], median: f64) -> Vec<Point> {
    let distance = |round: &&Round| (round.rps_at_sla.unwrap_or(round.rps_peak) - median).abs();
    let nearest = rounds.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    let mut points = nearest.map(|round| round.points.clone()).unwrap_or_default();
    points.sort_by(|a, b| a.rps.total_cmp(&b.rps));
    points
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A row without figures.
    pub(crate) fn blank(workload: &str, peer: &str, wire: &str, accel: &str) -> Row {
        Row {
            workload: workload.to_owned(),
            peer: peer.to_owned(),
            wire: wire.to_owned(),
            accel: accel.to_owned(),
            rps_at_sla: None,
            rps_at_sla_spread: None,
            sla_us: 500.0,
            sla_pieces: 21,
            p99_at_sla_us: None,
            p99_at_sla_us_spread: None,
            p99_at_sla_whole_us: None,
            rps_peak: 0.0,
            rps_peak_spread: [0.0; 2],
            p99_peak_us: 0.0,
            p99_unloaded_us: None,
            p99_unloaded_us_spread: None,
            p50_unloaded_us: None,
            server_cycles_per_request: None,
            server_cycles_per_request_spread: None,
            server_cycles_counted: "busy time of the server's core".to_owned(),
            limited_by: "server".to_owned(),
            peak_limited_by: "server".to_owned(),
            boot_ms: None,
            boot_ms_spread: None,
            image_bytes: None,
            resident_bytes: 0,
            host: "2 cores".to_owned(),
            version: "1.6.18".to_owned(),
            flags: "-t 1".to_owned(),
            rounds: 0,
            time_s: 1.0,
            server_cores: vec![1],
            client_core: 0,
            connections: 16,
            depth: 4,
            records: 1000,
            memory_mib: 64,
            value_bytes: None,
            requests_per_connection: None,
            batch: None,
            points: Vec::new(),
        }
    }

    pub(crate) fn round(rps_at_sla: f64, rps_peak: f64) -> Round {
        let point = |rps: f64| Point { rps, p50_us: 20.0, p99_us: rps / 1000.0 };
        Round {
            rps_at_sla: Some(rps_at_sla),
            p99_at_sla_us: Some(480.0),
            p99_at_sla_whole_us: Some(900.0),
            rps_peak,
            p99_peak_us: 900.0,
            p99_unloaded_us: Some(31.5),
            p50_unloaded_us: Some(20.5),
            server_cycles_per_request: Some(2.3e9 / rps_peak),
            limited_by: LimitedBy::Server,
            peak_limited_by: LimitedBy::Server,
            boot_ms: Some(70.0),
            resident_bytes: 50 << 20,
            points: [rps_at_sla, rps_at_sla / 2.0].map(point).to_vec(),
        }
    }

    #[test]
    fn a_row_has_medians_and_spreads() {
        let rounds = [round(90e3, 100e3), round(80e3, 110e3), round(10e3, 105e3)];
        let row = blank("usr", "memcached", "tap", "native").with_rounds(&rounds).unwrap();
        assert_eq!((row.rps_at_sla, row.rps_at_sla_spread), (Some(80e3), Some([10e3, 90e3])));
        assert_eq!((row.rps_peak, row.rps_peak_spread), (105e3, [100e3, 110e3]));
        assert_eq!(row.server_cycles_per_request, Some(21_900.0));
        assert_eq!(row.points.iter().map(|point| point.rps).collect::<Vec<_>>(), [40e3, 80e3], "of the median round");
        assert_eq!((row.rounds, row.resident_bytes), (3, 50 << 20));
        assert!(blank("usr", "memcached", "tap", "native").with_rounds(&[]).is_none());
    }

    #[test]
    fn one_lower_bound_makes_the_median_one() {
        let bounded = Round { limited_by: LimitedBy::Generator, ..round(1e6, 1e6) };
        let row = blank("usr", "memstorm", "vhost-user", "kvm").with_rounds(&[round(1e6, 1e6), bounded]).unwrap();
        assert_eq!((row.limited_by.as_str(), row.peak_limited_by.as_str()), ("generator", "server"));
    }

    #[test]
    fn a_rate_that_no_round_found_is_null() {
        let none = Round { rps_at_sla: None, p99_at_sla_us: None, ..round(0.0, 5000.0) };
        let row = blank("etc", "redis", "tap", "native").with_rounds(&[none]).unwrap();
        assert_eq!((row.rps_at_sla, row.p99_at_sla_us), (None, None));
        let json = serde_json::to_value(&row).unwrap();
        assert!(json["rps_at_sla"].is_null() && json["rps_peak"] == 5000.0);
        for key in ["workload", "peer", "wire", "accel", "p99_unloaded_us", "server_cycles_per_request", "limited_by"] {
            assert!(json.get(key).is_some(), "{key}");
        }
        assert_eq!(serde_json::from_value::<Row>(json).unwrap(), row);
    }
}
