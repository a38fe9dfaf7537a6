//! Packet buffers: fixed-size pieces of DMA memory, lent by a pool and returned to it when the last handle drops.
//!
//! ```text
//! 0          start             start+len              BUF_BYTES
//! | headroom |      bytes      |       tailroom       |
//! ```
//!
//! A handle is a view: clones share the memory (a TCP segment stays with its TCB until it is acknowledged, while
//! another handle of it waits in a transmit ring), and each has bounds of its own. Bytes change only through the sole
//! handle of a buffer: every method that would write to shared bytes answers `None`.
//!
//! The pool and all handles of its buffers belong to one core: reference counts are plain cells and handles are `!Send`.
//! To cross to another core, a sole handle becomes a [`Parcel`], which takes only the memory along ([`parcel`]).
//! Headers of buffers lie apart from the bytes, which are page-aligned as a whole, so that the bytes can be mapped for
//! others one day.

#![allow(unsafe_code)] // raw DMA memory behind checked bounds

mod attachment;
mod marks;
mod parcel;
mod pool;
mod whole;

use core::ops::Range;
use core::{fmt, slice};

use crate::cache;
pub use attachment::{Attachment, Fragment, Segmentation};
use marks::Marks;
pub use parcel::{Blank, Parcel};
use pool::Slot;
pub use pool::{Pool, PoolMemory};
pub use whole::Whole;

/// Bytes of one buffer.
pub const BUF_BYTES: usize = 2048;

/// Where the payload begins in a buffer from [`Pool::alloc`]: room for Ethernet with VLAN tag, IPv4, TCP with options and
/// a device header.
pub const HEADROOM: usize = 128;

/// Lines that a short reply takes: the headers, which end at [`HEADROOM`], and some payload.
const EXPECTED_LINES: usize = HEADROOM.div_ceil(cache::LINE) + 1;

/// What is known, or wanted, of a frame's transport checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// Received: not checked yet. To transmit: complete as it stands.
    #[default]
    None,
    /// Received: the device, or the host behind it, vouches for it.
    Verified,
    /// To transmit: the device sums the bytes from `start` to the end of the frame and stores the result at
    /// `start + field`, where the pseudo-header's sum lies already.
    Partial {
        /// First byte summed, counted from the frame's first byte.
        start: u8,
        /// The checksum field, counted from `start`.
        field: u8,
    },
}

/// A handle of a packet buffer.
pub struct PktBuf {
    slot: &'static Slot,
    start: u16,
    len: u16,
    marks: Marks,
}

const _: () = assert!(size_of::<PktBuf>() == 16);

impl PktBuf {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY:
        // - start + len <= BUF_BYTES, kept by every method below, and the slot owns BUF_BYTES of initialised memory;
        // - bytes change only through `writable`, which needs the sole handle, mutably borrowed.
        unsafe { slice::from_raw_parts(self.slot.memory.get().as_ptr().add(self.start.into()), self.len.into()) }
    }

    /// The bytes, to change them; `None` while another handle shares them.
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        self.writable(self.start, self.len)
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.len.into()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that [`prepend`](PktBuf::prepend) can add.
    pub fn headroom(&self) -> usize {
        self.start.into()
    }

    /// Bytes that [`append`](PktBuf::append) can add.
    pub fn tailroom(&self) -> usize {
        BUF_BYTES - usize::from(self.start) - usize::from(self.len)
    }

    /// Whether no other handle shares the memory, so that it can be written to.
    pub fn is_unique(&self) -> bool {
        self.slot.handles.get() == 1
    }

    /// Adds `n` bytes at the front and returns them, with what the memory held before. `None`, and no change, if the
    /// headroom is too small or the memory is shared.
    pub fn prepend(&mut self, n: usize) -> Option<&mut [u8]> {
        if n > self.headroom() || !self.is_unique() {
            return None;
        }
        self.start -= n as u16;
        self.len += n as u16;
        self.writable(self.start, n as u16)
    }

    /// The last `N` bytes of the headroom, to write headers there. `None` if it is too small or the memory is shared.
    #[inline]
    pub fn headers_mut<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        let start = self.start.checked_sub(N as u16)?;
        self.writable(start, N as u16)?.first_chunk_mut()
    }

    /// Another handle of the memory, with the last `n` bytes of the headroom at its front. `None` if it is too small.
    #[inline]
    pub fn with_headers(&self, n: usize) -> Option<PktBuf> {
        let start = self.headroom().checked_sub(n)? as u16;
        let mut frame = self.clone();
        frame.start = start;
        frame.len += n as u16;
        Some(frame)
    }

    /// Adds `n` bytes at the end and returns them, with what the memory held before. `None`, and no change, if the
    /// tailroom is too small or the memory is shared.
    pub fn append(&mut self, n: usize) -> Option<&mut [u8]> {
        if n > self.tailroom() || !self.is_unique() {
            return None;
        }
        let end = self.start + self.len;
        self.len += n as u16;
        self.writable(end, n as u16)
    }

    /// Adds a copy of `bytes` at the end. `None`, and no change, under the conditions of [`append`](PktBuf::append).
    pub fn extend_from_slice(&mut self, bytes: &[u8]) -> Option<()> {
        self.append(bytes.len())?.copy_from_slice(bytes);
        Some(())
    }

    /// Drops `n` bytes from the front, or all if there are fewer.
    pub fn trim_front(&mut self, n: usize) {
        let n = n.min(self.len()) as u16;
        self.start += n;
        self.len -= n;
    }

    /// Drops all but the first `len` bytes, if there are more.
    pub fn truncate(&mut self, len: usize) {
        self.len = len.min(self.len()) as u16;
    }

    /// Drops all bytes but those in `range`, as far as there are so many.
    #[inline]
    pub fn narrow(&mut self, range: Range<u16>) {
        let end = range.end.min(self.len);
        let start = range.start.min(end);
        self.start += start;
        self.len = end - start;
    }

    /// Forgets the bytes and moves the start, which sets the headroom; at most [`BUF_BYTES`].
    pub fn reset(&mut self, headroom: usize) {
        self.start = headroom.min(BUF_BYTES) as u16;
        self.len = 0;
        self.marks = Marks::default();
    }

    /// The state of the transport checksum.
    #[inline]
    pub fn checksum(&self) -> Checksum {
        self.marks.checksum()
    }

    /// Sets the state of the transport checksum of this handle.
    pub fn set_checksum(&mut self, checksum: Checksum) {
        self.marks = self.marks.with(checksum);
    }

    /// Where the device finds the first byte. Memory is mapped virtual = physical (in host tests the "device" shares the
    /// address space).
    pub fn dma_addr(&self) -> u64 {
        self.slot.memory.get().as_ptr() as u64 + u64::from(self.start)
    }

    /// Asks for the buffer's header, which dropping a handle writes to.
    #[inline]
    pub fn expect(&self) {
        cache::prefetch_value(self.slot);
    }

    /// Asks for the lines that a next user of the buffer writes first. Its header should be there by now.
    #[inline]
    pub fn expect_bytes(&self) {
        cache::prefetch(self.slot.memory.get().as_ptr(), EXPECTED_LINES);
    }

    /// `len` bytes from `start`, which end no later than these, if this is the sole handle.
    fn writable(&mut self, start: u16, len: u16) -> Option<&mut [u8]> {
        if !self.is_unique() {
            return None;
        }
        // SAFETY:
        // - callers pass a range that ends at start+len at most, hence within the slot's BUF_BYTES of initialised memory;
        // - this is the only handle (checked above), and it is mutably borrowed for as long as the slice lives.
        Some(unsafe { slice::from_raw_parts_mut(self.slot.memory.get().as_ptr().add(start.into()), len.into()) })
    }
}

impl Clone for PktBuf {
    /// Another handle of the same memory.
    fn clone(&self) -> PktBuf {
        self.slot.handles.set(self.slot.handles.get() + 1);
        PktBuf { slot: self.slot, start: self.start, len: self.len, marks: self.marks }
    }
}

impl Drop for PktBuf {
    fn drop(&mut self) {
        let left = self.slot.handles.get() - 1;
        self.slot.handles.set(left);
        if left == 0 {
            self.slot.give_back(self.marks.attached());
        }
    }
}

impl fmt::Debug for PktBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PktBuf({}+{}, {:?})", self.start, self.len, self.checksum())
    }
}

#[cfg(test)]
mod tests;
