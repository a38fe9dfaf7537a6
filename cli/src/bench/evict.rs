//! `memstorm bench evict`: what eviction costs.

use std::sync::atomic::Ordering;

use bench::compare::eviction::{Row, SHARE, eviction};
use bench::compare::{Sample, TrialError};
use orchestrator::{Host, KvmState};

use super::compare::{INTERRUPTED, bootable, heed_signals};
use crate::args::{EvictOptions, Output};
use crate::{FAILURE, USAGE, output};

pub(super) fn bench_evict(options: &EvictOptions) -> anyhow::Result<u8> {
    let interrupted = heed_signals()?;
    let wanted = options.options(Host::probe().kvm == KvmState::Works);
    let mut shown = output::progress("starting".to_owned());
    let found = eviction(&wanted, &bootable(None)?, &interrupted, |what| {
        shown.finish_and_clear();
        shown = output::progress(what);
    });
    shown.finish_and_clear();
    let rows = match found {
        Ok(rows) => rows,
        Err(TrialError::Options(error)) => {
            eprintln!("memstorm: {error}");
            return Ok(USAGE);
        }
        Err(error) => return Err(error.into()),
    };
    match options.output {
        Output::Json => output::json(&rows)?,
        Output::Table => print_table(&rows)?,
    }
    let kept = least(&rows).is_some_and(|least| least >= SHARE);
    Ok(match interrupted.load(Ordering::Relaxed) {
        true => INTERRUPTED,
        false if kept => 0,
        false => FAILURE,
    })
}

/// The smallest share of those that something is promised of.
fn least(rows: &[Row]) -> Option<f64> {
    rows.iter().filter(|row| row.is_promised()).map(Row::share).min_by(f64::total_cmp)
}

fn print_table(rows: &[Row]) -> anyhow::Result<()> {
    let heading = [
        "LOAD",
        "DIFFERS",
        "SIDE",
        "MEMORY MIB",
        "ITEMS",
        "EVICTED PER SET",
        "RPS",
        "SPREAD",
        "RATIO",
        "SPREAD",
        "CYCLES",
        "RATIO",
        "SPREAD",
    ];
    let spread = |[least, most]: [f64; 2]| format!("{least}-{most}");
    let pair = |sample: Option<Sample>| match sample {
        Some(sample) => [format!("{}", sample.median), spread(sample.spread)],
        None => ["-".to_owned(), "-".to_owned()],
    };
    let mut cells = Vec::new();
    for row in rows {
        for (name, side) in [("keeping", &row.keeping), ("evicting", &row.evicting)] {
            let bound = if side.limited_by == "generator" { ">= " } else { "" };
            let ratios = if name == "evicting" {
                [pair(Some(row.ratio)), pair(row.ratio_by_cycles)]
            } else {
                [(); 2].map(|()| [String::new(), String::new()])
            };
            let [[ratio, ratio_spread], [by_cycles, by_cycles_spread]] = ratios;
            cells.push(vec![
                row.load.clone(),
                row.differs.clone(),
                name.to_owned(),
                side.memory_mib.to_string(),
                side.items.to_string(),
                side.evictions_per_set.median.to_string(),
                format!("{bound}{}", side.rps.median),
                spread(side.rps.spread),
                ratio,
                ratio_spread,
                side.cycles_per_request.map_or("-".to_owned(), |cycles| cycles.median.to_string()),
                by_cycles,
                by_cycles_spread,
            ]);
        }
    }
    let numbers: Vec<usize> = (3..heading.len()).collect();
    output::table(&heading, cells, &numbers)?;
    if let Some(least) = least(rows) {
        let verdict = if least >= SHARE { "kept" } else { "missed" };
        output::line(&format!("\nAt least {least} where the memory differs; the share of {SHARE} is {verdict}"))?;
    }
    if rows.iter().any(|row| [&row.keeping, &row.evicting].iter().any(|side| side.limited_by == "generator")) {
        output::line(">= the generator was the limit: a lower bound")?;
    }
    Ok(())
}
