//! memcached's protocols, in the dialect of 1.6.18 (its `doc/protocol.txt`, and its binary where that is silent).
//!
//! ```text
//!                             /-> verb/*   classic text commands \
//! bytes -> Session::advance --+-> meta/*   meta commands ---------+-> Server (store, counters, clock) -> Output
//!                             \-> binary/* frames -------------- /
//! ```
//!
//! A connection's first byte says whether it is of text or of frames. What the three have in common stands beside them: `payload`
//! and `storing` (a value on its way in), `value` (on its way out), `sum` (numbers). `udp` is what stands before either in a datagram.
//!
//! A [`Session`] is one client's state; all of a core share a [`Server`]. Requests are parsed in place and replies are written straight
//! into the caller's [`Output`]; nothing is kept of a request but where it stands. Called by `service`; calls `store`; knows
//! no TCP.

mod auth;
mod binary;
mod counters;
mod dialect;
mod dump;
mod http;
mod line;
mod meta;
mod number;
mod output;
mod payload;
mod reply;
mod report;
mod roster;
mod scan;
mod server;
mod session;
mod settings;
mod step;
mod storing;
mod sum;
pub(crate) mod udp;
mod uri;
mod value;
mod verb;
mod watching;

pub use auth::{MAX_TOKEN, Token};
pub use counters::{ConnectionBlock, ConnectionCounters, CounterBlock, Counters, Tallies};
pub use dialect::{CasUse, Dialect, Speech};
pub use line::probable_key;
pub use output::Output;
pub use report::Report;
pub use roster::{Doing, Listener, Roster, Seen};
pub use server::{Dataplane, Ending, Server};
pub use session::{Advance, Session};
pub use settings::{Permissions, Settings};
pub use step::{LINE_LIMIT, REPLY_ROOM, Status};
pub use verb::cluster::Cluster;
pub use verb::version::VERSION;

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod capable;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod watched;
