//! Clients that were not written for the appliance.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ci::appliance::{Appliance, Machine, Memstorm, succeeded};
use ci::host::{self, Missing};
use libtest_mimic::Trial;

/// Tests that `memccapable` has for text, and for frames.
const TESTS: [(&str, usize); 2] = [("-a", 27), ("-b", 27)];

pub(crate) fn trials() -> Vec<Trial> {
    let kvm = host::missing_kvm();
    let memccapable = host::missing_program("memccapable", "memccapable (libmemcached-tools)");
    vec![
        crate::trial("memccapable", kvm.or(memccapable), || with_appliance(memccapable_passes)),
        crate::trial("pymemcache", kvm.or(missing_pymemcache()), || with_appliance(pymemcache_passes)),
    ]
}

fn with_appliance(talk: fn(&Appliance<'_>) -> Result<()>) -> Result<()> {
    let memstorm = Memstorm::new()?;
    let appliance = memstorm.start(&Machine::default())?;
    talk(&appliance)?;
    appliance.stop()?;
    memstorm.finish()
}

fn memccapable_passes(appliance: &Appliance<'_>) -> Result<()> {
    let (host, port) = (appliance.address().ip().to_string(), appliance.address().port().to_string());
    for (protocol, count) in TESTS {
        let output = Command::new("memccapable").args(["-h", &host, "-p", &port, protocol]).output()?;
        let printed = succeeded("memccapable", &output)?;
        let passed = printed.lines().filter(|line| line.ends_with("[pass]")).count();
        ensure!(passed == count && printed.contains("All tests passed"), "{protocol}: {passed} passed:\n{printed}");
    }
    Ok(())
}

/// The interpreter of the virtual environment that `ci/test` makes.
fn python() -> PathBuf {
    host::repository().join("target/venv/bin/python")
}

fn missing_pymemcache() -> Missing {
    if python().exists() { None } else { Some("pymemcache in target/venv: run ci/test") }
}

fn pymemcache_passes(appliance: &Appliance<'_>) -> Result<()> {
    let script = host::repository().join("ci/clients/pymemcache_keys.py");
    let (host, port) = (appliance.address().ip().to_string(), appliance.address().port().to_string());
    let output = Command::new(python()).arg(script).args([&host, &port, "2000"]).output().context("python")?;
    succeeded("pymemcache_keys.py", &output).map(drop)
}
