//! What is asked of the generator, but for the rate.

use std::num::NonZeroU32;
use std::time::Duration;

use super::distribution::Distribution;
use super::error::LoadError;
use super::protocol::Protocol;
use super::protocol::frame::{FRAME_LEN, MAX_DATAGRAM};
use super::schedule::Schedule;
use super::wire::Transport;
use super::workload::{MAX_KEY, Mix, Workload};

/// The most requests under way on a connection.
const MAX_DEPTH: usize = 1024;
/// Over UDP, where an identifier has to be found.
const MAX_DEPTH_UDP: usize = 64;
/// What a request takes beside key and value, at most.
const REQUEST_OVERHEAD: usize = 40;

/// What is asked of the generator.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The dialect.
    pub protocol: Protocol,
    /// Streams or datagrams.
    pub transport: Transport,
    /// Threads, each with an engine, a wire, and connections of its own.
    pub threads: usize,
    /// Connections of each thread.
    pub connections: usize,
    /// The most requests under way on a connection.
    pub depth: usize,
    /// Requests after which a connection is closed and opened again.
    pub requests_per_connection: Option<NonZeroU32>,
    /// What is asked for.
    pub mix: Mix,
    /// Gaps between arrivals, scaled to the rate.
    pub gaps: Distribution,
    /// Whether the records are stored first.
    pub loading: Loading,
    /// What becomes of a record that is not there.
    pub misses: Misses,
    /// Before anything is recorded.
    pub warmup: Duration,
    /// In which it is.
    pub time: Duration,
    /// How long the server may say nothing before it counts as stalled.
    pub patience: Duration,
    /// Threads are bound to these processors, one after another; to none if there are none.
    pub processors: Vec<usize>,
}

/// Whether the records are stored before they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loading {
    /// They are.
    First,
    /// They are there already, or misses are what is wanted.
    Skipped,
}

/// What becomes of a record that was asked for and is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Misses {
    /// It is counted.
    #[default]
    Counted,
    /// It is stored next, in place of another request: a look-aside cache.
    Filled,
}

impl Plan {
    /// Requests under way on a connection while the records are stored: enough that nobody waits for a round trip each.
    pub(super) fn load_depth(&self) -> usize {
        /// Of all connections together, and of one.
        const IN_ALL: usize = 4096;
        const OF_ONE: usize = 32;
        /// Over UDP a server's socket buffer has to hold them.
        const IN_ALL_UDP: usize = 32;
        let in_all = if self.transport == Transport::Udp { IN_ALL_UDP } else { IN_ALL };
        self.depth.max((in_all / self.connections.max(1)).min(OF_ONE))
    }

    /// The records, if the plan can be carried out.
    pub fn workload(&self) -> Result<Workload, LoadError> {
        let impossible = |what: String| Err(LoadError::Impossible(what));
        let depths = if self.transport == Transport::Udp { MAX_DEPTH_UDP } else { MAX_DEPTH };
        if !(1..=depths).contains(&self.depth) {
            return impossible(format!("a depth of {}: 1 to {depths} requests are under way at a time", self.depth));
        }
        if self.threads == 0 || self.connections == 0 {
            return impossible("at least one thread and one connection are needed".into());
        }
        if self.time.is_zero() {
            return impossible("a measurement of 0 s".into());
        }
        Schedule::check(self.gaps)?;
        let workload = Workload::new(self.mix)?;
        let stores = self.loading == Loading::First || self.mix.updates > 0.0 || self.misses == Misses::Filled;
        let largest = FRAME_LEN + REQUEST_OVERHEAD + MAX_KEY + workload.longest_value();
        if self.transport == Transport::Udp && stores && largest > MAX_DATAGRAM {
            return impossible(format!(
                "values of up to {} bytes: over UDP a request is one datagram of at most {MAX_DATAGRAM} bytes; load \
                 over TCP (--loadonly), then read over UDP (--noload -u 0)",
                workload.longest_value()
            ));
        }
        Ok(workload)
    }
}

impl Default for Plan {
    /// As mutilate, where it has the option.
    fn default() -> Plan {
        Plan {
            protocol: Protocol::Text,
            transport: Transport::Tcp,
            threads: 1,
            connections: 1,
            depth: 1,
            requests_per_connection: None,
            mix: Mix {
                records: 10_000,
                keys: Distribution::Fixed(30.0),
                values: Distribution::Fixed(200.0),
                updates: 0.0,
                seed: 1,
            },
            gaps: Distribution::Exponential { lambda: 1.0 },
            loading: Loading::First,
            misses: Misses::Counted,
            warmup: Duration::ZERO,
            time: Duration::from_secs(5),
            patience: Duration::from_secs(5),
            processors: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_can_be_carried_out() {
        assert!(Plan::default().workload().is_ok());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refusal = |change: fn(&mut Plan)| {
            let mut plan = Plan::default();
            change(&mut plan);
            plan.workload().unwrap_err().to_string()
        };
        assert!(refusal(|plan| plan.depth = 0).contains("1 to 1024"));
        assert!(refusal(|plan| plan.connections = 0).contains("at least one"));
        assert!(refusal(|plan| plan.time = Duration::ZERO).contains("0 s"));
        assert!(refusal(|plan| plan.mix.records = 0).contains("at least one record"));
        assert!(refusal(|plan| plan.gaps = Distribution::Fixed(0.0)).contains("gaps"));
        let udp = refusal(|plan| {
            plan.transport = Transport::Udp;
            plan.mix.values = Distribution::FacebookValue;
        });
        assert!(udp.contains("--loadonly"), "{udp}");
        assert!(
            refusal(|plan| {
                (plan.transport, plan.loading, plan.misses) = (Transport::Udp, Loading::Skipped, Misses::Filled);
                plan.mix.values = Distribution::FacebookValue;
            })
            .contains("over UDP")
        );
    }
}
