//! The appliance's configuration: `key=value` words separated by blanks.
//!
//! The words come from the image header (written by `memstorm build`) and then from the kernel command line, where a
//! later word overrides an earlier one. Names follow memcached's long options where memcached has one.

mod auth;
mod cluster;
mod parse;

use core::fmt;
use core::net::Ipv4Addr;

pub use auth::AuthToken;
pub use cluster::ClusterNodes;

/// How the appliance gets its IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// Ask a DHCP server (RFC 2131).
    Dhcp,
    /// `A.B.C.D/LEN`.
    Static {
        /// The address.
        ip: Ipv4Addr,
        /// Length of the network prefix, in bits.
        prefix: u8,
    },
}

/// What follows a crash report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCrash {
    /// Power off with the crash's exit code.
    Exit,
    /// Halt, so that the machine can be looked at.
    Halt,
    /// Reset the machine.
    Reboot,
}

/// The least important level that the console prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What ends or endangers service.
    Error,
    /// What an operator should look at.
    Warn,
    /// What happens once per boot.
    Info,
    /// Everything.
    Debug,
}

/// A deliberate fault, to see the crash report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfTest {
    /// Write to the text section.
    WriteText,
    /// Call into the data section.
    ExecuteData,
    /// Read through a null pointer.
    NullRead,
    /// Recurse until the stack's guard page.
    StackOverflow,
    /// Divide by zero.
    DivideByZero,
    /// Panic.
    Panic,
    /// Execute `ud2` outside the monitor's gate.
    Ud2,
}

/// The appliance's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// `port`: TCP port of the memcached service.
    pub port: u16,
    /// `udp-port`: UDP port of the memcached service, as memcached's `-U`; 0: none.
    pub udp_port: u16,
    /// `http-port`: TCP port that answers `GET /metrics` and `GET /healthz`; 0: none.
    pub http_port: u16,
    /// `auth-token`: `user:password` that clients have to show first, as a line of the file of memcached's `-Y`.
    pub auth_token: Option<AuthToken>,
    /// `cluster-nodes`: `version:host|ip|port,...`, the servers that clients are told of by `config get cluster`.
    pub cluster_nodes: Option<ClusterNodes>,
    /// `protocol`: what connections speak, as memcached's `-B`.
    pub protocol: Protocol,
    /// `disable-cas`: items have no CAS values, as with memcached's `-C`.
    pub cas: CasUse,
    /// `idle-timeout`: seconds without a request after which a connection is closed, as memcached's `-o idle_timeout`; 0: never.
    pub idle_timeout_s: u32,
    /// `memory-limit`: item memory in MiB, as memcached's `-m`; `None` takes all that the machine has left.
    pub memory_limit_mib: Option<u32>,
    /// `conn-limit`: connections at a time, as memcached's `-c`.
    pub conn_limit: u32,
    /// `max-item-size`: bytes, with `k` or `m`, as memcached's `-I`.
    pub max_item_size: u32,
    /// `disable-evictions`: `SERVER_ERROR` instead of evicting, as memcached's `-M`.
    pub evictions: Evictions,
    /// `disable-flush-all`: `flush_all` is refused, as by memcached's `-F`.
    pub flush_all: Permission,
    /// `disable-dumping`: listings of keys are refused, as by memcached's `-X`.
    pub dumping: Permission,
    /// `disable-watch`: `watch` is refused, as by memcached's `-W`.
    pub watching: Permission,
    /// `enable-shutdown`: a client may power the machine off, as by memcached's `-A`.
    pub shutdown: Permission,
    /// `ip`: `dhcp` or `A.B.C.D/LEN`.
    pub address: Address,
    /// `gateway`: of a static address.
    pub gateway: Option<Ipv4Addr>,
    /// `vlan`: the IEEE 802.1Q VLAN that the appliance is in; `None` is that of untagged frames.
    pub vlan: Option<u16>,
    /// `listen-backlog`: half-open connections that a core keeps, as memcached's `-b`; further ones cost no memory.
    pub listen_backlog: u32,
    /// `congestion-control`: how TCP adapts to the path.
    pub congestion_control: CongestionControl,
    /// `ecn`: whether routers may mark packets instead of dropping them.
    pub ecn: Ecn,
    /// `keepalive`: seconds of silence before a client is asked whether it is still there; 0 never asks.
    pub keepalive_s: u32,
    /// `console`: the least important level printed.
    pub console: Level,
    /// `on-crash`: what follows a crash report.
    pub on_crash: OnCrash,
    /// `batch`: the most packets taken in one turn, 1 to 64 (IX's B).
    pub batch: u16,
    /// `spin`: microseconds without work before a core halts, at most.
    pub spin_us: u32,
    /// `threads`: cores that serve at most, as memcached's `-t`; `None` takes all that there are.
    pub threads: Option<u16>,
    /// `stage-clock`: what the stages of a turn are accounted by.
    pub stage_clock: StageClock,
    /// `exercise`: flow groups that change cores each second, at random, and a core is parked or unparked with every tenth.
    pub exercise: u32,
    /// `selftest`: a deliberate fault after the boot.
    pub selftest: Option<SelfTest>,
    /// `selftest-core`: the core that commits it, from 0.
    pub selftest_core: u16,
}

/// What the stages of a turn are accounted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageClock {
    /// The cycles of all turns.
    Cycles,
    /// The cycles of turns that no other core ran in: for `-icount`, where cores take turns.
    Alone,
}

/// How TCP adapts to the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CongestionControl {
    /// RFC 9438.
    Cubic,
    /// RFC 5681 and 6582.
    NewReno,
}

/// Explicit congestion notification (RFC 3168).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ecn {
    /// Never.
    Never,
    /// Where the client wants it.
    Offered,
}

/// What happens to a store command when memory is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evictions {
    /// Make room by evicting.
    Enabled,
    /// Refuse the command.
    Disabled,
}

/// What connections speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// What the first byte of each says.
    Auto,
    /// Text.
    Ascii,
    /// Frames.
    Binary,
}

/// Whether items have CAS values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CasUse {
    /// They have.
    Enabled,
    /// All are 0, and none matches.
    Disabled,
}

/// Whether clients may use a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// They may.
    Granted,
    /// They are told that it is not allowed.
    Denied,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            port: 11211,
            udp_port: 0,
            http_port: 0,
            auth_token: None,
            cluster_nodes: None,
            protocol: Protocol::Auto,
            cas: CasUse::Enabled,
            idle_timeout_s: 0,
            memory_limit_mib: None,
            conn_limit: 4096,
            max_item_size: 1 << 20,
            evictions: Evictions::Enabled,
            flush_all: Permission::Granted,
            dumping: Permission::Granted,
            watching: Permission::Granted,
            shutdown: Permission::Denied,
            address: Address::Dhcp,
            gateway: None,
            vlan: None,
            listen_backlog: 256,
            congestion_control: CongestionControl::Cubic,
            ecn: Ecn::Never,
            keepalive_s: 7200,
            console: Level::Info,
            on_crash: OnCrash::Exit,
            batch: 32,
            spin_us: 1000,
            threads: None,
            stage_clock: StageClock::Cycles,
            exercise: 0,
            selftest: None,
            selftest_core: 0,
        }
    }
}

/// Every key, in the order of the documentation.
pub const KEYS: &[&str] = &[
    "port",
    "udp-port",
    "http-port",
    "auth-token",
    "cluster-nodes",
    "protocol",
    "disable-cas",
    "idle-timeout",
    "memory-limit",
    "conn-limit",
    "max-item-size",
    "disable-evictions",
    "disable-flush-all",
    "disable-dumping",
    "disable-watch",
    "enable-shutdown",
    "ip",
    "gateway",
    "vlan",
    "listen-backlog",
    "congestion-control",
    "ecn",
    "keepalive",
    "console",
    "on-crash",
    "batch",
    "spin",
    "threads",
    "stage-clock",
    "exercise",
    "selftest",
    "selftest-core",
];

/// Why a configuration was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError<'a> {
    /// No such key.
    UnknownKey {
        /// The key as given.
        key: &'a str,
        /// The valid key nearest to it.
        nearest: &'static str,
    },
    /// The value does not fit its key.
    BadValue {
        /// The key.
        key: &'static str,
        /// The value as given.
        value: &'a str,
        /// What the key takes.
        expected: &'static str,
    },
    /// The value is not one of a fixed set.
    UnknownValue {
        /// The key.
        key: &'static str,
        /// The value as given.
        value: &'a str,
        /// The valid value nearest to it.
        nearest: &'static str,
    },
}

impl fmt::Display for ConfigError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::UnknownKey { key, nearest } => write!(f, "unknown key '{key}': did you mean '{nearest}'?"),
            ConfigError::BadValue { key, value, expected } => {
                write!(f, "key '{key}': '{value}' is not {expected}")
            }
            ConfigError::UnknownValue { key, value, nearest } => {
                write!(f, "key '{key}': unknown value '{value}': did you mean '{nearest}'?")
            }
        }
    }
}

impl core::error::Error for ConfigError<'_> {}

impl Config {
    /// The deliberate fault of a core, if it is to commit one.
    pub fn fault_of(&self, core: usize) -> Option<SelfTest> {
        self.selftest.filter(|_| usize::from(self.selftest_core) == core)
    }

    /// Applies the words of `line` over this configuration. At the first error nothing after it is applied.
    pub fn apply<'a>(&mut self, line: &'a str) -> Result<(), ConfigError<'a>> {
        for word in line.split_ascii_whitespace() {
            parse::apply_word(self, word)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
