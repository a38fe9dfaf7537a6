//! The commands of `memstorm` on a running appliance, little memory, and soaks in small.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ci::appliance::{Machine, Memstorm};
use ci::client::Client;
use ci::{conversation, host, soak};
use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    let kvm = host::missing_kvm();
    vec![
        crate::trial("16 MiB of memory serve", kvm, sixteen_mebibytes),
        crate::trial("ps, logs, stats and stop", kvm, commands),
        crate::trial("a soak in small", kvm.or(host::missing_tap()), soak_in_small),
        crate::trial("streams with Linux over a lossy tap", host::missing_tap(), streams_with_linux),
    ]
}

/// Writes twice as much as the machine has memory: old items go, new ones stay.
fn sixteen_mebibytes() -> Result<()> {
    const ITEMS: u32 = 4000;
    let memstorm = Memstorm::new()?;
    let appliance = memstorm.start(&Machine { memory: "16M".to_owned(), ..Machine::default() })?;
    conversation::hold_all(appliance.address())?;
    let mut client = Client::connect(appliance.address())?;
    let value = "v".repeat(8192);
    for i in 0..ITEMS {
        client.exchange(format!("set item{i} 0 0 8192\r\n{value}\r\n").as_bytes(), b"STORED\r\n")?;
    }
    let last = ITEMS - 1;
    client.exchange(
        format!("get item0 item{last}\r\n").as_bytes(),
        format!("VALUE item{last} 0 8192\r\n{value}\r\nEND\r\n").as_bytes(),
    )?;
    appliance.stop()?;
    memstorm.finish()
}

fn commands() -> Result<()> {
    let memstorm = Memstorm::new()?;
    let appliance = memstorm.start(&Machine::default())?;
    let name = appliance.started().name.clone();
    let listed = memstorm.call(&["ps"])?;
    ensure!(listed.contains(&name), "'{name}' is not in the output of ps:\n{listed}");
    let instances: Vec<serde_json::Value> = serde_json::from_str(&memstorm.call(&["ps", "-o", "json"])?)?;
    ensure!(instances.len() == 1 && instances[0]["name"] == name.as_str(), "ps -o json lists {instances:?}");
    let stats: serde_json::Value = serde_json::from_str(&memstorm.call(&["stats", &name, "-o", "json"])?)?;
    ensure!(stats.to_string().contains("cmd_get"), "stats -o json has no cmd_get: {stats}");
    memstorm.call(&["logs", &name])?.find(abi::console::READY).context("logs has no ready line")?;
    appliance.stop()?;
    let instances: Vec<serde_json::Value> = serde_json::from_str(&memstorm.call(&["ps", "-o", "json"])?)?;
    ensure!(instances.is_empty(), "after stop, ps -o json lists {instances:?}");
    memstorm.finish()
}

fn soak_in_small() -> Result<()> {
    let options = soak::Options { load: Duration::from_secs(3), connections: 200, frames: 50_000, seed: 1 };
    soak::basic(&options).map(drop)
}

/// Both ways, at 0 and 1 % loss, checked by SHA-256. Nothing is booted: the stack runs on this machine.
fn streams_with_linux() -> Result<()> {
    let (bytes, connections, pairs, time) = (2 << 20, 8, 0, Duration::ZERO);
    soak::linux(&soak::LinuxOptions { bytes, connections, pairs, time, seed: 1 })
}
