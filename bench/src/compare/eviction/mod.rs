//! What eviction costs: the appliance under a load in which each new item evicts another, and under one in which none is evicted.
//!
//! ```text
//! case      what the two sides have in common, and what they differ in
//! side      one side in one round: started, brought to its steady state, measured
//! counters  what the cache says of it: the proof
//! row       what is found, as programs read it
//! ```
//!
//! Called by `cli`; calls the same servers, wires and generator as the comparison of peers.

mod case;
mod counters;
mod row;
mod side;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use case::{Case, Differs, Load, SideName};
pub use row::{Figures, Row, SHARE};

use super::TrialError;
use super::options::check_cores;
use crate::load::workload::Preset;
use crate::peers::{Appliance, Cores, HugePages, Peer, machine_memory};
use side::Found;

/// What is measured, and how.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Which appliance: its wire, and what executes it.
    pub peer: Peer,
    /// Lengths of keys and values.
    pub records: Preset,
    /// How often both sides are measured.
    pub rounds: usize,
    /// How long, each time.
    pub time: Duration,
    /// How long the same load goes on before that.
    pub warmup: Duration,
    /// Connections.
    pub connections: usize,
    /// Requests under way on each.
    pub depth: usize,
    /// Memory for items, in MiB, where they are evicted.
    pub scarce_mib: u32,
    /// Memory in which all of them fit.
    pub ample_mib: u32,
    /// Who works where.
    pub cores: Cores,
}

impl Options {
    /// Memory of the largest machine, in MiB.
    fn largest_mib(&self) -> u32 {
        let sides = Case::ALL.iter().flat_map(|case| SideName::BOTH.map(|side| case.needs(self, side)));
        sides.map(|needs| machine_memory(&needs).mib).max().unwrap_or_default()
    }
}

/// Measures all cases, in rounds in which both sides of a case follow each other, the one that begins alternating. `progress` hears what
/// is being done. When `interrupted` is set, what was found so far is returned.
pub fn eviction(
    options: &Options,
    image: &Appliance,
    interrupted: &AtomicBool,
    mut progress: impl FnMut(String),
) -> Result<Vec<Row>, TrialError> {
    check_cores(options.cores)?;
    let _huge_pages = HugePages::set_aside(options.largest_mib());
    let mut rounds: Vec<Vec<[Found; 2]>> = Case::ALL.map(|_| Vec::new()).into();
    'rounds: for round in 1..=options.rounds {
        for (case, found) in Case::ALL.iter().zip(&mut rounds) {
            let mut measure = |side| {
                let step =
                    |step: &str| progress(format!("round {round} of {}: {case}, {side}: {step}", options.rounds));
                side::run(options, case, side, image, interrupted, step)
            };
            let both = if round % 2 == 1 {
                measure(SideName::Evicting).and_then(|evicting| Ok([evicting, measure(SideName::Keeping)?]))
            } else {
                measure(SideName::Keeping).and_then(|keeping| Ok([measure(SideName::Evicting)?, keeping]))
            };
            match both {
                Ok(both) => found.push(both),
                Err(_) if interrupted.load(Ordering::Relaxed) => break 'rounds,
                Err(error) => return Err(error),
            }
        }
    }
    let rows = Case::ALL.iter().zip(&rounds).filter_map(|(case, rounds)| Row::of(options, case, rounds));
    Ok(rows.collect())
}
