//! A shard: one core's queue pair, stack and application, run to completion, without locks.

use core::time::Duration;

use netdrv::nic::{Armed, Batch, QueuePair, RxQueue, TxQueue};
use netdrv::pktbuf::Pool;
use netstack::app::{App, Calls, Events, Progress, Statistics, Turn};
use netstack::stack::Stack;
use netstack::time::Instant;

/// How soon buffers that are waited for are looked for again.
const BUFFER_WAIT: Duration = Duration::from_millis(1);

/// Whether a turn found anything to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Frames came or went, or a timer expired.
    Done,
    /// There was nothing to do.
    None,
}

/// One core's share of the appliance.
pub struct Shard<R, T, A> {
    queues: QueuePair<R, T>,
    pool: &'static Pool,
    stack: Stack,
    app: A,
    /// The most frames taken in one turn (IX's B).
    batch_limit: usize,
    received: Batch,
    outgoing: Batch,
    events: Events,
    calls: Calls,
    /// The app waits for packet buffers.
    starved: bool,
}

impl<R: RxQueue, T: TxQueue, A: App> Shard<R, T, A> {
    /// Puts a shard together and gives the device its first buffers.
    pub fn new(queues: QueuePair<R, T>, pool: &'static Pool, stack: Stack, app: A, batch_limit: usize) -> Self {
        let (received, outgoing) = (Batch::new(), Batch::new());
        let (events, calls) = (Events::new(), Calls::new());
        let mut shard =
            Shard { queues, pool, stack, app, batch_limit, received, outgoing, events, calls, starved: false };
        shard.queues.rx.refill(pool);
        shard
    }

    /// The shard's stack.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// One turn: takes at most a batch of what is there, never waiting for more, and sends what follows from it.
    pub fn turn(&mut self, now: Instant, unix_seconds: u64) -> Work {
        let reclaimed = self.queues.tx.reclaim();
        let mut work = reclaimed + self.stack.expire(now, &mut self.events);
        work += self.queues.rx.poll(&mut self.received, self.batch_limit);
        loop {
            self.stack.ingress(&mut self.received, now, &mut self.events);
            let progress = self.run_app(now, unix_seconds);
            if self.is_settled() && progress != Progress::More {
                self.starved = progress == Progress::Starved;
                break;
            }
        }
        self.queues.rx.refill(self.pool);
        work += self.send(now);
        if work > 0 { Work::Done } else { Work::None }
    }

    /// When the next turn is due, if nothing else happens. Buffers that the device gives back raise no interrupt, so whoever
    /// waits for them has to look.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let buffers = self.starved.then_some(now + BUFFER_WAIT);
        self.stack.next_deadline(now).into_iter().chain(buffers).min()
    }

    /// Asks for an interrupt at the next frame, unless one is there already.
    pub fn arm(&mut self) -> Armed {
        self.queues.rx.arm()
    }

    /// Takes the request back.
    pub fn disarm(&mut self) {
        self.queues.rx.disarm();
    }

    /// Whether everything that came in this turn has been worked on.
    fn is_settled(&self) -> bool {
        self.received.is_empty() && self.events.is_empty() && self.calls.is_empty()
    }

    fn run_app(&mut self, now: Instant, unix_seconds: u64) -> Progress {
        let statistics = Below { rx: &self.queues.rx, tx: &self.queues.tx, stack: &self.stack, pool: self.pool };
        let turn = Turn { now, unix_seconds, statistics: &statistics };
        let progress = self.app.run(turn, &mut self.events, &mut self.calls);
        self.stack.execute(&mut self.calls, now, &mut self.events);
        progress
    }

    /// Sends all that the stack has and the ring takes. Returns how many frames.
    fn send(&mut self, now: Instant) -> usize {
        let mut sent = 0;
        loop {
            self.stack.egress(now, self.queues.tx.room(), &mut self.outgoing, &mut self.events);
            let submitted = self.queues.tx.submit(&mut self.outgoing);
            sent += submitted;
            if submitted == 0 {
                break;
            }
        }
        self.queues.tx.doorbell();
        sent
    }
}

/// The counters of the layers below the application.
struct Below<'a, R, T> {
    rx: &'a R,
    tx: &'a T,
    stack: &'a Stack,
    pool: &'static Pool,
}

impl<R: RxQueue, T: TxQueue> Statistics for Below<'_, R, T> {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        let (rx, tx) = (self.rx.counters(), self.tx.counters());
        visit("nic_rx_frames", rx.frames);
        visit("nic_rx_bytes", rx.bytes);
        visit("nic_rx_pool_empty", rx.pool_empty);
        visit("drop_nic_rx_bad_length", rx.bad_length);
        visit("drop_nic_rx_oversized", rx.oversized);
        visit("drop_nic_rx_bad_descriptor", rx.bad_descriptor);
        visit("drop_nic_tx_bad_length", tx.bad_length);
        visit("drop_nic_tx_bad_checksum", tx.bad_checksum);
        visit("drop_nic_tx_bad_attachment", tx.bad_attachment);
        visit("nic_tx_frames", tx.frames);
        visit("nic_tx_bytes", tx.bytes);
        visit("nic_tx_doorbells", tx.doorbells);
        visit("nic_tx_bad_descriptor", tx.bad_descriptor);
        visit("packet_buffers", self.pool.capacity() as u64);
        visit("packet_buffers_free", self.pool.available() as u64);
        self.stack.counters().visit(visit);
    }
}

#[cfg(test)]
mod tests;
