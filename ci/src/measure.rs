//! Measurements: benchmarks to be read, not tests.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::unistd::{SysconfVar, sysconf};

use crate::appliance::{Machine, Memstorm};
use crate::client::Client;

/// Boots an appliance `runs` times. Returns each `ready_ms`, in ascending order.
pub fn ready_ms(machine: &Machine, runs: usize) -> Result<Vec<f64>> {
    ensure!(runs > 0, "nothing to measure in no runs");
    let memstorm = Memstorm::new()?;
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let appliance = memstorm.start(machine)?;
        times.push(appliance.started().ready_ms);
        appliance.stop()?;
    }
    memstorm.finish()?;
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// The median of values in ascending order, of which there is at least one.
pub fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// The CPU time that the VMM of an idle appliance takes during `time`.
pub fn idle_cpu(machine: &Machine, time: Duration) -> Result<Duration> {
    let memstorm = Memstorm::new()?;
    let appliance = memstorm.start(machine)?;
    // What the boot left to be done must not count.
    thread::sleep(Duration::from_secs(1));
    let before = cpu_time(appliance.started().pid)?;
    thread::sleep(time);
    let spent = cpu_time(appliance.started().pid)?.saturating_sub(before);
    Client::connect(appliance.address())?.exchange(b"get idle\r\n", b"END\r\n").context("after idling")?;
    appliance.stop()?;
    memstorm.finish()?;
    Ok(spent)
}

/// User and system time of a process and its threads (proc(5): `utime` and `stime` of `/proc/PID/stat`).
fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may contain blanks; the state behind it is the third field.
    let (_, fields) = stat.rsplit_once(") ").context("/proc/PID/stat has an unknown form")?;
    let field = |number: usize| fields.split(' ').nth(number - 3).and_then(|field| field.parse::<u64>().ok());
    let (user, system) = field(14).zip(field(15)).context("/proc/PID/stat has an unknown form")?;
    let ticks = sysconf(SysconfVar::CLK_TCK)?.and_then(|ticks| u64::try_from(ticks).ok()).unwrap_or(100);
    Ok(Duration::from_millis((user + system) * 1000 / ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert!((median(&[1.0, 2.0, 9.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[1.0, 2.0, 4.0, 9.0]) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn work_takes_cpu_time() {
        let before = cpu_time(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while cpu_time(std::process::id()).unwrap() == before {
            sum = (0..100_000).fold(sum, |sum, i| std::hint::black_box(sum.wrapping_add(i)));
        }
    }
}
