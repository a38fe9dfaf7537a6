//! `memstorm bench load --self-test`: what the generator itself is good for, on this host.

use std::time::Duration;

use bench::load::selftest::{Ceiling, Delay, ceiling, delay};
use bench::load::workload::Preset;
use bench::load::{LoadError, Protocol};
use serde::Serialize;

use crate::args::Output;
use crate::output;

/// Of each measurement.
const TIME: Duration = Duration::from_secs(1);
/// Delays that are measured, and the rate at which they are.
const DELAYS_US: [u64; 3] = [10, 100, 1000];
const DELAY_RATE: f64 = 50_000.0;

#[derive(Serialize)]
struct Figures {
    ceilings: Vec<CeilingRow>,
    delays: Vec<DelayRow>,
}

#[derive(Serialize)]
struct CeilingRow {
    workload: &'static str,
    protocol: &'static str,
    rps_per_thread: f64,
    cycles_per_request: f64,
    /// Of which are not the generator's: the answer is composed by the same thread.
    answer_cycles: f64,
}

#[derive(Serialize)]
struct DelayRow {
    injected_us: f64,
    min_us: f64,
    p50_us: f64,
    p99_us: f64,
    send_lag_p99_us: f64,
    rps: f64,
}

pub(super) fn print(output: Output) -> anyhow::Result<u8> {
    let shown = output::progress("measuring the generator itself".to_owned());
    let figures = measure();
    shown.finish_and_clear();
    let figures = figures?;
    match output {
        Output::Json => output::json(&figures)?,
        Output::Table => table(&figures)?,
    }
    Ok(0)
}

fn measure() -> Result<Figures, LoadError> {
    let mut ceilings = Vec::new();
    for preset in [Preset::Usr, Preset::Etc] {
        for protocol in Protocol::ALL {
            ceilings.push(row(&ceiling(preset, protocol, TIME)?));
        }
    }
    let delays = DELAYS_US.map(|us| delay(Duration::from_micros(us), DELAY_RATE, TIME).map(|delay| delay_row(&delay)));
    Ok(Figures { ceilings, delays: delays.into_iter().collect::<Result<_, _>>()? })
}

fn row(ceiling: &Ceiling) -> CeilingRow {
    CeilingRow {
        workload: ceiling.preset.name(),
        protocol: ceiling.protocol.name(),
        rps_per_thread: ceiling.per_second,
        cycles_per_request: ceiling.cycles,
        answer_cycles: ceiling.answer_cycles,
    }
}

fn delay_row(delay: &Delay) -> DelayRow {
    let (reads, lag) = (&delay.measured.record.reads, &delay.measured.record.lag);
    let us = |ns: u64| ns as f64 / 1e3;
    DelayRow {
        injected_us: delay.injected.as_secs_f64() * 1e6,
        min_us: us(reads.min()),
        p50_us: us(reads.value_at_quantile(0.5)),
        p99_us: us(reads.value_at_quantile(0.99)),
        send_lag_p99_us: us(lag.value_at_quantile(0.99)),
        rps: delay.measured.per_second(),
    }
}

fn table(figures: &Figures) -> anyhow::Result<()> {
    let ceilings = figures.ceilings.iter().map(|row| {
        let figures =
            [row.rps_per_thread, row.cycles_per_request, row.answer_cycles].map(|figure| format!("{figure:.0}"));
        [row.workload, row.protocol].map(str::to_owned).into_iter().chain(figures).collect()
    });
    let heading = ["WORKLOAD", "PROTOCOL", "REQUESTS/S", "CYCLES", "OF THEM ANSWERING"];
    output::table(&heading, ceilings.collect(), &[2, 3, 4])?;
    output::line("")?;
    let delays = figures.delays.iter().map(|row| {
        let figures = [row.injected_us, row.min_us, row.p50_us, row.p99_us, row.send_lag_p99_us];
        figures.iter().map(|figure| format!("{figure:.1}")).chain([format!("{:.0}", row.rps)]).collect()
    });
    let heading = ["DELAY US", "MIN", "50TH", "99TH", "SENT LATE (99TH)", "REQUESTS/S"];
    Ok(output::table(&heading, delays.collect(), &[0, 1, 2, 3, 4, 5])?)
}
