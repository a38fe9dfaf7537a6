//! What a cache keeps in so much memory, ours beside memcached: hit ratios by replaying traces.
//!
//! ```text
//! trace   requests: made up from a seed, or out of a file
//! replay  played to a cache that fills itself on a miss
//! ours    the appliance's store, in this process      memcached  Debian's, on a socket
//! held    what a cache holds at the end
//! ```
//!
//! Called by `cli`; calls `peers` for the process, and `load` for keys and values.

mod error;
mod held;
mod memcached;
mod ours;
pub mod replay;
pub mod trace;

pub use error::CacheError;
pub use held::Held;
pub use memcached::Memcached;
pub use ours::Ours;
