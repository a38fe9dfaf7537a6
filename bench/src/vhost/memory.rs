//! The guest's memory, as far as the VMM shares it.
//!
//! Each access is checked against the table of regions, whatever the guest says. What lies there may change at any time, as the
//! guest runs: it is copied before it is looked at.

#![allow(unsafe_code)] // memory of another process

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64};

use netdrv::cache;
use vm_memory::{FileOffset, MmapRegion};

use super::Fault;

/// Where a region lies, three times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// As the guest's devices see it.
    pub(super) guest: u64,
    /// In the VMM: ring addresses are given so.
    pub(super) user: u64,
    /// Bytes.
    pub(super) len: u64,
}

/// What rings are made of.
///
/// # Safety
///
/// The type is an atomic integer: any bytes are a value, and they may change under a shared reference.
pub(super) unsafe trait Word {}

// SAFETY: an atomic integer.
unsafe impl Word for AtomicU16 {}
// SAFETY: an atomic integer.
unsafe impl Word for AtomicU32 {}
// SAFETY: an atomic integer.
unsafe impl Word for AtomicU64 {}

/// The regions. They stay mapped as long as this lives.
#[derive(Debug)]
pub(super) struct Memory {
    regions: Vec<Region>,
}

#[derive(Debug)]
struct Region {
    place: Place,
    host: NonNull<u8>,
    /// What keeps it mapped.
    _mapping: Option<MmapRegion>,
}

// SAFETY: the pointers lead to memory that is shared with another process anyway: it is accessed by atomics and by copies, from
// whichever thread, and mapped as long as the value lives.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Maps what the VMM shares: each place with its file, and where in that it begins.
    pub(super) fn map(parts: Vec<(Place, File, u64)>) -> io::Result<Memory> {
        let map = |(place, file, start): (Place, File, u64)| {
            let len = usize::try_from(place.len).map_err(io::Error::other)?;
            // Beyond its end, a mapped file is a bus error.
            let end = start.checked_add(place.len).ok_or(io::ErrorKind::InvalidInput)?;
            if file.metadata()?.len() < end {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "shared memory ends before its region does"));
            }
            let mapping = MmapRegion::from_file(FileOffset::new(file, start), len).map_err(io::Error::other)?;
            let host = NonNull::new(mapping.as_ptr()).ok_or(io::ErrorKind::AddrNotAvailable)?;
            Ok(Region { place, host, _mapping: Some(mapping) })
        };
        Ok(Memory { regions: parts.into_iter().map(map).collect::<io::Result<_>>()? })
    }

    /// This process's own memory, where it is, for a driver that runs in it.
    ///
    /// # Safety
    ///
    /// Whoever uses it as a guest's names only memory that it lends.
    #[cfg(test)]
    pub(super) unsafe fn own() -> Memory {
        let place = Place { guest: 1, user: 1, len: 1 << 47 };
        Memory { regions: vec![Region { place, host: NonNull::<u8>::dangling(), _mapping: None }] }
    }

    /// Where the `len` bytes are that the guest's devices find at `address`.
    #[inline]
    fn find(&self, address: u64, len: usize) -> Result<NonNull<u8>, Fault> {
        for region in &self.regions {
            if let Some(offset) = offset_in(region.place.guest, region.place.len, address, len) {
                // SAFETY: the range lies within the region, which is mapped: checked by `offset_in`.
                return Ok(unsafe { region.host.add(offset) });
            }
        }
        Err(Fault::OutsideMemory)
    }

    /// Where the `len` bytes of a ring are that the VMM has at `address`; aligned to `align` bytes, a power of two.
    fn find_ring(&self, address: u64, len: usize, align: usize) -> Result<NonNull<u8>, Fault> {
        let found = self.regions.iter().find_map(|region| {
            let offset = offset_in(region.place.user, region.place.len, address, len)?;
            // SAFETY: as in `find`.
            Some(unsafe { region.host.add(offset) })
        });
        found.filter(|at| at.addr().get().is_multiple_of(align)).ok_or(Fault::Ring)
    }

    /// `count` words of a ring.
    ///
    /// # Safety
    ///
    /// The words are not used once the memory is dropped.
    pub(super) unsafe fn words<'a, T: Word>(&self, address: u64, count: usize) -> Result<&'a [T], Fault> {
        let at = self.find_ring(address, count * size_of::<T>(), align_of::<T>())?;
        // SAFETY: mapped and aligned (`find_ring`), accessed by nobody in this process but through atomics, and any bytes are
        // a value; how long is the caller's business.
        Ok(unsafe { std::slice::from_raw_parts(at.cast().as_ptr(), count) })
    }

    /// The `len` bytes that the guest's devices find at `address`.
    #[inline]
    pub(super) fn span(&self, address: u64, len: usize) -> Result<Span<'_>, Fault> {
        Ok(Span { at: self.find(address, len)?, len, memory: PhantomData })
    }

    /// Copies guest memory.
    #[inline]
    pub(super) fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Fault> {
        let from = self.find(address, into.len())?;
        // SAFETY: both ranges are valid, and apart: no mapping of ours is in the guest's. That the guest may write meanwhile
        // makes the bytes arbitrary, and nothing else: they are bytes.
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), into.as_mut_ptr(), into.len()) };
        Ok(())
    }

    /// Writes guest memory.
    #[inline]
    pub(super) fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        let to = self.find(address, bytes.len())?;
        // SAFETY: as in `read`.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), bytes.len()) };
        Ok(())
    }
}

/// Bytes of guest memory that were found already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    at: NonNull<u8>,
    len: usize,
    memory: PhantomData<&'a Memory>,
}

impl Span<'_> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Has the lines of its first bytes brought here, which another core has written: while one comes, others can be asked for.
    #[inline]
    pub(super) fn prefetch(&self, bytes: usize) {
        cache::prefetch(self.at.as_ptr(), bytes.min(self.len).div_ceil(cache::LINE).min(MOST_PREFETCHED));
    }

    /// Copies its first bytes; `None`, and nothing is copied, if there are fewer than that.
    #[inline]
    pub(super) fn read(&self, into: &mut [u8]) -> Option<()> {
        if into.len() > self.len {
            return None;
        }
        // SAFETY: as in `Memory::read`; the span was found in memory that is still mapped.
        unsafe { ptr::copy_nonoverlapping(self.at.as_ptr(), into.as_mut_ptr(), into.len()) };
        Some(())
    }

    /// Writes `N` bytes at its front and others behind them; `None`, and nothing is written, if there is no room for all.
    #[inline]
    pub(super) fn write<const N: usize>(&self, front: &[u8; N], bytes: &[u8]) -> Option<()> {
        if N + bytes.len() > self.len {
            return None;
        }
        let at = self.at.as_ptr();
        // SAFETY: as above; the two parts lie within the span.
        unsafe {
            ptr::copy_nonoverlapping(front.as_ptr(), at, N);
            ptr::copy_nonoverlapping(bytes.as_ptr(), at.add(N), bytes.len());
        }
        Some(())
    }
}

/// Lines asked for at most: the rest of a long frame follows by itself.
const MOST_PREFETCHED: usize = 4;

/// Where `len` bytes at `address` lie in the region of `size` bytes at `base`, if they do.
#[inline]
fn offset_in(base: u64, size: u64, address: u64, len: usize) -> Option<usize> {
    let offset = address.wrapping_sub(base);
    (offset < size && len as u64 <= size - offset).then_some(offset as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_of_the_regions_is_found() {
        let file = |len| {
            let file = tempfile::tempfile().unwrap();
            file.set_len(len).unwrap();
            file
        };
        let low = Place { guest: 0, user: 0x7000_0000, len: 4096 };
        let high = Place { guest: 1 << 32, user: 0x7000_1000, len: 8192 };
        let memory = Memory::map(vec![(low, file(4096), 0), (high, file(12288), 4096)]).unwrap();
        let mut bytes = [0; 8];
        for good in [0, 4088, 1 << 32, (1 << 32) + 8184] {
            memory.write(good, &[7; 8]).unwrap();
            memory.read(good, &mut bytes).unwrap();
            assert_eq!(bytes, [7; 8]);
        }
        for bad in [4089, 4096, u64::MAX, u64::MAX - 7, (1 << 32) - 1, (1 << 32) + 8185] {
            assert_eq!(memory.read(bad, &mut bytes), Err(Fault::OutsideMemory), "{bad:#x}");
            assert_eq!(memory.write(bad, &bytes), Err(Fault::OutsideMemory), "{bad:#x}");
            assert!(memory.span(bad, 8).is_err(), "{bad:#x}");
        }
        let span = memory.span(4080, 16).unwrap();
        span.prefetch(100);
        assert_eq!((span.read(&mut [0; 17]), span.write(&[1; 9], &[2; 8])), (None, None), "beyond its end");
        span.write(&[1; 9], &[2; 7]).unwrap();
        span.read(&mut bytes).unwrap();
        assert_eq!(bytes, [1; 8]);
        memory.read(4088, &mut bytes).unwrap();
        assert_eq!(bytes, [1, 2, 2, 2, 2, 2, 2, 2]);
        assert!(Memory::map(vec![(high, file(8192), 4096)]).is_err(), "the file is too short");
        // SAFETY: used while the memory lives.
        let words = |at, count| unsafe { memory.words::<AtomicU16>(at, count) }.map(<[AtomicU16]>::len);
        assert_eq!(words(0x7000_0000, 2048), Ok(2048));
        assert_eq!(words(0x7000_0000, 2049), Err(Fault::Ring), "a ring lies in one region");
        assert_eq!(words(0x7000_0001, 4), Err(Fault::Ring), "not aligned");
        assert_eq!(words(0, 4), Err(Fault::Ring), "a guest's address");
    }
}
