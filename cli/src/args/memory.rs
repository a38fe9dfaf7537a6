//! The command line of `bench memory`.

use clap::Args;
use orchestrator::Memory;

use super::Output;

const NOTES: &str = "\
Items of Facebook's ETC pool, each set once and none asked for, several times as many as fit; those that are there at the end are counted.
  memstorm store    the appliance's store in this process: the memory holds everything, its index too
  memcached         Debian's with -m and nothing else: what it takes beside that is in its TOTAL, the memory that its process has in RAM
  memstorm booted   the appliance on a machine whose RAM is that total, with memcached's default of 1024 connections";

/// The options of `bench memory`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct MemoryOptions {
    /// What memcached is given by -m, as 64M or 1G
    #[arg(short, long, value_delimiter = ',', default_value = "64M,1G")]
    pub(crate) memory: Vec<Memory>,
    /// Keys and values that are set, in multiples of the memory
    #[arg(long, default_value_t = 4.0, value_parser = super::positive)]
    times: f64,
    /// What lengths follow from
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Boot no appliance
    #[arg(long)]
    pub(crate) no_boot: bool,
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

impl MemoryOptions {
    /// Bytes of keys and values that are set where a cache has this memory.
    pub(crate) fn bytes(&self, memory: Memory) -> u64 {
        (((u64::from(memory.mib)) << 20) as f64 * self.times) as u64
    }
}
