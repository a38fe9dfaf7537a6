//! The memory that a store lives in.

#![allow(unsafe_code)] // the one place where raw memory becomes bytes

use alloc::vec::Vec;
use core::ptr::NonNull;
use core::slice;

/// Bytes of a cache line, the alignment of leaked memory.
const LINE: usize = 64;

/// Memory for a store: exclusively its own, for ever. Nothing is assumed of its contents.
pub struct StoreMemory {
    bytes: &'static mut [u8],
}

impl StoreMemory {
    /// `bytes` bytes at `base`.
    ///
    /// # Safety
    ///
    /// - The range is valid for reads and writes, holds bytes of some fixed (if unknown) value, and is never freed.
    /// - Nobody else reads or writes it.
    pub unsafe fn from_raw(base: NonNull<u8>, bytes: usize) -> StoreMemory {
        // SAFETY: the caller promises a valid, initialised range of its own for `'static`.
        StoreMemory { bytes: unsafe { slice::from_raw_parts_mut(base.as_ptr(), bytes) } }
    }

    /// `bytes` bytes from the heap, aligned, leaked and full of garbage: for tests and tools on the host.
    pub fn leak(bytes: usize) -> StoreMemory {
        let mut memory = Vec::with_capacity(bytes + LINE);
        memory.resize(bytes + LINE, 0xa5);
        let aligned = StoreMemory { bytes: memory.leak() }.into_aligned(LINE);
        StoreMemory { bytes: &mut aligned[..bytes] }
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes, from the first one that is aligned to `align` (a power of two).
    pub(super) fn into_aligned(self, align: usize) -> &'static mut [u8] {
        let skip = self.bytes.as_ptr().align_offset(align).min(self.bytes.len());
        &mut self.bytes[skip..]
    }
}

/// Lends `use_it` memory that is used again by the thread's next such call, for tests with many stores. The store made of it has
/// to end with `use_it`.
#[cfg(test)]
pub(crate) fn lend(bytes: usize, use_it: impl FnOnce(StoreMemory)) {
    use std::cell::RefCell;
    use std::collections::HashMap;

    thread_local! {
        static RETURNED: RefCell<HashMap<usize, NonNull<u8>>> = RefCell::default();
    }
    let returned = RETURNED.with_borrow_mut(|returned| returned.remove(&bytes));
    let base = returned.unwrap_or_else(|| NonNull::from(StoreMemory::leak(bytes).bytes).cast());
    // SAFETY: the range was leaked with `bytes` bytes, and it is in nobody else's hands until it is returned below, when
    // the store that `use_it` made is no more.
    use_it(unsafe { StoreMemory::from_raw(base, bytes) });
    RETURNED.with_borrow_mut(|returned| returned.insert(bytes, base));
}
