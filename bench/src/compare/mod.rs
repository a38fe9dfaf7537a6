//! Peers side by side: the same cores, memory, records, connections and depth, in interleaved rounds.
//!
//! ```text
//! options   what is compared, and how              trial    one peer in one round: started, loaded, measured, ended
//! stand     a server, while it is worked with      wires    the client's side of each wire
//! reflect   what the rings carry, without a stack
//! row       what is found, as programs read it     sample   medians and spreads
//! machine   what it is measured on                 eviction  what eviction costs
//! ```
//!
//! Each trial starts its server anew and ends it, so that no peer is there while another is measured. Called by `cli`; calls
//! `peers` and the load generator.

pub mod eviction;
mod machine;
mod options;
mod reflect;
mod row;
mod sample;
mod stand;
mod trial;
mod wires;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

pub use options::{Bounds, Figures, Images, Options, OptionsError};
pub use row::{LimitedBy, Point, Round, Row};
pub use sample::Sample;
pub(crate) use sample::round as rounded;
pub use trial::TrialError;

#[cfg(test)]
pub(crate) use row::tests as row_tests;

use crate::load::workload::Preset;
use crate::peers::{HugePages, Peer};
use options::Case;
use trial::Trial;

/// What a comparison has found.
#[derive(Debug, Default)]
pub struct Comparison {
    /// A row for each workload and peer, in the order asked for.
    pub rows: Vec<Row>,
    /// Peers that could not run, or not through all rounds.
    pub failed: Vec<Failure>,
}

/// A peer that could not be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{peer} was not measured ({load}): {why}")]
pub struct Failure {
    /// Which.
    pub peer: Peer,
    /// Under which load.
    pub load: String,
    /// Why.
    pub why: String,
}

/// Compares, in rounds of all that is asked for. `progress` hears what is being measured. When `interrupted` is set, what was
/// found so far is returned.
pub fn compare(
    comparisons: &[Options],
    images: &Images,
    interrupted: &AtomicBool,
    mut progress: impl FnMut(String),
) -> Result<Comparison, OptionsError> {
    comparisons.iter().try_for_each(Options::check)?;
    let of = |(number, options): (usize, &Options)| {
        options.cases().into_iter().map(move |case| (number, case)).collect::<Vec<_>>()
    };
    let cases: Vec<(usize, Case)> = comparisons.iter().enumerate().flat_map(of).collect();
    let _huge_pages = HugePages::set_aside(comparisons.iter().map(Options::shared_mib).max().unwrap_or_default());
    let most = comparisons.iter().map(|options| options.rounds).max().unwrap_or_default();
    let mut rounds: BTreeMap<usize, Vec<Trial>> = BTreeMap::new();
    let mut failed: Vec<(usize, Failure)> = Vec::new();
    'rounds: for round in 1..=most {
        for (index, (number, case)) in cases.iter().enumerate() {
            let options = &comparisons[*number];
            // What has failed once is not tried again.
            let has_failed = failed.iter().any(|(at, failure)| at == number && failure.peer == case.peer);
            if round > options.rounds || has_failed {
                continue;
            }
            let load = format!("{}, {}", case.name(), options.describe());
            let what = format!("round {round} of {}: {} {load}", options.rounds, case.peer);
            match trial::run(options, case, images, interrupted, &mut |step| progress(format!("{what}: {step}"))) {
                Ok(trial) => rounds.entry(index).or_default().push(trial),
                Err(_) if interrupted.load(Ordering::Relaxed) => {}
                Err(error) => failed.push((*number, Failure { peer: case.peer, load, why: error.to_string() })),
            }
            if interrupted.load(Ordering::Relaxed) {
                break 'rounds;
            }
        }
    }
    let rows = rounds.into_iter().filter_map(|(index, trials)| {
        let (number, case) = &cases[index];
        let row = comparisons[*number].row(case, trials.first()?);
        row.with_rounds(&trials.into_iter().map(|trial| trial.round).collect::<Vec<_>>())
    });
    Ok(Comparison { rows: rows.collect(), failed: failed.into_iter().map(|(_, failure)| failure).collect() })
}

/// The workload that goes by a name.
pub fn workload(name: &str) -> Result<Preset, String> {
    let names: Vec<&str> = Preset::ALL.iter().map(|preset| preset.name()).collect();
    let found = Preset::ALL.into_iter().find(|preset| preset.name() == name);
    found.ok_or_else(|| format!("'{name}' is no workload: expected {}", names.join(", ")))
}

#[cfg(test)]
mod tests;
