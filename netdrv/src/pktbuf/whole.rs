//! Buffers lent to a device, which fills them: handles without bounds, since there is nothing in them yet.

use core::mem::ManuallyDrop;

use super::attachment::Attached;
use super::marks::Marks;
use super::pool::Slot;
use super::{BUF_BYTES, Checksum, PktBuf, Pool};

/// The only handle of a buffer, of which all bytes count.
pub struct Whole {
    pub(super) slot: &'static Slot,
}

const _: () = assert!(size_of::<Option<Whole>>() == 8);

impl Whole {
    /// Where the device finds the first of the [`BUF_BYTES`] bytes.
    pub fn dma_addr(&self) -> u64 {
        self.slot.memory.get().as_ptr() as u64
    }

    /// The `len` bytes from `start` on, as they are now; none if the buffer has not so many.
    #[inline(always)] // a few moves
    pub fn into_view(self, start: u16, len: u16, checksum: Checksum) -> Option<PktBuf> {
        if usize::from(start) + usize::from(len) > BUF_BYTES {
            return None;
        }
        let whole = ManuallyDrop::new(self); // its handle becomes the view's
        Some(PktBuf { slot: whole.slot, start, len, marks: Marks::of(checksum) })
    }

    /// The first `N` bytes, as they are now.
    pub fn first<const N: usize>(&self) -> [u8; N] {
        const { assert!(N <= BUF_BYTES) };
        // SAFETY: the slot owns BUF_BYTES of initialised memory, and this is its only handle.
        unsafe { self.slot.memory.get().cast::<[u8; N]>().read() }
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.slot.handles.set(0);
        self.slot.give_back(Attached::No);
    }
}

impl Pool {
    /// A buffer to lend to a device; `None` if all are lent out.
    pub fn alloc_whole(&'static self) -> Option<Whole> {
        let slot = self.pop_free()?;
        slot.handles.set(1);
        Some(Whole { slot })
    }
}

#[cfg(test)]
mod tests {
    use super::super::PoolMemory;
    use super::*;

    #[test]
    fn a_buffer_that_was_filled_becomes_a_view() {
        let pool = Pool::leak(PoolMemory::leak(1));
        let mut buf = pool.alloc().unwrap();
        buf.reset(0);
        buf.extend_from_slice(b"header and frame").unwrap();
        let address = buf.dma_addr();
        drop(buf);
        let whole = pool.alloc_whole().unwrap();
        assert!(whole.dma_addr() == address && pool.alloc_whole().is_none());
        assert_eq!(&whole.first::<6>(), b"header");
        let mut view = whole.into_view(11, 5, Checksum::Verified).unwrap();
        assert_eq!((view.bytes(), view.checksum(), view.headroom()), (&b"frame"[..], Checksum::Verified, 11));
        assert!(view.bytes_mut().is_some(), "it is the only handle");
        drop(view);
        assert_eq!(pool.available(), 1);
    }

    #[test]
    fn what_does_not_become_a_view_goes_back() {
        let pool = Pool::leak(PoolMemory::leak(1));
        assert!(pool.alloc_whole().unwrap().into_view(1, BUF_BYTES as u16, Checksum::None).is_none());
        assert!(pool.alloc_whole().unwrap().into_view(u16::MAX, u16::MAX, Checksum::None).is_none());
        drop(pool.alloc_whole().unwrap());
        assert_eq!(pool.available(), 1);
        assert!(pool.alloc_whole().unwrap().into_view(0, BUF_BYTES as u16, Checksum::None).is_some());
    }
}
