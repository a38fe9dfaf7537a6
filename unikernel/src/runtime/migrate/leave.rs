//! The source's side of a migration.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use netdrv::nic::{RxQueue, TxQueue};
use netstack::app::Movable;
use netstack::stack::{Held, NoDeparture};
use netstack::time::Instant;

use super::{Head, Leaving, Phase};
use crate::runtime::mesh::cores_of;
use crate::runtime::message::{Message, Owner, Step};
use crate::runtime::shard::Shard;

/// Messages of a migration in one turn, so that the core goes on serving its other groups.
const MOST_MESSAGES: usize = 128;

/// Whether there is more to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// There is.
    On,
    /// Something has to happen first.
    Wait,
}

impl<R: RxQueue, T: TxQueue, A: Movable> Shard<R, T, A> {
    /// Has one of this core's groups migrate.
    pub(in crate::runtime) fn begin_migration(&mut self, group: u8, to: u8) {
        let known = usize::from(group) < netstack::steering::FLOW_GROUPS && usize::from(to) < self.port.cores();
        let queued = self.migrations.queue.iter().any(|(waiting, _)| *waiting == group);
        let own = usize::from(to) == self.port.own() || !self.stack.owns(group);
        if !known || queued || own || self.migrations.queue.push_back((group, to)).is_err() {
            self.migrations.counters.refused += 1;
        }
    }

    /// Goes on with the group that is leaving, or begins with the next. Called when the application has worked off everything that
    /// came in a turn.
    pub(in crate::runtime) fn advance_migration(&mut self, now: Instant) {
        while let Some((group, to)) = self.migrations.nic.next_drained() {
            let _ = self.port.send(to.into(), Message::Step(Step::Drained(group))); // too much waits only for a core that is stuck
        }
        if self.migrations.leaving.is_none() {
            let Some((group, to)) = self.migrations.queue.pop_front() else { return };
            if self.migrations.kept.keeps(group) {
                // It has only just come: what was kept for it comes first.
                let _ = self.migrations.queue.push_back((group, to)); // its place is free
                return;
            }
            self.announce(group, to.into(), now);
        }
        let Some(mut leaving) = self.migrations.leaving.take() else { return };
        if leaving.phase == Phase::Steering && leaving.unsteered == 0 {
            leaving.phase = Phase::Moving;
            if self.steering.is_by_nic() {
                leaving.since = now; // until now it has come here
            }
            self.steering.set(leaving.group, leaving.to);
            self.stack.release(leaving.group);
        }
        if leaving.phase == Phase::Moving {
            for _ in 0..MOST_MESSAGES {
                match self.send_next(&mut leaving) {
                    Some(Pace::On) => {}
                    Some(Pace::Wait) => break,
                    None => return, // it is gone
                }
            }
        }
        self.migrations.leaving = Some(leaving);
    }

    /// The target keeps the group's frames: now they may go there.
    pub(in crate::runtime) fn target_expects(&mut self, group: u8, now: Instant) {
        let others = self.port.others();
        let Some(leaving) = self.migrations.leaving.as_mut().filter(|leaving| leaving.group == group) else { return };
        leaving.phase = Phase::Steering;
        leaving.since = now;
        leaving.unsteered = others;
        let to = leaving.to as u8;
        for core in cores_of(others) {
            let _ = self.port.send(core, Message::Step(Step::Steer(group, to))); // room: asked for by `announce`
        }
    }

    /// A core has sent its last frame of the group to this one.
    pub(in crate::runtime) fn is_steered(&mut self, group: u8, core: usize) {
        if let Some(leaving) = self.migrations.leaving.as_mut().filter(|leaving| leaving.group == group) {
            leaving.unsteered &= !(1 << core);
        }
    }

    fn announce(&mut self, group: u8, to: usize, now: Instant) {
        // What follows needs a few places with each core: not while messages wait there. What connections hold takes buffers of
        // the target: not while it is short of them. Nothing waits for the group yet.
        let crowded =
            self.port.is_short(to) || cores_of(self.port.others()).any(|core| self.port.message_room(core) < 8);
        if crowded || self.port.send(to, Message::Step(Step::Expect(group))).is_err() {
            let _ = self.migrations.queue.push_front((group, to as u8)); // its place is free
            return;
        }
        let (phase, input) = (Phase::Announced, VecDeque::new());
        let leaving = Leaving { group, to, phase, since: now, unsteered: 0, departure: None, input };
        self.migrations.leaving = Some(leaving);
    }

    /// Sends the next message of a group that moves; `None` after the last.
    fn send_next(&mut self, leaving: &mut Leaving) -> Option<Pace> {
        let to = leaving.to;
        // For a body and its payload, or a few messages.
        if self.port.room(to) < 2 || self.port.message_room(to) < 2 {
            return Some(Pace::Wait);
        }
        let Some(departure) = &mut leaving.departure else { return self.send_head(leaving) };
        if let Some(buffer) = leaving.input.pop_front() {
            let _ = self.port.send_buffer(to, buffer, self.pool, |parcel| Message::Payload(Owner::App, parcel));
            return Some(Pace::On);
        }
        match self.stack.next_segment(departure) {
            Held::Segment(place, mut buffer) => {
                if let Some(body) = buffer.detach() {
                    let _ = self.port.send(to, Message::Body(body)); // room: asked for above
                }
                let message = |parcel| Message::Payload(Owner::Stack(place), parcel);
                let _ = self.port.send_buffer(to, buffer, self.pool, message); // room: asked for above
                Some(Pace::On)
            }
            Held::NoBuffer => Some(Pace::Wait),
            Held::Nothing => {
                leaving.departure = None;
                let _ = self.port.send(to, Message::Step(Step::Settle));
                Some(Pace::On)
            }
        }
    }

    /// Sends the next connection without its payload, or the end of the group.
    fn send_head(&mut self, leaving: &mut Leaving) -> Option<Pace> {
        let Some(mut crate_) = self.migrations.crates.pop() else { return Some(Pace::Wait) };
        match self.stack.depart(leaving.group) {
            Ok(mut departure) => {
                let connection = departure.connection.take();
                let cookie = connection.as_ref().and_then(|connection| connection.cookie());
                let mut input = Vec::new();
                let state = cookie.and_then(|cookie| self.app.export(cookie, &mut input));
                leaving.input = input.into();
                leaving.departure = Some(departure);
                if let Some(head) = crate_.downcast_mut::<Head<A::State>>() {
                    *head = Head { connection, state };
                }
                let _ = self.port.send(leaving.to, Message::Connection(crate_)); // room: asked for by `send_next`
                Some(Pace::On)
            }
            Err(NoDeparture::NoBuffers) => {
                self.migrations.crates.push(crate_);
                Some(Pace::Wait)
            }
            Err(NoDeparture::None) => {
                self.migrations.crates.push(crate_);
                let _ = self.port.send(leaving.to, Message::Step(Step::Arrived(leaving.group, leaving.since)));
                self.have_nic_follow(leaving.group, leaving.to);
                None
            }
        }
    }

    /// A group has moved: the NIC is to know, and what it brings until then is passed on.
    fn have_nic_follow(&mut self, group: u8, to: usize) {
        if !self.steering.is_by_nic() {
            return;
        }
        self.migrations.nic.ask(group, to as u8);
        if self.port.own() == 0 {
            self.ask_nic(group, to as u8, 0);
        } else {
            let _ = self.port.send(0, Message::Step(Step::SetNic(group, to as u8)));
        }
    }
}
