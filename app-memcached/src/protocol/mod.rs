//! memcached's classic text protocol, in the dialect of 1.6.18 (its `doc/protocol.txt`, and its binary where that is silent).
//!
//! ```text
//! bytes -> Session::advance -> verb/* -> Server (store, counters, clock) -> Output
//! ```
//!
//! A [`Session`] is one client's state; all of a core share a [`Server`]. Requests are parsed in place and replies are written straight
//! into the caller's [`Output`]; nothing is kept of a request but where it stands. Called by `service`; calls `store`; knows
//! no TCP.

mod counters;
mod line;
mod number;
mod output;
mod reply;
mod scan;
mod server;
mod session;
mod verb;

pub use counters::{ConnectionBlock, ConnectionCounters, CounterBlock, Counters, Tallies};
pub use line::probable_keys;
pub use output::Output;
pub use server::{Dataplane, Server, Settings};
pub use session::{Advance, LINE_LIMIT, REPLY_ROOM, Session, Status};
pub use verb::version::VERSION;

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod testkit;
