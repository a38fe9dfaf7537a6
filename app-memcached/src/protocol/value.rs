//! A value on its way out, at once or over many turns: lent to the output, where there is enough of it.

use super::output::Output;
use super::server::Server;
use crate::store::{Pin, Place};

/// Values of this many bytes and more are sent from where they lie: below it, a copy costs less than a descriptor.
pub(super) const LEND_FROM: usize = 4096;

/// Bytes of the line end that values are stored with.
pub(super) const CRLF: usize = 2;

/// How much of a stored value is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// All, with its line end.
    LineEnd,
    /// The value alone.
    Bare,
}

impl Ending {
    /// Bytes at the end that are not sent.
    fn omitted(self) -> usize {
        match self {
            Ending::LineEnd => 0,
            Ending::Bare => CRLF,
        }
    }
}

/// What came of a reply with a value.
pub(super) enum Sent {
    /// All of it is written, and the tail behind it.
    All,
    /// Its beginning is written. The tail is not.
    Part(Transfer),
    /// Nothing is: the value cannot be held until it is sent.
    NoMemory,
}

/// A value that is partly written.
#[derive(Debug)]
pub(super) struct Transfer {
    pin: Pin,
    sent: u32,
    ending: Ending,
}

impl Transfer {
    /// Sends what there is room for. Returns whether that was the last byte.
    pub(super) fn advance(&mut self, server: &mut Server, out: &mut impl Output) -> bool {
        let sent = self.sent as usize;
        let value = server.store.pinned_value(&self.pin);
        let rest = &value[sent..value.len() - self.ending.omitted()];
        let (left, lendable) = (rest.len(), out.lendable());
        let n = if left >= LEND_FROM && lendable > 0 {
            let body = server.store.lend(&self.pin, sent, lendable.min(left));
            let n = body.len();
            out.lend(body);
            n
        } else {
            let n = left.min(out.room());
            out.write(&rest[..n]);
            n
        };
        self.sent += n as u32;
        n == left
    }

    /// Gives the item back.
    pub(super) fn close(self, server: &mut Server) {
        server.store.unpin(self.pin);
    }
}

/// Writes `head`, for which there is room, the value of an item that was just found, and `tail`.
pub(super) fn send(
    head: &[u8],
    place: Place,
    ending: Ending,
    tail: &[u8],
    server: &mut Server,
    out: &mut impl Output,
) -> Sent {
    let value = server.store.value_at(place).unwrap_or_default();
    let value = &value[..value.len().saturating_sub(ending.omitted())];
    let fits = head.len() + value.len() + tail.len() <= out.room();
    if fits && value.len() < LEND_FROM {
        write_all(&[head, value, tail], out);
        return Sent::All;
    }
    match server.store.pin(place) {
        Some(pin) => {
            out.write(head);
            let mut transfer = Transfer { pin, sent: 0, ending };
            if transfer.advance(server, out) && tail.len() <= out.room() {
                transfer.close(server);
                out.write(tail);
                return Sent::All;
            }
            Sent::Part(transfer)
        }
        // Too much is held: what fits is copied.
        None if fits => {
            let value = server.store.value_at(place).unwrap_or_default();
            write_all(&[head, &value[..value.len().saturating_sub(ending.omitted())], tail], out);
            Sent::All
        }
        None => {
            server.counters.get_no_memory.add(1);
            Sent::NoMemory
        }
    }
}

fn write_all(parts: &[&[u8]], out: &mut impl Output) {
    parts.iter().for_each(|part| out.write(part));
}
