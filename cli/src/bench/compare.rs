//! `memstorm bench compare`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bench::compare::{Comparison, Images, Row, compare};
use bench::peers::{Appliance, Kind, Peer};
use bench::report::{self, COMPARISON};
use orchestrator::{Host, KvmState};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::args::{CompareOptions, Output, image_name};
use crate::{FAILURE, USAGE, kernel, output};

/// Exit code of a comparison that was interrupted: 128 and the number of SIGINT, as a shell has it.
pub(super) const INTERRUPTED: u8 = 130;

pub(super) fn bench_compare(options: &CompareOptions) -> anyhow::Result<u8> {
    let interrupted = heed_signals()?;
    let comparisons = options.comparisons(Host::probe().kvm == KvmState::Works);
    let images = images(comparisons.iter().flat_map(|options| &options.peers))?;
    let mut shown = output::progress("starting".to_owned());
    let found = compare(&comparisons, &images, &interrupted, |what| {
        shown.finish_and_clear();
        shown = output::progress(what);
    });
    shown.finish_and_clear();
    let Comparison { rows, failed } = match found {
        Ok(found) => found,
        Err(error) => {
            eprintln!("memstorm: {error}");
            return Ok(USAGE);
        }
    };
    if let Some(directory) = &options.save {
        let name = options.vary.as_ref().map_or(COMPARISON.to_owned(), |vary| format!("{}.json", vary.option.name()));
        let path = report::save_rows(directory, &name, &rows)?;
        eprintln!("rows in {}", path.display());
    }
    print(options.output, &rows)?;
    for failure in &failed {
        eprintln!("memstorm: {failure}");
    }
    Ok(match interrupted.load(Ordering::Relaxed) {
        true => INTERRUPTED,
        false if rows.is_empty() || (options.names_peers() && !failed.is_empty()) => FAILURE,
        false => 0,
    })
}

/// A flag that the usual signals set.
pub(super) fn heed_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    Ok(interrupted)
}

/// The images that these peers boot.
pub(super) fn images<'a>(peers: impl Iterator<Item = &'a Peer>) -> anyhow::Result<Images> {
    let peers: Vec<&Peer> = peers.collect();
    let boots = |kind: Kind| peers.iter().any(|peer| peer.kind == kind);
    let appliance = if peers.iter().any(|peer| peer.kind == Kind::Memstorm) {
        bootable(None)?
    } else {
        // Nobody boots it.
        let image = image::Image { bytes: Vec::new(), build_id: image::BuildId([0; 20]) };
        Appliance { image, baked: String::new(), append: String::new() }
    };
    let limit = |kind: Kind| -> Result<Appliance, String> {
        let name = image_name(kind).filter(|_| boots(kind) || (kind == Kind::TcpEcho && boots(Kind::UdpEcho)));
        let name = name.ok_or_else(|| "not asked for".to_owned())?;
        let path = kernel::find().map_err(|error| format!("{error:#}"))?.with_file_name(name);
        bootable(Some(&path)).map_err(|error| format!("{error:#}"))
    };
    Ok(Images { appliance, echo: limit(Kind::TcpEcho), reflector: limit(Kind::Reflector) })
}

pub(super) fn bootable(path: Option<&Path>) -> anyhow::Result<Appliance> {
    let kernel::Bootable { image, baked } = kernel::bootable(path)?;
    Ok(Appliance { image, baked, append: String::new() })
}

fn print(format: Output, rows: &[Row]) -> anyhow::Result<()> {
    match format {
        Output::Json => output::json(&rows),
        Output::Table => print_table(rows),
    }
}

fn print_table(rows: &[Row]) -> anyhow::Result<()> {
    let heading = [
        "WORKLOAD",
        "PEER",
        "WIRE",
        "ACCEL",
        "CONN",
        "DEPTH",
        "RPS AT SLA",
        "SLA US",
        "P99 US",
        "RPS PEAK",
        "SPREAD",
        "P99 UNLOADED US",
        "CYCLES",
        "BOOT MS",
        "RESIDENT MIB",
    ];
    let cells = rows.iter().map(|row| {
        let or_dash = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value}"));
        let bound = |limited_by: &str| if limited_by == "generator" { ">= " } else { "" };
        let at_sla = row.rps_at_sla.map_or("-".to_owned(), |rps| format!("{}{rps:.0}", bound(&row.limited_by)));
        let [least, most] = row.rps_peak_spread;
        vec![
            row.workload.clone(),
            row.peer.clone(),
            row.wire.clone(),
            row.accel.clone(),
            row.connections.to_string(),
            row.depth.to_string(),
            at_sla,
            row.sla_us.to_string(),
            or_dash(row.p99_at_sla_us),
            format!("{}{:.0}", bound(&row.peak_limited_by), row.rps_peak),
            format!("{least:.0}-{most:.0}"),
            or_dash(row.p99_unloaded_us),
            row.server_cycles_per_request.map_or("-".to_owned(), |cycles| format!("{cycles:.0}")),
            or_dash(row.boot_ms),
            format!("{:.1}", row.resident_bytes as f64 / 1_048_576.0),
        ]
    });
    let numbers: Vec<usize> = (4..heading.len()).collect();
    output::table(&heading, cells.collect(), &numbers)?;
    if rows.iter().any(|row| row.limited_by == "generator" || row.peak_limited_by == "generator") {
        output::line("\n>= the generator was the limit: a lower bound")?;
    }
    Ok(())
}
