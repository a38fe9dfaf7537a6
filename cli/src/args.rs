//! The command line.

mod compare;
mod evict;
mod load;
mod memory;
mod replay;
mod report;

use std::ffi::OsString;
use std::path::PathBuf;

use bench::stack::{BATCH, MAX_DEPTH, MAX_KEY, MAX_SIZE, MIN_KEY};
use clap::builder::TypedValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use image::Format;
use orchestrator::{Accel, Listen, Machine, Memory, Net, Pages, Spec, Validation, Vmm};

pub(crate) use compare::{CompareOptions, image_name};
pub(crate) use evict::EvictOptions;
pub(crate) use load::{LoadOptions, WireChoice};
pub(crate) use memory::MemoryOptions;
pub(crate) use replay::{CacheChoice, ReplayOptions};
pub(crate) use report::ReportOptions;

const EXIT_CODES: &str = "\
Exit codes:
  0        success; of `run`: the appliance powered off, or was stopped
  1        a failure of the host: the message says which
  2        a wrong command line
  10 - 15  `run`: the appliance refused to start: 10 bad configuration, 11 too little memory, 12 no network
           device, 13 no IP address, 14 no source of entropy, 15 unsupported platform
  20 - 25  `bench load`: 20 no server, 21 it ended a connection, 22 it stalled, 23 it answered nonsense, 24 it did not
           store the records, 25 the rate or latency asked for was not reached
  40 - 50  `run`: the appliance crashed: 40 divide error, 41 invalid opcode, 42 panic, 43 null pointer,
           44 stack overflow, 45 write to read-only memory, 46 execution of data, 47 general protection fault,
           48 page fault, 49 another exception, 50 a second fault while reporting the first

Environment:
  MEMSTORM_STATE_DIR  where instances are kept; default: memstorm in $XDG_RUNTIME_DIR or /run/user/UID, else
                      /tmp/memstorm-UID
  MEMSTORM_KERNEL     the guest kernel to build images from; default: memstorm-kernel.elf beside this program, else
                      guest/appliance/unikernel in its target directory";

/// Build, boot and watch memcached appliances.
#[derive(Debug, Parser)]
#[command(name = "memstorm", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Boot an appliance and wait until it serves
    Run(RunOptions),
    /// Run an appliance as memcached would be run, by its options: `memstorm memcached -h`
    #[command(disable_help_flag = true)]
    Memcached {
        /// memcached's options
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<OsString>,
    },
    /// List the appliances
    Ps {
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Print what an appliance has printed on its console
    Logs {
        /// The instance; may be left out if there is but one
        name: Option<String>,
        /// Go on until the instance ends
        #[arg(short, long)]
        follow: bool,
    },
    /// Follow an appliance's console from now on, until the instance ends
    Console {
        /// The instance; may be left out if there is but one
        name: Option<String>,
    },
    /// Stop an appliance and forget it
    Stop {
        /// The instance; may be left out if there is but one
        name: Option<String>,
        /// All of them
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Print an appliance's statistics
    Stats {
        /// The instance; may be left out if there is but one
        name: Option<String>,
        /// The argument of the `stats` command, as "items"
        #[arg(long)]
        section: Option<String>,
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Write a bootable image
    Build(BuildOptions),
    /// Show what is inside an image
    Inspect {
        /// An image written by `build`, or a kernel
        image: PathBuf,
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Measure
    Bench {
        #[command(subcommand)]
        command: BenchCommand,
    },
    /// Say what this host offers, and what to do about what is missing
    Doctor {
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct RunOptions {
    /// The instance's name [default: memstorm, memstorm-2, ...]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Cores of the machine
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=255))]
    pub(crate) cores: u32,
    /// Memory of the machine, as 64M or 1G
    #[arg(long, default_value = "256M")]
    pub(crate) memory: Memory,
    /// With --net user: the port on 127.0.0.1; 0 takes any that is free
    #[arg(long, default_value_t = 11211)]
    pub(crate) port: u16,
    /// The virtual machine monitor; auto takes QEMU
    #[arg(long, value_enum, default_value_t)]
    vmm: VmmChoice,
    /// What executes the guest; auto takes KVM where it works, QEMU's translator elsewhere
    #[arg(long, value_enum, default_value_t)]
    accel: AccelChoice,
    /// Whether the memory consists of huge pages that were set aside (sysctl vm.nr_hugepages); auto takes them for memory
    /// that is shared with a vhost-user back end, if enough are free
    #[arg(long, value_enum, default_value_t)]
    huge_pages: HugePages,
    /// The network: user, tap:NAME or vhost-user:PATH
    #[arg(long, default_value = "user")]
    pub(crate) net: Net,
    /// Configuration for the appliance, as "key=value ..."; see the README for the keys
    #[arg(long, default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    pub(crate) append: String,
    /// Return once the appliance serves, and leave it running
    #[arg(long)]
    pub(crate) detach: bool,
    /// Print the VMM's command line, and run nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// An image written by `build` [default: one made of the kernel at hand]
    #[arg(long)]
    pub(crate) image: Option<PathBuf>,
    /// Seconds that the appliance may take to serve
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub(crate) timeout: u64,
    /// How to print where it serves, and where the boot time went
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// QEMU's machine
    #[arg(long, value_enum, hide = true)]
    machine: Option<MachineChoice>,
    /// Leave the check of --append to the appliance
    #[arg(long, hide = true)]
    no_validate: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BuildOptions {
    /// The configuration to bake in
    #[arg(long, value_name = "appliance.toml")]
    pub(crate) config: Option<PathBuf>,
    /// What to write: elf; bzimage, raw, iso and pxe are not available in this version
    #[arg(long, value_delimiter = ',', default_value = "elf")]
    pub(crate) format: Vec<Format>,
    /// The directory to write to
    #[arg(short = 'o', long, value_name = "DIR")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// What a request costs the stack, from the receive ring to the doorbell, on this host
    Stack(StackOptions),
    /// Compare the instructions of requests with those recorded
    Budgets(BudgetsOptions),
    /// Offer a memcached server requests at a rate, and say how long its answers take
    Load(Box<LoadOptions>),
    /// Servers side by side: requests/s within a bound on latency, closed loop, latency without load, cycles
    Compare(Box<CompareOptions>),
    /// How many items fit: the store and memcached with equal memory, the booted appliance and memcached with equal memory in all
    Memory(MemoryOptions),
    /// The most instructions that an operation of the store takes while it grows to 10 million items
    Longest(LongestOptions),
    /// Requests/s of the booted appliance while each new item evicts another, beside those while none is evicted
    Evict(EvictOptions),
    /// Traces replayed to the store and to memcached with equal memory: hit ratios, and what was kept
    Replay(Box<ReplayOptions>),
    /// Tables and plots of what `compare --save` has found, or with --run of everything, measured now
    Report(ReportOptions),
}

#[derive(Debug, Args)]
pub(crate) struct StackOptions {
    /// What the server does: an echo, or GETs or SETs on the appliance's store
    #[arg(long, value_enum, default_value_t)]
    pub(crate) app: AppChoice,
    /// Of GETs and SETs: bytes of a key
    #[arg(long, default_value_t = 19, value_parser = number(MIN_KEY, MAX_KEY))]
    pub(crate) key: usize,
    /// Connections
    #[arg(long, value_delimiter = ',', default_values_t = [1, 1000, 100_000, 250_000], value_parser = number(1, 1_000_000))]
    pub(crate) connections: Vec<usize>,
    /// Bytes of a request and of its answer, if it is an echo; else of a value
    #[arg(long, default_value_t = 64, value_parser = number(1, MAX_SIZE))]
    pub(crate) size: usize,
    /// Requests under way on each connection
    #[arg(long, default_value_t = 1, value_parser = number(1, MAX_DEPTH))]
    pub(crate) depth: usize,
    /// The most frames taken in a turn
    #[arg(long, value_delimiter = ',', default_values_t = [BATCH], value_parser = number(1, BATCH))]
    pub(crate) batch: Vec<usize>,
    /// Offer more than the server takes: the receive ring is full at every turn
    #[arg(long)]
    pub(crate) overload: bool,
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// Answer requests, for Callgrind to watch, and print how many
    #[arg(long, hide = true)]
    pub(crate) probe: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BudgetsOptions {
    /// The budgets
    #[arg(long, default_value = "bench/budgets.toml")]
    pub(crate) file: PathBuf,
    /// Record what is measured now
    #[arg(long)]
    pub(crate) update: bool,
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct LongestOptions {
    /// Memory of the machine, as 128M or 1280M: where 10 million items do not fit, 2 million are set after the first was evicted
    #[arg(long, value_delimiter = ',', default_value = "128M,1280M")]
    pub(crate) memory: Vec<Memory>,
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// A number between two bounds.
fn number(least: usize, most: usize) -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u64).range(least as u64..=most as u64).map(|value| value as usize)
}

/// A finite number above 0.
fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "expected a number above 0".to_owned())
}

/// A share.
fn share(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "expected a share, 0 to 1".to_owned())
}

/// What a server does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum AppChoice {
    #[default]
    Echo,
    Get,
    Set,
}

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum VmmChoice {
    #[default]
    Auto,
    Qemu,
    Uhyve,
}

/// What executes a guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum AccelChoice {
    /// KVM where it works, QEMU's translator elsewhere
    #[default]
    Auto,
    Kvm,
    Tcg,
}

impl AccelChoice {
    /// The one that is meant, where KVM works or does not.
    fn chosen(self, kvm_works: bool) -> Accel {
        match self {
            AccelChoice::Kvm => Accel::Kvm,
            AccelChoice::Tcg => Accel::Tcg,
            AccelChoice::Auto if kvm_works => Accel::Kvm,
            AccelChoice::Auto => Accel::Tcg,
        }
    }
}

/// Whether memory consists of huge pages.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum HugePages {
    #[default]
    Auto,
    On,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MachineChoice {
    Microvm,
    Pc,
    Q35,
}

impl RunOptions {
    /// What is asked for.
    pub(crate) fn spec(&self) -> Spec {
        Spec {
            vmm: match self.vmm {
                VmmChoice::Auto => None,
                VmmChoice::Qemu => Some(Vmm::Qemu),
                VmmChoice::Uhyve => Some(Vmm::Uhyve),
            },
            accel: match self.accel {
                AccelChoice::Auto => None,
                AccelChoice::Kvm => Some(Accel::Kvm),
                AccelChoice::Tcg => Some(Accel::Tcg),
            },
            machine: self.machine.map(|machine| match machine {
                MachineChoice::Microvm => Machine::Microvm,
                MachineChoice::Pc => Machine::Pc,
                MachineChoice::Q35 => Machine::Q35,
            }),
            net: self.net.clone(),
            cores: self.cores,
            memory: self.memory,
            pages: match self.huge_pages {
                HugePages::Auto => None,
                HugePages::On => Some(Pages::Huge),
                HugePages::Off => Some(Pages::Small),
            },
            listen: Listen::on_loopback(self.port),
            append: self.append.clone(),
            validation: if self.no_validate { Validation::Guest } else { Validation::Host },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_help_lists_every_exit_code() {
        for exit in abi::exit::Exit::ALL {
            let code = exit.code();
            let listed = match code {
                0 => EXIT_CODES.contains("  0  "),
                10..=15 => EXIT_CODES.contains(&format!("{code} ")),
                code => EXIT_CODES.contains(&format!(" {code} ")),
            };
            assert!(listed, "{code}");
        }
    }

    #[test]
    fn a_spelling_mistake_is_answered_with_the_right_word() {
        let refusal = |arguments: &[&str]| Arguments::try_parse_from(arguments).unwrap_err().to_string();
        let error = refusal(&["memstorm", "run", "--vmm", "qemo"]);
        assert!(error.contains("qemo") && error.contains("qemu"), "{error}");
        let error = refusal(&["memstorm", "run", "--memroy", "64M"]);
        assert!(error.contains("--memroy") && error.contains("--memory"), "{error}");
        assert!(refusal(&["memstorm", "run", "--cores", "0"]).contains("1..=255"));
        assert!(refusal(&["memstorm", "run", "--memory", "lots"]).contains("expected MiB"));
        assert!(refusal(&["memstorm", "build", "-o", "x", "--format", "vmdk"]).contains("unknown format 'vmdk'"));
    }
}
