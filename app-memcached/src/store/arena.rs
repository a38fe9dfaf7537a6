//! The arena: all of the store's memory as one range of bytes, addressed by offset.
//!
//! Offsets come from the store's own tables, never from a client, so an offset outside the arena is a bug; every access is
//! bounds-checked all the same.

use super::memory::StoreMemory;

/// Bytes of a cache line, the alignment of the arena.
pub(super) const LINE: usize = 64;

/// The store's memory.
pub(super) struct Arena {
    bytes: &'static mut [u8],
}

impl Arena {
    /// An arena over `memory`.
    pub(super) fn new(memory: StoreMemory) -> Arena {
        Arena { bytes: memory.into_aligned(LINE) }
    }

    /// Bytes in all.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// `len` bytes at `at`.
    #[inline]
    pub(super) fn bytes(&self, at: usize, len: usize) -> &[u8] {
        &self.bytes[at..at + len]
    }

    /// `len` bytes at `at`, to change them.
    #[inline]
    pub(super) fn bytes_mut(&mut self, at: usize, len: usize) -> &mut [u8] {
        &mut self.bytes[at..at + len]
    }

    /// Copies `len` bytes within the arena; the ranges may overlap.
    pub(super) fn copy(&mut self, from: usize, to: usize, len: usize) {
        self.bytes.copy_within(from..from + len, to);
    }

    /// The array of `N` bytes at `at`.
    #[inline]
    pub(super) fn array<const N: usize>(&self, at: usize) -> &[u8; N] {
        // The range has N bytes, so the conversion cannot fail and the fallback is never built.
        self.bytes[at..at + N].first_chunk().unwrap_or(&[0; N])
    }

    /// The 32-bit word at `at`.
    #[inline]
    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(*self.array(at))
    }

    /// The 64-bit word at `at`.
    #[inline]
    pub(super) fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(*self.array(at))
    }

    /// Writes the 32-bit word at `at`.
    #[inline]
    pub(super) fn set_u32(&mut self, at: usize, value: u32) {
        self.bytes_mut(at, 4).copy_from_slice(&value.to_le_bytes());
    }

    /// Writes the 64-bit word at `at`.
    #[inline]
    pub(super) fn set_u64(&mut self, at: usize, value: u64) {
        self.bytes_mut(at, 8).copy_from_slice(&value.to_le_bytes());
    }
}
