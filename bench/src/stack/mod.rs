//! What a request costs the server: from the receive ring to the doorbell, client and device excluded.
//!
//! ```text
//! server     driver, stack and app on a device model          client     many connections, cheaply
//! dialogue   what is asked and answered                       memory     bytes of heap in use
//! measure    cycles and bytes, natively                       callgrind  instructions, by stage
//! ```

mod callgrind;
mod client;
mod dialogue;
mod measure;
mod memory;
mod server;

pub use callgrind::{Instructions, Stages, valgrind_version};
pub use dialogue::{MAX_KEY, MIN_KEY, Work};
pub use measure::{Measured, NATIVE_REQUESTS, PROBE_REQUESTS, measure, probe};
pub use memory::Counting;

/// The most frames of a turn.
pub use netdrv::nic::BATCH;

/// The server's port.
const PORT: u16 = 11211;
/// The largest request of an echo and the largest value, in bytes: what the first congestion window takes.
pub const MAX_SIZE: usize = 8 << 10;
/// The most requests under way on a connection.
pub const MAX_DEPTH: usize = 64;

/// How requests arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// At most a batch at a time, as many as connections and depth allow.
    Batch,
    /// The receive ring is full at every turn: more is offered than the server takes.
    Overload,
}

/// What is to be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// What the server does.
    pub work: Work,
    /// Connections, each with `depth` requests under way.
    pub connections: usize,
    /// Bytes of a request and of its answer, if it is an echo; else of a value.
    pub size: usize,
    /// Requests under way on each connection.
    pub depth: usize,
    /// Most frames taken in a turn (IX's B).
    pub batch: usize,
    /// How requests arrive.
    pub arrivals: Arrivals,
}

/// Why nothing was measured.
#[derive(Debug)]
pub enum Error {
    /// The driver does not start.
    Driver(netdrv::Error),
    /// The device has no queues.
    NoQueues,
    /// The memcached service does not start.
    Service(app_memcached::service::Error),
    /// The server did not answer as it should: what was seen.
    Wrong(String),
    /// There is no Callgrind.
    NoValgrind,
    /// Callgrind failed.
    Callgrind(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Driver(error) => write!(f, "the driver does not start on the device model: {error}"),
            Error::NoQueues => f.write_str("the device model has no queues"),
            Error::Service(error) => write!(f, "the service does not start: {error}"),
            Error::Wrong(what) => write!(f, "the server does not answer as it should: {what}"),
            Error::NoValgrind => f.write_str(
                "valgrind is missing, so instructions are not counted: install it with `sudo apt-get install valgrind`",
            ),
            Error::Callgrind(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
