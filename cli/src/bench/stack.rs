//! `memstorm bench stack`: what a request costs the server.

use std::path::Path;

use bench::stack::{self, Arrivals, Instructions, Load, Measured, Stages, Work};
use serde::{Serialize, Serializer};

use crate::args::{AppChoice, Output, StackOptions};
use crate::output;

/// What a request costs at one load.
#[derive(Serialize)]
struct Row {
    app: &'static str,
    /// Bytes of a key; null for an echo.
    key: Option<usize>,
    connections: usize,
    size: usize,
    depth: usize,
    rpc_per_s: f64,
    cycles_per_rpc: f64,
    /// Null where nothing counts the heap.
    bytes_per_connection: Option<f64>,
    /// Null where valgrind is missing.
    instructions_per_rpc: Option<f64>,
    /// The most frames of a turn, and those there were.
    batch: usize,
    batch_min: usize,
    batch_mean: f64,
    batch_max: usize,
    /// Instructions by stage.
    #[serde(serialize_with = "in_order")]
    stages: Option<Stages>,
}

pub(super) fn bench_stack(options: &StackOptions) -> anyhow::Result<u8> {
    if options.probe {
        for load in loads(options) {
            output::line(&stack::probe(&load, stack::PROBE_REQUESTS)?.to_string())?;
        }
        return Ok(0);
    }
    let program = std::env::current_exe()?;
    let (mut rows, mut complaint) = (Vec::new(), None);
    for load in loads(options) {
        let progress = output::progress(format!(
            "{} connections, {} bytes, depth {}, batch {}",
            load.connections, load.size, load.depth, load.batch
        ));
        let measured = stack::measure(&load, stack::NATIVE_REQUESTS)?;
        let instructions = match complaint {
            None => count(&program, &load),
            Some(_) => continue_without(),
        };
        progress.finish_and_clear();
        let instructions = instructions.map_err(|error| complaint.get_or_insert(error.to_string()).clone()).ok();
        rows.push(row(&load, measured, instructions));
    }
    match options.output {
        Output::Json => output::json(&rows)?,
        Output::Table => print_table(&rows)?,
    }
    if let Some(complaint) = complaint {
        eprintln!("memstorm: {complaint}");
    }
    Ok(0)
}

/// After the first failure nobody asks Callgrind again.
fn continue_without() -> Result<Instructions, stack::Error> {
    Err(stack::Error::Callgrind(String::new()))
}

/// Has this program measure a load under Callgrind.
pub(super) fn count(program: &Path, load: &Load) -> Result<Instructions, stack::Error> {
    Instructions::count(program, &probe_arguments(load))
}

/// Every combination that was asked for.
fn loads(options: &StackOptions) -> Vec<Load> {
    let arrivals = if options.overload { Arrivals::Overload } else { Arrivals::Batch };
    let work = match options.app {
        AppChoice::Echo => Work::Echo,
        AppChoice::Get => Work::Get { key: options.key },
        AppChoice::Set => Work::Set { key: options.key },
    };
    let (size, depth) = (options.size, options.depth);
    let mut loads = Vec::new();
    for &connections in &options.connections {
        loads.extend(options.batch.iter().map(|&batch| Load { work, connections, size, depth, batch, arrivals }));
    }
    loads
}

/// The arguments by which this program measures a load under Callgrind.
fn probe_arguments(load: &Load) -> Vec<String> {
    let mut arguments = vec!["bench".to_owned(), "stack".to_owned(), "--probe".to_owned()];
    let (app, key) = app_and_key(load.work);
    arguments.extend(["--app".to_owned(), app.to_owned()]);
    let numbers = [
        ("--key", key),
        ("--connections", Some(load.connections)),
        ("--size", Some(load.size)),
        ("--depth", Some(load.depth)),
        ("--batch", Some(load.batch)),
    ];
    let numbers = numbers.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?.to_string()]));
    arguments.extend(numbers.flatten());
    if load.arrivals == Arrivals::Overload {
        arguments.push("--overload".to_owned());
    }
    arguments
}

/// An application's name, and bytes of its keys.
fn app_and_key(work: Work) -> (&'static str, Option<usize>) {
    match work {
        Work::Echo => ("echo", None),
        Work::Get { key } => ("get", Some(key)),
        Work::Set { key } => ("set", Some(key)),
    }
}

fn row(load: &Load, measured: Measured, instructions: Option<Instructions>) -> Row {
    let (batch_min, batch_mean, batch_max) = measured.batch;
    let stages = |counted: &Instructions| counted.stages.iter().map(|(stage, cost)| (*stage, rounded(*cost))).collect();
    let (app, key) = app_and_key(load.work);
    Row {
        app,
        key,
        connections: load.connections,
        size: load.size,
        depth: load.depth,
        rpc_per_s: measured.rpc_per_s.round(),
        cycles_per_rpc: rounded(measured.cycles_per_rpc),
        bytes_per_connection: measured.bytes_per_connection.map(rounded),
        instructions_per_rpc: instructions.as_ref().map(|counted| rounded(counted.per_rpc)),
        batch: load.batch,
        batch_min,
        batch_mean: rounded(batch_mean),
        batch_max,
        stages: instructions.as_ref().map(stages),
    }
}

/// As an object, whose members keep their order.
fn in_order<S: Serializer>(stages: &Option<Stages>, serializer: S) -> Result<S::Ok, S::Error> {
    match stages {
        Some(stages) => serializer.collect_map(stages.iter().copied()),
        None => serializer.serialize_none(),
    }
}

/// To a tenth.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn print_table(rows: &[Row]) -> anyhow::Result<()> {
    let heading = ["CONNECTIONS", "SIZE", "DEPTH", "BATCH", "REACHED", "RPC/S", "CYCLES", "INSTRUCTIONS", "BYTES/CONN"];
    let or_dash = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.0}"));
    let cells = rows.iter().map(|row| {
        vec![
            row.connections.to_string(),
            row.size.to_string(),
            row.depth.to_string(),
            row.batch.to_string(),
            format!("{}/{:.1}/{}", row.batch_min, row.batch_mean, row.batch_max),
            format!("{:.0}", row.rpc_per_s),
            format!("{:.0}", row.cycles_per_rpc),
            or_dash(row.instructions_per_rpc),
            or_dash(row.bytes_per_connection),
        ]
    });
    output::table(&heading, cells.collect(), &[0, 1, 2, 3, 4, 5, 6, 7, 8])?;
    let Some(stages) = rows.iter().find_map(|row| row.stages.as_ref()) else { return Ok(()) };
    output::line("")?;
    output::line("Instructions by stage")?;
    let names: Vec<String> = stages.iter().map(|(name, _)| name.to_uppercase()).collect();
    let heading: Vec<&str> = ["CONNECTIONS", "BATCH"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let cells = rows.iter().filter_map(|row| {
        let costs = row.stages.as_ref()?.iter().map(|(_, cost)| or_dash(Some(*cost)));
        Some([row.connections.to_string(), row.batch.to_string()].into_iter().chain(costs).collect())
    });
    let numbers: Vec<usize> = (0..heading.len()).collect();
    Ok(output::table(&heading, cells.collect(), &numbers)?)
}
