//! What a cache keeps in so much memory, ours beside memcached: by hit ratios and by numbers of items.
//!
//! ```text
//! trace   requests: made up from a seed, or out of a file
//! replay  played to a cache that fills itself on a miss
//! ours    the appliance's store, in this process      memcached  Debian's, on a socket      booted  the appliance, by its port
//! remote  what the latter two have in common
//! held    what a cache holds at the end
//! longest the store's longest operation, in instructions
//! ```
//!
//! Called by `cli`; calls `peers` and `orchestrator` for the processes, and `load` for keys and values.

mod booted;
mod error;
mod held;
mod longest;
mod memcached;
mod ours;
mod remote;
pub mod replay;
pub mod trace;

pub use booted::Booted;
pub use error::CacheError;
pub use held::Held;
pub use longest::{LONGEST, Longest, longest};
pub use memcached::Memcached;
pub use ours::Ours;
