//! `memstorm bench longest`: the most instructions that an operation of the store takes.

use bench::cache::{LONGEST, Longest, longest};
use serde::Serialize;

use super::compare::heed_signals;
use crate::args::{LongestOptions, Output};
use crate::{FAILURE, kernel, output};

/// The guest's file, beside the appliance's.
const GUEST: &str = "longest";

/// What one machine has found.
#[derive(Serialize)]
struct Row {
    memory_mib: u32,
    #[serde(flatten)]
    longest: Longest,
}

pub(super) fn bench_longest(options: &LongestOptions) -> anyhow::Result<u8> {
    let interrupted = heed_signals()?;
    let kernel::Bootable { image, .. } = kernel::bootable(Some(&kernel::find()?.with_file_name(GUEST)))?;
    let mut rows = Vec::new();
    for memory in &options.memory {
        let mut shown = output::progress(format!("{} MiB: booting", memory.mib));
        let found = longest(&image, memory.mib, &interrupted, |longest| {
            shown.finish_and_clear();
            shown = output::progress(format!("{} MiB: {} items", memory.mib, longest.items));
        });
        shown.finish_and_clear();
        rows.extend(found?.into_iter().map(|longest| Row { memory_mib: memory.mib, longest }));
    }
    match options.output {
        Output::Json => output::json(&rows)?,
        Output::Table => print_table(&rows)?,
    }
    let kept = rows.iter().all(|row| row.longest.most() <= LONGEST);
    Ok(if kept { 0 } else { FAILURE })
}

fn print_table(rows: &[Row]) -> anyhow::Result<()> {
    let heading = [
        "MEMORY MIB",
        "ITEMS",
        "EVICTED",
        "REFUSED",
        "TURN",
        "SET",
        "UPDATE",
        "GET",
        "DELETE",
        "BELOW 2^10,12,14,16,18,ABOVE",
    ];
    let cells = rows.iter().map(|Row { memory_mib, longest }| {
        let numbers = [
            u64::from(*memory_mib),
            longest.items,
            longest.evictions,
            longest.refused,
            longest.pass,
            longest.set,
            longest.update,
            longest.get,
            longest.delete,
        ];
        let below: Vec<String> = longest.below.iter().map(u64::to_string).collect();
        numbers.iter().map(u64::to_string).chain([below.join(" ")]).collect()
    });
    let numbers: Vec<usize> = (0..heading.len()).collect();
    output::table(&heading, cells.collect(), &numbers)?;
    let most = rows.iter().map(|row| row.longest.most()).max().unwrap_or_default();
    let verdict = if most <= LONGEST { "kept" } else { "missed" };
    Ok(output::line(&format!("\nAt most {most} instructions; the bound of {LONGEST} is {verdict}"))?)
}
