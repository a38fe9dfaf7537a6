//! What a measurement has found, and what limited it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::generator::Rate;
use super::phases::{Counted, Part};
use super::recorder::Record;

/// An engine that is idle for less than this share of its time may be what limits.
const LEAST_IDLE: f64 = 0.05;
/// Of the rate asked for, this share counts as reached.
const REACHED: f64 = 0.99;
/// Requests may leave so late, at the 99th percentile, in nanoseconds; or later by this share of the latency there.
const LATE_NS: u64 = 20_000;
const LATE_SHARE: u64 = 10;

/// What a measurement has found.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The rate asked for.
    pub rate: Rate,
    /// How long was measured.
    pub time: Duration,
    /// What all engines have recorded.
    pub record: Record,
    /// The idle share of the engine that has the least.
    pub idle_share: f64,
    /// What the server says of its own time, if it does.
    pub server: Option<ServerTime>,
}

/// What was the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The rate asked for was reached.
    Rate,
    /// The server does not do more.
    Server,
    /// The generator does not do more, or not in time: figures are lower bounds, latencies include its own.
    Generator,
}

/// What an appliance's cores spent in the meantime.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerTime {
    /// Cycles of turns in which there was something to do, for each request.
    pub busy_cycles_per_request: f64,
    /// The same of each stage of a turn, by name, as far as it took any.
    pub stages: BTreeMap<String, f64>,
    /// Frames that were received in a turn that received any.
    pub frames_per_batch: f64,
    /// The share of such turns.
    pub busy_share: f64,
}

impl Measured {
    /// Of each piece of a run of `time`, from what all engines have found.
    pub(super) fn of_pieces(rate: Rate, time: Duration, parts: &[Part]) -> Vec<Measured> {
        let pieces = parts.iter().map(|part| part.records.len()).max().unwrap_or(1);
        let answered = || parts.iter().flat_map(|part| &part.records).map(|record| record.answered).sum();
        let server = parts.iter().find_map(|part| {
            let answered = match part.counted {
                Counted::Requests => None,
                Counted::Segments => Some(answered()),
            };
            ServerTime::between(part.statistics.as_ref()?, answered)
        });
        let piece = |index: usize| {
            let records = || parts.iter().filter_map(move |part| part.records.get(index));
            let idle_share = records().map(Record::idle_share).fold(1.0, f64::min);
            let mut record = Record::new(1);
            records().for_each(|other| record.add(other));
            Measured { rate, time: time / pieces as u32, record, idle_share, server: server.clone() }
        };
        (0..pieces).map(piece).collect()
    }

    /// What pieces of one run have found together; `None` of no pieces.
    pub(super) fn together<'a>(pieces: impl IntoIterator<Item = &'a Measured>) -> Option<Measured> {
        let mut pieces = pieces.into_iter();
        let mut sum = pieces.next()?.clone();
        let mut idle_s = sum.idle_share * sum.time.as_secs_f64();
        for piece in pieces {
            sum.time += piece.time;
            sum.record.add(&piece.record);
            idle_s += piece.idle_share * piece.time.as_secs_f64();
        }
        sum.idle_share = idle_s / sum.time.as_secs_f64();
        Some(sum)
    }

    /// Answers a second.
    pub fn per_second(&self) -> f64 {
        self.record.answered as f64 / self.time.as_secs_f64()
    }

    /// Whether the rate asked for was reached.
    pub fn is_reached(&self) -> bool {
        match self.rate {
            Rate::Peak => true,
            // What arrived at random in the time is what could be answered.
            Rate::PerSecond(_) => {
                self.record.answered as f64 >= REACHED * self.record.intended as f64 && self.is_offered()
            }
        }
    }

    /// Whether the arrivals were made at the rate asked for, but for chance (four deviations of a Poisson process).
    fn is_offered(&self) -> bool {
        let Rate::PerSecond(rate) = self.rate else { return true };
        let asked = rate * self.time.as_secs_f64();
        self.record.intended as f64 >= REACHED * asked - 4.0 * asked.sqrt()
    }

    /// Whether requests left later than they should have by more than a little, without the server's doing.
    pub fn is_late(&self) -> bool {
        let latency = self.record.all().value_at_quantile(0.99);
        self.record.lag.value_at_quantile(0.99) > LATE_NS.max(latency / LATE_SHARE)
    }

    /// Whether the generator is why the latency is what it is, or the rate was not reached: it had no time to spare, or requests left
    /// so late that this is half of what they took.
    pub fn is_held_up(&self) -> bool {
        let [latency, lag] = [&self.record.all(), &self.record.lag].map(|histogram| histogram.value_at_quantile(0.99));
        self.idle_share < LEAST_IDLE || !self.is_offered() || lag > LATE_NS.max(latency / 2)
    }

    /// What was the limit.
    pub fn limit(&self) -> Limit {
        if self.idle_share < LEAST_IDLE || self.is_late() || !self.is_offered() {
            Limit::Generator
        } else if self.rate == Rate::Peak || !self.is_reached() {
            Limit::Server
        } else {
            Limit::Rate
        }
    }
}

impl ServerTime {
    /// From statistics asked for at two times, for those requests that were answered meanwhile, or else those that the server
    /// has counted; none if they are not an appliance's.
    fn between([before, after]: &[String; 2], answered: Option<u64>) -> Option<ServerTime> {
        let (before, after) = (Counters::parse(before)?, Counters::parse(after)?);
        let counted = after.requests.checked_sub(before.requests).filter(|&requests| requests > 0)?;
        let requests = answered.unwrap_or(counted).max(1);
        let empty = after.empty.checked_sub(before.empty)?;
        let frames = after.frames.saturating_sub(before.frames) as f64;
        let batches = after.batches.saturating_sub(before.batches) as f64;
        let mut stages = BTreeMap::new();
        for (name, cycles) in after.stages {
            let spent = cycles.checked_sub(before.stages.get(&name).copied().unwrap_or(0))?;
            stages.insert(name, spent);
        }
        let busy = stages.values().sum::<u64>();
        stages.retain(|_, cycles| *cycles > 0);
        Some(ServerTime {
            busy_cycles_per_request: busy as f64 / requests as f64,
            busy_share: busy as f64 / (busy + empty).max(1) as f64,
            stages: stages.into_iter().map(|(name, cycles)| (name, cycles as f64 / requests as f64)).collect(),
            frames_per_batch: frames / batches.max(1.0),
        })
    }
}

/// An appliance's stage accounts, of all its cores.
#[derive(Default)]
struct Counters {
    requests: u64,
    /// Cycles of each stage.
    stages: BTreeMap<String, u64>,
    empty: u64,
    /// Frames received, and turns that received some.
    frames: u64,
    batches: u64,
}

impl Counters {
    fn parse(statistics: &str) -> Option<Counters> {
        let mut counters = Counters::default();
        let mut is_there = false;
        for line in statistics.lines() {
            let Some((name, value)) = line.strip_prefix("STAT ").and_then(|rest| rest.split_once(' ')) else {
                continue;
            };
            let Some(name) = name.strip_prefix("stage_") else { continue };
            let value: u64 = value.trim().parse().ok()?;
            match name {
                "requests" => (counters.requests, is_there) = (value, true),
                "empty_cycles" => counters.empty = value,
                "receive_items" => counters.frames = value,
                "receive_batches" => counters.batches = value,
                name => {
                    if let Some(stage) = name.strip_suffix("_cycles") {
                        counters.stages.insert(stage.to_owned(), value);
                    }
                }
            }
        }
        is_there.then_some(counters)
    }
}

#[cfg(test)]
mod tests;
