//! What is compared, and how.

use std::num::NonZeroU32;
use std::thread::available_parallelism;
use std::time::Duration;

use orchestrator::Accel;

use super::machine::{self, without_folders};
use super::row::Row;
use super::trial::Trial;
use crate::load::distribution::Distribution;
use crate::load::wire::Transport;
use crate::load::workload::{Mix, Preset};
use crate::load::{Loading, Plan, Protocol, Sla};
use crate::peers::{Appliance, Cores, Kind, Needs, Peer, Route, machine_memory};

/// Lengths follow from it, and what is asked for.
const SEED: u64 = 1;

/// What is compared, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The loads.
    pub workloads: Vec<Preset>,
    /// Who serves.
    pub peers: Vec<Peer>,
    /// How often everything is measured.
    pub rounds: usize,
    /// What is measured.
    pub figures: Figures,
    /// How long, each time.
    pub time: Duration,
    /// How long the same load goes on before that.
    pub warmup: Duration,
    /// Connections.
    pub connections: usize,
    /// Requests under way on each.
    pub depth: usize,
    /// Records.
    pub records: u64,
    /// Memory for items, in MiB.
    pub memory_mib: u32,
    /// The dialect spoken with servers of the memcached protocol.
    pub protocol: Protocol,
    /// What is promised of the latency.
    pub sla: Bounds,
    /// Who works where.
    pub cores: Cores,
    /// Bytes of every value, in place of the workload's own lengths.
    pub value_bytes: Option<usize>,
    /// Requests after which a connection is closed and another opened.
    pub requests_per_connection: Option<NonZeroU32>,
    /// The most frames of a turn of the appliance.
    pub batch: Option<u32>,
}

/// What is promised of the latency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Of servers that run natively, or with KVM.
    pub native: Sla,
    /// Of guests that are emulated.
    pub tcg: Sla,
    /// Pieces of a run, most of which have to keep it; 1: the run as a whole.
    pub pieces: usize,
}

impl Bounds {
    /// That of a peer.
    pub fn of(&self, peer: &Peer) -> Sla {
        if peer.accel == Some(Accel::Tcg) { self.tcg } else { self.native }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figures {
    /// Closed loop, the highest rate within the bound, and latency without load.
    All,
    /// The closed loop, and latency without load.
    PeakAndUnloaded,
    /// The closed loop alone.
    Peak,
}

/// The images of guests.
#[derive(Debug)]
pub struct Images {
    /// The appliance.
    pub appliance: Appliance,
    /// The echo, if there is one; else why not.
    pub echo: Result<Appliance, String>,
    /// The reflector, if there is one; else why not.
    pub reflector: Result<Appliance, String>,
}

impl Images {
    /// What a peer boots; for servers on the host it does not matter.
    pub(super) fn of(&self, kind: Kind) -> Result<&Appliance, String> {
        match kind {
            Kind::UdpEcho | Kind::TcpEcho => self.echo.as_ref().map_err(Clone::clone),
            Kind::Reflector => self.reflector.as_ref().map_err(Clone::clone),
            Kind::Memstorm | Kind::Memcached | Kind::MemcachedGuest | Kind::Redis => Ok(&self.appliance),
        }
    }
}

/// Why there is nothing to compare.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A core that this host does not have.
    #[error("core {wanted}: this host has {there}, numbered from 0")]
    NoSuchCore {
        /// The core.
        wanted: usize,
        /// How many there are.
        there: usize,
    },
    /// More cores than there are beside the client's.
    #[error(
        "{servers} cores of the server from core {first} on: this host has {there}, numbered from 0, and core {client} is the \
         client's"
    )]
    TooFewCores {
        /// Cores that were to serve.
        servers: usize,
        /// The first of them.
        first: usize,
        /// How many there are.
        there: usize,
        /// The client's.
        client: usize,
    },
    /// Client and server would share one.
    #[error("client and server on one core measure each other: give them two (--server-core, --client-core)")]
    SameCore,
    /// Nothing to do.
    #[error("nothing to compare: {0}")]
    Nothing(&'static str),
    /// The load makes no sense.
    #[error("{0}")]
    Load(String),
}

/// A peer under a load.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) workload: Preset,
    pub(super) peer: Peer,
}

impl Case {
    /// Of the load.
    pub(super) fn name(&self) -> &'static str {
        if self.peer.kind == Kind::Reflector { "frames" } else { self.workload.name() }
    }
}

impl Options {
    /// Whether it can be carried out.
    pub(super) fn check(&self) -> Result<(), OptionsError> {
        check_cores(self.cores)?;
        if self.rounds == 0 {
            return Err(OptionsError::Nothing("0 rounds"));
        }
        if self.peers.is_empty() || self.workloads.is_empty() {
            return Err(OptionsError::Nothing("no peer, or no workload"));
        }
        self.check_load(&self.peers[..1])
    }

    /// Whether these peers can be asked for it. Values of ETC, for one, are larger than a datagram.
    fn check_load(&self, peers: &[Peer]) -> Result<(), OptionsError> {
        for case in self.cases().iter().filter(|case| peers.contains(&case.peer)) {
            self.plan(case).workload().map_err(|error| OptionsError::Load(error.to_string()))?;
        }
        Ok(())
    }

    /// Whether all peers can be asked for all workloads.
    pub fn suits_all_peers(&self) -> bool {
        self.check_load(&self.peers).is_ok()
    }

    /// The same for each workload and peer apart.
    pub fn split(&self) -> Vec<Options> {
        let alone = |case: Case| Options { workloads: vec![case.workload], peers: vec![case.peer], ..self.clone() };
        self.cases().into_iter().map(alone).collect()
    }

    /// Whether a row is what these options, of one workload and one peer, ask for.
    pub fn asks_for(&self, row: &Row) -> bool {
        self.cases().iter().any(|case| {
            (&row.workload, &row.peer) == (&case.name().to_owned(), &case.peer.kind.name().to_owned())
                && row.wire == case.peer.route.to_string()
                && row.accel == case.peer.accel_name()
        }) && (row.connections, row.depth, row.records) == (self.connections, self.depth, self.records)
            && (row.rounds, row.time_s) == (self.rounds, self.time.as_secs_f64())
            && row.server_cores == self.cores.serving()
            && row.value_bytes == self.value_bytes
            && row.requests_per_connection == self.requests_per_connection.map(NonZeroU32::get)
            && row.batch == self.batch
    }

    /// The load in a few words, for those who read that something failed.
    pub(super) fn describe(&self) -> String {
        let mut text = format!("{} connections, depth {}", self.connections, self.depth);
        let mut add = |what: &str, value: Option<usize>| {
            if let Some(value) = value {
                text += &format!(", {what} {value}");
            }
        };
        add("value bytes", self.value_bytes);
        add("requests per connection", self.requests_per_connection.map(|count| count.get() as usize));
        add("batch", self.batch.map(|batch| batch as usize));
        add("cores", Some(self.cores.servers).filter(|&cores| cores > 1));
        text
    }

    /// Every workload with every peer; frames, which have no workload, once.
    pub(super) fn cases(&self) -> Vec<Case> {
        let mut cases: Vec<Case> = Vec::new();
        for &workload in &self.workloads {
            for &peer in &self.peers {
                if peer.kind != Kind::Reflector || workload == self.workloads[0] {
                    cases.push(Case { workload, peer });
                }
            }
        }
        cases
    }

    /// What all servers are given.
    pub(super) fn needs(&self) -> Needs {
        Needs { memory_mib: self.memory_mib, connections: self.connections, cores: self.cores.servers }
    }

    /// Memory of the largest machine that shares it with the client, in MiB; 0 if none does.
    pub(super) fn shared_mib(&self) -> u32 {
        let is_shared = |peer: &Peer| peer.route == Route::VhostUser && peer.accel == Some(Accel::Kvm);
        if self.peers.iter().any(is_shared) { machine_memory(&self.needs()).mib } else { 0 }
    }

    /// What the generator is asked.
    pub(super) fn plan(&self, case: &Case) -> Plan {
        let (keys, values, updates) = case.workload.parameters();
        let values = self.value_bytes.map_or(values, |bytes| Distribution::Fixed(bytes as f64));
        let (protocol, loading) = match case.peer.kind {
            Kind::Redis => (Protocol::Resp, Loading::First),
            Kind::UdpEcho | Kind::TcpEcho | Kind::Reflector => (Protocol::Echo, Loading::Skipped),
            Kind::Memstorm | Kind::Memcached | Kind::MemcachedGuest => (self.protocol, Loading::First),
        };
        let transport = if case.peer.kind == Kind::UdpEcho { Transport::Udp } else { Transport::Tcp };
        Plan {
            protocol,
            transport,
            threads: 1,
            connections: self.connections,
            depth: self.depth,
            requests_per_connection: self.requests_per_connection,
            mix: Mix { records: self.records, keys, values, updates, seed: SEED },
            loading,
            warmup: self.warmup,
            time: self.time,
            processors: vec![self.cores.client],
            ..Plan::default()
        }
    }

    /// Words for the appliance's command line.
    pub(super) fn words(&self) -> String {
        self.batch.map_or(String::new(), |batch| format!("batch={batch}"))
    }

    /// A row without figures.
    pub(super) fn row(&self, case: &Case, trial: &Trial) -> Row {
        Row {
            workload: case.name().to_owned(),
            peer: case.peer.kind.name().to_owned(),
            wire: case.peer.route.to_string(),
            accel: case.peer.accel_name().to_owned(),
            rps_at_sla: None,
            rps_at_sla_spread: None,
            sla_pieces: self.sla.pieces,
            sla_us: self.sla.of(&case.peer).latency_us,
            p99_at_sla_us: None,
            p99_at_sla_us_spread: None,
            p99_at_sla_whole_us: None,
            rps_peak: 0.0,
            rps_peak_spread: [0.0; 2],
            p99_peak_us: 0.0,
            p99_unloaded_us: None,
            p99_unloaded_us_spread: None,
            p50_unloaded_us: None,
            server_cycles_per_request: None,
            server_cycles_per_request_spread: None,
            server_cycles_counted: trial.cycles_counted.to_owned(),
            limited_by: String::new(),
            peak_limited_by: String::new(),
            boot_ms: None,
            boot_ms_spread: None,
            image_bytes: trial.image_bytes,
            resident_bytes: 0,
            host: machine::describe(),
            version: trial.version.clone(),
            flags: without_folders(&trial.flags),
            rounds: 0,
            time_s: self.time.as_secs_f64(),
            server_cores: self.cores.serving(),
            client_core: self.cores.client,
            connections: self.connections,
            depth: self.depth,
            records: self.records,
            memory_mib: self.memory_mib,
            value_bytes: self.value_bytes,
            requests_per_connection: self.requests_per_connection.map(NonZeroU32::get),
            batch: self.batch,
            points: Vec::new(),
        }
    }
}

/// Whether this host has these cores.
pub(super) fn check_cores(cores: Cores) -> Result<(), OptionsError> {
    check_cores_of(available_parallelism().map_or(1, |cores| cores.get()), cores)
}

/// Whether a host of so many cores has these.
pub(super) fn check_cores_of(there: usize, cores: Cores) -> Result<(), OptionsError> {
    let Cores { server, servers, client } = cores;
    for wanted in [server, client] {
        if wanted >= there {
            return Err(OptionsError::NoSuchCore { wanted, there });
        }
    }
    if server == client {
        return Err(OptionsError::SameCore);
    }
    match cores.serving().last() {
        None => Err(OptionsError::Nothing("no core serves")),
        Some(&last) if last >= there => Err(OptionsError::TooFewCores { servers, first: server, there, client }),
        Some(_) => Ok(()),
    }
}
