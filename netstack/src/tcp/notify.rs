//! Events to the app. They are made from the connections' state when there is room for them, so that no number of frames
//! can overflow the array: what does not fit stays with its connection.
//!
//! A connection's events come in this order: `Connected`, `Sent`, `Recv`, `PeerClosed`, `Dead`. Credit comes before what
//! will be answered with it.

use super::Tcp;
use super::context::Context;
use super::tcb::{Notices, Owner, Tcb};
use crate::app::{Cookie, Event, Events, Flow};
use crate::interface::Interface;
use crate::time::Instant;
use core::net::SocketAddrV4;

/// The array of events has no room; go on later.
struct Full;

impl Tcp {
    /// Makes events, as many as there is room for.
    pub(crate) fn make_events(&mut self, events: &mut Events, iface: &mut Interface, now: Instant) {
        while let Some(index) = self.shared.notify.front() {
            let cx = &mut Context { iface, shared: &mut self.shared, now };
            if self.tcbs[index as usize].announce(events, cx).is_err() {
                return;
            }
            self.shared.notify.pop();
            self.settle(index, iface, now);
        }
    }

    /// Whether events wait for room.
    pub(crate) fn has_events(&self) -> bool {
        !self.shared.notify.is_empty()
    }
}

impl Tcb {
    fn announce(&mut self, events: &mut Events, cx: &mut Context<'_>) -> Result<(), Full> {
        match self.owner {
            Owner::Nobody | Owner::Knocking => Ok(()),
            Owner::Unannounced => {
                let flow = Flow { index: self.index, generation: self.generation };
                let remote = SocketAddrV4::new(self.key.remote_ip, self.key.remote_port);
                push(events, Event::Knock { flow, remote })?;
                self.owner = Owner::Knocking;
                Ok(())
            }
            Owner::Accepted(cookie) => self.announce_to(cookie, events, cx),
        }
    }

    fn announce_to(&mut self, cookie: Cookie, events: &mut Events, cx: &mut Context<'_>) -> Result<(), Full> {
        if self.notices.contains(Notices::CONNECTED) {
            push(events, Event::Connected { cookie, room: self.grant(cx) })?;
            self.notices.remove(Notices::CONNECTED);
        }
        if self.notices.contains(Notices::SENT) {
            let before = self.send.credit;
            let room = self.grant(cx);
            if self.send.acked > 0 || i64::from(room) > before {
                push(events, Event::Sent { cookie, acked: self.send.acked, room })?;
            }
            self.send.acked = 0;
            self.notices.remove(Notices::SENT);
        }
        while self.recv.ready.len > 0 {
            if events.is_full() {
                return Err(Full);
            }
            if let Some(payload) = cx.shared.segments.pop_front(&mut self.recv.ready) {
                push(events, Event::Recv { cookie, payload })?;
            }
        }
        if self.notices.contains(Notices::PEER_CLOSED) {
            push(events, Event::PeerClosed { cookie })?;
            self.notices.remove(Notices::PEER_CLOSED);
        }
        if self.notices.contains(Notices::DEAD) {
            push(events, Event::Dead { cookie, reason: self.reason })?;
            self.notices.remove(Notices::DEAD);
            self.owner = Owner::Nobody;
        }
        Ok(())
    }
}

fn push(events: &mut Events, event: Event) -> Result<(), Full> {
    events.push_back(event).map_err(|_| Full)
}
