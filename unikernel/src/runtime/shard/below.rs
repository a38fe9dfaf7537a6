//! The counters of the layers below the application.

use netdrv::nic::{RxQueue, TxQueue};
use netdrv::pktbuf::Pool;
use netstack::app::Statistics;
use netstack::stack::Stack;

use crate::runtime::queues::{QueueCounters, Queues};
use crate::runtime::stages::Stages;
use crate::runtime::steer::Steering;

/// The counters of one core, always in the same order.
pub(super) struct Below<'a> {
    queues: QueueCounters<'a>,
    stack: &'a Stack,
    pool: &'static Pool,
    steering: &'a Steering,
    stages: &'a Stages,
    drop_no_buffer: u64,
}

/// The counters of these layers.
pub(super) fn of<'a, R: RxQueue, T: TxQueue>(
    queues: &'a Queues<R, T>,
    stack: &'a Stack,
    pool: &'static Pool,
    steering: &'a Steering,
    stages: &'a Stages,
    drop_no_buffer: u64,
) -> Below<'a> {
    Below { queues: queues.counters(), stack, pool, steering, stages, drop_no_buffer }
}

impl Statistics for Below<'_> {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        self.queues.visit(visit);
        visit("packet_buffers", self.pool.capacity() as u64);
        visit("packet_buffers_free", self.pool.available() as u64);
        visit("drop_mailbox_no_buffer", self.drop_no_buffer);
        self.steering.visit(visit);
        self.stages.visit(visit);
        self.stack.counters().visit(visit);
    }
}
