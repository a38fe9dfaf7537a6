//! SYNs from random addresses while connections work: none of those may notice much.
//!
//! ```text
//! work     connections that ask at fixed times, whatever the answers: latencies that omit nothing
//! syns     the flood, at a fixed rate
//! ```

mod syns;
mod work;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use self::work::{Latencies, Work};
use super::check_interrupted;
use crate::appliance::{Appliance, Machine, Memstorm, Net};
use crate::client::Client;
use crate::host;
use crate::namespace::{HOST, Namespace, TapCounters};

/// How much slower the slowest hundredth may become.
const MOST_SLOWDOWN: f64 = 2.0;
/// The least part of the flood that must have arrived, or it was none.
const LEAST_ARRIVED: f64 = 0.95;
/// Packet buffers that the flood may hold more than the work alone does: what the rings and the answers under way take.
const MOST_BUFFERS: u64 = 1024;
/// What the VMM's memory may grow by, in KiB.
const MOST_GROWTH_KIB: u64 = 4096;
const TOPIC: &str = "dataplane";

/// How much and how long.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// SYNs a second.
    pub rate: u64,
    /// How long the flood lasts, and the calm before it that it is compared with.
    pub time: Duration,
    /// Connections that work.
    pub connections: usize,
    /// Seed of all that is random.
    pub seed: u64,
}

/// Floods an appliance and prints what its connections noticed. Needs root. An error names the promise that was broken.
pub fn flood(options: &Options) -> Result<()> {
    let accel = if host::missing_kvm().is_none() { "kvm" } else { "tcg" };
    let namespace = Namespace::create()?;
    let memstorm = Memstorm::new()?;
    // Answers to strangers go by way of the host, which drops them.
    let append = format!("gateway={HOST}");
    let machine = Machine { accel, memory: "256M".to_owned(), net: Net::Tap, append, ..Machine::default() };
    namespace.run(|| {
        let appliance = memstorm.start(&machine)?;
        println!("appliance: {} with {}", appliance.started().vmm, appliance.started().accel);
        if let Err(error) = calm_and_storm(&appliance, options) {
            bail!("{error:#}\nconsole:\n{}", appliance.console().unwrap_or_default());
        }
        appliance.stop()
    })?;
    memstorm.finish()
}

fn calm_and_storm(appliance: &Appliance<'_>, options: &Options) -> Result<()> {
    let server = appliance.address();
    let mut work = Work::begin(server, options.connections, options.seed)?;
    work.run(Duration::from_secs(2)).context("while warming up")?;
    let (calm, calm_buffers) = watched(server, options.time, || work.run(options.time)).context("without the flood")?;
    println!("{calm}");
    let (resident, stats, wire) = (resident_kib(appliance)?, stats(server)?, TapCounters::read()?);
    let (storm, storm_buffers) = watched(server, options.time, || {
        thread::scope(|scope| {
            let flood = scope.spawn(|| syns::send(server, options.rate, options.time, options.seed));
            let storm = work.run(options.time);
            let sent = flood.join().ok().context("the flood panicked")??;
            println!("flood: {sent} SYNs in {:.1} s", options.time.as_secs_f64());
            storm
        })
    })
    .context("during the flood")?;
    println!("{storm}");
    work.run(Duration::from_secs(2)).context("after the flood")?;
    let (wire, after) = (TapCounters::read()? - wire, self::stats(server)?);
    println!("  {:<24}{:>12}  ({} lost by the tap)", "frames taken", wire.delivered, wire.dropped);
    let grown = |name: &str| after.get(name).copied().unwrap_or(0) - stats.get(name).copied().unwrap_or(0);
    for name in ["tcp_syns", "tcp_cookies_sent", "tcp_half_open_recycled", "tcp_half_open_timeouts", "tcp_retransmits"]
    {
        println!("  {name:<24}{:>12}", grown(name));
    }
    println!("  packet buffers in use at most: {calm_buffers} without the flood, {storm_buffers} during it");
    let growth = resident_kib(appliance)?.saturating_sub(resident);
    println!("  the VMM's memory grew by {growth} KiB");
    let slowdown = storm.p99_us() as f64 / calm.p99_us().max(1) as f64;
    println!("  p99 {slowdown:.2} times that without the flood");
    let wanted = options.rate * options.time.as_secs();
    ensure!(
        grown("tcp_syns") as f64 >= LEAST_ARRIVED * wanted as f64,
        "of {wanted} SYNs {} arrived",
        grown("tcp_syns")
    );
    ensure!(storm_buffers <= calm_buffers + MOST_BUFFERS, "the flood holds packet buffers");
    ensure!(growth <= MOST_GROWTH_KIB, "the VMM's memory grows");
    ensure!(slowdown <= MOST_SLOWDOWN, "p99 is more than {MOST_SLOWDOWN} times that without the flood");
    Ok(())
}

/// Runs `body`, and looks once a second how many packet buffers are in use. Returns the most.
fn watched(
    server: SocketAddr,
    time: Duration,
    body: impl FnOnce() -> Result<Latencies> + Send,
) -> Result<(Latencies, u64)> {
    let mut client = Client::connect(server)?;
    thread::scope(|scope| {
        let watcher = scope.spawn(move || {
            let mut most = 0;
            for _ in 0..time.as_secs() {
                let stats = numbers(client.stats(TOPIC)?);
                let of = |name: &str| stats.get(name).copied().unwrap_or(0);
                most = most.max(of("packet_buffers").saturating_sub(of("packet_buffers_free")));
                check_interrupted()?;
                thread::sleep(Duration::from_secs(1));
            }
            Ok::<u64, anyhow::Error>(most)
        });
        let latencies = body()?;
        let most = watcher.join().ok().context("the watcher panicked")??;
        Ok((latencies, most))
    })
}

fn stats(server: SocketAddr) -> Result<BTreeMap<String, u64>> {
    Ok(numbers(Client::connect(server)?.stats(TOPIC)?))
}

fn numbers(stats: Vec<(String, String)>) -> BTreeMap<String, u64> {
    stats.into_iter().filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect()
}

/// Memory of the VMM, in KiB.
fn resident_kib(appliance: &Appliance<'_>) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", appliance.started().pid))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
