//! Closing connections that have sent nothing for too long (memcached's `-o idle_timeout`).
//!
//! Once a second all connections of the core are looked at, some in each turn. TCP's keepalive, which the runtime sets to the same
//! time, sees to it that there is a turn.

use netstack::app::{Call, Calls, Cookie};

use super::connection::{Phase, Waiting};
use super::watchers::tell_closed;
use super::{Service, call, has_room};
use crate::protocol::Doing;
use crate::watch::Farewell;

/// Connections that are looked at in a turn.
const IN_A_TURN: usize = 1024;

/// How far the looking has come.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// The second of the last round.
    second: u32,
    /// The connections from this one on are still to be looked at in it.
    next: Cookie,
    /// Whether there are any.
    under_way: bool,
}

impl Rounds {
    /// Whether the rest of a round is for the next turns.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way
    }
}

impl Service {
    /// Closes silent connections, if that is asked for.
    #[inline]
    pub(super) fn close_silent(&mut self, calls: &mut Calls) {
        if self.server.settings.dialect.idle_timeout_s != 0 {
            self.look_for_silent(calls);
        }
    }

    #[inline(never)]
    fn look_for_silent(&mut self, calls: &mut Calls) {
        let now = self.server.uptime();
        if !self.rounds.under_way {
            if now == self.rounds.second {
                return;
            }
            self.rounds = Rounds { second: now, next: 0, under_way: true };
        }
        for _ in 0..IN_A_TURN {
            if self.rounds.next as usize >= self.connections.len() {
                self.rounds.under_way = false;
                return;
            }
            if !has_room(calls) {
                return;
            }
            self.close_if_silent(self.rounds.next, now, calls);
            self.rounds.next += 1;
        }
    }

    fn close_if_silent(&mut self, cookie: Cookie, now: u32, calls: &mut Calls) {
        let limit = self.server.settings.dialect.idle_timeout_s;
        let Some(seen) = self.server.roster.get(cookie) else { return };
        let Some(connection) = self.connections.get_mut(cookie as usize) else { return };
        // One that waits for its peer to read is not silent, nor is one that watches.
        let waits = connection.phase == Phase::Open && connection.waiting == Waiting::Input;
        if !waits || seen.doing != Doing::Reading || now.saturating_sub(seen.heard) <= limit {
            return;
        }
        let flow = connection.flow;
        tell_closed(&self.server, cookie, Farewell::IdleTimeout);
        self.server.roster.note(cookie, Doing::Closing);
        let untold = connection.close(&mut self.inputs, &mut self.server);
        self.server.connections.idle_kicks.add(1);
        call(calls, Call::Close { flow });
        if untold > 0 {
            call(calls, Call::RecvDone { flow, bytes: untold });
        }
    }
}
