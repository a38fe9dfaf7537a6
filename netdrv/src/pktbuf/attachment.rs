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
    lease: Lease,
}

/// Whether somebody wants to know when a fragment is used no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lease {
    /// Nobody does: it stays as it is for ever.
    Permanent,
    /// Its part in each buffer goes to [`Pool::take_back`](super::Pool::take_back).
    Lent,
}

// SAFETY: whoever has one may only read the bytes, which stay as they are while it lives, whichever core it is on; what is lent
// is given back by whoever has it last.
unsafe impl Send for Fragment {}

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
    /// The stack keeps a handle until the bytes are acknowledged, and a driver until the device has read them. When the last
    /// is gone, each part that was attached to a buffer comes out of [`Pool::take_back`](super::Pool::take_back) once.
    pub const unsafe fn lent(start: NonNull<u8>, len: u32) -> Fragment {
        Fragment { start, len, lease: Lease::Lent }
    }

    /// Bytes that stay as they are for ever.
    pub const fn permanent(bytes: &'static [u8]) -> Fragment {
        Fragment { start: NonNull::from_ref(bytes).cast(), len: bytes.len() as u32, lease: Lease::Permanent }
    }

    /// Bytes that stay as they are, lent all the same: for tests on the host.
    #[cfg(any(test, feature = "std"))]
    pub const fn lent_for_ever(bytes: &'static [u8]) -> Fragment {
        Fragment { lease: Lease::Lent, ..Fragment::permanent(bytes) }
    }

    /// Whether [`Pool::take_back`](super::Pool::take_back) reports it.
    pub(super) fn is_lent(&self) -> bool {
        self.lease == Lease::Lent
    }

    /// `len` bytes of it from `from` on; `None` if it has not so many.
    pub fn part(self, from: u32, len: u32) -> Option<Fragment> {
        if from.checked_add(len)? > self.len {
            return None;
        }
        // SAFETY: within the range, checked above.
        Some(Fragment { start: unsafe { self.start.add(from as usize) }, len, ..self })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: initialised memory that nobody writes to while the value lives: `lent` was promised it, and a `&'static` is.
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
        self.marks = self.marks.with_attachment();
        Some(())
    }

    /// Takes what is attached off the buffer, and returns the body of it, which whoever asks has to attach to another one.
    /// `None`, and no change, while another handle shares the memory.
    pub fn detach(&mut self) -> Option<Fragment> {
        if !self.is_unique() || !self.has_attachment() {
            return None;
        }
        self.marks = self.marks.without_attachment();
        self.slot.attachment()?.take().body
    }

    /// What is attached to the buffer, if anything was since it came from its pool or was last
    /// [`reset`](PktBuf::reset).
    pub fn attachment(&self) -> Option<Attachment> {
        match self.marks.attached() {
            Attached::No => None,
            Attached::Yes => self.slot.attachment().map(core::cell::Cell::get),
        }
    }

    /// Whether anything is attached to the buffer.
    #[inline]
    pub fn has_attachment(&self) -> bool {
        self.marks.attached() == Attached::Yes
    }

    /// Bytes of the whole frame: those of the buffer and of the body attached to it.
    #[inline]
    pub fn frame_len(&self) -> usize {
        if !self.has_attachment() {
            return self.len();
        }
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
        Attachment { body: Some(Fragment::permanent(bytes)), segmentation: None }
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
    fn what_was_lent_is_taken_back_once_the_last_handle_is_gone() {
        let pool = Pool::leak(PoolMemory::leak(2));
        let bytes: &'static [u8] = b"0123456789";
        let whole = Fragment::lent_for_ever(bytes);
        let parts = [(0, 4), (4, 6)].map(|(from, len)| {
            let mut buf = pool.alloc().unwrap();
            buf.attach(Attachment { body: whole.part(from, len), segmentation: None }).unwrap();
            buf
        });
        let in_ring = parts.clone();
        drop(parts);
        assert_eq!(pool.take_back(), None);
        drop(in_ring);
        assert_eq!(pool.available(), 0, "buffers stay out until their bodies are taken back");
        let mut back = [pool.take_back().unwrap(), pool.take_back().unwrap()].map(|part| part.bytes().to_vec());
        back.sort_unstable();
        assert_eq!((back[0].as_slice(), back[1].as_slice()), (&b"0123"[..], &b"456789"[..]));
        assert_eq!((pool.take_back(), pool.available()), (None, 2));
        let mut buf = pool.alloc().unwrap();
        buf.attach(body(b"item")).unwrap();
        drop(buf);
        assert_eq!((pool.take_back(), pool.available()), (None, 2), "nobody waits for what is permanent");
    }

    #[test]
    fn a_body_goes_from_one_buffer_to_another() {
        let [here, there] = [1, 1].map(|buffers| Pool::leak(PoolMemory::leak(buffers)));
        let mut buf = here.alloc().unwrap();
        let lent = Fragment::lent_for_ever(b"item");
        buf.attach(Attachment { body: Some(lent), segmentation: None }).unwrap();
        let other = buf.clone();
        assert_eq!((buf.detach(), buf.has_attachment()), (None, true), "shared");
        drop(other);
        assert_eq!((buf.detach(), buf.has_attachment(), buf.detach()), (Some(lent), false, None));
        drop(buf);
        assert_eq!((here.take_back(), here.available()), (None, 1), "it was not given back");
        let mut buf = there.alloc().unwrap();
        buf.attach(Attachment { body: Some(lent), segmentation: None }).unwrap();
        drop(buf);
        assert_eq!((there.take_back(), there.take_back(), there.available()), (Some(lent), None, 1));
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
