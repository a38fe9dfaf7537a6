//! Measuring the parts of a report, so that an interrupt or a failure loses little.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::parts::Part;
use super::{ReportError, failed, notes_path, read_rows, save, save_rows};
use crate::compare::{Images, Options, Row, compare};

/// What becomes of rows that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// They stay, if they were measured in the same way: only the others are measured.
    Kept,
    /// All is measured again.
    Replaced,
}

/// What came of a part.
#[derive(Debug)]
pub struct Ran {
    /// Rows that were measured now.
    pub measured: usize,
    /// Rows that were there.
    pub kept: usize,
    /// What could not be measured.
    pub failed: Vec<String>,
}

/// Measures what a part lacks, and writes its rows and notes into `directory`. `progress` hears what is being measured. When
/// `interrupted` is set, what was found so far is written.
pub fn run(
    part: &Part,
    directory: &Path,
    earlier: Earlier,
    images: &Images,
    interrupted: &AtomicBool,
    progress: impl FnMut(String),
) -> Result<Ran, ReportError> {
    let file = file_of(part);
    let there = earlier_rows(part, directory, earlier)?;
    let wanted = part.missing(directory, earlier)?.comparisons;
    let found = compare(&wanted, images, interrupted, progress)?;
    let kept = part.comparisons.len() - wanted.len();
    // Rounds may be missing after an interrupt: such a row is written, but it is not what was asked for.
    let mut rows: Vec<Row> = part.comparisons.iter().filter_map(|one| row_of(one, &there)).cloned().collect();
    rows.extend(found.rows.iter().cloned());
    let place =
        |row: &Row| part.comparisons.iter().position(|one| one.asks_for(&Row { rounds: one.rounds, ..row.clone() }));
    rows.sort_by_key(place);
    if !rows.is_empty() {
        save_rows(directory, &file, &rows)?;
    }
    let failed: Vec<String> = found.failed.iter().map(ToString::to_string).collect();
    write_notes(directory, part, &failed)?;
    Ok(Ran { measured: found.rows.len(), kept, failed })
}

impl Part {
    /// What of it has no rows yet.
    pub fn missing(&self, directory: &Path, earlier: Earlier) -> Result<Part, ReportError> {
        let there = earlier_rows(self, directory, earlier)?;
        let comparisons = self.comparisons.iter().filter(|one| row_of(one, &there).is_none()).cloned().collect();
        Ok(Part { comparisons, notes: self.notes.clone(), ..*self })
    }
}

fn file_of(part: &Part) -> String {
    format!("{}.json", part.name)
}

/// The rows that were there.
fn earlier_rows(part: &Part, directory: &Path, earlier: Earlier) -> Result<Vec<Row>, ReportError> {
    let path = directory.join(file_of(part));
    if earlier == Earlier::Kept && path.exists() { read_rows(&path) } else { Ok(Vec::new()) }
}

fn row_of<'a>(options: &Options, rows: &'a [Row]) -> Option<&'a Row> {
    rows.iter().find(|row| options.asks_for(row))
}

/// What readers have to know of a part, a line each; no file if that is nothing.
fn write_notes(directory: &Path, part: &Part, failed_peers: &[String]) -> Result<(), ReportError> {
    let path = notes_path(directory, part.name);
    let lines: Vec<&str> = part.notes.iter().chain(failed_peers).map(String::as_str).collect();
    if lines.is_empty() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("cannot remove", &path, error)),
            _ => Ok(()),
        };
    }
    fs::create_dir_all(directory).map_err(|cause| failed("cannot make", directory, cause))?;
    save(&path, &(lines.join("\n") + "\n"))
}
