//! Buffers that change cores.
//!
//! ```text
//! core A: PktBuf -> into_parcel: the slot is hollow           core B: admit: the memory takes the place of a free slot's
//!         restore: the slot is free again            <----            that memory, a Blank, goes back
//! ```
//!
//! Memory moves and slots stay: handles and counts never leave their core, and no pool drains, since each parcel is
//! answered by a blank. Who sends parcels bounds how many are unanswered.

#![allow(unsafe_code)] // memory handed from one core to another

use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use super::{Checksum, PktBuf};

/// A buffer on its way to another core. Dropped, its memory is lost to both pools: hand it to
/// [`Pool::admit`](super::Pool::admit).
#[derive(Debug)]
#[must_use = "the memory is lost unless a pool admits it"]
pub struct Parcel {
    pub(super) memory: NonNull<u8>,
    pub(super) start: u16,
    pub(super) len: u16,
    pub(super) checksum: Checksum,
}

/// Empty memory on its way back in exchange for a [`Parcel`]. Dropped, it is lost: hand it to
/// [`Pool::restore`](super::Pool::restore).
#[derive(Debug)]
#[must_use = "the memory is lost unless a pool takes it"]
pub struct Blank {
    pub(super) memory: NonNull<u8>,
}

// SAFETY:
// - the memory is reached through this value alone: it was taken out of a slot whose only handle was consumed, and a slot
//   without memory is in no list that handles are made from;
// - no device has it: a buffer that a device holds has a handle in the driver's ring, so another could not be the only one;
// - nothing in it belongs to a core: counts and links stay behind in the slot;
// - whoever moves it to another core orders the accesses before after those behind (an SPSC ring's release and acquire).
unsafe impl Send for Parcel {}

// SAFETY: as for `Parcel`; its memory comes from a slot that was in the free list, hence without a handle.
unsafe impl Send for Blank {}

const _: () = assert!(size_of::<Parcel>() == 16);

impl PktBuf {
    /// Takes the buffer out of its pool, to send it to another core; the pool is owed a [`Blank`] from then on. The handle
    /// comes back if others share the memory, or something is attached to it.
    pub fn into_parcel(self) -> Result<Parcel, PktBuf> {
        if !self.is_unique() || self.has_attachment() {
            return Err(self);
        }
        let buf = ManuallyDrop::new(self); // its slot must not go to the free list
        buf.slot.handles.set(0);
        Ok(Parcel { memory: buf.slot.hollow_out(), start: buf.start, len: buf.len, checksum: buf.checksum() })
    }
}

impl Parcel {
    /// Gives up the bytes: the memory goes back to where the parcel came from.
    pub fn into_blank(self) -> Blank {
        Blank { memory: self.memory }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Pool, PoolMemory};
    use super::*;

    #[test]
    fn memory_crosses_and_no_pool_drains() {
        let [a, b] = [3, 2].map(|buffers| Pool::leak(PoolMemory::leak(buffers)));
        for round in 0..10u8 {
            let mut buf = a.alloc().unwrap();
            buf.extend_from_slice(&[round; 100]).unwrap();
            buf.trim_front(1);
            buf.set_checksum(Checksum::Verified);
            let address = buf.dma_addr();
            let parcel = buf.into_parcel().unwrap();
            assert_eq!((a.available(), a.hollow()), (2, 1));
            let (buf, blank) = b.admit(parcel).unwrap();
            assert_eq!((buf.bytes(), buf.checksum(), buf.dma_addr()), (&[round; 99][..], Checksum::Verified, address));
            assert_eq!(b.available(), 1);
            a.restore(blank).unwrap();
            drop(buf);
            assert_eq!((a.available(), a.hollow(), b.available()), (3, 0, 2));
        }
        let all: Vec<_> = core::iter::from_fn(|| a.alloc()).chain(core::iter::from_fn(|| b.alloc())).collect();
        let mut addresses: Vec<u64> = all.iter().map(PktBuf::dma_addr).collect();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 5, "every buffer is in one place");
    }

    #[test]
    fn a_shared_buffer_stays() {
        let pool = Pool::leak(PoolMemory::leak(1));
        let buf = pool.alloc().unwrap();
        let other = buf.clone();
        let buf = buf.into_parcel().unwrap_err();
        drop(other);
        assert!(buf.into_parcel().is_ok());
        assert_eq!((pool.available(), pool.hollow()), (0, 1));
    }

    #[test]
    fn what_finds_no_place_comes_back() {
        let [a, b] = [1, 1].map(|buffers| Pool::leak(PoolMemory::leak(buffers)));
        let taken = b.alloc().unwrap();
        let parcel = a.alloc().unwrap().into_parcel().unwrap();
        let parcel = b.admit(parcel).unwrap_err();
        a.restore(parcel.into_blank()).unwrap();
        drop(taken);
        let parcel = a.alloc().unwrap().into_parcel().unwrap();
        let (buf, blank) = b.admit(parcel).unwrap();
        let blank = b.restore(blank).unwrap_err();
        a.restore(blank).unwrap();
        drop(buf);
        assert_eq!((a.available(), b.available()), (1, 1));
    }

    #[test]
    fn pools_of_two_threads_exchange() {
        let (to_b, from_a) = std::sync::mpsc::channel::<Parcel>();
        let (to_a, from_b) = std::sync::mpsc::channel::<Blank>();
        let b = std::thread::spawn(move || {
            let pool = Pool::leak(PoolMemory::leak(4));
            let mut sum = 0u64;
            for parcel in from_a {
                let (buf, blank) = pool.admit(parcel).unwrap();
                sum += buf.bytes().iter().map(|byte| u64::from(*byte)).sum::<u64>();
                to_a.send(blank).unwrap();
            }
            (sum, pool.available())
        });
        let pool = Pool::leak(PoolMemory::leak(4));
        for n in 0..1000u64 {
            let mut buf = loop {
                while let Ok(blank) = from_b.try_recv() {
                    pool.restore(blank).unwrap();
                }
                if let Some(buf) = pool.alloc() {
                    break buf;
                }
            };
            buf.extend_from_slice(&n.to_le_bytes()).unwrap();
            to_b.send(buf.into_parcel().unwrap()).unwrap();
        }
        drop(to_b);
        let expected: u64 = (0..1000u64).flat_map(u64::to_le_bytes).map(u64::from).sum();
        assert_eq!(b.join().unwrap(), (expected, 4));
        from_b.iter().for_each(|blank| pool.restore(blank).unwrap());
        assert_eq!((pool.available(), pool.hollow()), (4, 0));
    }
}
