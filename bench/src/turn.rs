//! One core's turn, stage by stage as the appliance's shard takes it (`unikernel::runtime::shard`, which the host cannot link:
//! its crate brings ring 0 and the compiler's memory functions along).
//!
//! Each stage is a function that is never inlined, so that a profile can tell them apart by name.

use netdrv::nic::{Batch, QueuePair, RxQueue, TxQueue};
use netdrv::pktbuf::Pool;
use netstack::app::{App, Calls, Events, Progress, Statistics, Turn};
use netstack::stack::Stack;
use netstack::time::Instant;

/// Queue pair, stack and app of one core.
pub struct Core<R, T, A> {
    /// The NIC's queues.
    pub queues: QueuePair<R, T>,
    /// The stack.
    pub stack: Stack,
    /// The application.
    pub app: A,
    pool: &'static Pool,
    batch_limit: usize,
    received: Batch,
    outgoing: Batch,
    events: Events,
    calls: Calls,
    progress: Progress,
}

/// Statistics for an app that reports none.
struct Unreported;

impl Statistics for Unreported {
    fn visit(&self, _: &mut dyn FnMut(&str, u64)) {}
}

impl<R: RxQueue, T: TxQueue, A: App> Core<R, T, A> {
    /// Puts a core together and gives the device its first buffers. At most `batch_limit` frames are taken in one turn.
    pub fn new(queues: QueuePair<R, T>, pool: &'static Pool, stack: Stack, app: A, batch_limit: usize) -> Self {
        let (received, outgoing) = (Batch::new(), Batch::new());
        let (events, calls) = (Events::new(), Calls::new());
        let progress = Progress::Done;
        let mut core = Core { queues, stack, app, pool, batch_limit, received, outgoing, events, calls, progress };
        core.queues.rx.refill(pool);
        core
    }

    /// One turn. Returns how much there was to do: 0 if nothing.
    #[inline(never)]
    pub fn turn(&mut self, now: Instant) -> usize {
        let mut work = self.reclaim() + self.expire(now) + self.receive();
        loop {
            self.ingress(now);
            self.run_app(now);
            self.execute(now);
            let settled = self.received.is_empty() && self.events.is_empty() && self.calls.is_empty();
            if settled && self.progress != Progress::More {
                break;
            }
        }
        self.refill();
        loop {
            self.egress(now);
            let full = self.outgoing.is_full();
            let submitted = self.submit();
            work += submitted;
            // A batch that was not filled was all there is, or all that the ring takes.
            if !full || submitted == 0 {
                break;
            }
        }
        self.doorbell();
        work
    }

    /// Whether the app waits for packet buffers, which raise no event when they come back.
    pub fn is_starved(&self) -> bool {
        self.progress == Progress::Starved
    }

    #[inline(never)]
    fn reclaim(&mut self) -> usize {
        self.queues.tx.reclaim()
    }

    #[inline(never)]
    fn expire(&mut self, now: Instant) -> usize {
        self.stack.expire(now, &mut self.events)
    }

    #[inline(never)]
    fn receive(&mut self) -> usize {
        self.queues.rx.poll(&mut self.received, self.batch_limit)
    }

    #[inline(never)]
    fn ingress(&mut self, now: Instant) {
        self.stack.ingress(&mut self.received, now, &mut self.events);
    }

    #[inline(never)]
    fn run_app(&mut self, now: Instant) {
        let turn = Turn { now, unix_seconds: 0, statistics: &Unreported };
        self.progress = self.app.run(turn, &mut self.events, &mut self.calls);
    }

    #[inline(never)]
    fn execute(&mut self, now: Instant) {
        self.stack.execute(&mut self.calls, now, &mut self.events);
    }

    #[inline(never)]
    fn refill(&mut self) {
        self.queues.rx.refill(self.pool);
    }

    #[inline(never)]
    fn egress(&mut self, now: Instant) {
        self.stack.egress(now, self.queues.tx.room(), &mut self.outgoing, &mut self.events);
    }

    #[inline(never)]
    fn submit(&mut self) -> usize {
        self.queues.tx.submit(&mut self.outgoing)
    }

    #[inline(never)]
    fn doorbell(&mut self) {
        self.queues.tx.doorbell();
    }
}
