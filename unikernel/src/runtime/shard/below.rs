//! The counters of the layers below the application.

use netdrv::pktbuf::Pool;
use netstack::app::Statistics;
use netstack::stack::Stack;

use crate::runtime::control::Control;
use crate::runtime::queues::QueueCounters;
use crate::runtime::stages::Stages;
use crate::runtime::steer::Steering;

/// The counters of one core, always in the same order.
pub(super) struct Below<'a> {
    pub(super) queues: QueueCounters<'a>,
    pub(super) stack: &'a Stack,
    pub(super) pool: &'static Pool,
    pub(super) steering: &'a Steering,
    pub(super) stages: &'a Stages,
    pub(super) migrations: &'a dyn Statistics,
    /// Of the first core.
    pub(super) control: Option<&'a Control>,
    pub(super) drop_no_buffer: u64,
}

impl Statistics for Below<'_> {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        self.queues.visit(visit);
        visit("packet_buffers", self.pool.capacity() as u64);
        visit("packet_buffers_free", self.pool.available() as u64);
        visit("drop_mailbox_no_buffer", self.drop_no_buffer);
        self.steering.visit(visit);
        self.migrations.visit(visit);
        self.stages.visit(visit);
        self.stack.counters().visit(visit);
        // The others have no say in it, but as many values.
        match self.control {
            Some(control) => control.visit(visit),
            None => Control::visit_none(visit),
        }
    }
}
