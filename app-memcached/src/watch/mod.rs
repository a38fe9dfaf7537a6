//! What watchers are told: which items are looked up, stored and evicted, and who connects (memcached's `watch`).
//!
//! ```text
//! protocol, store, service -> Reporter -> (a Ring for each core) -> Board::next -> protocol, as lines
//! ```
//!
//! Each core writes its events into a ring of its own and never waits; a watcher on any core reads all rings, at its own place in
//! each. One that is too slow finds what it has not read overwritten, and is told how much that was. While nobody watches, nothing is
//! written: every core looks once a turn for whom there is an [`Audience`].
//!
//! Called by `protocol` and `store`; knows neither.

mod board;
mod event;
#[cfg(all(loom, test))]
mod loom_tests;
mod record;
mod ring;
mod sync;

pub use board::{Audience, Board, Kinds, MAX_WATCHERS, Reporter, Sight, Ticket};
pub use event::{Event, Farewell, Fetched, Kind, Stored, Verb};
pub use record::{KEY_BYTES, Record};
