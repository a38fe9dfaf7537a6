//! The command line of `bench evict`.

use std::time::Duration;

use bench::compare::eviction::Options;
use bench::load::workload::Preset;
use bench::peers::{Cores, Kind, Peer, Route};
use clap::{Args, ValueEnum};
use orchestrator::Memory;

use super::{AccelChoice, Output};

const NOTES: &str = "\
Two sides, each an appliance of its own over vhost-user, the one evicting an item for each that it stores, the other none; which is so by
their own statistics, or the command fails:
  set, memory         both are asked to store one new key after another; --scarce memory and --ample, which has room for all
  look-aside, memory  both are asked for new keys and to store each, as it was not there; the same memories
  set, keys           both have --scarce memory; one is asked to store new keys, the other few keys, which fit in half of it, again and again

The exit code is 1 if a side that evicts reaches less than 0.8 of one that does not where the memory differs, by requests a second or by busy
cycles of the server. Rounds alternate which side is first. Ratios are medians of those within a round.";

/// The options of `bench evict`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct EvictOptions {
    /// Lengths of keys and values
    #[arg(short, long, value_enum, default_value_t)]
    workload: RecordsChoice,
    /// What executes the appliance
    #[arg(long, value_enum, default_value_t)]
    accel: AccelChoice,
    /// How often everything is measured; figures are medians
    #[arg(long, default_value_t = 5, value_parser = super::number(1, 1000))]
    rounds: usize,
    /// Seconds of each measurement
    #[arg(short, long, default_value_t = 0.5, value_parser = super::load::seconds)]
    time: f64,
    /// Seconds of the same load before each
    #[arg(short = 'W', long, default_value_t = 0.1, value_parser = super::load::seconds)]
    warmup: f64,
    /// Connections
    #[arg(short, long, default_value_t = 64, value_parser = super::number(1, 100_000))]
    connections: usize,
    /// Requests under way on each
    #[arg(short, long, default_value_t = 4, value_parser = super::number(1, 1024))]
    depth: usize,
    /// Memory for items where they are evicted
    #[arg(long, default_value = "128M")]
    scarce: Memory,
    /// Memory for items where all of them fit
    #[arg(long, default_value = "2G")]
    ample: Memory,
    /// The core that serves
    #[arg(long, default_value_t = 1)]
    server_core: usize,
    /// The core that asks
    #[arg(long, default_value_t = 0)]
    client_core: usize,
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum RecordsChoice {
    /// Facebook's general-purpose pool
    #[default]
    Etc,
    /// Keys of 19 bytes, values of 2
    Usr,
}

impl EvictOptions {
    /// What is to be measured, where KVM works or does not.
    pub(crate) fn options(&self, kvm_works: bool) -> Options {
        let accel = self.accel.chosen(kvm_works);
        Options {
            peer: Peer { kind: Kind::Memstorm, route: Route::VhostUser, accel: Some(accel) },
            records: match self.workload {
                RecordsChoice::Etc => Preset::Etc,
                RecordsChoice::Usr => Preset::Usr,
            },
            rounds: self.rounds,
            time: Duration::from_secs_f64(self.time),
            warmup: Duration::from_secs_f64(self.warmup),
            connections: self.connections,
            depth: self.depth,
            scarce_mib: self.scarce.mib,
            ample_mib: self.ample.mib,
            cores: Cores { server: self.server_core, servers: 1, client: self.client_core },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use orchestrator::Accel;

    use super::*;
    use crate::args::{Arguments, BenchCommand, Command};

    fn options(words: &str) -> Result<Options, String> {
        let line = ["memstorm", "bench", "evict"].into_iter().chain(words.split_ascii_whitespace());
        match Arguments::try_parse_from(line).map_err(|error| error.to_string())?.command {
            Command::Bench { command: BenchCommand::Evict(options) } => Ok(options.options(true)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_asked_for_is_what_is_measured() {
        let of = options("").unwrap();
        assert_eq!((of.rounds, of.scarce_mib, of.ample_mib, of.records), (5, 128, 2048, Preset::Etc));
        assert_eq!(of.peer.to_string(), "memstorm/vhost-user/kvm");
        let of =
            options("-w usr --scarce 64M --ample 1G --rounds 3 -t 0.5 -c 8 -d 1 --accel tcg --server-core 3").unwrap();
        assert_eq!((of.rounds, of.scarce_mib, of.ample_mib, of.records), (3, 64, 1024, Preset::Usr));
        assert_eq!((of.connections, of.depth, of.time), (8, 1, Duration::from_millis(500)));
        assert_eq!((of.peer.accel, of.cores.serving()), (Some(Accel::Tcg), vec![3]));
        for bad in ["-w etc75", "--rounds 0", "--ample much", "-c 0"] {
            assert!(options(bad).is_err(), "{bad}");
        }
    }
}
