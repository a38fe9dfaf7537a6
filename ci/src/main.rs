//! `ci`: the commands behind `ci/soak` and `ci/show`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use bench::sim::Peer;
use ci::appliance::Machine;
use ci::namespace::Tap;
use ci::soak::fuzz;
use ci::source::{collect_files, figures::Figures};
use ci::{measure, soak};
use clap::{Parser, Subcommand};

/// Memstorm's long runs, measurements and figures.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the sizes of the sources, and where their unsafe code is.
    Figures,
    /// Boot an appliance again and again, and print how long it took until it served.
    Ready {
        /// Accelerator: kvm or tcg.
        #[arg(long, value_parser = ["kvm", "tcg"])]
        accel: String,
        /// Boots.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
        runs: u16,
    },
    /// Print the CPU time that the VMM of an idle appliance takes.
    Idle {
        /// Seconds to watch.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Run a soak.
    Soak {
        #[command(subcommand)]
        soak: Soak,
    },
}

#[derive(Subcommand)]
enum Soak {
    /// One appliance on a tap: a load that checks every reply, then mutated frames.
    Basic {
        /// Seconds that the load runs.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Connections of the load.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..))]
        connections: u16,
        /// Mutated frames.
        #[arg(long, default_value_t = 1_000_000)]
        frames: u64,
        /// Seed of all that is random.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// An appliance on a tap: SYNs from random addresses while connections work.
    Flood {
        /// SYNs a second.
        #[arg(long, default_value_t = 50_000)]
        rate: u64,
        /// Seconds of the flood, and of the calm before it.
        #[arg(long, default_value_t = 20)]
        seconds: u64,
        /// Connections that work.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
        connections: u16,
        /// Seed of all that is random.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Our stack against Linux's through a tap and a lossy forwarder: checked streams, then goodput beside Linux's own.
    Linux {
        /// Bytes checked, each way and at each loss; 0 leaves them out.
        #[arg(long, default_value_t = 1 << 30)]
        bytes: u64,
        /// Connections of the lossy runs.
        #[arg(long, default_value_t = 80, value_parser = clap::value_parser!(u16).range(1..))]
        connections: u16,
        /// Pairs of goodput runs; 0 leaves them out.
        #[arg(long, default_value_t = 5)]
        pairs: u64,
        /// Seconds of each.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Seed of the losses.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Instructions of a request on each of several cores, counted by QEMU's translator: they must hardly differ.
    Instructions {
        /// Numbers of cores.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4], value_parser = clap::value_parser!(u32).range(1..=16))]
        cores: Vec<u32>,
        /// Connections of each core.
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
        connections: u16,
        /// Requests that each core answers at least.
        #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..))]
        requests: u64,
    },
    /// Coverage-guided fuzzing of all that strangers can send, from the corpora in fuzz/corpus.
    Fuzz {
        /// One target: frame, tcp_options, dhcp, arp, text, meta, binary or udp. All of them, one after the other, unless it is given.
        #[arg(long)]
        target: Option<String>,
        /// Seconds that each is fuzzed.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Put the inputs that reach most in the place of the corpus.
        #[arg(long)]
        keep: bool,
    },
    /// A booted appliance on a tap whose flow groups change cores, and whose cores are parked, under load: every byte checked.
    Migrations {
        /// Cores.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=16))]
        cores: u32,
        /// Accelerator: KVM where it is, unless it is given.
        #[arg(long, value_parser = ["kvm", "tcg"])]
        accel: Option<String>,
        /// A tap with a queue for each core: the NIC steers.
        #[arg(long)]
        rss: bool,
        /// MiB of memory.
        #[arg(long, default_value_t = 24)]
        memory: u32,
        /// Moves a second.
        #[arg(long, default_value_t = 2000)]
        exercise: u32,
        /// Groups to be moved.
        #[arg(long, default_value_t = 10_000)]
        groups: u64,
        /// Cores to be parked.
        #[arg(long, default_value_t = 1_000)]
        parkings: u64,
        /// Threads of the client.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
        threads: u16,
        /// Connections.
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=1000))]
        connections: u16,
        /// Seconds that it may take at most.
        #[arg(long, default_value_t = 900)]
        seconds: u64,
        /// Seconds, 15 at most, for which the VMM's threads come first while pauses are measured; 0 leaves that out.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(..=15))]
        quiet: u64,
        /// Seed of all that is random.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Two stacks over a simulated link with loss, reordering, duplication and corruption: a run for each seed.
    Netsim {
        /// Seeds.
        #[arg(long, default_value_t = 10_000)]
        seeds: u64,
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// The peer of our stack: itself, or smoltcp, which is both smoltcp-client and smoltcp-server.
        #[arg(long, default_value = "memstorm", value_parser = ["memstorm", "smoltcp", "smoltcp-client", "smoltcp-server"])]
        peer: String,
        /// Write the frames at the server's end into this file; for a single run.
        #[arg(long)]
        pcap: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Figures => print!("{}", Figures::collect(&collect_files(&["rs", "S", "ld"])?)?),
        Command::Ready { accel, runs } => {
            let accel = if accel == "kvm" { "kvm" } else { "tcg" };
            let times = measure::ready_ms(&Machine { accel, ..Machine::default() }, usize::from(runs))?;
            let median = measure::median(&times);
            println!("ready_ms, microvm with {accel}: median of {runs} {median:.1}, all {times:.1?}");
        }
        Command::Idle { seconds } => {
            let spent = measure::idle_cpu(&Machine::default(), Duration::from_secs(seconds))?;
            println!("idle under KVM: {:.2} s of CPU time in {seconds} s", spent.as_secs_f64());
        }
        Command::Soak { soak: Soak::Basic { seconds, connections, frames, seed } } => {
            soak::end_on_signals()?;
            let load = Duration::from_secs(seconds);
            soak::basic(&soak::Options { load, connections: usize::from(connections), frames, seed })?;
        }
        Command::Soak { soak: Soak::Flood { rate, seconds, connections, seed } } => {
            soak::end_on_signals()?;
            let (connections, time) = (usize::from(connections), Duration::from_secs(seconds));
            soak::flood(&soak::FloodOptions { rate, time, connections, seed })?;
        }
        Command::Soak { soak: Soak::Linux { bytes, connections, pairs, seconds, seed } } => {
            soak::end_on_signals()?;
            let (connections, time) = (usize::from(connections), Duration::from_secs(seconds));
            soak::linux(&soak::LinuxOptions { bytes, connections, pairs, time, seed })?;
        }
        Command::Soak { soak: Soak::Instructions { cores, connections, requests } } => {
            soak::end_on_signals()?;
            let connections = usize::from(connections);
            soak::instructions(&soak::InstructionsOptions { cores, connections, requests })?;
        }
        Command::Soak { soak: Soak::Fuzz { target, seconds, keep } } => {
            soak::end_on_signals()?;
            let found = if keep { fuzz::Found::Kept } else { fuzz::Found::Dropped };
            fuzz::run(&fuzz::Options { target, time: Duration::from_secs(seconds), found })?;
        }
        Command::Soak { soak: soak @ Soak::Migrations { .. } } => migrations(&soak)?,
        Command::Soak { soak: Soak::Netsim { seeds, seed, peer, pcap } } => {
            soak::end_on_signals()?;
            let peers = Peer::ALL.into_iter().filter(|one| one.to_string().starts_with(&peer)).collect();
            soak::netsim(&soak::NetsimOptions { peers, seed, seeds, pcap })?;
        }
    }
    Ok(())
}

fn migrations(soak: &Soak) -> Result<()> {
    let Soak::Migrations {
        cores,
        accel,
        rss,
        memory,
        exercise,
        groups,
        parkings,
        threads,
        connections,
        seconds,
        quiet,
        seed,
    } = soak
    else {
        return Ok(());
    };
    soak::end_on_signals()?;
    soak::migrations(&soak::MigrationOptions {
        cores: *cores,
        accel: accel.as_deref().map(|accel| if accel == "kvm" { "kvm" } else { "tcg" }),
        tap: if *rss { Tap::ManyQueues } else { Tap::OneQueue },
        memory_mib: *memory,
        exercise: *exercise,
        groups: *groups,
        parkings: *parkings,
        threads: usize::from(*threads),
        connections: usize::from(*connections),
        limit: Duration::from_secs(*seconds),
        quiet: Duration::from_secs(*quiet),
        seed: *seed,
    })
}
