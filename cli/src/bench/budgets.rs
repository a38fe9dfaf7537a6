//! `memstorm bench budgets`: what requests cost the server, beside what they may.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use bench::budgets::{Budgets, CASES, Change, Row, Tools, Verdict, compare};
use bench::stack::Error;
use serde::Serialize;

use super::stack::count;
use crate::FAILURE;
use crate::args::{BudgetsOptions, Output};
use crate::output;

/// All of it, for programs.
#[derive(Serialize)]
struct Report {
    verdict: Verdict,
    /// Why nothing is said, if so.
    skipped: Option<String>,
    /// What was measured with; null without Valgrind.
    tools: Option<Tools>,
    rows: Vec<Row>,
}

pub(super) fn bench_budgets(options: &BudgetsOptions) -> anyhow::Result<u8> {
    if cfg!(debug_assertions) {
        bail!("a debug build, whose instructions are nobody's budget: build with `cargo build --release -p cli`");
    }
    if options.update { update(options) } else { check(options) }
}

fn check(options: &BudgetsOptions) -> anyhow::Result<u8> {
    let named = || options.file.display().to_string();
    let budgets = Budgets::read(&options.file).with_context(named)?;
    let tools = match Tools::here() {
        Err(Error::NoValgrind) => {
            let skipped = Some(Error::NoValgrind.to_string());
            print(options.output, &Report { verdict: Verdict::Skipped, skipped, tools: None, rows: Vec::new() })?;
            return Ok(0);
        }
        tools => tools?,
    };
    let (verdict, rows) = compare(&budgets, &tools, &measure()?);
    let others = || format!("budgets were recorded with {}; here are {tools}", budgets.tools);
    let skipped = (verdict == Verdict::Skipped).then(others);
    print(options.output, &Report { verdict, skipped, tools: Some(tools), rows })?;
    Ok(if verdict == Verdict::Failed { FAILURE } else { 0 })
}

/// Records what is measured now, and shows what it replaces.
fn update(options: &BudgetsOptions) -> anyhow::Result<u8> {
    let named = || options.file.display().to_string();
    // Before all the work: whether there is a place for it.
    let folder = options.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::metadata(folder).with_context(|| format!("{}: run this in a checkout, or say --file", folder.display()))?;
    let tools = Tools::here()?;
    let counts = measure()?;
    let instructions = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    let now = Budgets { tools: tools.clone(), instructions };
    // A file that is missing, or not in order, is replaced like any other.
    let before = Budgets::read(&options.file).unwrap_or_else(|_| now.clone());
    now.write(&options.file).with_context(named)?;
    let (_, rows) = compare(&before, &tools, &counts);
    print(options.output, &Report { verdict: Verdict::Passed, skipped: None, tools: Some(tools), rows })?;
    eprintln!("memstorm: recorded in {}", named());
    Ok(0)
}

/// Instructions of a request, for each case.
fn measure() -> anyhow::Result<Vec<(&'static str, u64)>> {
    let program = std::env::current_exe()?;
    let mut counts = Vec::new();
    for case in CASES {
        let progress = output::progress(format!("{}: {}", case.name, case.about));
        let counted = count(&program, &case.load);
        progress.finish_and_clear();
        counts.push((case.name, counted.with_context(|| case.name)?.per_rpc.round() as u64));
    }
    Ok(counts)
}

fn print(format: Output, report: &Report) -> anyhow::Result<()> {
    if format == Output::Json {
        return output::json(report);
    }
    if !report.rows.is_empty() {
        let cells = report.rows.iter().map(|row| {
            let remark = match row.change {
                _ if report.verdict == Verdict::Skipped => "",
                Change::Within => "",
                Change::Grown => "grown: save it elsewhere, or record it if it is worth that",
                Change::Shrunk => "shrunk: record it, so that it stays so",
            };
            let change = format!("{:+.1} %", row.change_percent);
            vec![row.name.to_owned(), row.budget.to_string(), row.measured.to_string(), change, remark.to_owned()]
        });
        output::table(&["REQUEST", "BUDGET", "MEASURED", "CHANGE", ""], cells.collect(), &[1, 2, 3])?;
    }
    if let Some(why) = &report.skipped {
        output::line(&format!("skipped: {why}"))?;
    }
    Ok(())
}
