//! Our stack against Linux's, through a tap and a forwarder that loses and delays; and Linux's against itself on the same way,
//! to compare.
//!
//! ```text
//! namespace A: sockets <-> tap <-> forwarder <-> our stack
//! namespace A: sockets <-> tap <-> forwarder <-> tap <-> sockets, namespace B
//! ```

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bench::tap::sockets::{self, Transfer, Verb};
use bench::tap::{Forwarded, Forwarder, PORT, Path, StackOptions, Tap, disable_offloads, run_stack, wire};

use super::check_interrupted;
use crate::measure::median;
use crate::namespace::{GUEST, HOST, Namespace, PREFIX, TAP};

/// Each way. Together they are the round trip of the comparison.
const DELAY: Duration = Duration::from_millis(10);
/// One frame in a hundred.
const LOSSY_PPM: u32 = 10_000;
/// Frames under way each way: half a second of a hundred megabytes a second.
const QUEUE_FRAMES: usize = 32 << 10;
/// How long checked streams may take.
const LIMIT: Duration = Duration::from_secs(900);
/// Before goodput counts: what slow start takes, several times.
const WARM_UP: Duration = Duration::from_secs(3);
/// The least part of Linux's goodput that ours must reach.
const LEAST_RATIO: f64 = 0.95;
const SERVER: SocketAddrV4 = SocketAddrV4::new(GUEST, PORT);

/// Linux must not remember the losses of an earlier run.
const NO_MEMORY: (&str, &str) = ("/proc/sys/net/ipv4/tcp_no_metrics_save", "1");

/// How much and how often.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes checked, each way and at each loss.
    pub bytes: u64,
    /// Connections of the lossy runs.
    pub connections: usize,
    /// Pairs of measurements, ours and Linux's in turn; 0 leaves them out.
    pub pairs: u64,
    /// How long each takes.
    pub time: Duration,
    /// Seed of the losses.
    pub seed: u64,
}

/// Who answers in the second network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Memstorm,
    Linux,
}

/// Checks streams, then compares goodput. Needs root. An error names the promise that was broken.
pub fn linux(options: &Options) -> Result<()> {
    if options.bytes > 0 {
        let path = Path {
            loss_ppm: 0,
            seed: options.seed,
            delay: Duration::ZERO,
            queue_frames: QUEUE_FRAMES,
            bytes_per_s: None,
        };
        let lossy = Path { loss_ppm: LOSSY_PPM, delay: DELAY, ..path };
        for verb in [Verb::Give, Verb::Take] {
            checked(options, verb, 1, path)?;
            checked(options, verb, options.connections, lossy)?;
        }
    }
    if options.pairs > 0 { goodput(options) } else { Ok(()) }
}

fn checked(options: &Options, verb: Verb, connections: usize, path: Path) -> Result<()> {
    check_interrupted()?;
    let stream_bytes = options.bytes.div_ceil(connections as u64);
    let transfer = Transfer { server: SERVER, verb, connections, stream_bytes, seed: options.seed, time: LIMIT };
    let way = if verb == Verb::Give { "from our stack" } else { "to our stack" };
    let run = run(Server::Memstorm, path, || Ok(sockets::check(&transfer)?));
    let (checked, ways) = run.with_context(|| format!("{way}, {connections} connections, {path:?}"))?;
    println!(
        "{way}, {:.1} % loss, {} ms RTT, {connections} connections: {} bytes, SHA-256 right, {:.1} s, {:.1} MB/s\n{ways}",
        f64::from(path.loss_ppm) / 1e4,
        2 * path.delay.as_millis(),
        checked.bytes,
        checked.took.as_secs_f64(),
        checked.bytes as f64 / checked.took.as_secs_f64() / 1e6,
    );
    Ok(())
}

/// Pairs of runs with the same losses; the median of the ratios is what counts.
fn goodput(options: &Options) -> Result<()> {
    let mut ratios = Vec::new();
    for pair in 0..options.pairs {
        let mut measured = [0.0; 2];
        for (server, measured) in [Server::Memstorm, Server::Linux].into_iter().zip(&mut measured) {
            check_interrupted()?;
            let seed = options.seed + 100 * pair;
            let path = Path { loss_ppm: LOSSY_PPM, seed, delay: DELAY, queue_frames: QUEUE_FRAMES, bytes_per_s: None };
            let (connections, time) = (options.connections, options.time);
            let transfer = Transfer { server: SERVER, verb: Verb::Give, connections, stream_bytes: 0, seed, time };
            let (bytes_per_s, ways) = run(server, path, || Ok(sockets::measure(&transfer, WARM_UP)?))?;
            println!("{server:?}: {:.2} MB/s\n{ways}", bytes_per_s / 1e6);
            *measured = bytes_per_s;
        }
        println!("pair {}: {:.3} of Linux's goodput", pair + 1, measured[0] / measured[1]);
        ratios.push(measured[0] / measured[1]);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "goodput at 1 % loss, 20 ms RTT, {} connections: median ratio {:.3} of {ratios:.3?}",
        options.connections,
        median(&ratios)
    );
    ensure!(median(&ratios) >= LEAST_RATIO, "below {LEAST_RATIO} of Linux's goodput");
    Ok(())
}

/// What became of the frames, from the client and to it.
struct Ways {
    to_server: Forwarded,
    to_client: Forwarded,
    counters: Vec<(String, u64)>,
}

impl Display for Ways {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (name, way) in [("to the server", &self.to_server), ("to the client", &self.to_client)] {
            let Forwarded { frames, bytes: _, lost, overflowed, blocked, latest } = way;
            let ms = latest.as_secs_f64() * 1e3;
            writeln!(
                f,
                "  {name}: {frames} frames, {lost} lost, {overflowed} overflowed, {blocked} blocked, latest {ms:.1} ms"
            )?;
        }
        let ours: Vec<String> = self.counters.iter().map(|(name, value)| format!("{name} {value}")).collect();
        write!(f, "  {}", ours.join(", "))
    }
}

/// Runs `client` in a network that reaches `server` over `path`.
fn run<T: Send>(server: Server, path: Path, client: impl FnOnce() -> Result<T> + Send) -> Result<(T, Ways)> {
    let near = Namespace::create()?;
    let tap = prepare(&near)?;
    let stop = AtomicBool::new(false);
    let paths = [path, Path { seed: path.seed + 1, ..path }];
    let options = StackOptions { ip: GUEST, seed: path.seed };
    match server {
        Server::Memstorm => {
            let [left, right] = wire()?;
            let forwarder = Forwarder::new([tap, left], paths);
            together(&near, forwarder, || Ok(run_stack(right, &options, &stop)?), client, &stop)
        }
        Server::Linux => {
            let far = Namespace::create()?;
            let far_tap = prepare(&far)?;
            far.ip(&["addr", "del", &format!("{HOST}/{PREFIX}"), "dev", TAP])?;
            far.ip(&["addr", "add", &format!("{GUEST}/{PREFIX}"), "dev", TAP])?;
            let forwarder = Forwarder::new([tap, far_tap], paths);
            let serve = || far.run(|| Ok(sockets::serve(SERVER, &stop)?)).map(|()| Vec::new());
            together(&near, forwarder, serve, client, &stop)
        }
    }
}

/// Runs the forwarder and the server beside the client, and stops them after it.
fn together<T: Send>(
    near: &Namespace,
    forwarder: Forwarder,
    serve: impl FnOnce() -> Result<Vec<(String, u64)>> + Send,
    client: impl FnOnce() -> Result<T> + Send,
    stop: &AtomicBool,
) -> Result<(T, Ways)> {
    let (outcome, counters, ways) = thread::scope(|scope| {
        let forwarding = scope.spawn(|| forwarder.run(stop));
        let serving = scope.spawn(serve);
        thread::sleep(Duration::from_millis(100)); // Linux's server has to listen first
        let outcome = near.run(client);
        stop.store(true, Ordering::Relaxed);
        (outcome, serving.join(), forwarding.join())
    });
    let counters = counters.ok().context("the server panicked")??;
    let [to_server, to_client] = ways.ok().context("the forwarder panicked")??;
    Ok((outcome?, Ways { to_server, to_client, counters }))
}

/// Sets a namespace up, and opens its tap.
fn prepare(namespace: &Namespace) -> Result<std::os::fd::OwnedFd> {
    namespace.run(|| {
        let (file, value) = NO_MEMORY;
        fs::write(file, value).with_context(|| format!("cannot write {value} to {file}"))?;
        disable_offloads(TAP).context("cannot turn the tap's offloads off")?;
        Tap::open(TAP).context("cannot open the tap")
    })
}
