//! Asking for memory before it is needed, so that the misses of a batch overlap.

#![allow(unsafe_code)] // an instruction that Rust has no safe name for

use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use core::ptr;

/// Bytes of a cache line.
pub const LINE: usize = 64;

/// Asks for the `lines` cache lines from `at` on. Nothing happens for an address without memory.
#[inline(always)]
pub fn prefetch(at: *const u8, lines: usize) {
    for line in 0..lines {
        // SAFETY: a prefetch reads nothing that a program could see, and never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(line * LINE).cast()) };
    }
}

/// Asks for all lines of a value.
#[inline(always)]
pub fn prefetch_value<T>(value: &T) {
    let at = ptr::from_ref(value).cast::<u8>();
    // It may begin anywhere in a line.
    prefetch(at, size_of::<T>().div_ceil(LINE));
    prefetch(at.wrapping_add(size_of::<T>() - 1), 1);
}
