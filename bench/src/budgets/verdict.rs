//! What was measured beside what was recorded.

use serde::Serialize;

use super::{Budgets, Tools};

/// Growth, or shrinking, that nobody has to care about: in percent.
const TOLERANCE: u64 = 2;

/// What a request costs, and what it may.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The case.
    pub name: &'static str,
    /// What was recorded.
    pub budget: u64,
    /// What was measured.
    pub measured: u64,
    /// How far that is from the budget, in percent.
    pub change_percent: f64,
    /// What that means, if the tools are those of the budgets.
    pub change: Change,
}

/// How a cost has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// By 2 % at most.
    Within,
    /// More.
    Grown,
    /// Less, so that the budget no longer guards anything.
    Shrunk,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing has grown.
    Passed,
    /// Something has.
    Failed,
    /// The tools are others, so that a change may be theirs.
    Skipped,
}

/// Compares counts, each with its case's name, under the tools of today.
pub fn compare(budgets: &Budgets, tools: &Tools, counts: &[(&'static str, u64)]) -> (Verdict, Vec<Row>) {
    let rows: Vec<Row> = counts
        .iter()
        .filter_map(|&(name, measured)| Some(Row::new(name, *budgets.instructions.get(name)?, measured)))
        .collect();
    let verdict = if budgets.tools != *tools {
        Verdict::Skipped
    } else if rows.iter().any(|row| row.change == Change::Grown) {
        Verdict::Failed
    } else {
        Verdict::Passed
    };
    (verdict, rows)
}

impl Row {
    fn new(name: &'static str, budget: u64, measured: u64) -> Row {
        let change = if measured * 100 > budget * (100 + TOLERANCE) {
            Change::Grown
        } else if measured * 100 < budget * (100 - TOLERANCE) {
            Change::Shrunk
        } else {
            Change::Within
        };
        let change_percent = (measured as f64 / budget as f64 - 1.0) * 100.0;
        Row { name, budget, measured, change_percent: (change_percent * 100.0).round() / 100.0, change }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budgets() -> Budgets {
        let tools = Tools { rustc: "1.95.0".into(), valgrind: "3.19.0".into(), libc: "glibc 2.36".into() };
        let instructions = [("echo".to_owned(), 1000), ("get-usr".to_owned(), 2000)];
        Budgets { tools, instructions: instructions.into() }
    }

    fn under_its_tools(counts: &[(&'static str, u64)]) -> (Verdict, Vec<Change>) {
        let (verdict, rows) = compare(&budgets(), &budgets().tools, counts);
        (verdict, rows.iter().map(|row| row.change).collect())
    }

    #[test]
    fn two_percent_more_pass_and_a_tenth_beyond_fails() {
        assert_eq!(under_its_tools(&[("echo", 1020)]), (Verdict::Passed, vec![Change::Within]));
        assert_eq!(under_its_tools(&[("echo", 1021)]), (Verdict::Failed, vec![Change::Grown]));
        let both = under_its_tools(&[("echo", 1000), ("get-usr", 2041)]);
        assert_eq!(both, (Verdict::Failed, vec![Change::Within, Change::Grown]));
    }

    #[test]
    fn what_has_shrunk_is_said_and_passes() {
        assert_eq!(under_its_tools(&[("echo", 980)]), (Verdict::Passed, vec![Change::Within]));
        assert_eq!(under_its_tools(&[("echo", 979)]), (Verdict::Passed, vec![Change::Shrunk]));
    }

    #[test]
    fn other_tools_skip() {
        for (rustc, valgrind, libc) in
            [("1.96.0", "3.19.0", "glibc 2.36"), ("1.95.0", "3.20.0", "glibc 2.36"), ("1.95.0", "3.19.0", "glibc 2.41")]
        {
            let others = Tools { rustc: rustc.into(), valgrind: valgrind.into(), libc: libc.into() };
            let (verdict, rows) = compare(&budgets(), &others, &[("echo", 5000)]);
            assert_eq!((verdict, rows[0].change_percent), (Verdict::Skipped, 400.0), "{others}");
        }
    }
}
