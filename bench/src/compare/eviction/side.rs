//! One side in one round: started, brought to its steady state, measured.

use std::sync::atomic::{AtomicBool, Ordering};

use super::case::mean_bytes;
use super::counters::Counters;
use super::{Case, Differs, Options, SideName};
use crate::compare::machine::without_folders;
use crate::compare::stand::Stand;
use crate::compare::trial::TrialError;
use crate::load::{Generator, Limit, LoadError, Measured, Plan, Rate};
use crate::peers::Appliance;

/// How often its memory has been written through before a side is in its steady state: all of it was touched, and cleaned once at least.
const TIMES_WRITTEN: u64 = 2;

/// Bytes of a value that has memory touched: nearly as many as an item may have.
const TOUCHING: usize = 1_000_000;

/// What a side has found in a round.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) per_second: f64,
    pub(super) cycles_per_request: Option<f64>,
    pub(super) counters: Counters,
    pub(super) limit: Limit,
    pub(super) version: String,
    pub(super) flags: String,
}

/// Starts the appliance of a side, measures it and ends it.
pub(super) fn run(
    options: &Options,
    case: &Case,
    side: SideName,
    image: &Appliance,
    interrupted: &AtomicBool,
    mut step: impl FnMut(&str),
) -> Result<Found, TrialError> {
    let (needs, plan) = (case.needs(options, side), case.plan(options, side)?);
    let stand = Stand { peer: &options.peer, needs, cores: options.cores, image, words: "", interrupted };
    step("booting");
    let ((measured, counters), ended) = stand.serve(|way, server| {
        way.with_generator(server, &plan, |generator| {
            generator.connect()?;
            if is_ample(case, side) {
                step("touching all memory");
                touch(generator, interrupted)?;
            }
            step("storing");
            generator.load()?;
            let written = sets_before(case, side, needs.memory_mib, &plan)?;
            while counters(generator)?.sets < written {
                go_on(interrupted)?;
                generator.measure(Rate::Peak)?;
            }
            go_on(interrupted)?;
            step("measuring");
            let before = counters(generator)?;
            let measured = generator.measure(Rate::Peak)?;
            Ok((measured, counters(generator)?.since(before)))
        })
    })?;
    prove(&measured, counters, side).map_err(|why| TrialError::Unproven(format!("{case}, {side}: {why}")))?;
    Ok(Found {
        per_second: measured.per_second(),
        cycles_per_request: measured.server.as_ref().map(|server| server.busy_cycles_per_request),
        counters,
        limit: measured.limit(),
        version: ended.version,
        flags: without_folders(&ended.flags),
    })
}

/// Requests to store before a side is measured. Where there is memory for everything, only so many that its tables have grown.
fn sets_before(case: &Case, side: SideName, memory_mib: u32, plan: &Plan) -> Result<u64, LoadError> {
    match is_ample(case, side) {
        true => Ok(1),
        false => Ok(TIMES_WRITTEN * (u64::from(memory_mib) << 20) / mean_bytes(plan.mix)?),
    }
}

/// Whether a side has memory for everything.
fn is_ample(case: &Case, side: SideName) -> bool {
    (case.differs, side) == (Differs::Memory, SideName::Keeping)
}

/// Has the guest touch all memory for items, by items so large that nearly nothing is to be done when they go: a page that is touched for
/// the first time costs an exit to the hypervisor, which under nested KVM is several times what the insertions into it take.
fn touch(generator: &mut Generator<'_>, interrupted: &AtomicBool) -> Result<(), LoadError> {
    let value = "t".repeat(TOUCHING);
    let mut number = 0;
    while counters(generator)?.evictions == 0 {
        go_on(interrupted)?;
        order(generator, &format!("set touching-{number} 0 0 {TOUCHING}\r\n{value}"), "STORED")?;
        number += 1;
    }
    order(generator, "flush_all", "OK")
}

fn order(generator: &mut Generator<'_>, command: &str, expected: &str) -> Result<(), LoadError> {
    let answer = generator.ask(command)?.unwrap_or_default();
    match answer.trim_end() == expected {
        true => Ok(()),
        false => {
            Err(LoadError::Impossible(format!("expected {expected}, the server answers \"{}\"", answer.trim_end())))
        }
    }
}

fn counters(generator: &mut Generator<'_>) -> Result<Counters, LoadError> {
    let answer = generator.ask("stats")?.ok_or_else(|| LoadError::Impossible("no answer to `stats`".to_owned()))?;
    Counters::parse(&answer).ok_or_else(|| LoadError::Impossible("`stats` does not tell of evictions".to_owned()))
}

/// Whether the side did what it is there for, and all that it was asked.
fn prove(measured: &Measured, counters: Counters, side: SideName) -> Result<(), String> {
    match measured.record.refused {
        0 => counters.prove(side),
        refused => Err(format!("{refused} requests were refused")),
    }
}

fn go_on(interrupted: &AtomicBool) -> Result<(), LoadError> {
    match interrupted.load(Ordering::Relaxed) {
        true => Err(LoadError::Impossible("interrupted".to_owned())),
        false => Ok(()),
    }
}
