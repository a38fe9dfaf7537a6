//! The command line of `bench load`: mutilate's names where it has the option.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bench::load::distribution::Distribution;
use bench::load::wire::Transport;
use bench::load::workload::{Mix, Preset};
use bench::load::{Job, LoadError, Loading, Misses, Plan, Protocol, Rate, Scan, Sla};
use clap::{Args, ValueEnum};

use super::Output;

/// memcached's port.
const PORT: u16 = 11211;

const NOTES: &str = "\
A distribution is a number, fixed:VALUE, uniform:MAX, normal:MEAN,SD, exponential:LAMBDA, pareto:LOC,SCALE,SHAPE,
gev:LOC,SCALE,SHAPE, or one of Facebook's ETC pool: fb_key, fb_value, fb_ia.

Options have mutilate's names and meanings, except that
  -q       gives an open loop: latency counts from when a request should have been sent, and -d requests under way do
           not stop the next from being due. Each thread has one process of arrivals and deals them to its connections
           at random; mutilate has one for each connection. Without -q the loop is closed, as mutilate's.
  -V       the length of a record's value follows from its index, so that values that are read can be checked.
  -c       are connections of each thread, as mutilate's. One server, so neither -R nor a repeated -s.
  -S       is not there: no arrival is skipped as long as a million others do not wait.
  -C -D -Q are not there, nor are agents: every request is measured.
Percentiles are those of an HDR histogram, to three digits.

A figure that the generator limits (idle for less than 5 % of the time, or sending late) is printed as a lower bound:
\">= X, generator-limited\".";

/// The options of `bench load`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct LoadOptions {
    /// The server, as host[:port]
    #[arg(short, long, value_name = "HOST[:PORT]", default_value = "127.0.0.1")]
    pub(crate) server: String,
    /// What carries the requests: sockets, tap:NAME, or vhost-user:PATH, a socket to be made for a guest
    #[arg(long, default_value = "sockets")]
    pub(crate) wire: WireChoice,
    /// With --wire tap or vhost-user: the generator's first address, as 10.0.0.2/24
    #[arg(long, value_name = "IP/PREFIX")]
    pub(crate) client: Option<Address>,
    /// With --wire vhost-user: the guest's queue pairs, one for each core
    #[arg(long, default_value_t = 1, value_parser = super::number(1, 64))]
    pub(crate) queues: usize,
    /// By what
    #[arg(long, value_enum, default_value_t)]
    transport: TransportChoice,
    /// The dialect
    #[arg(long, value_enum, default_value_t)]
    protocol: ProtocolChoice,
    /// The same as --protocol binary
    #[arg(long, conflicts_with = "protocol")]
    binary: bool,
    /// Requests/s of all threads together; 0: as fast as answers come
    #[arg(short, long, default_value_t = 0.0)]
    qps: f64,
    /// Seconds that are measured
    #[arg(short, long, default_value_t = 5.0, value_parser = seconds)]
    time: f64,
    /// Seconds of the same load before that
    #[arg(short, long, default_value_t = 0.0, value_parser = seconds)]
    warmup: f64,
    /// Threads, each with connections of its own
    #[arg(short = 'T', long, default_value_t = 1, value_parser = super::number(1, 256))]
    threads: usize,
    /// Bind threads to processors, one after another, from the first of these
    #[arg(long, value_name = "PROCESSORS", value_delimiter = ',', num_args = 0.., default_missing_value = "0")]
    affinity: Vec<usize>,
    /// Connections of each thread
    #[arg(short, long, default_value_t = 1, value_parser = super::number(1, 1_000_000))]
    connections: usize,
    /// The most requests under way on a connection
    #[arg(short, long, default_value_t = 1)]
    depth: usize,
    /// Requests after which a connection is reset and opened again
    #[arg(long, value_name = "REQUESTS")]
    requests_per_connection: Option<NonZeroU32>,
    /// A mix with a name: sets -K, -V and -u
    #[arg(long, value_enum)]
    workload: Option<WorkloadChoice>,
    /// Lengths of keys (distribution) [default: 30]
    #[arg(short = 'K', long)]
    keysize: Option<Distribution>,
    /// Lengths of values (distribution) [default: 200]
    #[arg(short = 'V', long)]
    valuesize: Option<Distribution>,
    /// The share of updates [default: 0]
    #[arg(short, long)]
    update: Option<f64>,
    /// Store a record that is asked for and not there, as a look-aside cache does
    #[arg(long)]
    fill: bool,
    /// Records
    #[arg(short, long, default_value_t = 10_000)]
    records: u64,
    /// What lengths, values and choices follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Gaps between requests (distribution), scaled to -q
    #[arg(short, long, default_value = "exponential")]
    iadist: Distribution,
    /// Do not store the records: they are there
    #[arg(long)]
    noload: bool,
    /// Store the records, and measure nothing
    #[arg(long, conflicts_with_all = ["noload", "scan", "search", "qps"])]
    loadonly: bool,
    /// Several rates, as min:max:step
    #[arg(long, value_name = "MIN:MAX:STEP", conflicts_with_all = ["search", "qps"])]
    scan: Option<Scan>,
    /// The highest rate at which the N-th percentile is at most X microseconds, as 99:500
    #[arg(long, value_name = "N:X", conflicts_with = "qps")]
    search: Option<Sla>,
    /// Seconds without an answer after which the server counts as stalled
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    patience: f64,
    /// Measure the generator itself: what it offers if answers take no time, and a delay that is known
    #[arg(long)]
    pub(crate) self_test: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// What carries the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WireChoice {
    /// The kernel's sockets.
    Sockets,
    /// Our own stack on a tap device.
    Tap(String),
    /// Our own stack at the other end of a guest's queues.
    VhostUser(PathBuf),
}

impl FromStr for WireChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<WireChoice, String> {
        match text.split_once(':') {
            None if text == "sockets" => Ok(WireChoice::Sockets),
            Some(("tap", name)) if !name.is_empty() => Ok(WireChoice::Tap(name.to_owned())),
            Some(("vhost-user", path)) if !path.is_empty() => Ok(WireChoice::VhostUser(path.into())),
            _ => Err("expected sockets, tap:NAME or vhost-user:PATH".to_owned()),
        }
    }
}

/// An address in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) ip: Ipv4Addr,
    pub(crate) prefix: u8,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let parse = || {
            let (ip, prefix) = text.split_once('/')?;
            let address = Address { ip: ip.parse().ok()?, prefix: prefix.parse().ok()? };
            (1..=30).contains(&address.prefix).then_some(address)
        };
        parse().ok_or_else(|| "expected an address and the length of its prefix, as 10.0.0.2/24".to_owned())
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum TransportChoice {
    #[default]
    Tcp,
    Udp,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum ProtocolChoice {
    #[default]
    Text,
    Meta,
    Binary,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WorkloadChoice {
    /// Facebook's general-purpose pool, with mutilate's 3.3 % of updates
    Etc,
    /// The same with 25 % of updates, as the paper says
    Etc75,
    /// Keys of 19 bytes, values of 2, 0.2 % of updates
    Usr,
}

pub(super) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds, 0 to 86400".to_owned()),
    }
}

impl LoadOptions {
    /// What is to be done.
    pub(crate) fn job(&self) -> Result<Job, LoadError> {
        match (self.loadonly, self.scan, self.search) {
            (true, ..) => Ok(Job::LoadOnly),
            (_, Some(scan), _) => Ok(Job::Scan(scan)),
            (_, _, Some(sla)) => Ok(Job::Search(sla)),
            _ if self.qps == 0.0 => Ok(Job::One(Rate::Peak)),
            _ if self.qps > 0.0 && self.qps.is_finite() => Ok(Job::One(Rate::PerSecond(self.qps))),
            _ => Err(LoadError::Impossible(format!("a rate of {} requests/s", self.qps))),
        }
    }

    /// How it is to be done.
    pub(crate) fn plan(&self) -> Plan {
        let defaults = Plan::default();
        let (keys, values, updates) = match self.workload {
            None => (defaults.mix.keys, defaults.mix.values, defaults.mix.updates),
            Some(WorkloadChoice::Etc) => Preset::Etc.parameters(),
            Some(WorkloadChoice::Etc75) => Preset::Etc75.parameters(),
            Some(WorkloadChoice::Usr) => Preset::Usr.parameters(),
        };
        Plan {
            protocol: match self.protocol {
                _ if self.binary => Protocol::Binary,
                ProtocolChoice::Text => Protocol::Text,
                ProtocolChoice::Meta => Protocol::Meta,
                ProtocolChoice::Binary => Protocol::Binary,
            },
            transport: match self.transport {
                TransportChoice::Tcp => Transport::Tcp,
                TransportChoice::Udp => Transport::Udp,
            },
            threads: self.threads,
            connections: self.connections,
            depth: self.depth,
            requests_per_connection: self.requests_per_connection,
            mix: Mix {
                records: self.records,
                keys: self.keysize.unwrap_or(keys),
                values: self.valuesize.unwrap_or(values),
                updates: self.update.unwrap_or(updates),
                seed: self.seed,
            },
            gaps: self.iadist,
            loading: if self.noload { Loading::Skipped } else { Loading::First },
            misses: if self.fill { Misses::Filled } else { Misses::Counted },
            warmup: Duration::from_secs_f64(self.warmup),
            time: Duration::from_secs_f64(self.time),
            patience: Duration::from_secs_f64(self.patience),
            processors: self.affinity.clone(),
        }
    }

    /// Where the server is.
    pub(crate) fn address(&self) -> Result<SocketAddr, LoadError> {
        let server = self.server.as_str();
        let resolved = match server.parse::<SocketAddr>() {
            Ok(address) => return Ok(address),
            Err(_) if server.contains(':') && !server.ends_with(']') => server.to_socket_addrs(),
            Err(_) => (server.trim_matches(['[', ']']), PORT).to_socket_addrs(),
        };
        let unknown = |why: String| LoadError::Impossible(format!("server '{server}': {why}"));
        resolved.map_err(|error| unknown(error.to_string()))?.next().ok_or_else(|| unknown("it has no address".into()))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Arguments, BenchCommand, Command};

    fn options(arguments: &[&str]) -> Result<Box<LoadOptions>, String> {
        let line = ["memstorm", "bench", "load"].iter().chain(arguments);
        match Arguments::try_parse_from(line).map_err(|error| error.to_string())?.command {
            Command::Bench { command: BenchCommand::Load(options) } => Ok(options),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn a_line_of_mutilate_s_is_understood() {
        let line = "-s 127.0.0.1:11300 -K fb_key -V fb_value -i fb_ia -u 0.033 -r 1000 -c 4 -d 4 -T 2 -q 1000 -t 2 -w 1 --binary";
        let options = options(&line.split(' ').collect::<Vec<_>>()).unwrap();
        let plan = options.plan();
        assert_eq!((plan.connections, plan.depth, plan.threads, plan.protocol), (4, 4, 2, Protocol::Binary));
        assert_eq!((plan.mix.values, plan.mix.updates), (Distribution::FacebookValue, 0.033));
        assert_eq!(options.job().unwrap(), Job::One(Rate::PerSecond(1000.0)));
        assert_eq!(options.address().unwrap().port(), 11300);
    }

    #[test]
    fn a_workload_s_parameters_can_be_changed() {
        let plan = options(&["--workload", "usr", "-u", "0.5"]).unwrap().plan();
        assert_eq!((plan.mix.keys, plan.mix.updates), (Distribution::Fixed(19.0), 0.5));
        assert_eq!(options(&[]).unwrap().plan(), Plan::default());
    }

    #[test]
    fn mistakes_are_refused() {
        assert!(options(&["-K", "zipf:1"]).unwrap_err().contains("gev:LOC,SCALE,SHAPE"));
        assert!(options(&["--search", "99"]).unwrap_err().contains("as 99:500"));
        assert!(options(&["--scan", "1:2"]).unwrap_err().contains("min:max:step"));
        assert!(options(&["--scan", "1:2:1", "-q", "7"]).unwrap_err().contains("cannot be used with"));
        assert!(options(&["-t", "-1"]).is_err());
        assert!(options(&["--wire", "tap"]).unwrap_err().contains("tap:NAME"));
        assert!(options(&["--client", "10.0.0.2"]).unwrap_err().contains("10.0.0.2/24"));
        let options = options(&["-q", "NaN", "-s", "nowhere.invalid"]).unwrap();
        assert!(options.job().is_err());
        assert!(options.address().unwrap_err().to_string().contains("nowhere.invalid"));
    }

    #[test]
    fn a_server_has_memcached_s_port_by_default() {
        let port = |server: &str| options(&["-s", server]).unwrap().address().unwrap().port();
        assert_eq!([port("127.0.0.1"), port("localhost:7"), port("[::1]"), port("[::1]:9")], [11211, 7, 11211, 9]);
    }
}
