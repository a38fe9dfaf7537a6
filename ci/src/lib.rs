//! What `ci/test`, `ci/soak` and `ci/show` are made of.
//!
//! ```text
//! source        what the sources may depend on and contain: layers, unsafe, figures
//! namespace     a network namespace with a tap in it, and threads that run there
//! appliance     an appliance started and stopped through the `memstorm` command, as a user would
//! client        a memcached client of a few lines, and `conversation`, what a server must answer it
//! measure       boot times and idle cost
//! soak          the long runs: a load that checks every reply, and hostile frames
//! ```
//!
//! Of Memstorm's own crates this one knows only `abi`: everything else is reached from outside, over the command line
//! and the network.

pub mod appliance;
pub mod checksum;
pub mod client;
pub mod conversation;
pub mod host;
pub mod measure;
pub mod namespace;
pub mod packet;
pub mod ping;

pub mod soak;
pub mod source;
