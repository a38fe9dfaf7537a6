//! Where frames go at egress.

use netdrv::nic::Batch;
use netdrv::pktbuf::PktBuf;

/// A batch, and what the transmit ring has room for.
pub(crate) struct Sink<'a> {
    batch: &'a mut Batch,
    room: usize,
    /// Frames that went.
    pub(crate) sent: u64,
}

impl<'a> Sink<'a> {
    /// Takes at most `room` frames.
    pub(crate) fn new(batch: &'a mut Batch, room: usize) -> Sink<'a> {
        Sink { batch, room, sent: 0 }
    }

    /// Whether one more frame fits.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.room > 0 && !self.batch.is_full()
    }

    /// Takes a frame, for which there must be room.
    #[inline(always)]
    pub(crate) fn push(&mut self, frame: PktBuf) {
        // One with something attached counts as two: see `TxQueue::room`.
        self.room = self.room.saturating_sub(if frame.has_attachment() { 2 } else { 1 });
        self.sent += u64::from(self.batch.push_back(frame).is_ok());
    }
}
