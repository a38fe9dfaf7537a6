//! The lines of the console that the host reads.
//!
//! Everything an appliance prints is a line `LEVEL: text`. Three kinds have a fixed form:
//!
//! ```text
//! ready: ip=10.0.2.15 port=11211 cores=1/4 store=50589696 phases=platform:2100,nic:4400,address:7900
//! crash: cause=NullAccess code=43 build=0011..ff          (the first line of a crash report, see `CRASH`)
//! exit: code=13 no IP address
//! ```
//!
//! In the lines that begin with `crash:`, each address of code is written as `0x` and 16 hexadecimal digits, so that
//! the host can put function names beside them.

use core::fmt;
use core::net::Ipv4Addr;

/// Prefix of the line that says the appliance serves.
pub const READY: &str = "ready: ";
/// Prefix of every line of a crash report.
pub const CRASH: &str = "crash: ";
/// Prefix of the last line before a power-off: `exit: code=N reason`.
pub const EXIT: &str = "exit: ";

/// A boot phase and when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase<'a> {
    /// One word.
    pub name: &'a str,
    /// Microseconds from the entry into the image to the end of the phase.
    pub end_us: u64,
}

/// The content of the `ready:` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready<'a> {
    /// The appliance's address.
    pub ip: Ipv4Addr,
    /// The TCP port it serves on.
    pub port: u16,
    /// Cores that serve.
    pub cores_serving: u16,
    /// Cores present, those parked included.
    pub cores_present: u16,
    /// Memory of the item store, in bytes.
    pub store_bytes: u64,
    /// The phases of the boot, in order.
    pub phases: &'a [Phase<'a>],
}

impl fmt::Display for Ready<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{READY}ip={} port={}", self.ip, self.port)?;
        write!(f, " cores={}/{} store={}", self.cores_serving, self.cores_present, self.store_bytes)?;
        for (i, phase) in self.phases.iter().enumerate() {
            let separator = if i == 0 { " phases=" } else { "," };
            write!(f, "{separator}{}:{}", phase.name, phase.end_us)?;
        }
        Ok(())
    }
}

/// The value of `key=` in a line of `key=value` words.
pub fn field<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_ascii_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// The phases in a `ready:` line, in order. Malformed ones are left out.
pub fn phases(line: &str) -> impl Iterator<Item = Phase<'_>> {
    field(line, "phases").unwrap_or("").split(',').filter_map(|phase| {
        let (name, end_us) = phase.split_once(':')?;
        Some(Phase { name, end_us: end_us.parse().ok()? })
    })
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn what_the_guest_prints_the_host_reads() {
        let sent = [Phase { name: "platform", end_us: 2100 }, Phase { name: "nic", end_us: 4400 }];
        let ready = Ready {
            ip: Ipv4Addr::new(10, 0, 2, 15),
            port: 11211,
            cores_serving: 1,
            cores_present: 4,
            store_bytes: 1 << 26,
            phases: &sent,
        };
        let line = ready.to_string();
        assert!(line.starts_with(READY));
        assert_eq!(field(&line, "ip"), Some("10.0.2.15"));
        assert_eq!(field(&line, "port"), Some("11211"));
        assert_eq!(field(&line, "cores"), Some("1/4"));
        assert_eq!(phases(&line).collect::<Vec<_>>(), sent);
        assert_eq!(field(&line, "absent"), None);
    }
}
