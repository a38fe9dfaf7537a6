//! Flow groups that change cores, and cores that are parked, while a booted appliance serves: no byte may be wrong, no connection
//! lost, nothing may stand still, and the pause of a move stays short.
//!
//! ```text
//! asker    connections, in threads of their own, that know what every byte of every reply must be
//! pauses   what the appliance says of its moves
//! ```

mod asker;
mod pauses;

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use self::asker::Findings;
use self::pauses::{Moves, Waits};
use super::check_interrupted;
use crate::appliance::{Appliance, Machine, Memstorm, Net};
use crate::client::Client;
use crate::host;
use crate::namespace::{Namespace, Tap};

/// The promise: the slowest hundredth of the pauses under KVM.
const MOST_PAUSE_US: u64 = 1_000;
/// Between two looks at the appliance's counters.
const LOOK: Duration = Duration::from_millis(500);
/// Moves that do not go on for so long stand still.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much and on what.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Cores of the appliance.
    pub cores: u32,
    /// Without KVM.
    pub accel: Option<&'static str>,
    /// How the appliance receives.
    pub tap: Tap,
    /// Its memory, in MiB.
    pub memory_mib: u32,
    /// Moves a second that the appliance asks itself for.
    pub exercise: u32,
    /// Groups to be moved, and cores to be parked.
    pub groups: u64,
    /// Parkings at least.
    pub parkings: u64,
    /// Threads of the client, and connections of all of them.
    pub threads: usize,
    /// Connections in all.
    pub connections: usize,
    /// The longest that it may take.
    pub limit: Duration,
    /// How long the VMM's threads come first, with real-time priority, while pauses are measured: 0 leaves them alone.
    pub quiet: Duration,
    /// Seed of all that is random.
    pub seed: u64,
}

/// Boots an appliance whose groups change cores, loads it, and prints what was found. Needs root. An error names the promise that
/// was broken.
pub fn migrations(options: &Options) -> Result<()> {
    let accel = options.accel.unwrap_or(if host::missing_kvm().is_none() { "kvm" } else { "tcg" });
    let namespace = Namespace::create_with(options.tap)?;
    let memstorm = match options.tap {
        Tap::OneQueue => Memstorm::new()?,
        Tap::ManyQueues => Memstorm::with_queues(options.cores)?,
    };
    let memory = format!("{}M", options.memory_mib);
    let append = format!("exercise={}", options.exercise);
    let (cores, net) = (options.cores, Net::Tap);
    let machine = Machine { accel, cores, memory, net, append, ..Machine::default() };
    namespace.run(|| {
        let appliance = memstorm.start(&machine)?;
        let Options { tap, memory_mib, .. } = options;
        println!(
            "appliance: {} with {accel}, {cores} cores, {memory_mib} MiB, a tap with {tap}",
            appliance.started().vmm
        );
        if let Err(error) = load_and_watch(&namespace, &appliance, options, accel) {
            bail!("{error:#}\nconsole:\n{}", appliance.console().unwrap_or_default());
        }
        let console = appliance.console()?;
        ensure!(!console.contains(abi::console::CRASH), "a crash on the console:\n{console}");
        appliance.stop()
    })?;
    memstorm.finish()
}

fn load_and_watch(namespace: &Namespace, appliance: &Appliance<'_>, options: &Options, accel: &str) -> Result<()> {
    let server = appliance.address();
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let (findings, watched) = thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads)
            .map(|number| {
                let connections = (number..options.connections).step_by(options.threads).collect();
                let stop = &stop;
                scope.spawn(move || namespace.run(|| asker::run(server, connections, options.seed, stop)))
            })
            .collect();
        let watched = watch(appliance, options, &|| threads.iter().any(thread::ScopedJoinHandle::is_finished));
        stop.store(true, Ordering::Relaxed);
        let found: Vec<_> =
            threads.into_iter().map(|thread| thread.join().ok().context("a client panicked")?).collect();
        let findings = found.into_iter().collect::<Result<Vec<Findings>>>();
        anyhow::Ok((findings.map(|all| all.into_iter().sum::<Findings>()), watched))
    })?;
    // What a client found wrong says more than what the watcher missed.
    let findings = findings?;
    let elapsed = began.elapsed();
    println!("{findings}  {:<28}{:>12.1}", "seconds", elapsed.as_secs_f64());
    let moves = Moves::ask(server)?;
    print!("{moves}");
    println!("  pauses of groups with connections: {}", moves.pauses);
    println!("  waits for the NIC's old queue: {}", moves.nic_waits);
    println!("  {:<28}{:>12}", "client's retransmissions", client_retransmissions()?);
    let (ended, quiet) = watched?;
    findings.check()?;
    ended?;
    let (when, measured) = match quiet {
        Some(quiet) => ("while the VMM came first", quiet),
        None => ("in all", moves.waits()),
    };
    println!("  pauses {when}: {}", measured.pauses);
    println!("  waits for the NIC {when}: {}", measured.nic_waits);
    let promised = accel == "kvm" && options.cores == 2;
    let slowest = measured.pauses.below_us(0.99);
    ensure!(!promised || slowest <= MOST_PAUSE_US, "the slowest hundredth of the pauses is too slow");
    Ok(())
}

/// Waits until all was moved and parked. Says why not, and what the pauses were while the VMM came first.
fn watch(
    appliance: &Appliance<'_>,
    options: &Options,
    is_over: &dyn Fn() -> bool,
) -> Result<(Result<()>, Option<Waits>)> {
    let server = appliance.address();
    let deadline = Instant::now() + options.limit;
    let mut quiet = None;
    if !options.quiet.is_zero() {
        thread::sleep(LOOK);
        let before = Moves::ask(server)?.waits();
        prefer(appliance.started().pid, "-r", "1")?;
        thread::sleep(options.quiet);
        prefer(appliance.started().pid, "-o", "0")?;
        quiet = Some(Moves::ask(server)?.waits() - before);
    }
    let (mut last, mut moved_at) = (0, Instant::now());
    loop {
        check_interrupted()?;
        let moves = Moves::ask(server)?;
        if moves.groups >= options.groups && moves.parkings >= options.parkings {
            return Ok((Ok(()), quiet));
        }
        if is_over() {
            return Ok((Err(anyhow::anyhow!("a client ended early")), quiet));
        }
        if moves.groups != last {
            (last, moved_at) = (moves.groups, Instant::now());
        }
        if moved_at.elapsed() > PATIENCE || Instant::now() > deadline {
            let error = format!("after {} groups and {} parkings no more came in time", moves.groups, moves.parkings);
            return Ok((Err(anyhow::anyhow!(error)), quiet));
        }
        thread::sleep(LOOK);
    }
}

/// Gives all threads of a process another scheduling policy, as chrt(1) names it.
fn prefer(pid: u32, policy: &str, priority: &str) -> Result<()> {
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let thread = task?.file_name();
        let status = Command::new("chrt").args([policy, "-p", priority]).arg(thread).status().context("chrt")?;
        ensure!(status.success(), "chrt {policy}: {status}");
    }
    Ok(())
}

/// Segments that the kernel of this namespace has sent again.
fn client_retransmissions() -> Result<u64> {
    let table = fs::read_to_string("/proc/thread-self/net/snmp")?;
    let mut rows = table.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = rows.next().zip(rows.next()).context("no Tcp in /proc/net/snmp")?;
    let mut columns = names.split(' ').zip(values.split(' '));
    let (_, count) = columns.find(|(name, _)| *name == "RetransSegs").context("no RetransSegs")?;
    Ok(count.parse()?)
}

/// A fresh connection's statistics.
fn statistics(server: SocketAddr) -> Result<Vec<(String, u64)>> {
    let stats = Client::connect(server)?.stats("dataplane")?;
    Ok(stats.into_iter().filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect())
}
