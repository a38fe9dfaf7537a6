//! Memory that a device reads and writes while Rust does.
//!
//! It is only ever seen through shared references to atomics, so that a device's writes are data that changes, not
//! undefined behaviour. It is never freed: a device that failed to stop must not write into somebody else's memory, and a
//! driver starts once per boot.

#![allow(unsafe_code)] // raw memory becomes slices of atomics, here and nowhere else

use alloc::alloc::{Layout, alloc_zeroed};
use core::ptr::NonNull;
use core::slice;
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32};

use crate::Error;

/// Everything in a ring is little-endian, and is stored as it is.
const _: () = assert!(cfg!(target_endian = "little"));

const PAGE: usize = 4096;

/// What may lie in memory shared with a device.
///
/// # Safety
///
/// The type consists of atomic integers only, without padding: any bytes are a valid value, and a change under a shared
/// reference is allowed.
pub(crate) unsafe trait Shared {}

// SAFETY: an atomic integer.
unsafe impl Shared for AtomicU8 {}
// SAFETY: an atomic integer.
unsafe impl Shared for AtomicU16 {}
// SAFETY: an atomic integer.
unsafe impl Shared for AtomicU32 {}

/// A zeroed, page-aligned region, for ever.
#[derive(Clone, Copy)]
pub(crate) struct DmaRegion {
    base: NonNull<u8>,
    bytes: usize,
}

impl DmaRegion {
    /// Takes `bytes` bytes from the heap.
    pub(crate) fn leak(bytes: usize) -> Result<DmaRegion, Error> {
        let out_of_memory = Error::OutOfMemory { bytes };
        let layout = Layout::from_size_align(bytes.max(1), PAGE).map_err(|_| out_of_memory)?;
        // SAFETY: the layout's size is not 0.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(out_of_memory)?;
        Ok(DmaRegion { base, bytes })
    }

    /// `count` values from `offset` bytes on; none if they do not lie within the region or are not aligned.
    pub(crate) fn slice<T: Shared>(&self, offset: usize, count: usize) -> &'static [T] {
        let fits = offset.checked_add(count * size_of::<T>()).is_some_and(|end| end <= self.bytes);
        if !fits || !offset.is_multiple_of(align_of::<T>()) {
            return &[];
        }
        // SAFETY:
        // - the range lies within the region, which is initialised (zeroed) and never freed;
        // - it is aligned: the region to a page, the offset checked above;
        // - `T: Shared`, so any content is valid and may change at any time.
        unsafe { slice::from_raw_parts(self.base.add(offset).cast::<T>().as_ptr(), count) }
    }

    /// Where the device finds the byte at `offset`: memory is mapped virtual = physical.
    pub(crate) fn address(&self, offset: usize) -> u64 {
        self.base.as_ptr() as u64 + offset as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_zeroed_aligned_and_bounded() {
        let region = DmaRegion::leak(10).unwrap();
        assert_eq!(region.address(0) % PAGE as u64, 0);
        let words = region.slice::<AtomicU16>(2, 4);
        assert!(words.iter().all(|word| word.load(core::sync::atomic::Ordering::Relaxed) == 0) && words.len() == 4);
        assert!(region.slice::<AtomicU16>(2, 5).is_empty());
        assert!(region.slice::<AtomicU16>(1, 1).is_empty());
    }
}
