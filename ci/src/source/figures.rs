//! Sizes and counts of the sources.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use anyhow::Result;

use super::{SourceFile, rust};

/// Where the code of ring 0 lies.
const MONITOR: &str = "unikernel/monitor/";
/// The largest of a kind that are shown.
const SHOWN: usize = 3;

/// Sizes and counts, all of them without tests.
#[derive(Debug)]
pub struct Figures {
    /// Files of the monitor and their lines, comments and blank lines included.
    pub monitor: Vec<(String, usize)>,
    /// Rust lines, unsafe blocks and unsafe declarations by crate.
    pub crates: BTreeMap<String, CrateFigures>,
    /// Rust files and their lines, largest first.
    pub files: Vec<(String, usize)>,
    /// Functions, as `file:line name`, and their lines, largest first.
    pub functions: Vec<(String, usize)>,
}

/// The figures of a crate.
#[derive(Debug, Default)]
pub struct CrateFigures {
    /// Lines of Rust.
    pub lines: usize,
    /// `unsafe` blocks.
    pub unsafe_blocks: usize,
    /// Other uses of `unsafe`: functions, implementations, attributes.
    pub unsafe_declarations: usize,
}

impl Figures {
    /// Reads the figures off `files`, which are Rust, assembly and linker scripts.
    pub fn collect(files: &[SourceFile]) -> Result<Figures> {
        let mut figures =
            Figures { monitor: Vec::new(), crates: BTreeMap::new(), files: Vec::new(), functions: Vec::new() };
        for file in files.iter().filter(|file| !file.is_test()) {
            if file.path.starts_with(MONITOR) {
                figures.monitor.push((file.path.clone(), file.text.lines().count()));
            } else if file.path.ends_with(".rs") {
                figures.add(file)?;
            }
        }
        figures.files.sort_by_key(|(_, lines)| std::cmp::Reverse(*lines));
        figures.functions.sort_by_key(|(_, lines)| std::cmp::Reverse(*lines));
        Ok(figures)
    }

    fn add(&mut self, file: &SourceFile) -> Result<()> {
        let contents = rust::read(file)?;
        let krate = self.crates.entry(file.krate().to_owned()).or_default();
        krate.lines += contents.lines;
        krate.unsafe_blocks += contents.unsafe_blocks.len();
        krate.unsafe_declarations += contents.unsafe_declarations.len();
        self.files.push((file.path.clone(), contents.lines));
        for function in contents.functions {
            self.functions.push((format!("{}:{} {}", file.path, function.line, function.name), function.lines));
        }
        Ok(())
    }
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let lines = |extension| self.monitor.iter().filter(move |(file, _)| file.ends_with(extension)).map(|(_, n)| n);
        let (assembly, script) = (lines(".S").sum::<usize>(), lines(".ld").sum::<usize>());
        writeln!(f, "{MONITOR}: {assembly} lines of assembly, {script} of linker script")?;
        for (file, lines) in &self.monitor {
            writeln!(f, "  {lines:>6}  {file}")?;
        }
        writeln!(f, "{:<16} {:>8} {:>14} {:>20}", "crate", "lines", "unsafe blocks", "unsafe declarations")?;
        for (name, krate) in &self.crates {
            writeln!(f, "{name:<16} {:>8} {:>14} {:>20}", krate.lines, krate.unsafe_blocks, krate.unsafe_declarations)?;
        }
        for (what, largest) in [("files", &self.files), ("functions", &self.functions)] {
            writeln!(f, "largest {what}, in lines without tests")?;
            for (name, lines) in largest.iter().take(SHOWN) {
                writeln!(f, "  {lines:>6}  {name}")?;
            }
        }
        Ok(())
    }
}
