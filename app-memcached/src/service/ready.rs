//! Connections that have work to do and wait for no event: the call array or the pool had no room.

use alloc::collections::VecDeque;

use netstack::app::Cookie;

use super::connection::Connection;

/// The queue. Holds each connection once.
pub(super) struct Ready {
    queue: VecDeque<Cookie>,
}

impl Ready {
    /// A queue for `limit` connections.
    pub(super) fn new(limit: usize) -> Ready {
        Ready { queue: VecDeque::with_capacity(limit) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Adds a connection, unless it is there.
    pub(super) fn push(&mut self, cookie: Cookie, connection: &mut Connection) {
        if !connection.is_ready {
            connection.is_ready = true;
            self.queue.push_back(cookie);
        }
    }

    /// Takes the connection that has waited longest.
    pub(super) fn pop(&mut self, connections: &mut [Connection]) -> Option<Cookie> {
        let cookie = self.queue.pop_front()?;
        connections[cookie as usize].is_ready = false;
        Some(cookie)
    }
}
