//! Reports of what was measured: tables in Markdown and plots in SVG, from rows in JSON.
//!
//! ```text
//! parts (what a report needs) -> run -> DIR/*.json, DIR/*.notes
//! DIR/*.json -> sweeps (which plot shows which rows) -> plot -> DIR/*.svg
//!            -> table, goals -> DIR/README.md, and a section of another text
//! ```

mod goals;
mod parts;
mod plot;
mod run;
mod section;
mod span;
mod sweeps;
mod table;
mod ticks;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use parts::{PARTS, Pace, Part, Setting, parts};
pub use plot::{Axis, Plot, PlotError, Point, Scale, Series};
pub use run::{Earlier, Ran, run};
pub use section::{NoSection, replaced};

use crate::compare::{OptionsError, Row};

/// The rows of the comparison itself; others vary something.
pub const COMPARISON: &str = "compare.json";

/// The rows that are judged by runs as a whole.
const WHOLE_RUNS: &str = "whole-runs";

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file or directory.
    #[error("{what} {path}: {cause}")]
    File {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
    /// A file that holds something else.
    #[error("{path} does not hold rows of `bench compare -o json`: {cause}")]
    Rows {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        cause: serde_json::Error,
    },
    /// Nothing to report.
    #[error("{0} holds no rows: measure first, with `memstorm bench compare --save DIR`")]
    Empty(PathBuf),
    /// What was to be measured cannot be.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// Drawing failed.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// The text has no place for it.
    #[error("{path}: {cause}")]
    Section {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: NoSection,
    },
}

/// Writes tables and plots into `directory`, from the rows that lie there. Returns the files.
pub fn write(directory: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let all = read(directory)?;
    let rows = of_comparison(&all);
    let mut written = Vec::new();
    let mut text = format!("# Measured\n\n{}{}{}", goals::table(&all), table::conditions(rows), tables(&all));
    for (name, plot) in sweeps::plots(&all) {
        if let Some(svg) = plot.to_svg()? {
            let path = directory.join(format!("{name}.svg"));
            save(&path, &svg)?;
            text += &format!("![{}]({name}.svg)\n\n", plot.title);
            written.push(path);
        }
    }
    text += &sweeps::tables(&all);
    text += &table::peers(all.iter().flat_map(|(_, rows)| rows));
    text += &read_notes(directory)?;
    let path = directory.join("README.md");
    save(&path, &(text.trim_end().to_owned() + "\n"))?;
    written.insert(0, path);
    Ok(written)
}

/// Replaces the marked section of the text in `file` by tables and plots of `directory`, which lies below it, and where the rest
/// is.
pub fn write_section(file: &Path, directory: &Path) -> Result<(), ReportError> {
    let all = read(directory)?;
    let rows = of_comparison(&all);
    let base = file.parent().unwrap_or(Path::new(""));
    let folder = directory.strip_prefix(base).unwrap_or(directory).display();
    let mut text = format!("{}{}{}", goals::table(&all), table::conditions(rows), tables(&all));
    let plots = sweeps::plots(&all);
    for (name, plot) in plots.iter().filter(|(name, _)| name.starts_with(sweeps::LATENCY)) {
        if plot.to_svg()?.is_some() {
            text += &format!("![{}]({folder}/{name}.svg)\n\n", plot.title);
        }
    }
    let others: Vec<String> = plots
        .iter()
        .filter(|(name, _)| !name.starts_with(sweeps::LATENCY))
        .map(|(name, plot)| format!("[{}]({folder}/{name}.svg)", plot.title))
        .collect();
    if !others.is_empty() {
        text += &format!("Plots of what was varied: {}. ", others.join("; "));
    }
    text += &format!("[All figures, with every server's version and flags]({folder}/README.md).\n");
    let old = fs::read_to_string(file).map_err(|cause| failed("cannot read", file, cause))?;
    let new = replaced(&old, &text).map_err(|cause| ReportError::Section { path: file.to_owned(), cause })?;
    save(file, &new)
}

/// Writes rows into `directory`, as the file with this name.
pub fn save_rows(directory: &Path, name: &str, rows: &[Row]) -> Result<PathBuf, ReportError> {
    fs::create_dir_all(directory).map_err(|cause| failed("cannot make", directory, cause))?;
    let path = directory.join(name);
    let json = serde_json::to_string_pretty(rows).map_err(|cause| ReportError::Rows { path: path.clone(), cause })?;
    save(&path, &(json + "\n"))?;
    Ok(path)
}

fn tables(all: &[(String, Vec<Row>)]) -> String {
    let rows = of_comparison(all);
    let whole_runs =
        all.iter().find(|(name, _)| name == WHOLE_RUNS).map(|(_, rows)| rows.as_slice()).unwrap_or_default();
    format!("{}{}{}\n", table::comparison(rows), table::whole_runs(whole_runs), table::footprint(rows))
}

/// The rows of each file, by its name without the suffix, in the order of names.
fn read(directory: &Path) -> Result<Vec<(String, Vec<Row>)>, ReportError> {
    let listing = fs::read_dir(directory).map_err(|cause| failed("cannot list", directory, cause))?;
    let mut paths: Vec<PathBuf> = listing.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|suffix| suffix == "json"));
    paths.sort();
    let rows = paths.iter().map(|path| Ok((name_of(path), read_rows(path)?)));
    let rows: Vec<(String, Vec<Row>)> = rows.collect::<Result<_, ReportError>>()?;
    if rows.iter().all(|(_, rows)| rows.is_empty()) {
        return Err(ReportError::Empty(directory.to_owned()));
    }
    Ok(rows)
}

/// The rows of a file.
fn read_rows(path: &Path) -> Result<Vec<Row>, ReportError> {
    let text = fs::read(path).map_err(|cause| failed("cannot read", path, cause))?;
    serde_json::from_slice(&text).map_err(|cause| ReportError::Rows { path: path.to_owned(), cause })
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Where the notes of a part lie.
fn notes_path(directory: &Path, part: &str) -> PathBuf {
    directory.join(format!("{part}.notes"))
}

/// The notes of all parts.
fn read_notes(directory: &Path) -> Result<String, ReportError> {
    let mut text = String::new();
    for part in PARTS {
        let path = notes_path(directory, part);
        if path.exists() {
            let notes = fs::read_to_string(&path).map_err(|cause| failed("cannot read", &path, cause))?;
            notes.lines().for_each(|line| text += &format!("- {part}: {line}\n"));
        }
    }
    Ok(if text.is_empty() { text } else { format!("## Notes\n\n{text}\n") })
}

/// Those of the comparison itself; none if only something was varied.
fn of_comparison(all: &[(String, Vec<Row>)]) -> &[Row] {
    let found = all.iter().find(|(name, _)| COMPARISON.strip_suffix(".json") == Some(name));
    found.map(|(_, rows)| rows.as_slice()).unwrap_or_default()
}

fn save(path: &Path, text: &str) -> Result<(), ReportError> {
    fs::write(path, text).map_err(|cause| failed("cannot write", path, cause))
}

fn failed(what: &'static str, path: &Path, cause: io::Error) -> ReportError {
    ReportError::File { what, path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests;
