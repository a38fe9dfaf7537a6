//! The command line of `bench replay`.

use std::path::PathBuf;

use bench::cache::trace::{Extent, Lifetimes, Shape};
use clap::{Args, ValueEnum};
use orchestrator::Memory;

use super::Output;

const NOTES: &str = "\
Traces: zipf-ALPHA; scan, which is zipf-0.99 with a quarter of all requests in scans over keys that nobody asks for again; ttl,
which is zipf-0.99 where half of the keys expire after 1 to 5 seconds, three tenths after 10 to 30, a tenth after 5 to 60 minutes and a
tenth never; scan-ttl. Keys and values have the lengths of Facebook's ETC pool.

A cache is looked up; on a miss, the item is set. memcached's clock is real, so that where items expire its replay takes as long as
the trace says.

Caches: memstorm is the appliance's store, in this process, whose --memory holds everything, its index too; memcached is Debian's with
-m and nothing else; lru evicts by exact LRU and stores keys and values without a byte more.

Files have a line for each request, in the columns of Twitter's cache traces: time in seconds, key, bytes of the key, bytes of the value,
client, operation, seconds to live.";

/// The options of `bench replay`.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct ReplayOptions {
    /// Traces [default: zipf-0.9, zipf-0.99, zipf-1.1, scan, ttl]
    #[arg(long, value_delimiter = ',', value_name = "TRACE", conflicts_with = "file")]
    trace: Vec<Shape>,
    /// A trace in a file
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Write the trace to a file, and replay nothing
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// What it is replayed to
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [CacheChoice::Memstorm, CacheChoice::Memcached])]
    pub(crate) cache: Vec<CacheChoice>,
    /// Memory of a cache, as 64M or 1G
    #[arg(long, default_value = "64M")]
    pub(crate) memory: Memory,
    /// Keys and values that are asked for again, in multiples of the memory
    #[arg(long, default_value_t = 4.0, value_parser = super::positive)]
    working_set: f64,
    /// Requests
    #[arg(long, default_value_t = 10_000_000)]
    requests: u64,
    /// Requests a second, where time matters
    #[arg(long, default_value_t = 150_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    rate: u64,
    /// The share of requests after which hits are counted
    #[arg(long, default_value_t = 1.0 / 3.0, hide_default_value = true, value_parser = super::share)]
    warm_up: f64,
    /// With --file: as fast as the file says, since items expire
    #[arg(long, requires = "file")]
    pub(crate) timed: bool,
    /// What made-up traces follow from
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// What a trace is replayed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CacheChoice {
    /// The appliance's store
    Memstorm,
    /// Debian's memcached
    Memcached,
    /// Exact LRU
    Lru,
}

impl CacheChoice {
    pub(crate) fn name(self) -> &'static str {
        match self {
            CacheChoice::Memstorm => "memstorm",
            CacheChoice::Memcached => "memcached",
            CacheChoice::Lru => "lru",
        }
    }

    /// Whether a trace has to take its time, so that items expire in time.
    pub(crate) fn is_timed(self, lifetimes: Lifetimes) -> bool {
        self == CacheChoice::Memcached && lifetimes == Lifetimes::Mixed
    }
}

impl ReplayOptions {
    /// The made-up traces that are asked for.
    pub(crate) fn shapes(&self) -> Vec<Shape> {
        if self.trace.is_empty() { Shape::usual().to_vec() } else { self.trace.clone() }
    }

    /// How much of a made-up trace there is.
    pub(crate) fn extent(&self) -> Extent {
        let bytes = (self.memory_bytes() as f64 * self.working_set) as u64;
        Extent { bytes, requests: self.requests, rate: self.rate, seed: self.seed }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        (self.memory.mib as usize) << 20
    }

    /// Requests before hits count, of so many.
    pub(crate) fn warm_up(&self, requests: u64) -> u64 {
        (requests as f64 * self.warm_up) as u64
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Arguments, BenchCommand, Command};

    fn parsed(words: &str) -> Result<ReplayOptions, String> {
        let line = ["memstorm", "bench", "replay"].into_iter().chain(words.split_ascii_whitespace());
        match Arguments::try_parse_from(line).map_err(|error| error.to_string())?.command {
            Command::Bench { command: BenchCommand::Replay(options) } => Ok(*options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn five_traces_are_usual() {
        let options = parsed("").unwrap();
        assert_eq!(options.shapes(), Shape::usual());
        assert_eq!(options.extent(), Extent { bytes: 256 << 20, requests: 10_000_000, rate: 150_000, seed: 1 });
        assert_eq!(options.warm_up(9_000_000), 3_000_000);
        assert_eq!(options.cache, [CacheChoice::Memstorm, CacheChoice::Memcached]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(parsed("--trace scan,zipf-1.2 --memory 1G").unwrap().shapes().len(), 2);
        assert!(parsed("--trace lru").unwrap_err().contains("zipf-ALPHA"));
        assert!(parsed("--trace ttl --file x").unwrap_err().contains("cannot be used with"));
        assert!(parsed("--working-set 0").unwrap_err().contains("above 0"));
        assert!(parsed("--warm-up 1.5").unwrap_err().contains("0 to 1"));
        assert!(parsed("--timed").unwrap_err().contains("--file"));
    }

    #[test]
    fn only_a_real_clock_needs_real_time() {
        assert!(CacheChoice::Memcached.is_timed(Lifetimes::Mixed));
        assert!(!CacheChoice::Memcached.is_timed(Lifetimes::Unlimited));
        assert!(!CacheChoice::Memstorm.is_timed(Lifetimes::Mixed));
    }
}
