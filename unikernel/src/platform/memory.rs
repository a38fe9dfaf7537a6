//! Physical memory: what may be read, what is RAM, and who gets which part of it.
//!
//! Nothing but the image is mapped at first. Boot information and firmware tables are mapped for reading where they are
//! asked for; RAM is mapped whole once the memory map is known, and handed out for good, from the bottom of the largest
//! region up.

#![allow(unsafe_code)] // raw memory

use core::ops::Range;
use core::ptr::NonNull;
use core::slice;

use super::image;
use crate::monitor::{self, MapKind, Refused};

/// A page.
pub const PAGE: u64 = 4096;
/// RAM below this belongs to firmware, boot information and the trampoline of starting cores.
const LOW_MEMORY: u64 = 1 << 20;
/// Regions of RAM that are looked at; more are ignored.
pub const MAX_REGIONS: usize = 32;

/// Regions of RAM, as the machine reports them.
pub type Regions = heapless::Vec<Range<u64>, MAX_REGIONS>;

/// `range`, widened to whole pages.
fn pages(range: Range<u64>) -> Range<u64> {
    range.start & !(PAGE - 1)..range.end.next_multiple_of(PAGE)
}

/// Maps `len` bytes at `at` for reading.
///
/// # Safety
///
/// The bytes are memory that nothing writes any more, and not RAM that [`Ram::claim`] hands out.
pub unsafe fn view(at: u64, len: usize) -> Result<&'static [u8], Refused> {
    let end = at.checked_add(len as u64).ok_or(Refused)?;
    if at == 0 || len == 0 {
        return Err(Refused);
    }
    // SAFETY: reading is what `view` allows; the caller vouches for the rest.
    unsafe { monitor::map(pages(at..end), MapKind::Read)? };
    // SAFETY: mapped above, and constant by the caller's promise.
    Ok(unsafe { slice::from_raw_parts(at as *const u8, len) })
}

/// Takes page 0 away again, in which a boot protocol may have left something to read: from here on, an access through a
/// null pointer faults.
pub fn unmap_null_page() {
    // SAFETY: nothing of ours lives there, and what was read there has been copied.
    let _ = unsafe { monitor::map(0..PAGE, MapKind::None) }; // refused only without page tables: never mapped then
}

/// Maps the registers of a device.
///
/// # Safety
///
/// `at..at + len` are registers that memory safety does not depend on, or are driven so that it holds.
pub unsafe fn map_device(at: u64, len: u64) -> Result<NonNull<u8>, Refused> {
    let end = at.checked_add(len).ok_or(Refused)?;
    // SAFETY: the caller's promise.
    unsafe { monitor::map(pages(at..end), MapKind::Device)? };
    NonNull::new(at as *mut u8).ok_or(Refused)
}

/// The RAM that nobody owns yet.
pub struct Ram {
    free: Range<u64>,
    total: u64,
}

impl Ram {
    /// Takes over and maps the largest of `regions`, less low memory and the image. `None` if nothing is left.
    ///
    /// # Safety
    ///
    /// `regions` is RAM that nobody uses, but for low memory and the image. Called once.
    pub unsafe fn claim(regions: &Regions) -> Option<Ram> {
        let image = image::range();
        let above_image = |region: &Range<u64>| {
            let start = region.start.max(LOW_MEMORY).next_multiple_of(PAGE);
            let end = region.end & !(PAGE - 1);
            let start = if image.start < end && start < image.end { image.end } else { start };
            start.min(end)..end
        };
        let free = regions.iter().map(above_image).max_by_key(|region| region.end - region.start)?;
        if free.is_empty() {
            return None;
        }
        // SAFETY: RAM of no other owner, by the caller's promise; the image is not in it.
        unsafe { monitor::map(free.clone(), MapKind::Ram).ok()? };
        Some(Ram { total: free.end - free.start, free })
    }

    /// Bytes claimed at first.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes left.
    pub fn left(&self) -> u64 {
        self.free.end - self.free.start
    }

    /// Hands out `bytes` (rounded up to pages) at a multiple of `align`, a power of two of at least a page. Whoever gets it
    /// owns it for ever. The content is whatever was there.
    pub fn take(&mut self, bytes: u64, align: u64) -> Option<Range<u64>> {
        let start = self.free.start.checked_next_multiple_of(align.max(PAGE))?;
        let end = start.checked_add(bytes.checked_next_multiple_of(PAGE)?)?;
        if end > self.free.end {
            return None;
        }
        self.free.start = end;
        Some(start..end)
    }
}
