//! The arena: all of the store's memory as one range of bytes, addressed by offset, for all cores.
//!
//! Which core may touch what is the business of the modules above, and follows from three rules:
//!
//! - **Words** of the index and two of an item's header are atomics, and never accessed otherwise while others can see them.
//! - **Other bytes of an item** are written by one core before it publishes the item (in a head segment, which is its own),
//!   and by nobody after.
//! - **Memory is used again** only once no core can find it, sees it from an earlier turn, or holds a pin on it
//!   (`epoch`, `pins`). An `Addr` is used only in the turn in which the index gave it, or under a pin.
//!
//! Offsets come from the store's own tables, never from a client, so one outside the arena is a bug; every access is
//! bounds-checked all the same.

#![allow(unsafe_code)] // raw memory that cores share

use core::ptr::NonNull;
use core::sync::atomic::AtomicU32;
use core::{ptr, slice};

use netdrv::cache;
use netdrv::pktbuf::Fragment;

use super::layout::{ALIGN, Addr, Header};
use super::memory::StoreMemory;
use super::sync::AtomicU64;

/// Words of a bucket of the index. Fewer under loom, which tries every order in which cores may look at them.
pub(super) const LINE_WORDS: usize = if cfg!(all(loom, test)) { 3 } else { 8 };

/// Bytes of such a bucket: a cache line, the alignment of the arena.
pub(super) const LINE: usize = LINE_WORDS * 8;

/// The store's memory.
pub(super) struct Arena {
    base: NonNull<u8>,
    len: usize,
    /// Whole lines.
    #[cfg(not(all(loom, test)))]
    lines: usize,
    /// Where the last header may begin.
    last_header: usize,
    /// loom's atomics do not lie in raw memory.
    #[cfg(all(loom, test))]
    words: alloc::vec::Vec<AtomicU64>,
}

// SAFETY: the memory is the arena's own for ever, and is nobody's in particular: see the rules above.
unsafe impl Send for Arena {}
// SAFETY: as above; what is not atomic is written by one core, while no other can see it.
unsafe impl Sync for Arena {}

impl Arena {
    /// An arena over `memory`.
    pub(super) fn new(memory: StoreMemory) -> Arena {
        let bytes = memory.into_aligned(64);
        #[cfg(all(loom, test))]
        let words = (0..bytes.len() / 8).map(|_| AtomicU64::new(0)).collect();
        Arena {
            len: bytes.len(),
            #[cfg(not(all(loom, test)))]
            lines: bytes.len() / LINE,
            last_header: bytes.len().saturating_sub(size_of::<Header>()),
            base: NonNull::from(bytes).cast(),
            #[cfg(all(loom, test))]
            words,
        }
    }

    /// Bytes in all.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The line of this number, a bucket.
    #[inline]
    #[cfg(not(all(loom, test)))]
    pub(super) fn line(&self, number: usize) -> &[AtomicU64; LINE_WORDS] {
        assert!(number < self.lines, "outside of the arena");
        // SAFETY:
        // - The line lies in the arena, which is valid for ever.
        // - The arena is aligned to a line; AtomicU64 is laid out as u64.
        // - Lines belong to the index, whose words are atomics as long as any core can see them (first rule).
        unsafe { self.base.add(number * LINE).cast().as_ref() }
    }

    /// The line of this number, a bucket.
    #[cfg(all(loom, test))]
    pub(super) fn line(&self, number: usize) -> &[AtomicU64; LINE_WORDS] {
        self.words[number * LINE_WORDS..].first_chunk().expect("in the arena")
    }

    /// The header of the item at `at`.
    #[inline]
    pub(super) fn header(&self, at: Addr) -> &Header {
        assert!(at.0.is_multiple_of(ALIGN) && at.0 <= self.last_header, "outside of the arena");
        // SAFETY:
        // - The header lies in the arena, which is valid for ever and initialised; `ALIGN` is that of a header, which
        //   has no invalid values.
        // - What is atomic in an item is never accessed otherwise (first rule), nobody writes the rest while the
        //   reference lives (second and third rule).
        unsafe { self.base.add(at.0).cast().as_ref() }
    }

    /// The atomic word at `at`, a multiple of its size, in an item.
    #[inline]
    pub(super) fn word(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(align_of::<AtomicU32>()), "an item's words are aligned");
        // SAFETY:
        // - `place` checks that the word lies in the arena, which is valid for ever, initialised, and aligned to a line.
        // - What is atomic in an item is never accessed otherwise while others can see it (first rule).
        unsafe { self.place(at, size_of::<AtomicU32>()).cast().as_ref() }
    }

    /// Writes the header of an item that is not published.
    #[inline]
    pub(super) fn write_header(&self, at: Addr, header: Header) {
        assert!(at.0.is_multiple_of(ALIGN) && at.0 <= self.last_header, "outside of the arena");
        // SAFETY: as for `header`, and as in `write`; a header ends within the least item.
        unsafe { self.base.add(at.0).cast().write(header) }
    }

    /// `len` bytes at `at`.
    #[inline]
    pub(super) fn bytes(&self, at: usize, len: usize) -> &[u8] {
        // SAFETY:
        // - `place` checks that the range lies in the arena, which is valid for ever and initialised.
        // - Nobody writes there while the slice lives: it is of a published item, or of one of this core's own (second rule),
        //   and stays in this turn or under a pin (third rule).
        unsafe { slice::from_raw_parts(self.place(at, len).as_ptr(), len) }
    }

    /// Writes `bytes` at `at`.
    #[inline]
    pub(super) fn write(&self, at: usize, bytes: &[u8]) {
        let to = self.place(at, bytes.len());
        // SAFETY: `place` checks the range; it is this core's own, unpublished item (second rule), so nobody else looks at it,
        // and `bytes` is not part of it: the caller could have no slice of it.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), bytes.len()) }
    }

    /// Copies `len` bytes from an item to another, unpublished one.
    pub(super) fn copy(&self, from: usize, to: usize, len: usize) {
        self.write(to, self.bytes(from, len));
    }

    /// `len` bytes at `at`, of a published item that is pinned for as long as they are lent.
    pub(super) fn lend(&self, at: usize, len: usize) -> Fragment {
        // SAFETY:
        // - `place` checks that the range lies in the arena, which is valid for ever and initialised.
        // - Nobody writes to a published item (second rule), and its memory is not used again under a pin (third rule).
        // - The arena was made of memory whose addresses are those that a device uses.
        unsafe { Fragment::lent(self.place(at, len), len as u32) }
    }

    /// Asks for the first `lines` cache lines from `at` on.
    #[inline]
    pub(super) fn prefetch(&self, at: usize, lines: usize) {
        cache::prefetch(self.base.as_ptr().wrapping_add(at), lines);
    }

    /// Where bytes that were lent lie.
    pub(super) fn offset_of(&self, lent: &Fragment) -> usize {
        (lent.dma_addr() as usize).wrapping_sub(self.base.as_ptr() as usize)
    }

    /// The address of `len` bytes at `at`, which lie in the arena.
    #[inline]
    fn place(&self, at: usize, len: usize) -> NonNull<u8> {
        assert!(at.checked_add(len).is_some_and(|end| end <= self.len), "outside of the arena");
        // SAFETY: `at` is at most the length of the arena.
        unsafe { self.base.add(at) }
    }
}
