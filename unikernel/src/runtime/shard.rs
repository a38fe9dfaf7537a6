//! A shard: one core's queue pair, stack and application, run to completion, without locks.

mod below;
mod mailbox;

use core::time::Duration;

use netdrv::nic::{Armed, Batch, RxQueue, TxQueue};
use netdrv::pktbuf::Pool;
use netstack::address::Address;
use netstack::app::{Calls, Events, Movable, Progress, Turn};
use netstack::reserves;
use netstack::stack::{Identity, Stack};
use netstack::time::Instant;

use super::blocks::{self, Blocks, Publisher};
use super::control::Control;
use super::directory::Directory;
use super::mesh::{CoreSet, Port};
use super::message::{Message, Power};
use super::migrate::{Migrations, Way};
use super::nic_steering::NicTable;
use super::queues::Queues;
use super::stages::{Stage, StageClock, Stages};
use super::steer::Steering;
use below::Below;

/// How soon buffers that are waited for are looked for again, and what a migration or the NIC's table waits for: no interrupt
/// tells of them.
const BUFFER_WAIT: Duration = Duration::from_millis(1);
const MIGRATION_WAIT: Duration = Duration::from_micros(50);
/// How soon an app looks again that waits for what raises no event.
const ALERT_WAIT: Duration = Duration::from_millis(4);

/// Whether a turn found anything to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Frames came or went, or a timer expired.
    Done,
    /// There was nothing to do.
    None,
}

/// What a shard is made of.
pub struct Parts<R, T, A> {
    /// The way to the NIC.
    pub queues: Queues<R, T>,
    /// The packet buffers of the core.
    pub pool: &'static Pool,
    /// The stack, which uses them.
    pub stack: Stack,
    /// The application.
    pub app: A,
    /// The core's port to the others.
    pub port: Port<Message>,
    /// The core's part in the steering.
    pub steering: Steering,
    /// Which core has which flow group.
    pub directory: Directory,
    /// The most frames taken in one turn (IX's B).
    pub batch_limit: usize,
    /// What stages are accounted by.
    pub stage_clock: StageClock,
}

/// One core's share of the appliance.
pub struct Shard<R, T, A: Movable> {
    queues: Queues<R, T>,
    pub(super) pool: &'static Pool,
    pub(super) stack: Stack,
    pub(super) app: A,
    pub(super) port: Port<Message>,
    pub(super) steering: Steering,
    pub(super) migrations: Migrations<A::State>,
    /// Of the first core alone.
    control: Option<Control>,
    nic_table: Option<NicTable>,
    power: Power,
    batch_limit: usize,
    received: Batch,
    /// Frames that other cores have received for this one, and frames that it is to transmit for them.
    passed: Batch,
    relayed: Batch,
    outgoing: Batch,
    pub(super) events: Events,
    calls: Calls,
    /// The app waits for packet buffers.
    starved: bool,
    /// Whether the app waits for what raises no event.
    alert: bool,
    /// The app has more to do.
    unfinished: bool,
    /// What the other cores were told, and those that have answered.
    told: Option<Identity>,
    following: CoreSet,
    /// Cores that halt and have to be woken.
    halted: CoreSet,
    drop_no_buffer: u64,
    stages: Stages,
    publisher: Option<Publisher>,
}

impl<R: RxQueue, T: TxQueue, A: Movable> Shard<R, T, A> {
    /// Puts a shard together and gives the device its first buffers.
    pub fn new(parts: Parts<R, T, A>) -> Self {
        let Parts { mut queues, pool, stack, app, port, steering, directory, batch_limit, stage_clock } = parts;
        queues.refill(pool);
        Shard {
            queues,
            pool,
            stack,
            app,
            stages: Stages::new(port.own(), stage_clock),
            migrations: Migrations::new(directory, port.cores()),
            control: None,
            nic_table: None,
            power: Power::Serving,
            port,
            steering,
            batch_limit,
            received: Batch::new(),
            passed: Batch::new(),
            relayed: Batch::new(),
            outgoing: Batch::new(),
            events: Events::new(),
            calls: Calls::new(),
            starved: false,
            alert: false,
            unfinished: false,
            told: None,
            following: 0,
            halted: 0,
            drop_no_buffer: 0,
            publisher: None,
        }
    }

    /// Has the first core decide which core does what, by the NIC's table where it has one.
    pub fn govern_by(&mut self, control: Control, nic_table: Option<NicTable>) {
        self.control = Some(control);
        self.nic_table = nic_table;
    }

    /// What is wanted of the cores.
    pub fn control(&mut self) -> Option<&mut Control> {
        self.control.as_mut()
    }

    /// Counts in `blocks`, too, for the other cores to read.
    pub fn publish_in(&mut self, blocks: Blocks) {
        self.publisher = Some(Publisher::new(blocks, self.port.own()));
    }

    /// How many values the statistics of a shard have.
    pub fn statistics_len(&self) -> usize {
        blocks::count(&self.below())
    }

    /// Visits the statistics of this core alone.
    #[cfg(all(test, not(loom)))]
    pub(super) fn visit_own(&self, visit: &mut dyn FnMut(&str, u64)) {
        netstack::app::Statistics::visit(&self.below(), visit);
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn owner(&self, group: u8) -> usize {
        self.migrations.owner(group)
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn app_mut(&mut self) -> &mut A {
        &mut self.app
    }

    /// The address, once the stacks of all cores have it. The first core's shard knows.
    pub fn address(&self) -> Option<Address> {
        self.stack.address().filter(|_| self.following == self.port.others())
    }

    /// One turn: takes at most a batch of what is there, never waiting for more, and sends what follows from it.
    pub fn turn(&mut self, now: Instant, unix_seconds: u64) -> Work {
        self.stages.begin();
        let reclaimed = self.queues.reclaim();
        self.stages.end(Stage::Reclaim, reclaimed);
        let messages = self.drain_mailbox(now);
        self.stages.end(Stage::Mailbox, messages);
        let expired = self.stack.expire(now, &mut self.events);
        self.stages.end(Stage::Timers, expired);
        let received = self.receive();
        self.stages.end(Stage::Receive, received);
        self.run(now, unix_seconds);
        self.advance_migration(now);
        self.queues.refill(self.pool);
        self.port.say_short(self.pool.available() < reserves::buffers(self.pool, reserves::FLOW_GROUPS));
        let sent = self.send(now);
        self.stages.end(Stage::Egress, sent);
        let work = reclaimed + messages + expired + received + sent;
        self.ring(work, now);
        self.finish(work, now)
    }

    /// Whether the application has asked for the end.
    pub fn is_over(&self, now: Instant) -> bool {
        self.app.is_over(now)
    }

    /// When the next turn is due, if nothing else happens. Buffers that the device gives back raise no interrupt, so whoever
    /// waits for them has to look.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let buffers = (self.starved || self.port.is_waiting()).then_some(now + BUFFER_WAIT);
        let alert = self.alert.then_some(now + ALERT_WAIT);
        let migration = (self.migrations.is_busy() || self.waits_for_nic()).then_some(now + MIGRATION_WAIT);
        let control = self.control.as_ref().and_then(Control::next_deadline);
        [self.stack.next_deadline(now), buffers, alert, migration, control].into_iter().flatten().min()
    }

    fn waits_for_nic(&self) -> bool {
        self.nic_table.as_ref().is_some_and(NicTable::is_busy)
    }

    /// Cores to wake: they halt, and were sent something.
    pub fn take_halted(&mut self) -> CoreSet {
        core::mem::take(&mut self.halted)
    }

    /// Asks to be woken by the next frame or message, unless one is there already: then there is no halting.
    pub fn lie_down(&mut self, now: Instant) -> Armed {
        self.app.rest();
        self.publish(now);
        if self.queues.arm() == Armed::Idle && self.port.lie_down() { Armed::Idle } else { Armed::Pending }
    }

    /// Takes the request back.
    pub fn get_up(&mut self) {
        self.port.get_up();
        self.queues.disarm();
        self.stages.rested();
    }

    /// Takes frames from the device, and passes on what is for other cores. Returns how many came.
    fn receive(&mut self) -> usize {
        let received = self.queues.poll(&mut self.received, self.batch_limit);
        if received < self.batch_limit {
            self.migrations.queue_was_emptied();
        }
        self.steering.sort(&mut self.received, &mut self.port, self.pool);
        for _ in 0..self.received.len() {
            if !self.migrations.is_keeping() {
                break;
            }
            if let Some(frame) = self.received.pop_front().and_then(|frame| self.unless_kept(frame, Way::Queue)) {
                let _ = self.received.push_back(frame); // its place is free
            }
        }
        received
    }

    /// Ingress and application, until everything that came has been worked on.
    fn run(&mut self, now: Instant, unix_seconds: u64) {
        loop {
            let frames = self.passed.len() + self.received.len();
            self.stack.ingress(&mut self.passed, now, &mut self.events);
            self.stack.ingress(&mut self.received, now, &mut self.events);
            while let Some(stray) = self.stack.take_stray() {
                self.steering.pass_stray(stray, &mut self.port, self.pool);
            }
            self.stages.end(Stage::Ingress, frames - self.passed.len() - self.received.len());
            let progress = self.run_app(now, unix_seconds);
            if self.is_settled() && progress != Progress::More {
                self.starved = progress == Progress::Starved;
                self.alert = progress == Progress::Alert;
                self.unfinished = progress == Progress::Later;
                break;
            }
        }
    }

    /// Whether everything that came in this turn has been worked on.
    fn is_settled(&self) -> bool {
        self.passed.is_empty() && self.received.is_empty() && self.events.is_empty() && self.calls.is_empty()
    }

    fn run_app(&mut self, now: Instant, unix_seconds: u64) -> Progress {
        let waiting = self.events.len();
        let below = Below {
            queues: self.queues.counters(),
            stack: &self.stack,
            pool: self.pool,
            steering: &self.steering,
            stages: &self.stages,
            migrations: &self.migrations,
            control: self.control.as_ref(),
            drop_no_buffer: self.drop_no_buffer,
        };
        let total = self.publisher.as_ref().map(|publisher| publisher.total(&below));
        let statistics = total.as_ref().map_or(&below as &dyn netstack::app::Statistics, |total| total);
        let turn = Turn { now, unix_seconds, statistics };
        let progress = self.app.run(turn, &mut self.events, &mut self.calls);
        let items = (waiting - self.events.len()).max(self.calls.len());
        self.stack.execute(&mut self.calls, now, &mut self.events);
        self.stages.end(Stage::App, items);
        progress
    }

    /// Sends all that the stack has and the ring takes, after what other cores have to send. Returns how many frames.
    fn send(&mut self, now: Instant) -> usize {
        let mut sent = self.queues.submit(&mut self.relayed, &mut self.port, self.pool);
        loop {
            let room = self.queues.room(&mut self.port, self.pool);
            self.stack.egress(now, room, &mut self.outgoing, &mut self.events);
            let full = self.outgoing.is_full();
            let submitted = self.queues.submit(&mut self.outgoing, &mut self.port, self.pool);
            sent += submitted;
            // A batch that was not filled was all there is, or all that the ring takes.
            if !full || submitted == 0 {
                return sent;
            }
        }
    }

    /// Tells the device and the other cores what there is for them.
    fn ring(&mut self, work: usize, now: Instant) {
        self.queues.doorbell();
        self.tell_identity();
        self.govern(now);
        self.halted |= self.port.flush();
        self.stages.end(Stage::Doorbell, work);
    }

    fn finish(&mut self, work: usize, now: Instant) -> Work {
        if self.publisher.as_ref().is_some_and(|publisher| publisher.is_due(now)) {
            self.publish(now);
        }
        if work == 0 && !self.unfinished {
            self.stages.end_empty();
            return Work::None;
        }
        self.stages.end_turn(self.app.requests());
        Work::Done
    }

    fn below(&self) -> Below<'_> {
        Below {
            queues: self.queues.counters(),
            stack: &self.stack,
            pool: self.pool,
            steering: &self.steering,
            stages: &self.stages,
            migrations: &self.migrations,
            control: self.control.as_ref(),
            drop_no_buffer: self.drop_no_buffer,
        }
    }

    fn publish(&mut self, now: Instant) {
        if let Some(mut publisher) = self.publisher.take() {
            publisher.publish(now, &self.below());
            self.publisher = Some(publisher);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
