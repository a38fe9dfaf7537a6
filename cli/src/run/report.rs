//! What `run` says about the boot.

use std::net::SocketAddr;

use orchestrator::{Accel, Phase, Plan, Ready, Record, Vmm};
use serde::Serialize;

use crate::args::Output;
use crate::output;

/// The one object that `run -o json` prints.
#[derive(Serialize)]
struct Started<'a> {
    name: &'a str,
    address: SocketAddr,
    http: Option<SocketAddr>,
    vmm: Vmm,
    accel: Accel,
    pid: u32,
    ready_ms: f64,
    phases: &'a [Phase],
}

/// What is being booted, on what.
pub(super) fn booting(name: &str, plan: &Plan) -> String {
    let machine = match plan.vmm {
        Vmm::Qemu => format!("qemu {}", plan.machine),
        Vmm::Uhyve => plan.vmm.to_string(),
    };
    format!("booting {name} under {machine} with {}, {} core(s), {}", plan.accel, plan.cores, plan.memory)
}

/// Where the appliance serves, and where the boot time went.
pub(super) fn ready(record: &Record, ready: &Ready, format: Output) -> anyhow::Result<()> {
    match format {
        Output::Json => output::json(&Started {
            name: &record.name,
            address: ready.address,
            http: record.http,
            vmm: record.vmm,
            accel: record.accel,
            pid: record.process.pid,
            ready_ms: ready.ready_ms,
            phases: &ready.phases,
        }),
        Output::Table => {
            output::line(&format!("{} serves on {}", record.name, ready.address))?;
            if let Some(http) = record.http {
                output::line(&format!("metrics at http://{http}/metrics"))?;
            }
            Ok(output::line(&format!("ready in {:.1} ms: {}", ready.ready_ms, durations(&ready.phases)))?)
        }
    }
}

/// How long each phase took, in milliseconds.
fn durations(phases: &[Phase]) -> String {
    let starts = std::iter::once(0).chain(phases.iter().map(|phase| phase.end_us));
    let durations = phases.iter().zip(starts).map(|(phase, start_us)| {
        let us = phase.end_us.saturating_sub(start_us);
        format!("{} {}.{}", phase.name, us / 1000, us % 1000 / 100)
    });
    durations.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_show_how_long_they_took() {
        let phase = |name: &str, end_us| Phase { name: name.to_owned(), end_us };
        let phases = [phase("vmm", 45_678), phase("nic", 47_000), phase("answer", 46_000)];
        assert_eq!(durations(&phases), "vmm 45.6, nic 1.3, answer 0.0");
    }
}
