//! Pools: who owns the memory of packet buffers while nobody holds a handle.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{Cell, OnceCell};
use core::ptr::NonNull;

use super::{BUF_BYTES, Checksum, HEADROOM, PktBuf};

/// End of the free list.
const NONE: u32 = u32::MAX;

/// Memory for a pool: exclusively its own, for ever.
pub struct PoolMemory {
    base: NonNull<u8>,
    buffers: usize,
}

impl PoolMemory {
    /// `bytes` bytes at `base`.
    ///
    /// # Safety
    ///
    /// - The range is valid for reads and writes, initialised, and never freed.
    /// - Nobody else uses it, but for a device that was given a buffer's address.
    /// - Its virtual addresses are the addresses that a device uses.
    pub unsafe fn from_raw(base: NonNull<u8>, bytes: usize) -> PoolMemory {
        PoolMemory { base, buffers: bytes / BUF_BYTES }
    }

    /// Memory for `buffers` buffers from the heap, leaked: for tests and tools on the host.
    #[cfg(any(test, feature = "std"))]
    pub fn leak(buffers: usize) -> PoolMemory {
        let memory: &'static mut [u8] = Box::leak(alloc::vec![0; buffers * BUF_BYTES].into_boxed_slice());
        PoolMemory { base: NonNull::from(memory).cast(), buffers }
    }
}

/// A pool of packet buffers, the property of one core.
pub struct Pool {
    slots: Box<[Slot]>,
    first_free: Cell<u32>,
    free: Cell<u32>,
}

/// The header of one buffer.
pub(super) struct Slot {
    /// Its [`BUF_BYTES`] bytes.
    pub(super) memory: NonNull<u8>,
    /// Handles of it; 0 while it is in the free list.
    pub(super) handles: Cell<u32>,
    next_free: Cell<u32>,
    index: u32,
    pool: OnceCell<&'static Pool>,
}

impl Pool {
    /// Makes a pool of as many buffers as fit into `memory`. It lives for ever.
    pub fn leak(memory: PoolMemory) -> &'static Pool {
        let count = memory.buffers as u32;
        let slots: Vec<Slot> = (0..count)
            .map(|index| Slot {
                // SAFETY: index < buffers, so the buffer lies within the memory that `from_raw` was promised.
                memory: unsafe { memory.base.add(index as usize * BUF_BYTES) },
                handles: Cell::new(0),
                next_free: Cell::new(if index + 1 < count { index + 1 } else { NONE }),
                index,
                pool: OnceCell::new(),
            })
            .collect();
        let first_free = Cell::new(if count > 0 { 0 } else { NONE });
        let pool: &'static Pool =
            Box::leak(Box::new(Pool { slots: slots.into_boxed_slice(), first_free, free: Cell::new(count) }));
        for slot in &pool.slots {
            let _ = slot.pool.set(pool);
        }
        pool
    }

    /// An empty buffer with [`HEADROOM`] bytes of headroom; `None` if all are lent out.
    pub fn alloc(&'static self) -> Option<PktBuf> {
        let slot = self.slots.get(self.first_free.get() as usize)?;
        self.first_free.set(slot.next_free.get());
        self.free.set(self.free.get() - 1);
        slot.handles.set(1);
        Some(PktBuf { slot, start: HEADROOM as u16, len: 0, checksum: Checksum::None })
    }

    /// Buffers that are not lent out.
    pub fn available(&self) -> usize {
        self.free.get() as usize
    }

    /// Buffers in all.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }
}

impl Slot {
    /// Returns the buffer to its pool: the last handle is gone.
    pub(super) fn give_back(&self) {
        let Some(pool) = self.pool.get() else { return };
        self.next_free.set(pool.first_free.get());
        pool.first_free.set(self.index);
        pool.free.set(pool.free.get() + 1);
    }
}
