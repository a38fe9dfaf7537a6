//! Peers side by side: the same cores, memory, records, connections and depth, in interleaved rounds.
//!
//! ```text
//! options   what is compared, and how              trial    one peer in one round: started, loaded, measured, ended
//! wires     the client's side of each wire         reflect  what the rings carry, without a stack
//! row       what is found, as programs read it     sample   medians and spreads
//! ```
//!
//! Each trial starts its server anew and ends it, so that no peer is there while another is measured. Called by `cli`; calls
//! `peers` and the load generator.

mod options;
mod reflect;
mod row;
mod sample;
mod trial;
mod wires;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

pub use options::{Bounds, Figures, Images, Options, OptionsError};
pub use row::{LimitedBy, Point, Round, Row};
pub use sample::Sample;
pub use trial::TrialError;

#[cfg(test)]
pub(crate) use row::tests as row_tests;

use crate::load::workload::Preset;
use crate::peers::Peer;
use options::Case;
use trial::Trial;

/// What a comparison has found.
#[derive(Debug, Default)]
pub struct Comparison {
    /// A row for each workload and peer, in the order asked for.
    pub rows: Vec<Row>,
    /// Peers that could not run, or not through all rounds, and why.
    pub failed: Vec<(Peer, String)>,
}

/// Compares. `progress` hears what is being measured. When `interrupted` is set, what was found so far is returned.
pub fn compare(
    options: &Options,
    images: &Images,
    interrupted: &AtomicBool,
    mut progress: impl FnMut(String),
) -> Result<Comparison, OptionsError> {
    options.check()?;
    let cases = options.cases();
    let mut rounds: BTreeMap<usize, Vec<Trial>> = BTreeMap::new();
    let mut failed: Vec<(Peer, String)> = Vec::new();
    for round in 1..=options.rounds {
        for (index, case) in cases.iter().enumerate() {
            // What has failed once is not tried again.
            if failed.iter().any(|(peer, _)| *peer == case.peer) {
                continue;
            }
            let what = format!("round {round} of {}: {} {}", options.rounds, case.name(), case.peer);
            match trial::run(options, case, images, interrupted, &mut |step| progress(format!("{what}: {step}"))) {
                Ok(trial) => rounds.entry(index).or_default().push(trial),
                Err(_) if interrupted.load(Ordering::Relaxed) => {}
                Err(error) => failed.push((case.peer, error.to_string())),
            }
            if interrupted.load(Ordering::Relaxed) {
                return Ok(Comparison { rows: collect_rows(options, &cases, rounds), failed });
            }
        }
    }
    Ok(Comparison { rows: collect_rows(options, &cases, rounds), failed })
}

fn collect_rows(options: &Options, cases: &[Case], rounds: BTreeMap<usize, Vec<Trial>>) -> Vec<Row> {
    let rows = rounds.into_iter().filter_map(|(index, trials)| {
        let first = trials.first()?;
        let row = options.row(&cases[index], first);
        row.with_rounds(&trials.into_iter().map(|trial| trial.round).collect::<Vec<_>>())
    });
    rows.collect()
}

/// The workload that goes by a name.
pub fn workload(name: &str) -> Result<Preset, String> {
    let names: Vec<&str> = Preset::ALL.iter().map(|preset| preset.name()).collect();
    let found = Preset::ALL.into_iter().find(|preset| preset.name() == name);
    found.ok_or_else(|| format!("'{name}' is no workload: expected {}", names.join(", ")))
}

#[cfg(test)]
mod tests;
