//! What is found, as programs read it.

use std::num::NonZeroU64;

use serde::Serialize;

use super::side::Found;
use super::{Case, Differs, Options, SideName};
use crate::compare::machine;
use crate::compare::row::LimitedBy;
use crate::compare::sample::Sample;
use crate::load::Limit;

/// Digits of a figure that are given.
const DIGITS: i32 = 4;
/// What a side that evicts has to reach of one that does not.
pub const SHARE: f64 = 0.8;

/// A case, over all rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What the sides differ in: memory or keys.
    pub differs: String,
    /// What both are asked for: set or look-aside.
    pub load: String,
    /// Lengths of keys and values: etc or usr.
    pub records: String,
    /// Where each new item evicts another.
    pub evicting: Figures,
    /// Where none is evicted.
    pub keeping: Figures,
    /// Requests a second of the one in those of the other, in the same round: median, smallest and largest.
    pub ratio: Sample,
    /// The same of what the server's core could do at the busy cycles that a request takes, whoever else was the limit.
    pub ratio_by_cycles: Option<Sample>,
    /// Rounds.
    pub rounds: usize,
    /// Seconds of a measurement.
    pub time_s: f64,
    /// Connections.
    pub connections: usize,
    /// Requests under way on each.
    pub depth: usize,
    /// The machine, and what runs on it.
    pub host: String,
    /// The appliance's version.
    pub version: String,
}

/// One side, over all rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Memory for items, in MiB.
    pub memory_mib: u32,
    /// Keys that were drawn from.
    pub keys: u64,
    /// Requests a second, in a closed loop.
    pub rps: Sample,
    /// Busy cycles of the server's core for a request.
    pub cycles_per_request: Option<Sample>,
    /// Items evicted for each that was stored, while it was measured.
    pub evictions_per_set: Sample,
    /// The share of reads that found their item; 0 where there were none.
    pub hit_share: Sample,
    /// Items in the end.
    pub items: u64,
    /// What limited it: server or generator.
    pub limited_by: String,
    /// How it was started.
    pub flags: String,
}

impl Row {
    /// Of rounds, of which there is at least one; `None` else.
    pub(super) fn of(options: &Options, case: &Case, rounds: &[[Found; 2]]) -> Option<Row> {
        let figures = |side: SideName| {
            let found: Vec<&Found> = rounds.iter().map(|both| &both[side as usize]).collect();
            let plan = case.plan(options, side).ok()?;
            Figures::of(case.needs(options, side).memory_mib, plan.mix.records, &found)
        };
        let rates = |[evicting, keeping]: &[Found; 2]| Some(evicting.per_second / keeping.per_second);
        let cycles =
            |[evicting, keeping]: &[Found; 2]| Some(keeping.cycles_per_request? / evicting.cycles_per_request?);
        Some(Row {
            differs: case.differs.name().to_owned(),
            load: case.load.name().to_owned(),
            records: options.records.name().to_owned(),
            evicting: figures(SideName::Evicting)?,
            keeping: figures(SideName::Keeping)?,
            ratio: sample(rounds.iter().filter_map(rates))?,
            ratio_by_cycles: sample(rounds.iter().filter_map(cycles)),
            rounds: rounds.len(),
            time_s: options.time.as_secs_f64(),
            connections: options.connections,
            depth: options.depth,
            host: machine::describe(),
            version: rounds.first()?[0].version.clone(),
        })
    }

    /// Whether the share of [`SHARE`] is promised of it: where both are asked the same.
    pub fn is_promised(&self) -> bool {
        self.differs == Differs::Memory.name()
    }

    /// The smaller of its ratios: requests a second flatter where the generator was the limit.
    pub fn share(&self) -> f64 {
        self.ratio_by_cycles.map_or(self.ratio.median, |by_cycles| by_cycles.median.min(self.ratio.median))
    }
}

impl Figures {
    fn of(memory_mib: u32, keys: u64, found: &[&Found]) -> Option<Figures> {
        let over = |figure: fn(&Found) -> Option<f64>| sample(found.iter().filter_map(|found| figure(found)));
        let limited_by = LimitedBy::over(found.iter().map(|found| match found.limit {
            Limit::Generator => LimitedBy::Generator,
            Limit::Server | Limit::Rate => LimitedBy::Server,
        }));
        let items: u64 = found.iter().map(|found| found.counters.items).sum();
        Some(Figures {
            memory_mib,
            keys,
            rps: over(|found| Some(found.per_second))?,
            cycles_per_request: over(|found| found.cycles_per_request),
            evictions_per_set: over(|found| Some(found.counters.evictions_per_set()))?,
            hit_share: over(|found| Some(found.counters.hit_share()))?,
            items: items / NonZeroU64::new(found.len() as u64)?,
            limited_by: limited_by.name().to_owned(),
            flags: found.first()?.flags.clone(),
        })
    }
}

fn sample(values: impl IntoIterator<Item = f64>) -> Option<Sample> {
    Sample::of(values).map(|sample| sample.rounded(DIGITS))
}

#[cfg(test)]
mod tests {
    use super::super::case::tests::options;
    use super::super::counters::Counters;
    use super::*;

    fn found(per_second: f64, cycles: f64, sets: u64, evictions: u64, limit: Limit) -> Found {
        Found {
            per_second,
            cycles_per_request: Some(cycles),
            counters: Counters { sets, evictions, items: 7, ..Counters::default() },
            limit,
            version: "memstorm 1".to_owned(),
            flags: "qemu".to_owned(),
        }
    }

    #[test]
    fn sides_are_compared_within_a_round() {
        let round = |speed: f64, share: f64| {
            let keeping = found(1e6 * speed, 1000.0, 100, 0, Limit::Server);
            [found(1e6 * speed * share, 1000.0 / share, 100, 99, Limit::Server), keeping]
        };
        // The machine's own speed varies by more than what is measured.
        let rounds = [round(1.0, 0.9), round(0.5, 0.84), round(2.0, 0.86)];
        let row = Row::of(&options(), &Case::ALL[0], &rounds).unwrap();
        assert_eq!(row.ratio, Sample { median: 0.86, spread: [0.84, 0.9] });
        assert_eq!(row.ratio_by_cycles, Some(row.ratio));
        assert_eq!((row.evicting.evictions_per_set.median, row.keeping.evictions_per_set.median), (0.99, 0.0));
        assert_eq!((row.evicting.memory_mib, row.keeping.memory_mib), (64, 1024));
        assert_eq!((row.evicting.items, row.rounds, row.keeping.rps.median), (7, 3, 1e6));
        assert!(row.is_promised() && row.share() >= SHARE);
        assert_eq!(Row::of(&options(), &Case::ALL[0], &[]), None);
    }

    #[test]
    fn a_generator_that_is_the_limit_does_not_hide_what_eviction_costs() {
        let evicting = found(1e6, 2000.0, 100, 100, Limit::Server);
        let row =
            Row::of(&options(), &Case::ALL[2], &[[evicting, found(1.1e6, 1000.0, 100, 0, Limit::Generator)]]).unwrap();
        assert_eq!((row.ratio.median, row.share()), (0.9091, 0.5));
        assert_eq!((row.evicting.limited_by.as_str(), row.keeping.limited_by.as_str()), ("server", "generator"));
        assert!(!row.is_promised(), "the sides are asked for different keys");
    }
}
