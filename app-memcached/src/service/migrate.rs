//! Connections that change cores, with the state of their session, their credit and the input that is not done with.
//!
//! What a session holds of the store, a pin or a reservation, may be given back on another core than it was taken on.

use alloc::vec::Vec;

use netdrv::pktbuf::PktBuf;
use netstack::app::{Cookie, Flow, Movable};

use super::Service;
use super::connection::{Connection, Phase, Waiting};
use crate::protocol::{Seen, Session};

/// A connection between two cores.
#[derive(Debug)]
pub struct Moved {
    room: u32,
    phase: Phase,
    waiting: Waiting,
    peer_closed: bool,
    session: Session,
    /// What others see of it.
    seen: Option<Seen>,
}

impl Movable for Service {
    type State = Moved;

    fn export(&mut self, cookie: Cookie, input: &mut Vec<PktBuf>) -> Option<Moved> {
        let connection =
            self.connections.get_mut(cookie as usize).filter(|connection| connection.phase != Phase::Gone)?;
        while let Some(buffer) = self.inputs.pop(&mut connection.input) {
            input.push(buffer);
        }
        if connection.phase == Phase::Paused {
            connection.phase = Phase::Open;
            self.paused.retain(|paused| *paused != cookie);
        }
        let seen = self.server.roster.get(cookie);
        self.server.roster.leave(cookie);
        let &mut Connection { room, phase, waiting, peer_closed, .. } = connection;
        let session = core::mem::take(&mut connection.session);
        connection.phase = Phase::Gone;
        self.server.connections.current.subtract(1);
        self.free.push(cookie);
        Some(Moved { room, phase, waiting, peer_closed, session, seen })
    }

    fn import(&mut self, flow: Flow, moved: Moved, input: &mut Vec<PktBuf>) -> Option<Cookie> {
        let Moved { room, phase, waiting, peer_closed, session, seen } = moved;
        let cookie = self.place(flow);
        let connection = self.connections.get_mut(cookie as usize)?;
        *connection = Connection {
            room,
            phase,
            waiting,
            peer_closed,
            session,
            is_ready: connection.is_ready,
            ..Connection::new(flow)
        };
        self.server.connections.current.add(1);
        if let Some(seen) = seen {
            self.server.roster.enter(cookie, seen);
        }
        for buffer in input.drain(..) {
            if self.inputs.push(&mut connection.input, buffer, self.reserve.from_all).is_err() {
                self.server.connections.closed_no_buffers.add(1);
                self.forget(cookie);
                return None;
            }
        }
        // It may have waited for calls or buffers of the core that it came from.
        if let Some(connection) = self.connections.get_mut(cookie as usize) {
            self.ready.push(cookie, connection);
        }
        Some(cookie)
    }
}
