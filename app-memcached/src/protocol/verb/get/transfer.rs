//! A value on its way out, over many turns: lent to the output, where there is enough of it.

use super::super::super::output::Output;
use super::super::super::server::Server;
use crate::store::Pin;

/// Values of this many bytes and more are sent from where they lie: below it, a copy costs less than a descriptor.
pub(super) const LEND_FROM: usize = 4096;

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

    /// Sends what there is room for. Returns whether that was the last byte.
    pub(in crate::protocol) fn advance(&mut self, server: &mut Server, out: &mut impl Output) -> bool {
        let rest = &server.store.pinned_value(&self.pin)[self.sent..];
        let (left, lendable) = (rest.len(), out.lendable());
        let n = if left >= LEND_FROM && lendable > 0 {
            let body = server.store.lend(&self.pin, self.sent, lendable.min(left));
            let n = body.len();
            out.lend(body);
            n
        } else {
            let n = left.min(out.room());
            out.write(&rest[..n]);
            n
        };
        self.sent += n;
        n == left
    }

    /// Gives the item back.
    pub(in crate::protocol) fn close(self, server: &mut Server) {
        server.store.unpin(self.pin);
    }
}
