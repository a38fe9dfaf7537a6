//! The threads, an engine each, and what is asked of all of them together.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use super::clock::Clock;
use super::engine::Engine;
use super::error::LoadError;
use super::measured::Measured;
use super::phases::{Interval, Part};
use super::plan::Plan;
use super::wire::{Wire, WireError};
use super::workload::Workload;

/// Between the order to measure and its beginning, so that all threads have it, and their histograms are empty.
const NOTICE: Duration = Duration::from_millis(20);
/// How long a thread without orders sleeps between two looks at its wire.
const NAP: Duration = Duration::from_micros(50);

/// All engines.
#[derive(Debug)]
pub struct Generator<'a> {
    plan: &'a Plan,
    clock: Clock,
    engines: Vec<Remote>,
}

/// A thread's engine, seen from outside.
#[derive(Debug)]
struct Remote {
    orders: Sender<Order>,
    reports: Receiver<Result<Report, LoadError>>,
}

/// What an engine is told.
#[derive(Clone, Debug)]
enum Order {
    Connect,
    Load,
    Measure(Interval),
    Ask(String),
}

/// What it returns.
#[derive(Debug)]
enum Report {
    Done,
    Measured(Box<Part>),
    Answer(Option<String>),
}

/// At which rate requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// As fast as answers come: closed loop.
    Peak,
    /// So many a second, of all threads together: open loop.
    PerSecond(f64),
}

/// Starts the threads, each with the wire that `make_wire` makes for its number, does `work`, and ends them.
pub fn with_generator<W: Wire, R>(
    plan: &Plan,
    make_wire: impl Fn(usize) -> Result<W, WireError> + Sync,
    work: impl FnOnce(&mut Generator<'_>) -> Result<R, LoadError>,
) -> Result<R, LoadError> {
    let workload = plan.workload()?;
    let clock = Clock::calibrate();
    let (workload, make_wire) = (&workload, &make_wire);
    thread::scope(|scope| {
        let start = |thread: usize| {
            let (orders, inbox) = channel();
            let (outbox, reports) = channel();
            scope.spawn(move || obey(plan, workload, clock, thread, make_wire, &inbox, &outbox));
            Remote { orders, reports }
        };
        let engines = (0..plan.threads).map(start).collect();
        // The senders are dropped with it, which ends the threads.
        work(&mut Generator { plan, clock, engines })
    })
}

impl Generator<'_> {
    /// Opens all connections.
    pub fn connect(&mut self) -> Result<(), LoadError> {
        self.all(&Order::Connect).map(drop)
    }

    /// Stores the records, unless the plan says that they are there.
    pub fn load(&mut self) -> Result<(), LoadError> {
        self.all(&Order::Load).map(drop)
    }

    /// The server's answer to a question in text, if it gives one.
    pub fn ask(&mut self, command: &str) -> Result<Option<String>, LoadError> {
        let first = self.engines.first().ok_or_else(|| LoadError::Thread("there is none".into()))?;
        match first.carry_out(Order::Ask(command.to_owned()))? {
            Report::Answer(answer) => Ok(answer),
            _ => Ok(None),
        }
    }

    /// Measures at a rate, for the plan's time.
    pub fn measure(&mut self, rate: Rate) -> Result<Measured, LoadError> {
        let measured = Measured::together(&self.measure_pieces(rate, 1)?);
        measured.ok_or_else(|| LoadError::Thread("nothing was measured".into()))
    }

    /// The same, in pieces of the plan's time.
    pub fn measure_pieces(&mut self, rate: Rate, pieces: usize) -> Result<Vec<Measured>, LoadError> {
        let gap_cycles = match rate {
            Rate::Peak => None,
            Rate::PerSecond(rate) if rate > 0.0 && rate.is_finite() => {
                Some(self.clock.cycles_per_s() * self.plan.threads as f64 / rate)
            }
            Rate::PerSecond(rate) => return Err(LoadError::Impossible(format!("a rate of {rate} requests/s"))),
        };
        let start = self.clock.now() + self.clock.cycles(NOTICE);
        let from = start + self.clock.cycles(self.plan.warmup);
        let until = from + self.clock.cycles(self.plan.time);
        let reports = self.all(&Order::Measure(Interval { start, from, until, pieces, gap_cycles }))?;
        let parts = reports.into_iter().filter_map(|report| match report {
            Report::Measured(part) => Some(*part),
            _ => None,
        });
        Ok(Measured::of_pieces(rate, self.plan.time, &parts.collect::<Vec<_>>()))
    }

    /// Gives an order to all, and waits until all have carried it out, or one has failed.
    fn all(&self, order: &Order) -> Result<Vec<Report>, LoadError> {
        for engine in &self.engines {
            // A thread that is gone has left the reason among its reports.
            engine.orders.send(order.clone()).ok();
        }
        self.engines.iter().map(Remote::report).collect()
    }
}

impl Remote {
    fn carry_out(&self, order: Order) -> Result<Report, LoadError> {
        self.orders.send(order).ok();
        self.report()
    }

    fn report(&self) -> Result<Report, LoadError> {
        self.reports.recv().map_err(|error| LoadError::Thread(error.to_string()))?
    }
}

/// A thread's life.
fn obey<W: Wire>(
    plan: &Plan,
    workload: &Workload,
    clock: Clock,
    thread: usize,
    make_wire: &impl Fn(usize) -> Result<W, WireError>,
    orders: &Receiver<Order>,
    reports: &Sender<Result<Report, LoadError>>,
) {
    let started = bind(plan, thread).and_then(|()| Ok(make_wire(thread)?));
    let mut engine = match started {
        Ok(wire) => Engine::new(wire, plan, workload, clock, thread),
        Err(error) => return drop(reports.send(Err(error))),
    };
    loop {
        let report = match orders.try_recv() {
            Ok(order) => carry_out(&mut engine, order, thread),
            Err(TryRecvError::Disconnected) => return,
            // A wire of our own has timers, and a server may end a connection at any time.
            Err(TryRecvError::Empty) => match engine.turn() {
                Ok(_) => {
                    thread::sleep(NAP);
                    continue;
                }
                Err(error) => Err(error),
            },
        };
        let failed = report.is_err();
        if reports.send(report).is_err() || failed {
            return;
        }
    }
}

fn carry_out<W: Wire>(engine: &mut Engine<'_, W>, order: Order, thread: usize) -> Result<Report, LoadError> {
    match order {
        Order::Connect => engine.connect().map(|()| Report::Done),
        Order::Load => engine.load(thread).map(|()| Report::Done),
        Order::Measure(interval) => engine.measure(interval).map(|part| Report::Measured(Box::new(part))),
        Order::Ask(command) => engine.question(&command).map(Report::Answer),
    }
}

/// Binds the calling thread to its processor.
fn bind(plan: &Plan, thread: usize) -> Result<(), LoadError> {
    let Some(&processor) = plan.processors.get(thread % plan.processors.len().max(1)) else { return Ok(()) };
    let mut set = CpuSet::new();
    set.set(processor)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .map_err(|error| LoadError::Impossible(format!("processor {processor}: {error}")))
}
