//! Printing.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use indicatif::ProgressBar;
use serde::Serialize;

/// Prints a line on standard output. Unlike `println!`, it is an error, not a panic, if nobody reads it.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints a value as JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    Ok(line(&serde_json::to_string_pretty(value)?)?)
}

/// Prints rows below a heading, in columns. Those listed in `numbers` are set flush right.
pub(crate) fn table(heading: &[&str], rows: Vec<Vec<String>>, numbers: &[usize]) -> io::Result<()> {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(heading).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for &index in numbers {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in table.lines() {
        line(row.trim_end())?;
    }
    Ok(())
}

/// Says on standard error what takes time: a line that goes away on a terminal, and stays elsewhere.
pub(crate) fn progress(what: String) -> ProgressBar {
    if io::stderr().is_terminal() {
        let bar = ProgressBar::new_spinner().with_message(what);
        bar.enable_steady_tick(Duration::from_millis(80));
        bar
    } else {
        eprintln!("{what}");
        ProgressBar::hidden()
    }
}
