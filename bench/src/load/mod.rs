//! The load generator: requests at a given rate, and how long the answers took.
//!
//! ```text
//! job  search  scan         what is measured: one rate, several, or the highest that keeps a promise
//! generator  plan           the threads, and what is asked of them            measured  what they found, what limited it
//! engine  session  phases   one thread: its turn, what comes in, what it is told to do
//! schedule  held            when requests are due; those that wait for their connection
//! connection                what is under way
//! recorder  latencies       what is counted
//! control                   a connection apart, for the server's statistics
//! workload                  records, their keys and values, and what is asked for
//! selftest                  checks of the instrument itself
//! lengths  distribution     lengths and times, by mutilate's names            random  clock  decimal
//! protocol                  text, meta, binary, and datagrams
//! wire  wires  stack        what carries requests and answers: the contract; kernel sockets; our own stack
//! ```
//!
//! Latency counts from when a request should have been sent, so that a slow answer cannot hide the requests that had to
//! wait behind it. An engine accounts for its own time: a figure that it limits is a lower bound, and says so.
//!
//! Called by `cli`. On the way of a request nothing is allocated, formatted or locked.

pub mod clock;
mod connection;
mod control;
mod decimal;
pub mod distribution;
mod engine;
mod error;
mod generator;
#[cfg(test)]
pub(crate) mod goodness;
mod held;
mod job;
mod latencies;
mod lengths;
mod measured;
mod phases;
mod plan;
mod protocol;
pub(crate) mod random;
mod recorder;
mod scan;
mod schedule;
mod search;
pub mod selftest;
mod session;
pub mod stack;
pub mod wire;
pub mod wires;
pub mod workload;

pub use error::LoadError;
pub use generator::{Generator, Rate, with_generator};
pub use job::{Done, Job, Report};
pub use measured::{Limit, Measured, ServerTime};
pub use plan::{Loading, Misses, Plan};
pub use protocol::{Protocol, Wrong};
pub use recorder::Record;
pub use scan::Scan;
pub use schedule::ScheduleError;
pub use search::{Found, PIECES, Sla, highest_rate};

#[cfg(test)]
mod tests;
