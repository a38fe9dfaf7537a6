//! A value on its way out, over many turns.

use super::super::super::output::Output;
use super::super::super::server::Server;
use crate::store::Pin;

/// A value that is partly written.
#[derive(Debug)]
pub(in crate::protocol) struct Transfer {
    pin: Pin,
    sent: usize,
}

impl Transfer {
    /// Nothing written yet.
    pub(super) fn new(pin: Pin) -> Transfer {
        Transfer { pin, sent: 0 }
    }

    /// Writes what there is room for. Returns whether that was the last byte.
    pub(in crate::protocol) fn advance(&mut self, server: &Server, out: &mut impl Output) -> bool {
        let rest = &server.store.pinned_value(&self.pin)[self.sent..];
        let n = rest.len().min(out.room());
        out.write(&rest[..n]);
        self.sent += n;
        n == rest.len()
    }

    /// Gives the item back.
    pub(in crate::protocol) fn close(self, server: &mut Server) {
        server.store.unpin(self.pin);
    }
}
