//! Checks of the instrument: how much it can offer, and how well it measures a delay that is known.

use std::hint::black_box;
use std::time::Duration;

use super::clock::Clock;
use super::error::LoadError;
use super::generator::{Rate, with_generator};
use super::measured::Measured;
use super::plan::{Loading, Plan};
use super::protocol::{Protocol, Request, answer_to};
use super::wires::null::Null;
use super::workload::{Mix, Operation, Preset, Workload};

/// Requests for which the server that is no server is measured alone.
const ALONE: u64 = 200_000;

/// What one thread offers if answers take no time.
#[derive(Clone, Copy, Debug)]
pub struct Ceiling {
    /// The mix.
    pub preset: Preset,
    /// The dialect.
    pub protocol: Protocol,
    /// Requests a second, of one thread that answers them, too.
    pub per_second: f64,
    /// Cycles for a request, of which [`answer_cycles`](Ceiling::answer_cycles) are not the generator's.
    pub cycles: f64,
    /// Cycles that composing an answer takes.
    pub answer_cycles: f64,
}

/// A delay that is known, and what was measured.
#[derive(Clone, Debug)]
pub struct Delay {
    /// The time between the sending of a request and its answer.
    pub injected: Duration,
    /// What was measured.
    pub measured: Measured,
}

impl Ceiling {
    /// Of a thread that offers so many requests a second on a processor of so many cycles.
    pub(super) fn of(
        preset: Preset,
        protocol: Protocol,
        per_second: f64,
        cycles_per_s: f64,
        answer_cycles: f64,
    ) -> Ceiling {
        Ceiling { preset, protocol, per_second, cycles: cycles_per_s / per_second, answer_cycles }
    }
}

/// The plan of a check, of `time`.
pub(super) fn plan(preset: Preset, protocol: Protocol, time: Duration) -> Plan {
    let (keys, values, updates) = preset.parameters();
    Plan {
        protocol,
        connections: 64,
        depth: 4,
        mix: Mix { records: 1_000_000, keys, values, updates, seed: 1 },
        loading: Loading::Skipped,
        warmup: time / 4,
        time,
        ..Plan::default()
    }
}

/// Measures what one thread offers, for a time.
pub fn ceiling(preset: Preset, protocol: Protocol, time: Duration) -> Result<Ceiling, LoadError> {
    let plan = plan(preset, protocol, time);
    let workload = plan.workload()?;
    let measured = with_generator(
        &plan,
        |_| Ok(Null::new(protocol, &workload)),
        |generator| {
            generator.connect()?;
            generator.measure(Rate::Peak)
        },
    )?;
    let clock = Clock::calibrate();
    let answering = answer_alone(protocol, &workload, clock, ALONE, |_, answer| _ = black_box(answer));
    Ok(Ceiling::of(preset, protocol, measured.per_second(), clock.cycles_per_s(), answering as f64 / ALONE as f64))
}

/// Composes the answers to `count` reads as the server that is no server does, and shows each to `see`. Returns the cycles that the
/// composing took.
pub(super) fn answer_alone(
    protocol: Protocol,
    workload: &Workload,
    clock: Clock,
    count: u64,
    mut see: impl FnMut(&Request<'_>, &[u8]),
) -> u64 {
    let (mut bytes, mut answer, mut cycles) = (Vec::new(), Vec::new(), 0);
    for index in 0..count {
        bytes.clear();
        answer.clear();
        // Scattered as the generator's choice, so that caches help no more.
        let record = workload.record(index.wrapping_mul(0x9e37_79b9) % workload.mix().records);
        let request = Request { operation: Operation::Read, record };
        protocol.compose(&request, &mut bytes);
        let begin = clock.now();
        answer_to(protocol, workload, black_box(&bytes), &mut answer);
        cycles += clock.now() - begin;
        see(&request, &answer);
    }
    cycles
}

/// Measures a known delay at a rate, for a time.
pub fn delay(injected: Duration, per_second: f64, time: Duration) -> Result<Delay, LoadError> {
    // Enough room that no request waits for another.
    let plan = Plan { depth: 64, ..plan(Preset::Usr, Protocol::Text, time) };
    let workload = plan.workload()?;
    let clock = Clock::calibrate();
    let cycles = clock.cycles(injected);
    let measured = with_generator(
        &plan,
        |_| Ok(Null::delayed(Protocol::Text, &workload, clock, cycles)),
        |generator| {
            generator.connect()?;
            generator.measure(Rate::PerSecond(per_second))
        },
    )?;
    Ok(Delay { injected, measured })
}
