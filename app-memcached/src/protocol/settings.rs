//! What a cache is told when it starts.

use super::auth::Token;
use super::dialect::Dialect;
use super::verb::cluster::Cluster;
use crate::store::WhenFull;

/// How a cache is set up: what does not change after the start, reported by `stats settings`. Names follow memcached's options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Connections at a time (`-c`), on all cores together.
    pub conn_limit: u32,
    /// Bytes of the largest item (`-I`), counted as memcached counts.
    pub max_item_size: u32,
    /// What happens when memory is full (`-M`).
    pub when_full: WhenFull,
    /// TCP port.
    pub port: u16,
    /// UDP port; 0: none.
    pub udp_port: u16,
    /// TCP port that answers HTTP; 0: none.
    pub http_port: u16,
    /// Commands that not all servers allow (`-F`, `-X`, `-W`, `-A`).
    pub permissions: Permissions,
    /// What connections speak, and for how long they may be silent (`-B`, `-C`, `-o idle_timeout`).
    pub dialect: Dialect,
    /// Cores that serve.
    pub threads: u32,
    /// What clients have to show first, if anything (`-Y`).
    pub auth: Option<Token>,
    /// The servers that clients are told of by `config get cluster`, if any.
    pub cluster: Option<Cluster>,
}

/// Which commands are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// `flush_all`, but for `-F`.
    pub flush_all: bool,
    /// Listings of keys, but for `-X`.
    pub dumping: bool,
    /// `watch`, but for `-W`.
    pub watching: bool,
    /// `shutdown`, with `-A`.
    pub shutdown: bool,
}

impl Default for Permissions {
    /// As memcached's without options.
    fn default() -> Permissions {
        Permissions { flush_all: true, dumping: true, watching: true, shutdown: false }
    }
}
