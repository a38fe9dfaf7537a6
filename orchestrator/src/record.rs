//! What is known of an instance: the content of its `instance.json`.

use std::net::{Ipv4Addr, SocketAddr};

use abi::console;
use serde::{Deserialize, Serialize};

use crate::{Accel, Machine, Net, Plan, Process, Vmm};

/// An instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// The VMM's process.
    pub process: Process,
    /// The VMM.
    pub vmm: Vmm,
    /// The accelerator.
    pub accel: Accel,
    /// QEMU's machine.
    pub machine: Option<Machine>,
    /// Its network, as `--net` has it.
    pub net: String,
    /// Cores.
    pub cores: u32,
    /// Memory, in MiB.
    pub memory_mib: u32,
    /// Where it serves; with a network of its own only once it is ready.
    pub address: Option<SocketAddr>,
    /// Where it answers HTTP, if it does; likewise.
    #[serde(default)]
    pub http: Option<SocketAddr>,
    /// The build id of its image.
    pub build_id: String,
    /// The VMM's command line.
    pub command_line: String,
    /// When the VMM was started, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// How it became ready; `None` before that.
    pub ready: Option<Ready>,
}

/// How an instance became ready. Times are counted from the exec of the VMM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ready {
    /// Where it serves.
    pub address: SocketAddr,
    /// Milliseconds until the first answered `version` request; with vhost-user, until the console said ready.
    pub ready_ms: f64,
    /// Where the time went, in order.
    pub phases: Vec<Phase>,
}

/// A part of the way to readiness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// One word: `vmm` until the entry into the image, then the guest's own, then `answer`.
    pub name: String,
    /// Microseconds from the exec of the VMM to its end.
    pub end_us: u64,
}

/// The content of the console's `ready:` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadyLine {
    pub(crate) address: SocketAddr,
    /// The guest's phases, counted from the entry into the image.
    pub(crate) phases: Vec<Phase>,
}

impl ReadyLine {
    /// Reads a line of the console; `None` if it is not a well-formed `ready:` line.
    pub(crate) fn parse(line: &str) -> Option<ReadyLine> {
        let words = line.strip_prefix(console::READY)?;
        let ip: Ipv4Addr = console::field(words, "ip")?.parse().ok()?;
        let port: u16 = console::field(words, "port")?.parse().ok()?;
        let phase = |phase: console::Phase<'_>| Phase { name: phase.name.to_owned(), end_us: phase.end_us };
        Some(ReadyLine { address: (ip, port).into(), phases: console::phases(words).map(phase).collect() })
    }

    /// The phases on the host's clock: the guest printed its line at `seen_us`, and the first answer came at
    /// `answered_us`. The guest counts from its entry, so what is left before that is the VMM's.
    pub(crate) fn phases(&self, seen_us: u64, answered_us: Option<u64>) -> Vec<Phase> {
        let guest_us = self.phases.iter().map(|phase| phase.end_us).max().unwrap_or(0);
        let entry_us = seen_us.saturating_sub(guest_us);
        let mut phases = vec![Phase { name: "vmm".to_owned(), end_us: entry_us }];
        phases.extend(self.phases.iter().map(|phase| {
            // A guest's clock may run fast under emulation: no phase ends after the line that tells of it.
            let end_us = entry_us.saturating_add(phase.end_us).min(seen_us);
            Phase { name: phase.name.clone(), end_us }
        }));
        phases.extend(answered_us.map(|end_us| Phase { name: "answer".to_owned(), end_us }));
        phases
    }
}

impl Record {
    /// What is known of an instance whose VMM was just started.
    pub(crate) fn new(name: &str, plan: &Plan, process: Process, command_line: String, build_id: String) -> Record {
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Record {
            name: name.to_owned(),
            process,
            vmm: plan.vmm,
            accel: plan.accel,
            machine: (plan.vmm == Vmm::Qemu).then_some(plan.machine),
            net: plan.net.to_string(),
            cores: plan.cores,
            memory_mib: plan.memory.mib,
            address: if plan.net == Net::User { plan.listen.own_address() } else { None },
            http: plan.http.map(SocketAddr::V4),
            build_id,
            command_line,
            started_unix_ms: since_1970.as_millis() as u64,
            ready: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "ready: ip=10.0.2.15 port=11211 cores=1/4 store=252706816 phases=platform:2100,nic:4400";

    #[test]
    fn reads_what_the_guest_prints() {
        let ready = ReadyLine::parse(LINE).unwrap();
        assert_eq!(ready.address.to_string(), "10.0.2.15:11211");
        assert_eq!(ready.phases.len(), 2);
        assert_eq!(ReadyLine::parse("info: ready: ip=10.0.2.15 port=11211"), None);
        assert_eq!(ReadyLine::parse("ready: ip=10.0.2 port=11211"), None);
        assert_eq!(ReadyLine::parse("ready: ip=10.0.2.15 port=70000"), None);
        assert_eq!(ReadyLine::parse("ready: ip=10.0.2.15 port=1").unwrap().phases, []);
    }

    #[test]
    fn phases_lie_on_one_clock() {
        let ready = ReadyLine::parse(LINE).unwrap();
        let ends = |seen, answered| -> Vec<_> {
            ready.phases(seen, answered).into_iter().map(|phase| (phase.name, phase.end_us)).collect()
        };
        let expected = [("vmm", 45_600), ("platform", 47_700), ("nic", 50_000), ("answer", 51_000)];
        assert_eq!(ends(50_000, Some(51_000)), expected.map(|(name, us)| (name.to_owned(), us)));
        let fast_clock = [("vmm", 0), ("platform", 2_100), ("nic", 3_000)];
        assert_eq!(ends(3_000, None), fast_clock.map(|(name, us)| (name.to_owned(), us)));
    }
}
