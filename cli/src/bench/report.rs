//! `memstorm bench report`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bench::report::{self, Part, ReportError};
use orchestrator::{Host, KvmState};
use time::OffsetDateTime;

use super::compare::{INTERRUPTED, heed_signals, images};
use crate::args::ReportOptions;
use crate::{FAILURE, USAGE, output};

/// Where results are, a folder for each day.
const RESULTS: &str = "bench/results";

pub(super) fn bench_report(options: &ReportOptions) -> anyhow::Result<u8> {
    let directory = match &options.directory {
        Some(directory) => directory.clone(),
        None if options.run => Path::new(RESULTS).join(OffsetDateTime::now_utc().date().to_string()),
        None => latest(Path::new(RESULTS))?,
    };
    let code = if options.run { measure(options, &directory)? } else { 0 };
    if code == USAGE {
        return Ok(code);
    }
    for path in report::write(&directory)? {
        output::line(&path.display().to_string())?;
    }
    if let Some(readme) = &options.readme {
        report::write_section(readme, &directory)?;
        output::line(&readme.display().to_string())?;
    }
    Ok(code)
}

/// The folder whose name, a date, comes last.
fn latest(results: &Path) -> anyhow::Result<PathBuf> {
    let listing = fs::read_dir(results).with_context(|| format!("cannot list {}", results.display()))?;
    let folders = listing.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    folders.max().with_context(|| format!("{} has no folder: measure first, with --run", results.display()))
}

/// Measures what is missing, part by part. Returns the exit code.
fn measure(options: &ReportOptions, directory: &Path) -> anyhow::Result<u8> {
    let interrupted = heed_signals()?;
    let cores = available_parallelism().map_or(1, |cores| cores.get());
    let parts = options.parts(Host::probe().kvm == KvmState::Works, cores);
    let images = images(parts.iter().flat_map(|part| &part.comparisons).flat_map(|one| &one.peers))?;
    let began = Instant::now();
    say_what_is_missing(&parts, options, directory)?;
    let mut code = 0;
    for (number, part) in parts.iter().enumerate() {
        let place = format!("{} ({} of {})", part.name, number + 1, parts.len());
        let mut shown = output::progress(place.clone());
        let ran = report::run(part, directory, options.earlier(), &images, &interrupted, |what| {
            shown.finish_and_clear();
            shown = output::progress(format!("{place}: {what}"));
        });
        shown.finish_and_clear();
        match ran {
            Ok(ran) => {
                let elapsed = minutes(began.elapsed());
                eprintln!("{place}: {} rows measured, {} kept; {elapsed} so far", ran.measured, ran.kept);
                ran.failed.iter().for_each(|failure| eprintln!("memstorm: {failure}"));
                code = if ran.failed.is_empty() { code } else { FAILURE };
            }
            Err(error @ ReportError::Options(_)) => {
                eprintln!("memstorm: {error}");
                return Ok(USAGE);
            }
            Err(error) => return Err(error.into()),
        }
        if interrupted.load(Ordering::Relaxed) {
            eprintln!("memstorm: interrupted; the same command goes on with what is missing");
            return Ok(INTERRUPTED);
        }
    }
    eprintln!("measured in {}", minutes(began.elapsed()));
    Ok(code)
}

/// How long it will take.
fn say_what_is_missing(parts: &[Part], options: &ReportOptions, directory: &Path) -> anyhow::Result<()> {
    let mut all = Duration::ZERO;
    for part in parts {
        let missing = part.missing(directory, options.earlier())?;
        let estimate = missing.estimate();
        all += estimate;
        eprintln!("{}: {} rows to measure, about {}", part.name, missing.comparisons.len(), minutes(estimate));
    }
    eprintln!("into {}, about {} in all", directory.display(), minutes(all));
    Ok(())
}

fn minutes(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_results_are_those_of_the_last_day() {
        let folder = tempfile::tempdir().unwrap();
        assert!(latest(folder.path()).unwrap_err().to_string().contains("--run"));
        for name in ["2026-11-21", "2027-01-02", "2026-12-31"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("README.md"), "").unwrap();
        assert!(latest(folder.path()).unwrap().ends_with("2027-01-02"));
        assert!(latest(&folder.path().join("none")).unwrap_err().to_string().starts_with("cannot list"));
    }

    #[test]
    fn times_are_told_in_minutes() {
        assert_eq!(minutes(Duration::from_millis(59_400)), "59 s");
        assert_eq!(minutes(Duration::from_secs(125)), "2 min 5 s");
    }
}
