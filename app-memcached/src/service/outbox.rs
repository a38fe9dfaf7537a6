//! Replies on their way into packet buffers and send calls.

use netdrv::pktbuf::{Attachment, Fragment, PktBuf, Pool};
use netstack::app::{Call, Calls, FULL_SEGMENT, Flow};

use super::MIN_CALLS;
use crate::protocol::{Output, REPLY_ROOM};

/// What keeps more from being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// The flow's credit: an [`Event::Sent`](netstack::app::Event::Sent) is on its way.
    Credit,
    /// The call array.
    Calls,
    /// The pool.
    Buffers,
}

/// What an outbox has come to.
pub(super) struct Finished {
    /// The credit left.
    pub(super) credit: u32,
    /// Bytes written.
    pub(super) written: u32,
    /// Bytes of input that are done with, and that no buffer told of.
    pub(super) untold: u32,
}

/// The output of one flow, for one round of work. Small replies share a buffer.
pub(super) struct Outbox<'a> {
    pool: &'static Pool,
    /// Buffers that may still be taken from the pool.
    buffers: usize,
    calls: &'a mut Calls,
    flow: Flow,
    /// Bytes that may still be sent.
    credit: u32,
    written: u32,
    open: Option<PktBuf>,
}

impl<'a> Outbox<'a> {
    /// An outbox that takes at most so many `buffers` of `pool`.
    #[inline]
    pub(super) fn new(
        pool: &'static Pool,
        buffers: usize,
        calls: &'a mut Calls,
        flow: Flow,
        credit: u32,
    ) -> Outbox<'a> {
        Outbox { pool, buffers, calls, flow, credit, written: 0, open: None }
    }

    /// What keeps more from being written, if something does.
    pub(super) fn limit(&self) -> Limit {
        if (self.credit as usize) < REPLY_ROOM {
            Limit::Credit
        } else if self.free_calls() == 0 {
            Limit::Calls
        } else {
            Limit::Buffers
        }
    }

    /// Sends what is left, which tells that `consumed` bytes of input are done with.
    pub(super) fn finish(mut self, consumed: u32) -> Finished {
        let untold = if self.open.is_some() { 0 } else { consumed };
        self.flush(consumed);
        Finished { credit: self.credit, written: self.written, untold }
    }

    /// Send calls that can be added, beyond the one that the open buffer needs.
    #[inline]
    fn free_calls(&self) -> usize {
        let reserved = MIN_CALLS - 1 + usize::from(self.open.is_some());
        (self.calls.capacity() - self.calls.len()).saturating_sub(reserved)
    }

    /// Bytes that the open buffer still takes.
    #[inline]
    fn tail(&self) -> usize {
        self.open.as_ref().map_or(0, |buffer| FULL_SEGMENT - buffer.len())
    }

    /// Sends the open buffer, if there is one. It tells that `done` bytes of input are done with.
    fn flush(&mut self, done: u32) {
        if let Some(payload) = self.open.take() {
            let added = self.calls.push_back(Call::Send { flow: self.flow, payload, done });
            debug_assert!(added.is_ok(), "a place is reserved for the open buffer");
        }
    }

    /// Sends the open buffer and opens another.
    fn turn_over(&mut self) -> Option<()> {
        if self.buffers == 0 || self.free_calls() == 0 {
            return None;
        }
        self.flush(0);
        self.open = Some(self.pool.alloc()?);
        self.buffers -= 1;
        Some(())
    }

    #[inline]
    fn append(&mut self, len: usize) -> Option<&mut [u8]> {
        let piece = self.open.as_mut()?.append(len)?;
        self.credit -= len as u32;
        self.written += len as u32;
        Some(piece)
    }
}

impl Output for Outbox<'_> {
    #[inline]
    fn room(&self) -> usize {
        let more = self.free_calls().min(self.buffers);
        (self.tail() + more * FULL_SEGMENT).min(self.credit as usize)
    }

    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.tail() == 0 && self.turn_over().is_none() {
                debug_assert!(false, "wrote beyond the room");
                return;
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.tail()));
            if let Some(piece) = self.append(now.len()) {
                piece.copy_from_slice(now);
            }
            bytes = later;
        }
    }

    fn lendable(&self) -> usize {
        let has_buffer = self.open.is_some() || (self.buffers > 0 && self.free_calls() > 0);
        if has_buffer { self.credit as usize } else { 0 }
    }

    fn lend(&mut self, body: Fragment) {
        let len = body.len() as u32;
        if self.open.is_none() && self.turn_over().is_none() {
            debug_assert!(false, "lent beyond the room");
            return;
        }
        if let Some(buffer) = &mut self.open {
            let attached = buffer.attach(Attachment { body: Some(body), segmentation: None });
            debug_assert!(attached.is_some(), "nobody shares the open buffer");
        }
        self.credit -= len;
        self.written += len;
        self.flush(0); // a body ends its buffer
    }

    #[inline]
    fn piece(&mut self, len: usize) -> Option<&mut [u8]> {
        if len > self.credit as usize || len > FULL_SEGMENT {
            return None;
        }
        if self.tail() < len {
            self.turn_over()?;
        }
        self.append(len)
    }
}
