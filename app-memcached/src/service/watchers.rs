//! Connections that watch: once a turn they are told what has happened, on this core or on another; and what they are told of
//! connections.

use heapless::Vec;
use netstack::app::{Calls, Cookie, Turn};
use netstack::time::Instant;

use super::connection::{Phase, Waiting};
use super::reserve::Cause;
use super::{Service, has_room};
use crate::protocol::Server;
use crate::watch::{Farewell, Kind, MAX_WATCHERS};

/// Watchers are told nothing while less than this share of the buffers is free: those that do not read take none from replies.
const FREE_SHARE: usize = 2;

/// The watchers of one core that wait for something to happen.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    cookies: Vec<Cookie, MAX_WATCHERS>,
    /// The turn in which they were told last.
    told: Option<Instant>,
}

impl Watchers {
    /// Whether there are none.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.cookies.is_empty()
    }

    /// Notes one that has been told all.
    #[cold]
    pub(super) fn note(&mut self, cookie: Cookie) {
        if !self.cookies.contains(&cookie) {
            let noted = self.cookies.push(cookie);
            debug_assert!(noted.is_ok(), "there are more watchers than places for them");
        }
    }
}

impl Service {
    /// Tells the watchers what is new.
    #[cold]
    pub(super) fn tell_watchers(&mut self, turn: Turn<'_>, calls: &mut Calls) {
        if self.watchers.told.replace(turn.now) == Some(turn.now) {
            return;
        }
        for cookie in core::mem::take(&mut self.watchers.cookies) {
            let waits =
                |connection: &super::Connection| connection.phase == Phase::Open && connection.waiting == Waiting::News;
            // Those that wait for room, or are gone, are not asked until they have had all.
            if self.connections.get(cookie as usize).is_some_and(waits) {
                let can_spare = self.pool.available() * FREE_SHARE > self.pool.capacity();
                if has_room(calls) && can_spare {
                    self.serve(cookie, None, Cause::Room, turn, calls);
                } else {
                    self.watchers.note(cookie);
                }
            }
        }
    }
}

/// Tells watchers of a connection that comes.
#[inline]
pub(super) fn tell_opened(server: &Server, cookie: Cookie) {
    if server.report.wants(Kind::Connection)
        && let Some(seen) = server.roster.get(cookie)
    {
        server.report.opened(cookie, seen.remote);
    }
}

/// Tells watchers of a connection that goes.
#[inline]
pub(super) fn tell_closed(server: &Server, cookie: Cookie, reason: Farewell) {
    if server.report.wants(Kind::Connection)
        && let Some(seen) = server.roster.get(cookie)
    {
        server.report.closed(cookie, seen.remote, reason);
    }
}
