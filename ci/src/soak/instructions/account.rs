//! What the stages of each core took.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

use anyhow::Result;

use crate::client::Client;

/// The stages of a turn, as `stats dataplane` names them.
const STAGES: [&str; 8] = ["reclaim", "mailbox", "timers", "receive", "ingress", "app", "egress", "doorbell"];

/// `stats dataplane` at some time.
pub(super) struct Reading(HashMap<String, u64>);

impl Reading {
    pub(super) fn take(control: &mut Client) -> Result<Reading> {
        let stats = control.stats("dataplane")?;
        Ok(Reading(stats.into_iter().filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect()))
    }

    /// Requests that a core has accounted for.
    pub(super) fn requests(&self, core: usize) -> u64 {
        self.value(core, "requests")
    }

    fn value(&self, core: usize, name: &str) -> u64 {
        self.0.get(&format!("core{core}_stage_{name}")).copied().unwrap_or(0)
    }
}

/// One core's account between two readings.
pub(super) struct Account {
    cores: usize,
    core: usize,
    requests: u64,
    turns: u64,
    left_out: u64,
    /// Frames received, and turns in which some were.
    frames: u64,
    batches: u64,
    /// By stage.
    instructions: [u64; STAGES.len()],
}

impl Account {
    /// What the lines are headed by.
    pub(super) const HEAD: &str = "cores core  requests  instructions/request  frames/batch  left out  by stage: reclaim mailbox timers receive ingress app egress doorbell";

    /// Of core `core` among `cores`.
    pub(super) fn new(cores: usize, core: usize, before: &Reading, after: &Reading) -> Account {
        let grown = |name: &str| after.value(core, name) - before.value(core, name);
        Account {
            cores,
            core,
            requests: grown("requests"),
            turns: grown("turns"),
            left_out: grown("turns_left_out"),
            frames: grown("receive_items"),
            batches: grown("receive_batches"),
            instructions: STAGES.map(|stage| grown(&format!("{stage}_cycles"))),
        }
    }

    /// From the beginning of a turn to its doorbell; turns in which there was nothing to do count for nobody.
    pub(super) fn instructions_per_request(&self) -> f64 {
        self.instructions.iter().sum::<u64>() as f64 / self.requests as f64
    }

    /// Frames of a turn that received some.
    pub(super) fn mean_batch(&self) -> f64 {
        self.frames as f64 / self.batches as f64
    }

    /// The part of the turns in which another core ran, and which therefore do not count.
    pub(super) fn left_out_percent(&self) -> f64 {
        100.0 * self.left_out as f64 / (self.turns + self.left_out) as f64
    }
}

impl Display for Account {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Account { cores, core, requests, .. } = self;
        let (instructions, batch, left_out) =
            (self.instructions_per_request(), self.mean_batch(), self.left_out_percent());
        write!(
            f,
            "{cores:>5} {core:>4} {requests:>9} {instructions:>21.1} {batch:>13.1} {left_out:>7.2} %           "
        )?;
        self.instructions.iter().try_for_each(|count| write!(f, " {:.0}", *count as f64 / *requests as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(of_core_1: &[(&str, u64)]) -> Reading {
        Reading(of_core_1.iter().map(|(name, value)| (format!("core1_stage_{name}"), *value)).collect())
    }

    #[test]
    fn what_has_grown_counts() {
        let before = reading(&[("requests", 10), ("app_cycles", 1000), ("turns", 5), ("receive_items", 7)]);
        let after = reading(&[
            ("requests", 30),
            ("app_cycles", 31_000),
            ("egress_cycles", 10_000),
            ("empty_cycles", 999_999),
            ("turns", 14),
            ("turns_left_out", 1),
            ("receive_items", 43),
            ("receive_batches", 9),
        ]);
        let account = Account::new(2, 1, &before, &after);
        assert!((account.instructions_per_request() - 2000.0).abs() < 1e-9);
        assert!((account.mean_batch() - 4.0).abs() < 1e-9);
        assert!((account.left_out_percent() - 10.0).abs() < 1e-9);
        let line = account.to_string();
        assert!(line.starts_with("    2    1        20                2000.0           4.0   10.00 %"), "{line}");
        assert!(line.ends_with(" 0 0 0 0 0 1500 500 0"), "{line}");
    }
}
