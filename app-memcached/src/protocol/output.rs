//! Where replies go.

use netdrv::pktbuf::Fragment;

/// A sink for replies that takes a limited number of bytes at a time.
pub trait Output {
    /// Bytes that can be written now.
    fn room(&self) -> usize;

    /// Writes `bytes`, which fit into [`room`](Output::room).
    fn write(&mut self, bytes: &[u8]);

    /// Appends `len` bytes of the sink's memory to the output, in one piece, for the caller to fill; `None`, and no change, if
    /// there is no such piece. `len` fits into [`room`](Output::room).
    fn piece(&mut self, len: usize) -> Option<&mut [u8]>;

    /// Bytes that can be lent now, in one piece.
    fn lendable(&self) -> usize;

    /// Sends `body` from where it lies, behind what was written. It is at most [`lendable`](Output::lendable) bytes long.
    fn lend(&mut self, body: Fragment);
}
