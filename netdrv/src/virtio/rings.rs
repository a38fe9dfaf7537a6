//! The memory of a split virtqueue: descriptor table, available ring, used ring (virtio 1.2, sections 2.7.5 to 2.7.8).

#![allow(unsafe_code)] // layouts shared with the device

use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64};

use super::transport::RingAddresses;
use crate::Error;
use crate::dma::{DmaRegion, Shared};

/// One piece of memory that the device may read or write.
#[repr(C, align(16))]
pub(super) struct Descriptor {
    pub(super) addr: AtomicU64,
    /// Length in bits 0 to 31, flags in bits 32 to 47, the next descriptor in bits 48 to 63: written at once.
    pub(super) rest: AtomicU64,
}

/// Descriptor flag: `next` is valid.
pub const DESC_NEXT: u16 = 1;
/// Descriptor flag: the device writes; otherwise it reads.
pub const DESC_WRITE: u16 = 2;

/// First words of both rings.
#[repr(C)]
pub(super) struct RingHeader {
    pub(super) flags: AtomicU16,
    pub(super) idx: AtomicU16,
}

/// Flag of either ring: the side that writes them does not want to be notified.
pub const NO_NOTIFICATION: u16 = 1;

/// A buffer that the device is done with.
#[repr(C)]
pub(super) struct UsedElement {
    pub(super) id: AtomicU32,
    pub(super) len: AtomicU32,
}

const _: () = assert!(size_of::<Descriptor>() == 16 && size_of::<RingHeader>() == 4 && size_of::<UsedElement>() == 8);

// SAFETY: atomic integers without padding (asserted above).
unsafe impl Shared for Descriptor {}
// SAFETY: atomic integers without padding (asserted above).
unsafe impl Shared for RingHeader {}
// SAFETY: atomic integers without padding (asserted above).
unsafe impl Shared for UsedElement {}

/// The three parts of a queue of `size` descriptors.
pub(super) struct Rings {
    /// Elements of each part; a power of two.
    pub(super) size: u16,
    pub(super) descriptors: &'static [Descriptor],
    pub(super) avail: &'static RingHeader,
    pub(super) avail_ring: &'static [AtomicU16],
    /// Behind the available ring, written by the driver: the used index after which it wants an interrupt.
    pub(super) used_event: &'static AtomicU16,
    pub(super) used: &'static RingHeader,
    pub(super) used_ring: &'static [UsedElement],
    /// Behind the used ring, written by the device: the available index after which it wants a notification.
    pub(super) avail_event: &'static AtomicU16,
    addresses: RingAddresses,
}

/// Parts start on cache lines of their own: each is written by one side and read by the other.
const LINE: usize = 64;

impl Rings {
    /// Rings of `size` descriptors, a power of two, zeroed.
    pub(super) fn leak(size: u16) -> Result<Rings, Error> {
        let n = usize::from(size);
        let avail = (n * size_of::<Descriptor>()).next_multiple_of(LINE);
        let used_event = avail + size_of::<RingHeader>() + n * 2;
        let used = (used_event + 2).next_multiple_of(LINE);
        let avail_event = used + size_of::<RingHeader>() + n * size_of::<UsedElement>();
        let region = DmaRegion::leak(avail_event + 2)?;
        let out_of_memory = Error::OutOfMemory { bytes: avail_event + 2 };
        Ok(Rings {
            size,
            descriptors: region.slice(0, n),
            avail: region.slice(avail, 1).first().ok_or(out_of_memory)?,
            avail_ring: region.slice(avail + size_of::<RingHeader>(), n),
            used_event: region.slice(used_event, 1).first().ok_or(out_of_memory)?,
            used: region.slice(used, 1).first().ok_or(out_of_memory)?,
            used_ring: region.slice(used + size_of::<RingHeader>(), n),
            avail_event: region.slice(avail_event, 1).first().ok_or(out_of_memory)?,
            addresses: RingAddresses {
                size,
                descriptors: region.address(0),
                driver: region.address(avail),
                device: region.address(used),
            },
        })
    }

    /// Where the device finds the parts.
    pub(super) fn addresses(&self) -> RingAddresses {
        self.addresses
    }
}
