//! Traces: requests with their times, one after another.
//!
//! ```text
//! shape      which there are, by name
//! synthetic  made up: Zipf's law, scans, expiry times; keys and values of Facebook's ETC pool
//! once       every key once, set and never asked for
//! file       read and written, in the columns of Twitter's cache traces
//! zipf       ranks by Zipf's law
//! ```

mod file;
mod once;
mod shape;
mod synthetic;
mod zipf;

pub use file::{Reader, Writer};
pub use once::Once;
pub use shape::{Lifetimes, Scans, Shape};
pub use synthetic::{Extent, Synthetic};
pub use zipf::Zipf;

use super::CacheError;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operation {
    /// Look it up; on a miss, set it.
    #[default]
    Get,
    /// Set it.
    Set,
    /// Delete it.
    Delete,
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// How many came before it.
    pub number: u64,
    /// When it is due, in microseconds since the trace's beginning.
    pub time_us: u64,
    /// What is asked for.
    pub operation: Operation,
    /// Of what.
    pub key: Vec<u8>,
    /// Bytes of the value that is set.
    pub value_len: usize,
    /// Seconds after which it expires; 0: never.
    pub ttl_s: u32,
}

/// Where requests come from.
pub trait Source {
    /// The next request, into `request`. `false` at the end.
    fn next(&mut self, request: &mut Request) -> Result<bool, CacheError>;

    /// How many there are.
    fn requests(&self) -> u64;
}
