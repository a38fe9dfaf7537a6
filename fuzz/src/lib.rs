//! Fuzz targets: what strangers can send, bytes in and no answer but that nothing broke.
//!
//! ```text
//! target/   frame, tcp_options, dhcp, arp: what the stack sees; text, meta, binary, udp: what memcached's clients send. Each reads an
//!           input as a list of operations
//! input     the bytes of an input, taken from the front
//! host      a whole stack with its clock, a transmit ring that may be full, and the application
//! app       takes connections, sends a known pattern, and checks that it gets one
//! peer      the other end of the connections: which numbers they have reached
//! wire      frames from their fields, checksums included
//! check     every frame that leaves is well formed, right in its checksums, and carries what was sent
//! memcached a model of memcached, and plays that compare what the application answers with it
//! ```
//!
//! A target panics if a promise is broken. `fuzz/afl` drives the targets by AFL++ (`ci/soak fuzz`); `tests/replay.rs`
//! runs the corpora through them in the ordinary tests. An input is replayed exactly: nothing here has a clock or
//! randomness of its own.

mod app;
mod check;
mod host;
mod input;
mod memcached;
mod peer;
mod target;
mod wire;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Runs one input; panics if a promise is broken.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "frame", run: target::frame::run },
    Target { name: "tcp_options", run: target::tcp_options::run },
    Target { name: "dhcp", run: target::dhcp::run },
    Target { name: "arp", run: target::arp::run },
    Target { name: "text", run: target::text::run },
    Target { name: "meta", run: target::meta::run },
    Target { name: "binary", run: target::binary::run },
    Target { name: "udp", run: target::udp::run },
];
