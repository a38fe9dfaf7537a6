//! The rules that every source file is held to.

use ci::source::figures::Figures;
use ci::source::{collect_files, layers, unsafety};

/// A longer file holds two ideas.
const LARGEST_FILE: usize = 600;
/// The core of ring 0 stays small enough to be read in one sitting.
const LARGEST_MONITOR: usize = 1000;

fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn crates_use_only_what_is_below_them() {
    assert_none(&layers::collect_violations().unwrap());
}

#[test]
fn modules_know_only_what_is_below_them() {
    assert_none(&layers::collect_module_violations(&collect_files(&["rs"]).unwrap()));
}

#[test]
fn unsafe_code_stands_only_in_files_named_for_it() {
    assert_none(&unsafety::collect_violations(&collect_files(&["rs"]).unwrap()).unwrap());
}

#[test]
fn files_hold_one_idea() {
    let figures = Figures::collect(&collect_files(&["rs"]).unwrap()).unwrap();
    let large = figures.files.iter().filter(|(_, lines)| *lines > LARGEST_FILE);
    assert_none(&large.map(|(file, lines)| format!("{file}: {lines} lines")).collect::<Vec<_>>());
}

#[test]
fn the_monitor_stays_small() {
    let figures = Figures::collect(&collect_files(&["S"]).unwrap()).unwrap();
    let lines: usize = figures.monitor.iter().map(|(_, lines)| lines).sum();
    assert!(lines < LARGEST_MONITOR, "{lines} lines of assembly in ring 0");
}
