//! What other cores send this one.

use netdrv::nic::{RxQueue, TxQueue};
use netdrv::pktbuf::{Parcel, PktBuf};
use netstack::app::Movable;
use netstack::time::Instant;

use super::Shard;
use crate::runtime::control::Action;
use crate::runtime::mesh::cores_of;
use crate::runtime::message::{Message, Power, Step};
use crate::runtime::migrate::Way;

/// Messages taken in a turn, so that a turn ends whatever the others do.
const MOST_MESSAGES: usize = 256;
/// Free buffers without which nothing more is taken: what arrives with a connection must find a place.
const LEAST_BUFFERS: usize = 8;

impl<R: RxQueue, T: TxQueue, A: Movable> Shard<R, T, A> {
    /// Takes the messages of the other cores, as far as there is room for their frames. Returns how many.
    pub(super) fn drain_mailbox(&mut self, now: Instant) -> usize {
        if self.port.others() == 0 {
            return 0;
        }
        self.port.collect_blanks(self.pool);
        self.migrations.turn(now);
        self.replay();
        let mut messages = 0;
        while messages < MOST_MESSAGES
            && self.passed.len() < self.batch_limit
            && !self.relayed.is_full()
            && self.pool.available() >= LEAST_BUFFERS
        {
            let Some((from, message)) = self.port.receive() else { break };
            messages += 1;
            self.handle(from, message, now);
        }
        messages
    }

    fn handle(&mut self, from: usize, message: Message, now: Instant) {
        match message {
            Message::Frame(parcel) => {
                if let Some(frame) = self.admit(from, parcel)
                    && let Some(frame) = self.unless_kept(frame, Way::Passed)
                {
                    let _ = self.passed.push_back(frame); // room: asked for before the message was taken
                }
            }
            Message::Transmit(parcel) => {
                if let Some(frame) = self.admit(from, parcel) {
                    let _ = self.relayed.push_back(frame); // room: as above
                }
            }
            Message::Identity(identity) => {
                self.stack.follow(identity, now);
                let _ = self.port.send(from, Message::Following); // too much waits only for a core that is stuck
            }
            Message::Following => self.following |= 1 << from,
            Message::Step(step) => self.step(from, step, now),
            Message::Connection(head) => self.connection_arrives(from, head, now),
            Message::Body(body) => self.body_arrives(from, body),
            Message::Payload(owner, parcel) => {
                if let Some(payload) = self.admit(from, parcel) {
                    self.payload_arrives(from, owner, payload);
                }
            }
            Message::Crate(empty) => self.migrations.crate_returns(empty),
            Message::Power(power) => self.power = power,
        }
    }

    fn step(&mut self, from: usize, step: Step, now: Instant) {
        match step {
            Step::Begin(group, to) => self.begin_migration(group, to),
            Step::Expect(group) => self.expect_group(group, from),
            Step::Expecting(group) => self.target_expects(group, now),
            Step::Steer(group, to) => {
                self.steering.set(group, to.into());
                let _ = self.port.send(from, Message::Step(Step::Steered(group)));
            }
            Step::Steered(group) => self.is_steered(group, from),
            Step::SetNic(group, to) => self.ask_nic(group, to, from),
            Step::NicSet(group) => self.migrations.nic_is_set(group),
            Step::Drained(group) => self.migrations.source_is_drained(group, now),
            Step::Settle => self.settle_connection(from, now),
            Step::Arrived(group, since) => self.group_arrives(from, group, since, now),
        }
    }

    /// Puts frames that were kept for a group before those that come now.
    fn replay(&mut self) {
        while self.migrations.is_keeping()
            && self.passed.len() < self.batch_limit
            && let Some(frame) = self.migrations.take_kept()
        {
            let _ = self.passed.push_back(frame); // room: the limit is a batch at most
        }
    }

    /// Keeps a frame of a group before which others have to come.
    pub(super) fn unless_kept(&mut self, frame: PktBuf, way: Way) -> Option<PktBuf> {
        if !self.migrations.is_keeping() {
            return Some(frame);
        }
        match self.steering.group_of(&frame) {
            Some(group) => self.migrations.unless_kept(group, frame, way),
            _ => Some(frame),
        }
    }

    /// The first core tells the others who the appliance is.
    pub(super) fn tell_identity(&mut self) {
        let identity = Some(self.stack.identity());
        if identity == self.told || self.port.own() != 0 {
            return;
        }
        self.told = identity;
        self.following = 0;
        for core in cores_of(self.port.others()) {
            if self.port.send(core, Message::Identity(self.stack.identity())).is_err() {
                self.told = None; // too much waits for that core: again in the next turn
            }
        }
    }

    /// The first core sees to what is wanted of the others, and to the NIC's table.
    pub(super) fn govern(&mut self, now: Instant) {
        while let Some((group, core)) = self.nic_table.as_mut().and_then(|table| table.poll()) {
            if core == self.port.own() {
                self.migrations.nic_is_set(group);
            } else {
                let _ = self.port.send(core, Message::Step(Step::NicSet(group)));
            }
        }
        let Some(action) = self.control.as_mut().and_then(|control| control.next_action(now)) else { return };
        let sent = match action {
            Action::Migrate(group, to, owner) if owner == self.port.own() => {
                self.begin_migration(group, to);
                true
            }
            Action::Migrate(group, to, owner) => self.port.send(owner, Message::Step(Step::Begin(group, to))).is_ok(),
            Action::Power(core, power) => self.port.send(core, Message::Power(power)).is_ok(),
        };
        if let (false, Action::Migrate(group, ..), Some(control)) = (sent, action, &mut self.control) {
            control.refused(group);
        }
    }

    /// Has the NIC steer a group to a core, for the core that asks.
    pub(in crate::runtime) fn ask_nic(&mut self, group: u8, to: u8, asked_by: usize) {
        match &mut self.nic_table {
            Some(table) => table.ask(group, to, asked_by),
            None if asked_by == self.port.own() => self.migrations.nic_is_set(group),
            None => {
                let _ = self.port.send(asked_by, Message::Step(Step::NicSet(group)));
            }
        }
    }

    /// Takes a buffer of another core, and gives memory back for it.
    fn admit(&mut self, from: usize, parcel: Parcel) -> Option<PktBuf> {
        match self.pool.admit(parcel) {
            Ok((buffer, blank)) => {
                self.port.return_blank(from, blank);
                Some(buffer)
            }
            Err(parcel) => {
                self.drop_no_buffer += 1;
                self.port.return_blank(from, parcel.into_blank());
                None
            }
        }
    }

    /// Whether other cores give this one flows.
    pub(in crate::runtime) fn is_parked(&self) -> bool {
        self.power == Power::Parked
    }
}
