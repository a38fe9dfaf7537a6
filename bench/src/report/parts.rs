//! What a report is made of: the comparison, and sweeps of one option each. How often and how long each is measured is here.

use std::num::NonZeroU32;
use std::time::Duration;

use orchestrator::Accel;

use crate::compare::{Bounds, Figures, Options};
use crate::load::workload::Preset;
use crate::load::{PIECES, Protocol, Sla};
use crate::peers::{Cores, Kind, Peer, Route, default_peers};

/// What is measured for one file of rows.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name, and its file's.
    pub name: &'static str,
    /// One for each row.
    pub comparisons: Vec<Options>,
    /// What readers have to know, beside what failed.
    pub notes: Vec<String>,
}

/// What all parts have in common.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// What executes our guests.
    pub accel: Accel,
    /// Who serves, and who asks.
    pub cores: Cores,
    /// Cores of this host.
    pub host_cores: usize,
    /// How long everything takes.
    pub pace: Pace,
}

/// How long everything takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As long as figures need.
    Full,
    /// One short round: to see that all of it works.
    Quick,
}

/// The parts, in their order.
pub const PARTS: [&str; 7] =
    ["compare", "whole-runs", "connections", "cores", "value-bytes", "requests-per-connection", "batch"];

const WARMUP: Duration = Duration::from_millis(200);
const RECORDS: u64 = 100_000;
const MEMORY_MIB: u32 = 512;
const PROMISE: Bounds = Bounds {
    native: Sla { percentile: 99.0, latency_us: 500.0 },
    tcg: Sla { percentile: 99.0, latency_us: 5000.0 },
    pieces: PIECES,
};
/// Connections, where they are not what is varied.
const MANY: usize = 64;
/// More connections than these are not asked of a server behind Linux's stack and a tap.
const MOST_OVER_TAP: usize = 10_000;
/// Values of 64 KiB fit into the memory so many times.
const FEW_RECORDS: u64 = 1000;
/// A measurement of [`Pace::Quick`].
const QUICK: Duration = Duration::from_millis(200);

/// The parts, each with what is to be measured.
pub fn parts(setting: &Setting) -> Vec<Part> {
    let ours = |kind| Peer { kind, route: Route::VhostUser, accel: Some(setting.accel) };
    let memcached = Peer { kind: Kind::Memcached, route: Route::Tap, accel: None };
    let caches = vec![ours(Kind::Memstorm), memcached];
    let echo_and_caches = [vec![ours(Kind::TcpEcho)], caches.clone()].concat();
    let usr = Options { workloads: vec![Preset::Usr], peers: caches, ..setting.common() };
    let most_cores = setting.host_cores.saturating_sub(1).max(1);
    let parts = [
        vec![Options {
            workloads: vec![Preset::Etc, Preset::Usr],
            peers: default_peers(setting.accel),
            rounds: 5,
            figures: Figures::All,
            ..setting.common()
        }],
        vec![Options {
            workloads: vec![Preset::Etc, Preset::Usr],
            figures: Figures::All,
            sla: Bounds { pieces: 1, ..PROMISE },
            ..usr.clone()
        }],
        varied(&usr, [1, 10, 100, 1000, 10_000, 100_000], |connections, options| {
            options.connections = connections;
            options.peers.retain(|peer| peer.route == Route::VhostUser || connections <= MOST_OVER_TAP);
        }),
        varied(&usr, 1..=most_cores, |cores, options| {
            options.cores.servers = cores;
        }),
        varied(
            &Options { peers: echo_and_caches.clone(), connections: 1, depth: 1, records: FEW_RECORDS, ..usr.clone() },
            [64, 256, 1024, 4096, 16_384, 65_536],
            |bytes, options| {
                options.figures = Figures::PeakAndUnloaded;
                options.value_bytes = Some(bytes);
            },
        ),
        varied(
            &Options { peers: echo_and_caches, depth: 1, ..usr.clone() },
            [1, 2, 8, 32, 128, 1024, UNLIMITED],
            |requests, options| options.requests_per_connection = NonZeroU32::new(requests),
        ),
        varied(&Options { peers: vec![ours(Kind::Memstorm)], ..usr }, [1, 8, 32, 64], |batch, options| {
            options.figures = Figures::All;
            options.batch = Some(batch);
        }),
    ];
    let parts = PARTS.into_iter().zip(parts).map(|(name, comparisons)| Part {
        name,
        comparisons: comparisons
            .iter()
            .flat_map(Options::split)
            .filter(Options::suits_all_peers)
            .map(|options| setting.paced(options))
            .collect(),
        notes: if name == "cores" { vec![cores_note(setting.host_cores, most_cores)] } else { Vec::new() },
    });
    parts.collect()
}

/// As `requests_per_connection`: a connection is kept.
const UNLIMITED: u32 = 0;

/// The same once for each value.
fn varied<T>(options: &Options, values: impl IntoIterator<Item = T>, set: impl Fn(T, &mut Options)) -> Vec<Options> {
    let one = |value| {
        let mut options = options.clone();
        set(value, &mut options);
        options
    };
    values.into_iter().map(one).collect()
}

fn cores_note(host_cores: usize, most: usize) -> String {
    let servers = if most == 1 { "1 alone served".to_owned() } else { format!("1 to {most} served") };
    format!("This host has {host_cores} cores, one of them the client's: {servers}.")
}

impl Setting {
    /// What sweeps have in common: three rounds of half a second, the closed loop.
    fn common(&self) -> Options {
        Options {
            workloads: Vec::new(),
            peers: Vec::new(),
            rounds: 3,
            figures: Figures::Peak,
            time: Duration::from_millis(500),
            warmup: WARMUP,
            connections: MANY,
            depth: 4,
            records: RECORDS,
            memory_mib: MEMORY_MIB,
            protocol: Protocol::Text,
            sla: PROMISE,
            cores: self.cores,
            value_bytes: None,
            requests_per_connection: None,
            batch: None,
        }
    }

    fn paced(&self, options: Options) -> Options {
        let time = if options.figures == Figures::All { Duration::from_secs(1) } else { options.time };
        match self.pace {
            Pace::Full => Options { time, ..options },
            Pace::Quick => Options { rounds: 1, time: QUICK, warmup: QUICK / 4, ..options },
        }
    }
}

impl Part {
    /// About how long it takes, by what starts and searches usually take.
    pub fn estimate(&self) -> Duration {
        self.comparisons.iter().map(estimate).sum()
    }
}

/// Runs of a search, the closed loop among them, as most find their rate.
const SEARCH_RUNS: f64 = 8.0;
/// Records that Linux under TCG stores in a second. What others take for it is in their start.
const STORED_PER_S: f64 = 5000.0;
/// Connections that are opened in a second.
const OPENED_PER_S: f64 = 20_000.0;

fn estimate(options: &Options) -> Duration {
    let start = |peer: &Peer| match (peer.kind, peer.accel) {
        (Kind::MemcachedGuest, _) => 6.0 + options.records as f64 / STORED_PER_S,
        (_, Some(Accel::Tcg)) => 3.0,
        (_, Some(Accel::Kvm)) => 0.7,
        (_, None) => 0.5,
    };
    let (runs, starts) = match options.figures {
        Figures::All => (SEARCH_RUNS + 1.0, 2.0),
        Figures::PeakAndUnloaded => (2.0, 2.0),
        Figures::Peak => (1.0, 1.0),
    };
    let run = (options.warmup + options.time).as_secs_f64();
    let connecting = options.connections as f64 / OPENED_PER_S;
    let round = |peer: &Peer| match peer.kind {
        Kind::Reflector => start(peer) + run,
        _ => starts * start(peer) + connecting + runs * run,
    };
    Duration::from_secs_f64(options.rounds as f64 * options.peers.iter().map(round).sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(host_cores: usize, pace: Pace) -> Setting {
        Setting { accel: Accel::Kvm, cores: Cores { server: 1, servers: 1, client: 0 }, host_cores, pace }
    }

    #[test]
    fn all_of_it_takes_less_than_40_minutes() {
        let parts = parts(&setting(2, Pace::Full));
        assert_eq!(parts.iter().map(|part| part.name).collect::<Vec<_>>(), PARTS);
        let minutes = parts.iter().map(Part::estimate).sum::<Duration>().as_secs() / 60;
        assert!((15..40).contains(&minutes), "{minutes} minutes");
        let all = || parts.iter().flat_map(|part| &part.comparisons);
        assert!(all().all(|options| options.peers.len() == 1 && options.suits_all_peers()));
        assert_eq!(parts[0].comparisons[0].rounds, 5);
    }

    #[test]
    fn as_many_cores_serve_as_there_are_beside_the_client_s() {
        let cores = |host| parts(&setting(host, Pace::Quick)).remove(3);
        let servers = |host| cores(host).comparisons.iter().map(|one| one.cores.servers).max();
        assert_eq!((servers(2), servers(1), servers(8)), (Some(1), Some(1), Some(7)));
        assert_eq!(cores(2).notes, ["This host has 2 cores, one of them the client's: 1 alone served."]);
    }

    #[test]
    fn only_shared_memory_carries_a_hundred_thousand_connections() {
        let parts = parts(&setting(2, Pace::Full));
        let many: Vec<_> = parts[2].comparisons.iter().filter(|one| one.connections == 100_000).collect();
        assert_eq!(many.len(), 1);
        assert_eq!(many[0].peers[0].route, Route::VhostUser);
        assert!(parts[5].comparisons.iter().any(|one| one.requests_per_connection.is_none()), "unlimited");
    }
}
