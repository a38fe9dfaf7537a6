//! Figures as JSON.

use std::collections::BTreeMap;

use bench::load::{Done, Limit, Measured, Plan, Rate, Report};
use hdrhistogram::Histogram;
use serde::Serialize;

use super::limited_by;

/// Everything.
#[derive(Serialize)]
pub(super) struct Json {
    generator: String,
    server: Option<String>,
    options: Options,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Serialize)]
struct Options {
    protocol: &'static str,
    transport: &'static str,
    threads: usize,
    connections: usize,
    depth: usize,
    requests_per_connection: Option<u32>,
    records: u64,
    keysize: String,
    valuesize: String,
    update: f64,
    seed: u64,
    iadist: String,
    warmup_s: f64,
    time_s: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Figures {
    Loaded(bool),
    Measured(Box<Run>),
    Scan(Vec<Run>),
    Search(Box<Search>),
}

#[derive(Serialize)]
struct Search {
    percentile: f64,
    latency_us: f64,
    peak: Run,
    /// Null if no rate keeps the promise.
    best: Option<Run>,
    /// A lower bound where `limited_by` is `generator`.
    rps_at_sla: Option<f64>,
    limited_by: &'static str,
    steps: Vec<Run>,
}

/// One run. Where `limited_by` is `generator`, `rps` is a lower bound.
#[derive(Serialize)]
struct Run {
    /// Null in a closed loop.
    rps_asked: Option<f64>,
    rps: f64,
    limited_by: &'static str,
    reached: bool,
    read: Latencies,
    update: Latencies,
    all: Latencies,
    send_lag: Latencies,
    /// Requests sent as the first, second, ... under way on their connection.
    under_way: Vec<u64>,
    answered: u64,
    intended: u64,
    misses: u64,
    skipped: u64,
    refused: u64,
    lost: u64,
    unanswered: u64,
    reconnects: u64,
    rx_bytes: u64,
    tx_bytes: u64,
    generator_idle_share: f64,
    /// Null where the server does not say.
    server_busy_cycles_per_request: Option<f64>,
    server_busy_share: Option<f64>,
    /// By stage of a turn.
    server_stage_cycles_per_request: Option<BTreeMap<String, f64>>,
    server_frames_per_batch: Option<f64>,
}

#[derive(Serialize)]
struct Latencies {
    count: u64,
    mean_us: f64,
    stdev_us: f64,
    min_us: f64,
    p5_us: f64,
    p10_us: f64,
    p50_us: f64,
    p90_us: f64,
    p95_us: f64,
    p99_us: f64,
    p999_us: f64,
    p9999_us: f64,
    max_us: f64,
}

pub(super) fn report(plan: &Plan, report: &Report) -> Json {
    let mix = &plan.mix;
    Json {
        generator: format!("memstorm {}", env!("CARGO_PKG_VERSION")),
        server: report.server.clone(),
        options: Options {
            protocol: plan.protocol.name(),
            transport: plan.transport.name(),
            threads: plan.threads,
            connections: plan.connections,
            depth: plan.depth,
            requests_per_connection: plan.requests_per_connection.map(|requests| requests.get()),
            records: mix.records,
            keysize: mix.keys.to_string(),
            valuesize: mix.values.to_string(),
            update: mix.updates,
            seed: mix.seed,
            iadist: plan.gaps.to_string(),
            warmup_s: plan.warmup.as_secs_f64(),
            time_s: plan.time.as_secs_f64(),
        },
        figures: match &report.done {
            Done::Loaded => Figures::Loaded(true),
            Done::One(measured) => Figures::Measured(Box::new(run(measured))),
            Done::Scan(steps) => Figures::Scan(steps.iter().map(run).collect()),
            Done::Search(sla, found) => Figures::Search(Box::new(Search {
                percentile: sla.percentile,
                latency_us: sla.latency_us,
                peak: run(&found.peak),
                best: found.best.as_ref().map(run),
                rps_at_sla: found.best.as_ref().map(Measured::per_second),
                limited_by: limited_by(found.limit),
                steps: found.steps.iter().map(run).collect(),
            })),
        },
    }
}

fn run(measured: &Measured) -> Run {
    let record = &measured.record;
    let limit: Limit = measured.limit();
    Run {
        rps_asked: match measured.rate {
            Rate::Peak => None,
            Rate::PerSecond(rate) => Some(rate),
        },
        rps: measured.per_second(),
        limited_by: limited_by(limit),
        reached: measured.is_reached(),
        read: latencies(&record.reads),
        update: latencies(&record.updates),
        all: latencies(&record.all()),
        send_lag: latencies(&record.lag),
        under_way: record.depths.iter().skip(1).copied().collect(),
        answered: record.answered,
        intended: record.intended,
        misses: record.misses,
        skipped: record.skipped,
        refused: record.refused,
        lost: record.lost,
        unanswered: record.unanswered,
        reconnects: record.reconnects,
        rx_bytes: record.rx_bytes,
        tx_bytes: record.tx_bytes,
        generator_idle_share: measured.idle_share,
        server_busy_cycles_per_request: measured.server.as_ref().map(|server| server.busy_cycles_per_request),
        server_busy_share: measured.server.as_ref().map(|server| server.busy_share),
        server_stage_cycles_per_request: measured.server.as_ref().map(|server| server.stages.clone()),
        server_frames_per_batch: measured.server.as_ref().map(|server| server.frames_per_batch),
    }
}

fn latencies(histogram: &Histogram<u64>) -> Latencies {
    let us = |ns: f64| ns / 1e3;
    let quantile = |quantile: f64| us(histogram.value_at_quantile(quantile) as f64);
    let or_zero = |value: f64| if histogram.is_empty() { 0.0 } else { value };
    Latencies {
        count: histogram.len(),
        mean_us: or_zero(us(histogram.mean())),
        stdev_us: or_zero(us(histogram.stdev())),
        min_us: or_zero(us(histogram.min() as f64)),
        p5_us: quantile(0.05),
        p10_us: quantile(0.10),
        p50_us: quantile(0.50),
        p90_us: quantile(0.90),
        p95_us: quantile(0.95),
        p99_us: quantile(0.99),
        p999_us: quantile(0.999),
        p9999_us: quantile(0.9999),
        max_us: us(histogram.max() as f64),
    }
}
