//! What a frame to transmit has beside the bytes of its buffer: memory that it ends with, and how the device cuts it.
//!
//! ```text
//! frame:  | bytes of the packet buffer: headers, and whatever is small | body: item memory, where it lies |
//! cut:    | headers | payload_bytes |   | headers | payload_bytes |   ...   | headers | the rest |
//! ```
//!
//! Few frames have any of it, and those are large: it lies in a table of the pool's, and a handle only says whether to look
//! there.

use core::num::NonZeroU16;
use core::ptr::NonNull;
use core::slice;

use super::PktBuf;

/// Memory outside of packet buffers, read-only, that a frame ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    start: NonNull<u8>,
    len: u32,
}

impl Fragment {
    /// The `len` bytes at `start`.
    ///
    /// # Safety
    ///
    /// As long as the value lives, or a copy of it, or a handle of a packet buffer that it is attached to:
    ///
    /// - the bytes are initialised and mapped, and nobody writes to them;
    /// - their virtual addresses are the addresses that a device uses.
    ///
    /// A driver holds a handle of the buffer, and nothing else, until the device has read the bytes. So whoever lends them
    /// keeps a handle too, and takes them back once [`PktBuf::is_unique`] says that it is the last, and the bytes need not
    /// be sent again.
    pub const unsafe fn new(start: NonNull<u8>, len: u32) -> Fragment {
        Fragment { start, len }
    }

    /// `len` bytes of it from `from` on; `None` if it has not so many.
    pub fn part(self, from: u32, len: u32) -> Option<Fragment> {
        if from.checked_add(len)? > self.len {
            return None;
        }
        // SAFETY: within the range, checked above.
        Some(Fragment { start: unsafe { self.start.add(from as usize) }, len })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `new` was promised initialised memory that nobody writes to while the value lives.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len as usize) }
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the device finds the first byte.
    pub fn dma_addr(&self) -> u64 {
        self.start.as_ptr() as u64
    }
}

/// How a TCP segment over IPv4 that is larger than a frame on the wire is cut (TSO).
///
/// Its headers are those of one segment, as if it were sent whole: IPv4's lengths and checksum, TCP's flags, and a checksum
/// that is [`Partial`](super::Checksum::Partial), with the pseudo-header of the whole. The device makes those of each piece:
/// sequence numbers and identifications go up, FIN and PSH are the last one's, CWR the first one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segmentation {
    /// Bytes of the link's, IPv4's and TCP's headers, all in the packet buffer.
    pub header_bytes: u16,
    /// Bytes of payload in each piece but the last: the maximum segment size.
    pub payload_bytes: NonZeroU16,
}

/// What a frame has beside the bytes of its buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// What follows the bytes.
    pub body: Option<Fragment>,
    /// How to cut the frame; `None` if it goes out whole.
    pub segmentation: Option<Segmentation>,
}

/// Whether a handle is of a buffer with an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attached {
    No,
    Yes,
}

impl PktBuf {
    /// Attaches something to the buffer, instead of what was attached before. Handles cloned from this one have it too.
    /// `None`, and no change, while another handle shares the memory.
    pub fn attach(&mut self, attachment: Attachment) -> Option<()> {
        if !self.is_unique() {
            return None;
        }
        self.slot.attachment()?.set(attachment);
        self.attached = Attached::Yes;
        Some(())
    }

    /// What is attached to the buffer, if anything was since it came from its pool or was last
    /// [`reset`](PktBuf::reset).
    pub fn attachment(&self) -> Option<Attachment> {
        match self.attached {
            Attached::No => None,
            Attached::Yes => self.slot.attachment().map(core::cell::Cell::get),
        }
    }

    /// Whether anything is attached to the buffer.
    pub fn has_attachment(&self) -> bool {
        self.attached == Attached::Yes
    }

    /// Bytes of the whole frame: those of the buffer and of the body attached to it.
    pub fn frame_len(&self) -> usize {
        let body = self.attachment().and_then(|attachment| attachment.body);
        self.len() + body.map_or(0, |body| body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Pool, PoolMemory};
    use super::*;

    /// A body of bytes that live for ever.
    fn body(bytes: &'static [u8]) -> Attachment {
        // SAFETY: constants, and in tests the "device" shares the address space.
        let fragment = unsafe { Fragment::new(NonNull::from(bytes).cast(), bytes.len() as u32) };
        Attachment { body: Some(fragment), segmentation: None }
    }

    #[test]
    fn an_attachment_belongs_to_all_handles_until_the_buffer_is_reused() {
        let pool = Pool::leak(PoolMemory::leak(1));
        let mut buf = pool.alloc().unwrap();
        buf.extend_from_slice(b"head").unwrap();
        assert_eq!((buf.attachment(), buf.frame_len()), (None, 4));
        buf.attach(body(b"item")).unwrap();
        let other = buf.clone();
        assert_eq!((other.attachment(), other.frame_len()), (Some(body(b"item")), 8));
        assert!(buf.attach(body(b"else")).is_none(), "shared");
        drop(other);
        buf.attach(body(b"else")).unwrap();
        assert_eq!(buf.attachment(), Some(body(b"else")));
        buf.reset(0);
        assert!(!buf.has_attachment());
        buf.attach(body(b"item")).unwrap();
        drop(buf);
        assert_eq!(pool.alloc().unwrap().attachment(), None);
    }

    #[test]
    fn parts_stay_within_the_whole() {
        let whole = body(b"0123456789").body.unwrap();
        assert_eq!(whole.part(2, 3).unwrap().bytes(), b"234");
        assert_eq!(whole.part(2, 3).unwrap().part(1, 2).unwrap().bytes(), b"34");
        assert!(whole.part(10, 0).unwrap().is_empty());
        assert!(whole.part(8, 3).is_none() && whole.part(u32::MAX, 2).is_none());
        assert!(whole.part(2, 3).unwrap().part(0, 4).is_none());
    }
}
