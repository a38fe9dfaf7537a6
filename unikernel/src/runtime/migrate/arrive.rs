//! The target's side of a migration.

use netdrv::nic::{RxQueue, TxQueue};
use netdrv::pktbuf::{Attachment, Fragment, PktBuf};
use netstack::app::Movable;
use netstack::time::Instant;

use super::Head;
use super::kept::Follows;
use crate::runtime::message::{Crate, Message, Owner, Step};
use crate::runtime::shard::Shard;

impl<R: RxQueue, T: TxQueue, A: Movable> Shard<R, T, A> {
    /// A group will come: what comes for it until then is kept.
    pub(in crate::runtime) fn expect_group(&mut self, group: u8, from: usize) {
        let follows = if self.steering.is_by_nic() { Follows::Table } else { Follows::Nothing };
        self.migrations.kept.expect(group, follows);
        self.migrations.arriving[from].connections = 0;
        let _ = self.port.send(from, Message::Step(Step::Expecting(group)));
    }

    /// A connection arrives; what it holds follows.
    pub(in crate::runtime) fn connection_arrives(&mut self, from: usize, mut crate_: Crate, now: Instant) {
        let Some(head) = crate_.downcast_mut::<Head<A::State>>() else { return };
        let (connection, state) = (head.connection.take(), head.state.take());
        let _ = self.port.send(from, Message::Crate(crate_));
        let arriving = &mut self.migrations.arriving[from];
        arriving.flow = connection.and_then(|connection| self.stack.arrive(connection, now, &mut self.events));
        arriving.state = state;
        arriving.input.clear();
    }

    /// The body of the payload that comes next.
    pub(in crate::runtime) fn body_arrives(&mut self, from: usize, body: Fragment) {
        self.migrations.arriving[from].body = Some(body);
    }

    /// Payload of that connection arrives.
    pub(in crate::runtime) fn payload_arrives(&mut self, from: usize, owner: Owner, mut payload: PktBuf) {
        let arriving = &mut self.migrations.arriving[from];
        if let Some(body) = arriving.body.take() {
            let _ = payload.attach(Attachment { body: Some(body), segmentation: None }); // nobody shares what arrives
        }
        match (owner, arriving.flow) {
            (Owner::App, _) => arriving.input.push(payload),
            (Owner::Stack(place), Some(flow)) => self.stack.take_segment(flow, place, payload),
            (Owner::Stack(_), None) => {}
        }
    }

    /// A connection has arrived whole.
    pub(in crate::runtime) fn settle_connection(&mut self, from: usize, now: Instant) {
        let arriving = &mut self.migrations.arriving[from];
        let (flow, state) = (arriving.flow.take(), arriving.state.take());
        let Some(flow) = flow else {
            self.migrations.counters.turned_away += 1;
            return arriving.input.clear();
        };
        self.migrations.counters.connections += 1;
        arriving.connections += 1;
        if let Some(state) = state {
            match self.app.import(flow, state, &mut arriving.input) {
                Some(cookie) => self.stack.name(flow, cookie),
                None => {
                    self.migrations.counters.turned_away += 1;
                    return self.stack.turn_away(flow);
                }
            }
        }
        self.stack.settle(flow, now, &mut self.events);
    }

    /// A group has arrived whole.
    pub(in crate::runtime) fn group_arrives(&mut self, from: usize, group: u8, since: Instant, now: Instant) {
        let own = self.port.own();
        self.stack.adopt(group);
        self.steering.set(group, own);
        self.migrations.directory.set_owner(group, own);
        self.migrations.kept.arrived(group);
        self.migrations.counters.groups += 1;
        // Nobody notices the pause of a group without connections.
        if self.migrations.arriving[from].connections > 0 {
            self.migrations.pauses.add(now.since(since));
        }
    }
}
