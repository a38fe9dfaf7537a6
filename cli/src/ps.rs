//! `memstorm ps`.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use orchestrator::{Accel, Ending, Entry, Machine, StateDir, Tail, Vmm};
use serde::Serialize;

use crate::args::Output;
use crate::output;

/// An instance as it is listed.
#[derive(Serialize)]
struct Listed {
    name: String,
    status: Status,
    /// Of one that has ended: the exit code it named on its console.
    exit_code: Option<u8>,
    address: Option<SocketAddr>,
    vmm: Vmm,
    accel: Accel,
    machine: Option<Machine>,
    net: String,
    cores: u32,
    memory_mib: u32,
    pid: u32,
    /// Of one that runs: seconds since its VMM was started.
    uptime_s: Option<u64>,
    ready_ms: Option<f64>,
    build_id: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Booting,
    Ready,
    Ended,
}

pub(crate) fn ps(format: Output) -> anyhow::Result<u8> {
    let entries = StateDir::resolve()?.list()?;
    let listed: Vec<Listed> = entries.into_iter().map(listed).collect();
    match format {
        Output::Json => output::json(&listed)?,
        Output::Table => {
            let heading = ["NAME", "STATUS", "ADDRESS", "VMM", "ACCEL", "CORES", "MEMORY", "PID", "UPTIME", "READY"];
            output::table(&heading, listed.iter().map(row).collect(), &[5, 6, 7, 8, 9])?;
        }
    }
    Ok(0)
}

fn listed(entry: Entry) -> Listed {
    let running = entry.is_running();
    let status = match (running, &entry.record.ready) {
        (false, _) => Status::Ended,
        (true, None) => Status::Booting,
        (true, Some(_)) => Status::Ready,
    };
    let exit_code = match status {
        Status::Ended => Tail::new(&entry.files.console()).finish().ok().and_then(|c| Ending::from_console(&c)),
        Status::Booting | Status::Ready => None,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let uptime_s = running.then(|| now.saturating_sub(entry.record.started_unix_ms) / 1000);
    let record = entry.record;
    Listed {
        status,
        exit_code: exit_code.map(|ending| ending.code()),
        uptime_s,
        name: record.name,
        address: record.address,
        vmm: record.vmm,
        accel: record.accel,
        machine: record.machine,
        net: record.net,
        cores: record.cores,
        memory_mib: record.memory_mib,
        pid: record.process.pid,
        ready_ms: record.ready.map(|ready| ready.ready_ms),
        build_id: record.build_id,
    }
}

fn row(instance: &Listed) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let status = match (instance.status, instance.exit_code) {
        (Status::Ended, Some(code)) => format!("ended ({code})"),
        (Status::Ended, None) => "ended".to_owned(),
        (Status::Booting, _) => "booting".to_owned(),
        (Status::Ready, _) => "ready".to_owned(),
    };
    vec![
        instance.name.clone(),
        status,
        or_dash(instance.address.map(|address| address.to_string())),
        instance.machine.map_or(instance.vmm.to_string(), |machine| format!("{} {machine}", instance.vmm)),
        instance.accel.to_string(),
        instance.cores.to_string(),
        format!("{}M", instance.memory_mib),
        instance.pid.to_string(),
        or_dash(instance.uptime_s.map(uptime)),
        or_dash(instance.ready_ms.map(|ms| format!("{ms:.1} ms"))),
    ]
}

/// Seconds in the two largest units.
fn uptime(seconds: u64) -> String {
    match (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, s) => format!("{m}m{s:02}s"),
        (0, h, m, _) => format!("{h}h{m:02}m"),
        (d, h, ..) => format!("{d}d{h:02}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::uptime;

    #[test]
    fn uptimes_are_short() {
        let shown = [0, 59, 60, 3599, 3600, 86_399, 86_400, 900_000].map(uptime);
        assert_eq!(shown, ["0s", "59s", "1m00s", "59m59s", "1h00m", "23h59m", "1d00h", "10d10h"]);
    }
}
