//! What the appliance says became of the frames.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::mutate::Mutation;

/// Prefix of the counters of dropped frames and segments.
const DROP: &str = "drop_";
/// The counter of frames that reached the stack.
const RX_FRAMES: &str = "rx_frames";
/// Reasons that such a run must have met at least: fewer would mean that the frames reach only the first checks.
const LEAST_REASONS: usize = 10;

/// What became of the frames.
#[derive(Debug)]
pub struct Report {
    /// How long it took.
    pub elapsed: Duration,
    /// Frames that the VMM took.
    pub delivered: u64,
    /// Frames that the tap had no room for, which were made up for.
    pub dropped_by_tap: u64,
    mutations: [u64; Mutation::ALL.len()],
    slowest_look: Duration,
    looks: u64,
    before: BTreeMap<String, u64>,
    grown: BTreeMap<String, u64>,
}

impl Report {
    /// Counts from `stats` on.
    pub(super) fn new(stats: Vec<(String, String)>) -> Report {
        Report {
            elapsed: Duration::ZERO,
            delivered: 0,
            dropped_by_tap: 0,
            mutations: [0; Mutation::ALL.len()],
            slowest_look: Duration::ZERO,
            looks: 0,
            before: numbers(stats),
            grown: BTreeMap::new(),
        }
    }

    pub(super) fn mutated(&mut self, mutation: Mutation) {
        self.mutations[mutation as usize] += 1;
    }

    pub(super) fn looked(&mut self, took: Duration) {
        self.looks += 1;
        self.slowest_look = self.slowest_look.max(took);
    }

    /// Takes the statistics after the last frame.
    pub(super) fn finish(&mut self, stats: Vec<(String, String)>) {
        let grown = |(name, value): (String, u64)| {
            let growth = value.saturating_sub(self.before.get(&name).copied().unwrap_or(0));
            (growth > 0).then_some((name, growth))
        };
        self.grown = numbers(stats).into_iter().filter_map(grown).collect();
    }

    fn drops(&self) -> impl Iterator<Item = (&str, u64)> {
        self.grown.iter().filter(|(name, _)| name.starts_with(DROP)).map(|(name, count)| (name.as_str(), *count))
    }

    /// The promises: the appliance counts every frame, and what it drops by reason.
    pub fn check(&self) -> Result<()> {
        let (reasons, dropped) = (self.drops().count(), self.drops().map(|(_, count)| count).sum::<u64>());
        let seen = self.grown.get(RX_FRAMES).copied().unwrap_or(0);
        ensure!(seen >= self.delivered, "the VMM took {} frames, the appliance counts {seen}", self.delivered);
        ensure!(reasons >= LEAST_REASONS, "only {reasons} reasons to drop a frame are counted in stats");
        ensure!(dropped >= self.delivered / 4, "only {dropped} of {} frames are counted as dropped", self.delivered);
        Ok(())
    }
}

fn numbers(stats: Vec<(String, String)>) -> BTreeMap<String, u64> {
    stats.into_iter().filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect()
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64().max(1e-3);
        writeln!(f, "frames: {} delivered in {seconds:.1} s", self.delivered)?;
        writeln!(f, "  {:<36}{:>12}", "refused by the tap, sent anew", self.dropped_by_tap)?;
        for mutation in Mutation::ALL {
            writeln!(f, "  {:<36}{:>12}", format!("{mutation:?}"), self.mutations[mutation as usize])?;
        }
        let look = format!("slowest of {} looks, ms", self.looks);
        writeln!(f, "  {look:<36}{:>12}", self.slowest_look.as_millis())?;
        writeln!(f, "the appliance's counters, grown by")?;
        for (name, count) in self.grown.iter().filter(|(name, _)| !name.starts_with(DROP)) {
            writeln!(f, "  {name:<36}{count:>12}")?;
        }
        for (name, count) in self.drops() {
            writeln!(f, "  {name:<36}{count:>12}")?;
        }
        let dropped: u64 = self.drops().map(|(_, count)| count).sum();
        writeln!(f, "  {:<36}{dropped:>12}", "dropped in all")
    }
}
