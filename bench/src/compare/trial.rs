//! One peer in one round: started, loaded, measured and ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::options::{Case, Figures, Images, Options, OptionsError};
use super::reflect;
use super::row::{LimitedBy, Point, Round};
use super::stand::{Ended, Stand};
use super::wires::Way;
use crate::load::clock::Clock;
use crate::load::wire::WireError;
use crate::load::{Generator, Limit, LoadError, Measured, Plan, Rate, Sla, highest_rate};
use crate::peers::{CoreTime, Kind, PeerError, Server};

/// Where cycles come from.
const STAGES: &str = "stage accounts: cycles of the turns in which there was something to do";
const CORE: &str =
    "busy time of the server's cores by /proc/stat (user, nice, system, irq, softirq), times the TSC's rate";
const REFLECTOR: &str = "cycles of the turns in which there were frames";
/// The server's cores are watched within a measurement: so much less of it at both ends.
const MARGIN: Duration = Duration::from_millis(20);
/// A server that said so before it could be asked over its wire is asked again for so long.
const PATIENCE: Duration = Duration::from_secs(120);
const RETRY: Duration = Duration::from_millis(20);

/// Why a peer was not measured.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// It is not to be had on this host.
    #[error("{0}")]
    Options(#[from] OptionsError),
    /// It does not serve.
    #[error("{0}")]
    Peer(PeerError),
    /// The wire does not stand.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// The load ended early.
    #[error("{0}")]
    Load(#[from] LoadError),
    /// The load ended early, and the server with it.
    #[error("{load}; {server}")]
    Both {
        /// What the client saw.
        load: LoadError,
        /// What became of the server.
        server: String,
    },
    /// There is no image of it.
    #[error("{0}")]
    NoImage(String),
    /// It did something else than what was to be measured.
    #[error("this shows nothing: {0}")]
    Unproven(String),
}

/// What a trial has found.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) round: Round,
    pub(super) cycles_counted: &'static str,
    pub(super) version: String,
    pub(super) flags: String,
    pub(super) image_bytes: Option<u64>,
}

/// Runs one.
pub(super) fn run(
    options: &Options,
    case: &Case,
    images: &Images,
    interrupted: &AtomicBool,
    progress: &mut dyn FnMut(&str),
) -> Result<Trial, TrialError> {
    let bench = Bench { options, case, images, interrupted };
    let plan = options.plan(case);
    let (found, server) = if case.peer.kind == Kind::Reflector {
        progress("frames");
        bench.with_server(|way, server| reflect::measure(way, server, options, interrupted))?
    } else {
        bench.with_server(|way, server| {
            way.with_generator(server, &plan, |generator| bench.loaded(generator, server, progress))
        })?
    };
    let unloaded = match (options.figures, case.peer.kind) {
        (Figures::Peak, _) | (_, Kind::Reflector) => None,
        (Figures::All | Figures::PeakAndUnloaded, _) => {
            progress("without load");
            Some(bench.unloaded(&plan)?)
        }
    };
    let microseconds = |measured: &Measured, percentile: f64| latency_us(measured, percentile);
    Ok(Trial {
        cycles_counted: found.cycles_counted,
        version: server.version,
        flags: server.flags,
        image_bytes: server.image_bytes,
        round: Round {
            p99_unloaded_us: unloaded.as_ref().map(|measured| microseconds(measured, 99.0)),
            p50_unloaded_us: unloaded.as_ref().map(|measured| microseconds(measured, 50.0)),
            boot_ms: server.boot_ms,
            resident_bytes: server.resident_bytes,
            ..found.round
        },
    })
}

/// Figures of a server under load, and where its cycles come from.
pub(super) struct Found {
    pub(super) round: Round,
    pub(super) cycles_counted: &'static str,
}

struct Bench<'a> {
    options: &'a Options,
    case: &'a Case,
    images: &'a Images,
    interrupted: &'a AtomicBool,
}

impl Bench<'_> {
    /// Starts the server on its wire, does `work`, and ends it.
    fn with_server<R>(
        &self,
        work: impl FnOnce(&Way, &Server) -> Result<R, LoadError>,
    ) -> Result<(R, Ended), TrialError> {
        let (options, peer) = (self.options, &self.case.peer);
        let image = self.images.of(peer.kind).map_err(TrialError::NoImage)?;
        let (needs, words) = (options.needs(), options.words());
        Stand { peer, needs, cores: options.cores, image, words: &words, interrupted: self.interrupted }.serve(work)
    }

    /// The closed loop, and the highest rate within the bound.
    fn loaded(
        &self,
        generator: &mut Generator<'_>,
        server: &Server,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Found, LoadError> {
        progress("connecting");
        self.connect(generator)?;
        progress("storing the records");
        generator.load()?;
        let clock = Clock::calibrate();
        let go_on = || match self.interrupted.load(Ordering::Relaxed) {
            true => Err(LoadError::Impossible("interrupted".to_owned())),
            false => Ok(()),
        };
        go_on()?;
        progress("closed loop");
        let (peak, busy) = self.watching_the_core(|| generator.measure(Rate::Peak))?;
        // Our guests poll: their core is always busy, and only they know with what.
        let busy = busy.filter(|_| !self.case.peer.kind.is_ours());
        let cycles = cycles_per_request(&peak, busy, &clock);
        let sla = self.options.sla.of(&self.case.peer);
        let (peak, best, whole, limit, steps) = match self.options.figures {
            Figures::All => {
                let found = highest_rate(sla, peak, |rate| {
                    go_on()?;
                    if let Rate::PerSecond(wanted) = rate {
                        progress(&format!("{wanted:.0} requests/s"));
                    }
                    generator.measure_pieces(rate, self.options.sla.pieces)
                })?;
                (found.peak, found.best, found.whole, found.limit, found.steps)
            }
            Figures::PeakAndUnloaded | Figures::Peak => {
                let limit = peak.limit();
                (peak, None, None, limit, Vec::new())
            }
        };
        let (cycles, cycles_counted) = cycles.map_or((None, CORE), |(cycles, from)| (Some(cycles), from));
        Ok(Found {
            round: Round {
                rps_at_sla: best.as_ref().map(Measured::per_second),
                p99_at_sla_us: best.as_ref().map(|best| at_sla(best, sla)),
                p99_at_sla_whole_us: whole.as_ref().map(|whole| at_sla(whole, sla)),
                rps_peak: peak.per_second(),
                p99_peak_us: latency_us(&peak, 99.0),
                p99_unloaded_us: None,
                p50_unloaded_us: None,
                server_cycles_per_request: cycles,
                limited_by: limited_by(limit),
                peak_limited_by: limited_by(peak.limit()),
                boot_ms: None,
                resident_bytes: server.boot.resident_bytes,
                points: steps.iter().filter(|step| step.is_reached()).map(point).collect(),
            },
            cycles_counted,
        })
    }

    /// One connection and one request at a time, on a server of its own that has the same records.
    fn unloaded(&self, plan: &Plan) -> Result<Measured, TrialError> {
        let plan = Plan { connections: 1, depth: 1, requests_per_connection: None, ..plan.clone() };
        let work = |generator: &mut Generator<'_>| {
            self.connect(generator)?;
            generator.load()?;
            generator.measure(Rate::Peak)
        };
        self.with_server(|way, server| way.with_generator(server, &plan, work)).map(|(measured, _)| measured)
    }

    /// Connects; where nobody was able to ask the server before, until it listens.
    fn connect(&self, generator: &mut Generator<'_>) -> Result<(), LoadError> {
        let began = Instant::now();
        loop {
            match generator.connect() {
                Err(LoadError::NoServer(_))
                    if self.case.peer.kind == Kind::MemcachedGuest
                        && began.elapsed() < PATIENCE
                        && !self.interrupted.load(Ordering::Relaxed) =>
                {
                    thread::sleep(RETRY);
                }
                result => return result,
            }
        }
    }

    /// Measures, and says how many of the server's cores were busy meanwhile: one for half of the time counts a half.
    fn watching_the_core(
        &self,
        measure: impl FnOnce() -> Result<Measured, LoadError>,
    ) -> Result<(Measured, Option<f64>), LoadError> {
        let (cores, warmup, time) = (self.options.cores.serving(), self.options.warmup, self.options.time);
        thread::scope(|scope| {
            let watching = scope.spawn(move || {
                thread::sleep(warmup + MARGIN);
                let (before, began) = (CoreTime::read(&cores).ok()?, Instant::now());
                thread::sleep(time.saturating_sub(2 * MARGIN));
                let spent = CoreTime::read(&cores).ok()?.since(before);
                Some(spent.busy.as_secs_f64() / began.elapsed().as_secs_f64())
            });
            let measured = measure()?;
            Ok((measured, watching.join().ok().flatten()))
        })
    }
}

/// Busy cycles of the server for a request, and where they come from.
fn cycles_per_request(measured: &Measured, busy_share: Option<f64>, clock: &Clock) -> Option<(f64, &'static str)> {
    if let Some(server) = &measured.server {
        return Some((server.busy_cycles_per_request, STAGES));
    }
    let cycles = busy_share? * clock.cycles_per_s() / measured.per_second();
    cycles.is_finite().then_some((cycles, CORE))
}

/// As a reflector's are counted.
pub(super) const fn counted_by_reflector() -> &'static str {
    REFLECTOR
}

fn limited_by(limit: Limit) -> LimitedBy {
    match limit {
        Limit::Generator => LimitedBy::Generator,
        Limit::Server | Limit::Rate => LimitedBy::Server,
    }
}

fn at_sla(measured: &Measured, sla: Sla) -> f64 {
    latency_us(measured, sla.percentile)
}

fn latency_us(measured: &Measured, percentile: f64) -> f64 {
    measured.record.all().value_at_quantile(percentile / 100.0) as f64 / 1e3
}

fn point(measured: &Measured) -> Point {
    Point { rps: measured.per_second(), p50_us: latency_us(measured, 50.0), p99_us: latency_us(measured, 99.0) }
}
