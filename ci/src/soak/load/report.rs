//! What came of a load, and the promises that it must have kept.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;

use super::model::Verb;

/// A reply that takes longer is a stall.
const STALL: Duration = Duration::from_secs(1);
/// Mistakes that are kept to be shown.
const SHOWN: usize = 5;

/// What came of a load.
#[derive(Debug)]
pub struct Report {
    connections: usize,
    /// How long the load ran.
    pub elapsed: Duration,
    /// Replies by verb, in the order of `Verb::ALL`.
    replies: [u64; Verb::ALL.len()],
    /// From asking to the last byte of the reply, in microseconds.
    latency: Histogram<u64>,
    slowest_connect: Duration,
    misses: u64,
    wrong: u64,
    broken: u64,
    stalls: u64,
    examples: Vec<String>,
}

impl Report {
    pub(super) fn new(connections: usize) -> Report {
        // Two significant digits up to a minute.
        let latency = Histogram::new_with_bounds(1, 60_000_000, 2).expect("the bounds are right");
        Report {
            connections,
            elapsed: Duration::ZERO,
            replies: [0; Verb::ALL.len()],
            latency,
            slowest_connect: Duration::ZERO,
            misses: 0,
            wrong: 0,
            broken: 0,
            stalls: 0,
            examples: Vec::new(),
        }
    }

    pub(super) fn connected(&mut self, took: Duration) {
        self.slowest_connect = self.slowest_connect.max(took);
    }

    pub(super) fn answered(&mut self, verb: Verb, took: Duration) {
        self.replies[verb as usize] += 1;
        self.latency.saturating_record(took.as_micros() as u64);
        self.stalls += u64::from(took > STALL);
    }

    pub(super) fn missed(&mut self) {
        self.misses += 1;
    }

    pub(super) fn wrong(&mut self, what: String) {
        self.wrong += 1;
        self.example(what);
    }

    pub(super) fn broken(&mut self, what: String) {
        self.broken += 1;
        self.example(what);
    }

    pub(super) fn unanswered(&mut self, replies: usize) {
        self.stalls += 1;
        self.example(format!("{replies} replies never came"));
    }

    fn example(&mut self, what: String) {
        if self.examples.len() < SHOWN {
            self.examples.push(what);
        }
    }

    /// The promises: every value is the one written last, none is missing, no connection breaks, none stalls.
    pub fn check(&self) -> Result<()> {
        let kept = self.misses + self.wrong + self.broken + self.stalls == 0;
        ensure!(kept, "the load found faults, among them: {}", self.examples.join("; "));
        ensure!(self.replies.iter().all(|count| *count > 0), "the load was too short to ask everything");
        Ok(())
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let total: u64 = self.replies.iter().sum();
        let seconds = self.elapsed.as_secs_f64().max(1e-3);
        writeln!(f, "load: {} connections for {seconds:.1} s", self.connections)?;
        for verb in Verb::ALL {
            writeln!(f, "  {:<24}{:>12}", verb.name(), self.replies[verb as usize])?;
        }
        writeln!(f, "  {:<24}{total:>12}  ({:.0}/s)", "replies", total as f64 / seconds)?;
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
            let us = self.latency.value_at_quantile(quantile);
            writeln!(f, "  {:<24}{us:>12}", format!("latency {name}, us"))?;
        }
        writeln!(f, "  {:<24}{:>12}", "slowest connect, us", self.slowest_connect.as_micros())?;
        let faults = [
            ("misses", self.misses),
            ("wrong replies", self.wrong),
            ("broken connections", self.broken),
            ("stalls over 1 s", self.stalls),
        ];
        for (name, count) in faults {
            writeln!(f, "  {name:<24}{count:>12}")?;
        }
        Ok(())
    }
}
