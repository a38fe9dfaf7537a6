//! Network namespaces of our own, each with a tap in it: a wire between this machine and one appliance that nothing
//! else is on, and that loses nothing.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::net::Ipv4Addr;
use std::ops::Sub;

use anyhow::{Context, Result};

/// The tap of every namespace.
pub const TAP: &str = "tap0";
/// The address of this side of the tap.
pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The address that appliances are given.
pub const GUEST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// Length of the network prefix of both, in bits.
pub const PREFIX: u8 = 24;
/// Frames that the host's end of the tap queues: several of each of a thousand connections. The default, 1,000, overflows
/// whenever the VMM is off its core for a moment, and what is lost there is no fault of the appliance.
const QUEUE_FRAMES: &str = "10000";

const NAME_PREFIX: &str = "memstorm-ci";

/// What a tap offers the VMM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tap {
    /// One queue, so that software steers.
    OneQueue,
    /// A queue for each core, so that the NIC steers.
    ManyQueues,
}

impl Display for Tap {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Tap::OneQueue { "one queue" } else { "a queue for each core" })
    }
}

/// A network namespace with a tap in it, removed with this value.
#[derive(Debug)]
pub struct Namespace {
    namespace: bench::namespace::Namespace,
}

impl Namespace {
    /// Makes a namespace with a persistent tap in it. Needs root.
    pub fn create() -> Result<Namespace> {
        Namespace::create_with(Tap::OneQueue)
    }

    /// Makes a namespace with a persistent tap of this kind in it. Needs root.
    pub fn create_with(tap: Tap) -> Result<Namespace> {
        let namespace = Namespace { namespace: bench::namespace::Namespace::create(NAME_PREFIX)? };
        let kind: &[&str] = if tap == Tap::ManyQueues { &["multi_queue"] } else { &[] };
        namespace.ip(&[&["tuntap", "add", "dev", TAP, "mode", "tap"], kind].concat())?;
        namespace.ip(&["addr", "add", &format!("{HOST}/{PREFIX}"), "dev", TAP])?;
        namespace.ip(&["link", "set", TAP, "txqueuelen", QUEUE_FRAMES, "up"])?;
        Ok(namespace)
    }

    /// Runs `body`, whose sockets and child processes belong to the namespace.
    pub fn run<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        self.namespace.enter(body).context("cannot enter the network namespace")?
    }

    /// Runs `ip` on the namespace, say `ip -n NAME neigh flush dev tap0`.
    pub fn ip(&self, arguments: &[&str]) -> Result<()> {
        Ok(self.namespace.ip(arguments)?)
    }
}

/// What the tap has done with the frames for the appliance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapCounters {
    /// Frames that the VMM has taken.
    pub delivered: u64,
    /// Frames that found no room in the queue.
    pub dropped: u64,
}

impl TapCounters {
    /// Reads the counters of the tap in the calling thread's namespace.
    pub fn read() -> Result<TapCounters> {
        let table = fs::read_to_string("/proc/thread-self/net/dev")?;
        let row = table.lines().find_map(|line| line.trim_start().strip_prefix(TAP)?.strip_prefix(':'));
        let row = row.with_context(|| format!("no {TAP} in /proc/net/dev"))?;
        let column = |index: usize| row.split_ascii_whitespace().nth(index).and_then(|word| word.parse().ok());
        let (delivered, dropped) = column(9).zip(column(11)).context("/proc/net/dev has an unknown form")?;
        Ok(TapCounters { delivered, dropped })
    }
}

impl Sub for TapCounters {
    type Output = TapCounters;

    fn sub(self, earlier: TapCounters) -> TapCounters {
        TapCounters { delivered: self.delivered - earlier.delivered, dropped: self.dropped - earlier.dropped }
    }
}
