//! `memstorm bench load`.

mod json;
mod selftest;
mod table;
mod wires;

use bench::load::{Done, Limit, LoadError, Measured, Plan, Report};

use crate::args::{LoadOptions, Output};
use crate::output;

/// Exit codes; see the help.
const NO_SERVER: u8 = 20;
const CLOSED: u8 = 21;
const STALLED: u8 = 22;
const NONSENSE: u8 = 23;
const NOT_STORED: u8 = 24;
const NOT_REACHED: u8 = 25;

pub(super) fn bench_load(options: &LoadOptions) -> anyhow::Result<u8> {
    if options.self_test {
        return selftest::print(options.output);
    }
    match measure(options) {
        Ok((plan, report)) => {
            match options.output {
                Output::Json => output::json(&json::report(&plan, &report))?,
                Output::Table => table::print(&report)?,
            }
            Ok(verdict(&report.done))
        }
        Err(error) => {
            eprintln!("memstorm: {error}");
            Ok(exit_code(&error))
        }
    }
}

fn measure(options: &LoadOptions) -> Result<(Plan, Report), LoadError> {
    let (job, plan) = (options.job()?, options.plan());
    let report = wires::carry_out(options, &plan, job)?;
    Ok((plan, report))
}

/// The exit code of a failure.
fn exit_code(error: &LoadError) -> u8 {
    match error {
        LoadError::Impossible(_) => crate::USAGE,
        LoadError::Wire(_) | LoadError::Thread(_) => crate::FAILURE,
        LoadError::NoServer(_) => NO_SERVER,
        LoadError::Closed { .. } => CLOSED,
        LoadError::Stalled { .. } => STALLED,
        LoadError::Wrong(_) => NONSENSE,
        LoadError::NotStored { .. } => NOT_STORED,
    }
}

/// The exit code of figures: those that were asked for and not reached are a failure, too.
fn verdict(done: &Done) -> u8 {
    let reached = match done {
        Done::Loaded | Done::Scan(_) => true,
        Done::One(measured) => measured.is_reached(),
        Done::Search(_, found) => found.best.is_some(),
    };
    if reached { 0 } else { NOT_REACHED }
}

/// What limited it, in a word.
fn limited_by(limit: Limit) -> &'static str {
    match limit {
        Limit::Rate => "rate",
        Limit::Server => "server",
        Limit::Generator => "generator",
    }
}

/// A rate, or a lower bound of it.
fn rate(measured: &Measured, limit: Limit) -> String {
    let per_second = measured.per_second();
    match limit {
        Limit::Generator => format!(">= {per_second:.1}, generator-limited"),
        Limit::Rate | Limit::Server => format!("{per_second:.1}"),
    }
}
