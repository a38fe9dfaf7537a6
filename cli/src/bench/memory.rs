//! `memstorm bench memory`: how many items fit.

use std::sync::atomic::{AtomicBool, Ordering};

use bench::cache::replay::{Cache, Pace, Replayed, replay};
use bench::cache::trace::Once;
use bench::cache::{Booted, CacheError, Held, Memcached, Ours};
use orchestrator::Memory;
use serde::Serialize;

use super::compare::{INTERRUPTED, heed_signals};
use crate::args::{MemoryOptions, Output};
use crate::{kernel, output};

/// So many times as many items as memcached's are the goal.
const GOAL: f64 = 1.2;

/// What one cache keeps.
#[derive(Serialize)]
struct Row {
    /// What memcached is given by `-m`.
    memory_bytes: u64,
    cache: &'static str,
    /// All that this cache has: the memory of a store, the process's memory in RAM, or the machine's.
    total_bytes: u64,
    /// `total_bytes` for each item.
    bytes_per_item: f64,
    /// Items of ours to one of memcached's.
    ratio: Option<f64>,
    inserted: u64,
    #[serde(flatten)]
    held: Held,
    seconds: f64,
}

pub(super) fn bench_memory(options: &MemoryOptions) -> anyhow::Result<u8> {
    let interrupted = heed_signals()?;
    let (mut rows, mut failed) = (Vec::new(), None);
    for &memory in &options.memory {
        if interrupted.load(Ordering::Relaxed) {
            break;
        }
        // What was found before something failed is worth something.
        failed = measure(memory, options, &interrupted, &mut rows).err().or(failed);
    }
    match options.output {
        Output::Json => output::json(&rows)?,
        Output::Table => print_table(&rows)?,
    }
    match failed {
        _ if interrupted.load(Ordering::Relaxed) => Ok(INTERRUPTED),
        Some(error) => Err(error),
        None => Ok(0),
    }
}

/// Fills all three with this much memory.
fn measure(
    memory: Memory,
    options: &MemoryOptions,
    interrupted: &AtomicBool,
    rows: &mut Vec<Row>,
) -> anyhow::Result<()> {
    let memory_bytes = u64::from(memory.mib) << 20;
    let mut row = |cache: &'static str, total_bytes: u64, rival: Option<u64>, replayed: Replayed, inserted: u64| {
        let Replayed { held, seconds, .. } = replayed;
        let items = held.items as f64;
        let ratio = rival.map(|rival| items / rival as f64);
        rows.push(Row {
            memory_bytes,
            cache,
            total_bytes,
            bytes_per_item: total_bytes as f64 / items,
            ratio,
            inserted,
            held,
            seconds,
        });
    };
    let items = Once::new(options.bytes(memory), options.seed)?;
    let inserted = bench::cache::trace::Source::requests(&items);

    let mut memcached = Memcached::start(memory.mib)?;
    let filled = fill("memcached", memory, &items, &mut memcached, interrupted)?;
    let (resident, rival) = (memcached.resident_bytes()?, filled.held.items);
    drop(memcached);
    row("memcached", resident, None, filled, inserted);

    let mut store = Ours::new(memory_bytes as usize, options.seed)?;
    let filled = fill("memstorm store", memory, &items, &mut store, interrupted)?;
    row("memstorm store", memory_bytes, Some(rival), filled, inserted);
    drop(store);

    if !options.no_boot {
        // Whole MiB, and not one too many.
        let machine_mib = (resident >> 20) as u32;
        let kernel::Bootable { image, baked } = kernel::bootable(None)?;
        let mut booted = Booted::boot(&image, &baked, machine_mib, interrupted)?;
        let filled = fill("memstorm booted", memory, &items, &mut booted, interrupted)?;
        row("memstorm booted", u64::from(machine_mib) << 20, Some(rival), filled, inserted);
    }
    Ok(())
}

fn fill(
    name: &str,
    memory: Memory,
    items: &Once,
    cache: &mut dyn Cache,
    interrupted: &AtomicBool,
) -> Result<Replayed, CacheError> {
    let progress = output::progress(format!("{name}, {} MiB", memory.mib));
    let replayed = replay(&mut items.clone(), cache, Pace::Free, 0, interrupted);
    progress.finish_and_clear();
    replayed
}

fn print_table(rows: &[Row]) -> anyhow::Result<()> {
    let heading = [
        "MEMORY MIB",
        "CACHE",
        "TOTAL MIB",
        "ITEMS",
        "ITEM MIB",
        "INDEX MIB",
        "ARENA MIB",
        "BYTES/ITEM",
        "REFUSED",
        "RATIO",
        "GOAL",
    ];
    let cells = rows.iter().map(|row| {
        let mib = |bytes: u64| format!("{:.1}", bytes as f64 / 1_048_576.0);
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let verdict = |ratio: f64| if ratio >= GOAL { format!("{GOAL}: kept") } else { format!("{GOAL}: missed") };
        vec![
            (row.memory_bytes >> 20).to_string(),
            row.cache.to_owned(),
            mib(row.total_bytes),
            row.held.items.to_string(),
            mib(row.held.item_bytes),
            or_dash(row.held.index_bytes.map(mib)),
            or_dash(row.held.arena_bytes.map(mib)),
            format!("{:.1}", row.bytes_per_item),
            row.held.refused.to_string(),
            or_dash(row.ratio.map(|ratio| format!("{ratio:.3}"))),
            or_dash(row.ratio.map(verdict)),
        ]
    });
    Ok(output::table(&heading, cells.collect(), &[0, 2, 3, 4, 5, 6, 7, 8, 9])?)
}
