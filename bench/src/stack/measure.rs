//! Measuring: warm up, then turn by turn.

use std::time::Instant as Clock;

use netdrv::pktbuf::{Pool, PoolMemory};
use netstack::app::App;
use netstack::time::Instant;

use super::client::{Client, SEGMENT};
use super::dialogue::{Dialogue, Work};
use super::memory::live_bytes;
use super::server::{Server, echo, memcached};
use super::{Arrivals, Error, Load};
use crate::processor::{Request, callgrind, cycles};

/// Virtual time that a request takes: that of a server of two million a second.
const REQUEST_NS: u64 = 500;
/// Requests that natively measured figures are good for; no fewer than connections are measured.
pub const NATIVE_REQUESTS: u64 = 400_000;
/// Requests that figures of Callgrind are good for.
pub const PROBE_REQUESTS: u64 = 20_000;
/// Native figures are the median of so many parts of a run.
const PARTS: usize = 9;
/// Buffers beside those that hold answers on their way.
const SPARE_BUFFERS: usize = 4096;
/// Connections opened in one turn.
const OPENED_AT_ONCE: usize = 32;

/// What was measured natively.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Requests a second, if the server's core does nothing else.
    pub rpc_per_s: f64,
    /// Cycles of the server for a request.
    pub cycles_per_rpc: f64,
    /// Heap for a connection, in bytes: TCB, tables, timers, records of held segments, and the app's state; without packet
    /// buffers, which connections share. `None` where the allocator does not count.
    pub bytes_per_connection: Option<f64>,
    /// Frames taken in a turn: least, mean and most.
    pub batch: (usize, f64, usize),
}

/// Measures a load natively, with at least so many requests.
pub fn measure(load: &Load, requests: u64) -> Result<Measured, Error> {
    match load.work {
        Work::Echo => Bench::new(load, echo)?.measure(requests),
        Work::Get { .. } | Work::Set { .. } => Bench::new(load, memcached)?.measure(requests),
    }
}

/// Answers so many requests or a few more, of which Callgrind is shown the server's turns and nothing else. Returns how many.
pub fn probe(load: &Load, requests: u64) -> Result<u64, Error> {
    match load.work {
        Work::Echo => Bench::new(load, echo)?.probe(requests),
        Work::Get { .. } | Work::Set { .. } => Bench::new(load, memcached)?.probe(requests),
    }
}

/// Client and server.
struct Bench<A> {
    load: Load,
    client: Client,
    server: Server<A>,
    now_ns: u64,
    /// Cycles of all of the server's turns.
    cycles: u64,
    batch: Sizes,
    /// Heap in use before and after the server was made, and what one for no connection takes.
    bytes: Option<[usize; 2]>,
}

/// Sizes of batches.
#[derive(Default)]
struct Sizes {
    least: usize,
    most: usize,
    sum: u64,
    count: u64,
}

impl<A: App> Bench<A> {
    /// `app` makes the application, for so many connections.
    fn new(load: &Load, app: fn(usize, &'static Pool) -> Result<A, Error>) -> Result<Bench<A>, Error> {
        let dialogue = Dialogue::of_work(load.work, load.size);
        // A request that is not complete and an answer that nobody acknowledged hold their buffers.
        let frames = dialogue.longest[0].max(dialogue.longest[1]).div_ceil(SEGMENT);
        let client = Client::new(load.connections, dialogue);
        let fixed = {
            let pool = Pool::leak(PoolMemory::leak(SPARE_BUFFERS));
            let before = live_bytes();
            let _least = Server::new(0, pool, load.batch, app(0, pool)?)?;
            live_bytes().zip(before).map(|(after, before)| after - before)
        };
        // A quarter more than can be held, as the appliance has it: with fewer free ones each segment is looked at closely.
        let held = load.connections * load.depth * frames;
        let pool = Pool::leak(PoolMemory::leak(SPARE_BUFFERS + held + held / 4));
        let before = live_bytes();
        let server = Server::new(load.connections, pool, load.batch, app(load.connections, pool)?)?;
        let bytes = before.zip(fixed).map(|(before, fixed)| [before, fixed]);
        Ok(Bench { load: *load, client, server, now_ns: 0, cycles: 0, batch: Sizes::default(), bytes })
    }

    fn measure(mut self, requests: u64) -> Result<Measured, Error> {
        let bytes_per_connection = self.open()?;
        self.warm_up()?;
        let per_part = requests.max(self.load.connections as u64) / PARTS as u64;
        let (clock, begin) = (Clock::now(), cycles());
        let mut parts = Vec::with_capacity(PARTS);
        for _ in 0..PARTS {
            let (spent, answered) = (self.cycles, self.client.answered);
            self.answer(per_part)?;
            parts.push((self.cycles - spent) as f64 / (self.client.answered - answered) as f64);
        }
        let cycles_per_s = (cycles() - begin) as f64 / clock.elapsed().as_secs_f64();
        parts.sort_by(f64::total_cmp);
        let cycles_per_rpc = parts[PARTS / 2];
        let batch = self.batch.figures();
        Ok(Measured { rpc_per_s: cycles_per_s / cycles_per_rpc, cycles_per_rpc, bytes_per_connection, batch })
    }

    fn probe(mut self, requests: u64) -> Result<u64, Error> {
        self.open()?;
        self.warm_up()?;
        callgrind(Request::StartInstrumentation);
        let before = self.client.answered;
        self.answer(requests)?;
        callgrind(Request::StopInstrumentation);
        Ok(self.client.answered - before)
    }

    /// Opens all connections. Returns what each takes of the heap.
    fn open(&mut self) -> Result<Option<f64>, Error> {
        for frame in self.client.introductions() {
            self.server.deliver(&frame);
            self.turn();
        }
        let connections = self.load.connections;
        for first in (0..connections).step_by(OPENED_AT_ONCE) {
            for index in first..connections.min(first + OPENED_AT_ONCE) {
                let server = &self.server;
                self.client.open(index, |frame| server.deliver(frame));
            }
            self.settle();
        }
        let seen = self.client.established;
        if seen < connections || self.client.faults > 0 {
            return Err(Error::Wrong(format!("{seen} of {connections} connections opened; {}", self.complaints())));
        }
        let bytes = live_bytes().zip(self.bytes);
        Ok(bytes.map(|(now, [before, fixed])| (now as f64 - before as f64 - fixed as f64) / connections as f64))
    }

    /// Stores the records, lets every connection answer once, and the small tables fill.
    fn warm_up(&mut self) -> Result<(), Error> {
        let Load { work, size, connections, depth, .. } = self.load;
        self.client.begin(depth);
        if let Some((loading, requests)) = Dialogue::before(work, size, connections) {
            self.client.turn_to(loading);
            // Connections take turns, give or take what each has under way.
            self.answer((requests + 2 * connections * depth) as u64)?;
            self.drain()?;
            self.client.turn_to(Dialogue::of_work(work, size));
        }
        self.answer((connections * depth) as u64 + 2_000)?;
        self.batch = Sizes::default();
        Ok(())
    }

    /// Goes on until this many more requests were answered.
    fn answer(&mut self, requests: u64) -> Result<(), Error> {
        let until = self.client.answered + requests;
        while self.client.answered < until {
            let offered = self.offer();
            self.advance(offered)?;
        }
        Ok(())
    }

    /// Sends no more requests, and goes on until all were answered.
    fn drain(&mut self) -> Result<(), Error> {
        while self.client.answered < self.client.sent {
            self.advance(self.server.waiting())?;
        }
        Ok(())
    }

    /// One turn, with so many frames in the receive ring.
    fn advance(&mut self, offered: usize) -> Result<(), Error> {
        let before = self.client.answered;
        self.batch.note(offered.min(self.load.batch));
        self.turn();
        let stuck = offered == 0 && self.client.answered == before && !self.wait();
        if self.client.faults > 0 || self.server.refused.get() > 0 || stuck {
            return Err(Error::Wrong(format!("{before} requests answered; {}", self.complaints())));
        }
        Ok(())
    }

    /// Puts requests into the receive ring. Returns how many frames are there.
    fn offer(&mut self) -> usize {
        let most = match self.load.arrivals {
            Arrivals::Batch => self.load.batch,
            Arrivals::Overload => usize::MAX,
        };
        let per_request = self.client.frames_per_request();
        let waiting = || self.server.waiting();
        while (waiting() == 0 || waiting() + per_request <= most)
            && self.server.buffers() >= per_request
            && self.client.request(|frame| self.server.deliver(frame))
        {}
        waiting()
    }

    /// One turn of the server, counted, and what follows from it at the client.
    fn turn(&mut self) {
        let frames = self.server.waiting().min(self.load.batch);
        let now = Instant::from_nanos(self.now_ns);
        callgrind(Request::ToggleCollect);
        let begin = cycles();
        self.server.core.turn(now);
        self.cycles += cycles() - begin;
        callgrind(Request::ToggleCollect);
        self.now_ns += REQUEST_NS * frames.max(1) as u64;
        self.client.set_clock(self.now_ns);
        let server = &self.server;
        for frame in server.transmitted() {
            self.client.receive(&frame, |frame| server.deliver(frame));
        }
    }

    /// Turns until the server has nothing left to do.
    fn settle(&mut self) {
        loop {
            self.turn();
            if self.server.waiting() == 0 {
                return;
            }
        }
    }

    /// Lets time pass until the server's next timer. Says whether there is one.
    fn wait(&mut self) -> bool {
        let deadline = self.server.core.stack.next_deadline(Instant::from_nanos(self.now_ns));
        self.now_ns = deadline.map_or(self.now_ns, Instant::as_nanos).max(self.now_ns);
        deadline.is_some()
    }

    fn complaints(&self) -> String {
        let counters = self.server.core.stack.counters();
        format!(
            "{} faults seen by the client, {} frames without a buffer; the server: {} retransmits, {} timeouts, {} resets, {} drops for lack of \
             connections, {} for lack of buffers",
            self.client.faults,
            self.server.refused.get(),
            counters.tcp_retransmits,
            counters.tcp_timeouts,
            counters.tcp_resets_out,
            counters.drop_tcp_conn_limit,
            counters.tx_no_buffer,
        )
    }
}

impl Sizes {
    fn note(&mut self, size: usize) {
        self.least = if self.count == 0 { size } else { self.least.min(size) };
        self.most = self.most.max(size);
        self.sum += size as u64;
        self.count += 1;
    }

    fn figures(&self) -> (usize, f64, usize) {
        (self.least, self.sum as f64 / self.count.max(1) as f64, self.most)
    }
}
