//! Figures as mutilate prints them, and what it lacks: the tail, and what was the limit.

use std::io;

use bench::load::{Done, Found, Limit, Measured, Rate, Report, Sla};
use hdrhistogram::Histogram;

use super::{limited_by, rate};
use crate::output::line;

const MIB: f64 = 1024.0 * 1024.0;

pub(super) fn print(report: &Report) -> io::Result<()> {
    match &report.done {
        Done::Loaded => line("The records are stored."),
        Done::One(measured) => print_one(measured, measured.limit()),
        Done::Scan(steps) => print_steps(steps),
        Done::Search(sla, found) => print_search(*sla, found),
    }
}

fn print_one(measured: &Measured, limit: Limit) -> io::Result<()> {
    let record = &measured.record;
    line("#type       avg     std     min     5th    10th    90th    95th    99th")?;
    line(&latencies("read", &record.reads))?;
    line(&latencies("update", &record.updates))?;
    line(&depths(&record.depths))?;
    line("")?;
    line("#tail     99.9th  99.99th      max")?;
    line(&tail("read", &record.reads))?;
    line(&tail("update", &record.updates))?;
    line("")?;
    let seconds = measured.time.as_secs_f64();
    line(&format!("Total QPS = {} ({} / {seconds:.1}s)", rate(measured, limit), record.answered))?;
    print_shortfall(measured, limit)?;
    line("")?;
    let share = |count: u64| format!("{count} ({:.1}%)", 100.0 * count as f64 / record.intended.max(1) as f64);
    line(&format!("Misses = {}", share(record.misses)))?;
    line(&format!("Skipped TXs = {}", share(record.skipped)))?;
    for (name, count) in [("Refused", record.refused), ("Lost", record.lost), ("Unanswered", record.unanswered)] {
        if count > 0 {
            line(&format!("{name} = {}", share(count)))?;
        }
    }
    if record.reconnects > 0 {
        line(&format!("Reconnects = {} ({:.1}/s)", record.reconnects, record.reconnects as f64 / seconds))?;
    }
    line("")?;
    let traffic = |bytes: u64| format!("{bytes:>12} bytes : {:>6.1} MB/s", bytes as f64 / MIB / seconds);
    line(&format!("RX {}", traffic(record.rx_bytes)))?;
    line(&format!("TX {}", traffic(record.tx_bytes)))?;
    line("")?;
    print_times(measured)
}

/// Why a rate was not reached.
fn print_shortfall(measured: &Measured, limit: Limit) -> io::Result<()> {
    let Rate::PerSecond(asked) = measured.rate else { return Ok(()) };
    if measured.is_reached() {
        return Ok(());
    }
    line(&format!("Asked for {asked:.1}/s: not reached, limited by the {}", limited_by(limit)))
}

/// What generator and server did with their time.
fn print_times(measured: &Measured) -> io::Result<()> {
    let lag_us = measured.record.lag.value_at_quantile(0.99) as f64 / 1e3;
    let late =
        if measured.rate == Rate::Peak { String::new() } else { format!(", sent late by {lag_us:.1} us (99th)") };
    line(&format!("Generator: idle {:.1}%{late}", 100.0 * measured.idle_share))?;
    match &measured.server {
        Some(server) => {
            let stages = server.stages.iter().map(|(name, cycles)| format!("{name} {cycles:.0}"));
            line(&format!(
                "Server: {:.0} busy cycles a request, busy {:.1}%, {:.1} frames a batch",
                server.busy_cycles_per_request,
                100.0 * server.busy_share,
                server.frames_per_batch
            ))?;
            line(&format!("Stages: {} cycles a request", stages.collect::<Vec<_>>().join(", ")))
        }
        None => Ok(()),
    }
}

fn print_steps(steps: &[Measured]) -> io::Result<()> {
    line("#type       avg     std     min     5th    10th    90th    95th    99th       QPS    target")?;
    for measured in steps {
        let target = match measured.rate {
            Rate::Peak => "peak".to_owned(),
            Rate::PerSecond(rate) => format!("{rate:.1}"),
        };
        let note = match measured.limit() {
            Limit::Rate => String::new(),
            limit => format!("  limited by the {}", limited_by(limit)),
        };
        let per_second = measured.per_second();
        let bound = if measured.limit() == Limit::Generator { ">=" } else { "" };
        let reads = latencies("read", &measured.record.reads);
        line(&format!("{reads} {:>9} {target:>9}{note}", format!("{bound}{per_second:.1}")))?;
    }
    Ok(())
}

fn print_search(sla: Sla, found: &Found) -> io::Result<()> {
    line(&format!("Closed loop: {} requests/s", rate(&found.peak, found.peak.limit())))?;
    print_steps(&found.steps)?;
    line("")?;
    let promise = format!("{} of 100 within {} us", sla.percentile, sla.latency_us);
    match &found.best {
        None => {
            let lowest = found.steps.last().map_or(0.0, Measured::per_second);
            let limit = limited_by(found.limit);
            line(&format!("No rate found with {promise}, not even {lowest:.0} requests/s: limited by the {limit}."))
        }
        Some(best) => {
            line(&format!("Highest rate with {promise}: {}", rate(best, found.limit)))?;
            line("")?;
            print_one(best, found.limit)
        }
    }
}

fn latencies(name: &str, histogram: &Histogram<u64>) -> String {
    let us = |ns: f64| ns / 1e3;
    let quantile = |quantile: f64| us(histogram.value_at_quantile(quantile) as f64);
    let figures = [
        us(histogram.mean()),
        us(histogram.stdev()),
        us(histogram.min() as f64),
        quantile(0.05),
        quantile(0.10),
        quantile(0.90),
        quantile(0.95),
        quantile(0.99),
    ];
    row(name, if histogram.is_empty() { [0.0; 8] } else { figures })
}

fn tail(name: &str, histogram: &Histogram<u64>) -> String {
    let figures = [histogram.value_at_quantile(0.999), histogram.value_at_quantile(0.9999), histogram.max()];
    let [first, second, last] = figures.map(|ns| ns as f64 / 1e3);
    format!("{name:<7} {first:>8.1} {second:>8.1} {last:>8.1}")
}

/// How many requests were under way when one was sent.
fn depths(depths: &[u64]) -> String {
    let total: u64 = depths.iter().sum();
    if total == 0 {
        return row("op_q", [0.0; 8]);
    }
    let counted = || depths.iter().enumerate().map(|(depth, &count)| (depth as f64, count as f64));
    let mean = counted().map(|(depth, count)| depth * count).sum::<f64>() / total as f64;
    let variance = counted().map(|(depth, count)| (depth - mean).powi(2) * count).sum::<f64>() / total as f64;
    let quantile = |share: f64| {
        let mut below = 0;
        let is_there = |(_, count): &(usize, &u64)| {
            below += *count;
            below as f64 >= share * total as f64
        };
        depths.iter().enumerate().find(is_there).map_or(0.0, |(depth, _)| depth as f64)
    };
    let shares = [0.0, 0.05, 0.10, 0.90, 0.95, 0.99].map(|share: f64| quantile(share.max(1e-12)));
    let [min, p5, p10, p90, p95, p99] = shares;
    row("op_q", [mean, variance.sqrt(), min, p5, p10, p90, p95, p99])
}

fn row(name: &str, figures: [f64; 8]) -> String {
    figures.iter().fold(format!("{name:<7}"), |row, figure| row + &format!(" {figure:>7.1}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_mutilate_s() {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        (1..=100).for_each(|us| histogram.record(us * 1000).unwrap());
        let row = latencies("read", &histogram);
        assert_eq!(row, "read       50.5    28.9     1.0     5.0    10.0    90.0    95.0    99.0");
        assert_eq!(latencies("update", &Histogram::new(3).unwrap()).len(), row.len());
        assert_eq!(depths(&[0, 50, 50]), "op_q        1.5     0.5     1.0     1.0     1.0     2.0     2.0     2.0");
    }
}
