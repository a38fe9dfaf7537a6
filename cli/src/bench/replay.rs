//! `memstorm bench replay`: hit ratios.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use bench::cache::replay::{Cache, Lru, Pace, Replayed, replay};
use bench::cache::trace::{Lifetimes, Reader, Request, Shape, Source, Synthetic, Writer};
use bench::cache::{CacheError, Held, Memcached, Ours};
use serde::Serialize;

use super::compare::{INTERRUPTED, heed_signals};
use crate::args::{CacheChoice, Output, ReplayOptions};
use crate::output;

/// What one cache made of one trace.
#[derive(Serialize)]
struct Row {
    trace: String,
    cache: &'static str,
    memory_bytes: usize,
    requests: u64,
    lookups: u64,
    /// After the cache had time to fill, and over all.
    hit_ratio: f64,
    hit_ratio_of_all: f64,
    #[serde(flatten)]
    held: Held,
    seconds: f64,
    /// By how much requests were late at worst, where they are timed.
    late_s: Option<f64>,
}

/// A trace that is asked for.
enum Wanted<'a> {
    Made(Shape),
    File(&'a Path),
}

impl Wanted<'_> {
    fn name(&self) -> String {
        match self {
            Wanted::Made(shape) => shape.to_string(),
            Wanted::File(path) => path.display().to_string(),
        }
    }

    fn open(&self, options: &ReplayOptions) -> Result<Box<dyn Source>, CacheError> {
        Ok(match *self {
            Wanted::Made(shape) => Box::new(Synthetic::new(shape, options.extent())?),
            Wanted::File(path) => Box::new(Reader::open(path)?),
        })
    }

    fn lifetimes(&self, options: &ReplayOptions) -> Lifetimes {
        match self {
            Wanted::Made(shape) => shape.lifetimes,
            Wanted::File(_) if options.timed => Lifetimes::Mixed,
            Wanted::File(_) => Lifetimes::Unlimited,
        }
    }
}

pub(super) fn bench_replay(options: &ReplayOptions) -> anyhow::Result<u8> {
    let traces: Vec<Wanted<'_>> = match &options.file {
        Some(path) => vec![Wanted::File(path)],
        None => options.shapes().into_iter().map(Wanted::Made).collect(),
    };
    if let Some(path) = &options.write {
        anyhow::ensure!(traces.len() == 1, "--write takes one trace: name it with --trace");
        write(&mut *traces[0].open(options)?, path)?;
        return Ok(0);
    }
    let interrupted = heed_signals()?;
    let mut rows = Vec::new();
    for trace in &traces {
        for &cache in &options.cache {
            let progress = output::progress(format!("{}, {}", trace.name(), cache.name()));
            let row = play(trace, cache, options, &interrupted);
            progress.finish_and_clear();
            match row {
                Err(_) if interrupted.load(Ordering::Relaxed) => return Ok(INTERRUPTED),
                row => rows.push(row?),
            }
        }
    }
    match options.output {
        Output::Json => output::json(&rows)?,
        Output::Table => print_table(&rows)?,
    }
    Ok(0)
}

fn write(source: &mut dyn Source, path: &Path) -> Result<(), CacheError> {
    let (mut writer, mut request) = (Writer::create(path)?, Request::default());
    while source.next(&mut request)? {
        writer.write(&request)?;
    }
    writer.finish()
}

fn play(
    trace: &Wanted<'_>,
    choice: CacheChoice,
    options: &ReplayOptions,
    interrupted: &AtomicBool,
) -> Result<Row, CacheError> {
    let memory_bytes = options.memory_bytes();
    let mut cache: Box<dyn Cache> = match choice {
        CacheChoice::Memstorm => Box::new(Ours::new(memory_bytes, options.seed)?),
        CacheChoice::Memcached => Box::new(Memcached::start(options.memory.mib)?),
        CacheChoice::Lru => Box::new(Lru::new(memory_bytes)),
    };
    let mut source = trace.open(options)?;
    let requests = source.requests();
    let pace = if choice.is_timed(trace.lifetimes(options)) { Pace::Timed } else { Pace::Free };
    let Replayed { tally, held, seconds, late_s } =
        replay(&mut *source, &mut *cache, pace, options.warm_up(requests), interrupted)?;
    Ok(Row {
        trace: trace.name(),
        cache: choice.name(),
        memory_bytes,
        requests,
        lookups: tally.lookups(),
        hit_ratio: tally.hit_ratio(),
        hit_ratio_of_all: tally.hit_ratio_of_all(),
        held,
        seconds,
        late_s: (pace == Pace::Timed).then_some(late_s),
    })
}

fn print_table(rows: &[Row]) -> anyhow::Result<()> {
    let heading = [
        "TRACE",
        "CACHE",
        "HITS %",
        "OF ALL %",
        "ITEMS",
        "ITEM MIB",
        "INDEX MIB",
        "ARENA MIB",
        "EVICTED",
        "EXPIRED",
        "MOVED MIB",
        "REFUSED",
        "SECONDS",
        "LATE S",
    ];
    let cells = rows.iter().map(|row| {
        let mib = |bytes: u64| format!("{:.1}", bytes as f64 / 1_048_576.0);
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        vec![
            row.trace.clone(),
            row.cache.to_owned(),
            format!("{:.2}", row.hit_ratio * 100.0),
            format!("{:.2}", row.hit_ratio_of_all * 100.0),
            row.held.items.to_string(),
            mib(row.held.item_bytes),
            or_dash(row.held.index_bytes.map(mib)),
            or_dash(row.held.arena_bytes.map(mib)),
            row.held.evictions.to_string(),
            row.held.reclaimed.to_string(),
            or_dash(row.held.moved_bytes.map(mib)),
            row.held.refused.to_string(),
            format!("{:.0}", row.seconds),
            or_dash(row.late_s.map(|late_s| format!("{late_s:.2}"))),
        ]
    });
    let numbers: Vec<usize> = (2..heading.len()).collect();
    Ok(output::table(&heading, cells.collect(), &numbers)?)
}
