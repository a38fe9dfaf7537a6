//! The command line of `bench compare`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use bench::compare::{Bounds, Figures, Options, workload};
use bench::load::workload::Preset;
use bench::load::{PIECES, Protocol, Sla};
use bench::peers::{Cores, Kind, Peer, Wanted, default_peers};
use clap::{Args, ValueEnum};
use orchestrator::Memory;

use super::{AccelChoice, Output};

const NOTES: &str = "\
A peer is NAME, NAME/WIRE or NAME/WIRE/ACCEL:
  memstorm          the appliance                                vhost-user, tap            kvm, tcg
  memcached         Debian's, on the host, a thread per core     tap, veth, loopback
  memcached-guest   the same in a Linux guest of Debian's kernel tap, vhost-user            kvm, tcg
  redis             redis-server on the host (GET, SET)          tap, veth, loopback
  limit-tcp-echo    our stack and a TCP echo                     vhost-user, tap            kvm, tcg
  limit-udp-echo    our stack and a UDP echo                     vhost-user, tap            kvm, tcg
  limit-reflector   our driver alone: frames sent back           vhost-user                 kvm, tcg
Without --peers all that run here are compared. One that was named and cannot run is an error.

Each round starts every server anew on the server's core, loads the records, measures the closed loop, searches for the highest
rate within the bound, starts it again and measures latency with one connection and one request at a time. vhost-user is
memory shared with the guest: a virtual wire, not a NIC. Over tap our own stack is the client, over veth and loopback the
kernel's sockets are; the server's core does its own receive work (RPS). tap and veth need root, for network namespaces.

--vary compares once for each value: of connections, value-bytes, requests-per-connection, batch, cores, or memory in MiB. With --save, rows also go into a file of DIR, named after what is varied, else
compare.json; `memstorm bench report DIR` makes tables and plots of them.";

/// The options of `bench compare`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct CompareOptions {
    /// What is asked for: etc, etc75, usr
    #[arg(short, long, value_delimiter = ',', default_value = "etc,usr", value_parser = workload)]
    workload: Vec<Preset>,
    /// Who serves; see below [default: all that run here]
    #[arg(long, value_delimiter = ',', value_name = "PEER")]
    peers: Vec<Wanted>,
    /// What executes our guests, where a peer does not say
    #[arg(long, value_enum, default_value_t)]
    accel: AccelChoice,
    /// How often everything is measured; figures are medians
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seconds of each measurement
    #[arg(short, long, default_value_t = 1.0, value_parser = super::load::seconds)]
    time: f64,
    /// Seconds of the same load before each
    #[arg(short = 'W', long, default_value_t = 0.25, value_parser = super::load::seconds)]
    warmup: f64,
    /// Connections
    #[arg(short, long, default_value_t = 64)]
    connections: usize,
    /// Requests under way on each
    #[arg(short, long, default_value_t = 4)]
    depth: usize,
    /// Records
    #[arg(short, long, default_value_t = 100_000)]
    records: u64,
    /// Memory for items, of every server
    #[arg(short, long, default_value = "512M")]
    memory: Memory,
    /// The dialect spoken with memcached and the appliance
    #[arg(long, value_enum, default_value_t)]
    protocol: ProtocolChoice,
    /// The promise, as percentile:microseconds
    #[arg(long, default_value = "99:500")]
    sla: Sla,
    /// The same for guests that are emulated
    #[arg(long, default_value = "99:5000")]
    sla_tcg: Sla,
    /// Pieces that a run is cut into, most of which have to keep the promise; 1: the run as a whole
    #[arg(long, default_value_t = PIECES, value_parser = super::number(1, 1000))]
    pieces: usize,
    /// What is measured
    #[arg(long, value_enum, default_value_t)]
    figures: FiguresChoice,
    /// The core that serves, or the first of them
    #[arg(long, default_value_t = 1)]
    server_core: usize,
    /// How many cores serve: that one, and those that follow but for the client's
    #[arg(long, default_value_t = 1, value_parser = super::number(1, 255))]
    cores: usize,
    /// The core that asks
    #[arg(long, default_value_t = 0)]
    client_core: usize,
    /// Bytes of every value, in place of the workload's own lengths
    #[arg(long)]
    value_bytes: Option<usize>,
    /// Requests after which a connection is closed and another opened
    #[arg(long)]
    requests_per_connection: Option<NonZeroU32>,
    /// The most frames of a turn of the appliance
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    batch: Option<u32>,
    /// Compare once for each value
    #[arg(long, value_name = "OPTION=V1,V2,...", value_parser = vary)]
    pub(crate) vary: Option<Vary>,
    /// Write the rows to a file of this directory, too
    #[arg(long, value_name = "DIR")]
    pub(crate) save: Option<PathBuf>,
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// An option with several values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vary {
    pub(crate) option: Varied,
    pub(crate) values: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Varied {
    Connections,
    ValueBytes,
    RequestsPerConnection,
    Batch,
    Cores,
    Memory,
}

impl Varied {
    /// As the option is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Varied::Connections => "connections",
            Varied::ValueBytes => "value-bytes",
            Varied::RequestsPerConnection => "requests-per-connection",
            Varied::Batch => "batch",
            Varied::Cores => "cores",
            Varied::Memory => "memory",
        }
    }
}

fn vary(text: &str) -> Result<Vary, String> {
    let (name, values) = text.split_once('=').ok_or("expected OPTION=V1,V2,...")?;
    let option = Varied::from_str(name, false).map_err(|_| {
        let names: Vec<&str> = Varied::value_variants().iter().map(|option| option.name()).collect();
        format!("'{name}' cannot be varied: expected {}", names.join(", "))
    })?;
    let value = |word: &str| match word.parse() {
        Ok(0) | Err(_) => Err(format!("'{word}' is no number above 0")),
        Ok(value) => Ok(value),
    };
    Ok(Vary { option, values: values.split(',').map(value).collect::<Result<_, _>>()? })
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum ProtocolChoice {
    #[default]
    Text,
    Meta,
    Binary,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum FiguresChoice {
    /// Closed loop, highest rate within the bound, latency without load
    #[default]
    All,
    /// Closed loop, latency without load
    PeakAndUnloaded,
    /// Closed loop
    Peak,
}

impl CompareOptions {
    /// What is to be compared, where KVM works or does not; once for each value of what is varied.
    pub(crate) fn comparisons(&self, kvm_works: bool) -> Vec<Options> {
        let options = self.options(kvm_works);
        let Some(vary) = &self.vary else { return vec![options] };
        let varied = vary.values.iter().map(|&value| {
            let mut options = options.clone();
            match vary.option {
                Varied::Connections => options.connections = value as usize,
                Varied::ValueBytes => options.value_bytes = Some(value as usize),
                Varied::RequestsPerConnection => options.requests_per_connection = NonZeroU32::new(value),
                Varied::Batch => options.batch = Some(value.min(64)),
                Varied::Cores => options.cores.servers = value as usize,
                Varied::Memory => options.memory_mib = value,
            }
            options
        });
        varied.collect()
    }

    fn options(&self, kvm_works: bool) -> Options {
        Options {
            workloads: self.workload.clone(),
            peers: self.chosen_peers(kvm_works),
            rounds: self.rounds as usize,
            figures: match self.figures {
                FiguresChoice::All => Figures::All,
                FiguresChoice::PeakAndUnloaded => Figures::PeakAndUnloaded,
                FiguresChoice::Peak => Figures::Peak,
            },
            time: Duration::from_secs_f64(self.time),
            warmup: Duration::from_secs_f64(self.warmup),
            connections: self.connections,
            depth: self.depth,
            records: self.records,
            memory_mib: self.memory.mib,
            protocol: match self.protocol {
                ProtocolChoice::Text => Protocol::Text,
                ProtocolChoice::Meta => Protocol::Meta,
                ProtocolChoice::Binary => Protocol::Binary,
            },
            sla: Bounds { native: self.sla, tcg: self.sla_tcg, pieces: self.pieces },
            cores: Cores { server: self.server_core, servers: self.cores, client: self.client_core },
            value_bytes: self.value_bytes,
            requests_per_connection: self.requests_per_connection,
            batch: self.batch,
        }
    }

    fn chosen_peers(&self, kvm_works: bool) -> Vec<Peer> {
        let accel = self.accel.chosen(kvm_works);
        if self.peers.is_empty() {
            return default_peers(accel);
        }
        self.peers.iter().map(|peer| peer.resolve(accel)).collect()
    }

    /// Whether peers were named.
    pub(crate) fn names_peers(&self) -> bool {
        !self.peers.is_empty()
    }
}

/// What the guests' images are called where cargo builds them.
pub(crate) fn image_name(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::UdpEcho | Kind::TcpEcho => Some("echo"),
        Kind::Reflector => Some("reflector"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use orchestrator::Accel;

    use super::*;
    use crate::args::{Arguments, BenchCommand, Command};

    fn parsed(words: &str) -> Result<CompareOptions, String> {
        let line = ["memstorm", "bench", "compare"].into_iter().chain(words.split_ascii_whitespace());
        match Arguments::try_parse_from(line).map_err(|error| error.to_string())?.command {
            Command::Bench { command: BenchCommand::Compare(options) } => Ok(*options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_options_everything_is_compared() {
        let [options] = &parsed("").unwrap().comparisons(true)[..] else { panic!("one") };
        assert_eq!(options.workloads, [Preset::Etc, Preset::Usr]);
        assert_eq!((options.rounds, options.peers.len(), options.connections), (5, 10, 64));
        assert_eq!(options.peers[0].accel, Some(Accel::Kvm));
        assert_eq!(parsed("").unwrap().comparisons(false)[0].peers[0].accel, Some(Accel::Tcg));
    }

    #[test]
    fn what_is_named_is_what_is_compared() {
        let options = parsed("--workload usr --peers memstorm,memcached/veth --accel tcg --rounds 3 -c 64").unwrap();
        assert!(options.names_peers());
        let names: Vec<String> = options.comparisons(true)[0].peers.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["memstorm/vhost-user/tcg", "memcached/veth/native"]);
        assert!(parsed("--peers nginx").unwrap_err().contains("'nginx' is no peer"));
        assert!(parsed("--workload foo").unwrap_err().contains("expected etc, etc75, usr"));
        assert!(parsed("--rounds 0").unwrap_err().contains("1..=1000"));
    }

    #[test]
    fn one_option_is_varied() {
        let options = parsed("--vary connections=1,1000 --figures peak").unwrap();
        let comparisons = options.comparisons(true);
        let connections: Vec<usize> = comparisons.iter().map(|options| options.connections).collect();
        assert_eq!(connections, [1, 1000]);
        assert_eq!(parsed("--vary value-bytes=64").unwrap().comparisons(true)[0].value_bytes, Some(64));
        let cores = parsed("--vary cores=1,3").unwrap().comparisons(true);
        assert_eq!(cores.iter().map(|options| options.cores.serving()).collect::<Vec<_>>(), [vec![1], vec![1, 2, 3]]);
        for bad in ["colour=1", "connections", "connections=", "connections=0", "batch=x"] {
            assert!(parsed(&format!("--vary {bad}")).is_err(), "{bad}");
        }
    }
}
