//! Pools: who owns the memory of packet buffers while nobody holds a handle.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::{Cell, OnceCell};
use core::ptr::NonNull;

use super::attachment::{Attached, Attachment, Fragment};
use super::marks::Marks;
use super::{BUF_BYTES, Blank, HEADROOM, Parcel, PktBuf};

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
    /// By slot, apart from the slots: few frames have one.
    attachments: Box<[Cell<Attachment>]>,
    first_free: Cell<u32>,
    free: Cell<u32>,
    /// Slots whose memory has gone to another core and was not replaced yet.
    first_hollow: Cell<u32>,
    hollow: Cell<u32>,
    /// Slots without handles whose bodies were lent, and are to be taken back.
    first_lent: Cell<u32>,
}

/// The header of one buffer.
pub(super) struct Slot {
    /// Its [`BUF_BYTES`] bytes; meaningless while the slot is hollow.
    pub(super) memory: Cell<NonNull<u8>>,
    /// Handles of it; 0 while it is in the free list, or hollow.
    pub(super) handles: Cell<u32>,
    /// The slot behind it in the list that it is in.
    next: Cell<u32>,
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
                memory: Cell::new(unsafe { memory.base.add(index as usize * BUF_BYTES) }),
                handles: Cell::new(0),
                next: Cell::new(if index + 1 < count { index + 1 } else { NONE }),
                index,
                pool: OnceCell::new(),
            })
            .collect();
        let attachments = (0..count).map(|_| Cell::default()).collect();
        let first_free = Cell::new(if count > 0 { 0 } else { NONE });
        let pool: &'static Pool = Box::leak(Box::new(Pool {
            slots: slots.into_boxed_slice(),
            attachments,
            first_free,
            free: Cell::new(count),
            first_hollow: Cell::new(NONE),
            hollow: Cell::new(0),
            first_lent: Cell::new(NONE),
        }));
        for slot in &pool.slots {
            let _ = slot.pool.set(pool);
        }
        pool
    }

    /// An empty buffer with [`HEADROOM`] bytes of headroom; `None` if all are lent out.
    pub fn alloc(&'static self) -> Option<PktBuf> {
        let slot = self.pop_free()?;
        slot.handles.set(1);
        Some(PktBuf { slot, start: HEADROOM as u16, len: 0, marks: Marks::default() })
    }

    /// Takes a buffer over that another core has sent. Its memory moves into a free slot; that of the slot is to go back in
    /// exchange. The parcel comes back if all slots are lent out.
    pub fn admit(&'static self, parcel: Parcel) -> Result<(PktBuf, Blank), Parcel> {
        let Some(slot) = self.pop_free() else { return Err(parcel) };
        let Parcel { memory, start, len, checksum } = parcel;
        let blank = Blank { memory: slot.memory.replace(memory) };
        slot.handles.set(1);
        Ok((PktBuf { slot, start, len, marks: Marks::of(checksum) }, blank))
    }

    /// Fills a hollow slot with memory that came back for a parcel. The memory comes back if no slot is hollow: it belongs to
    /// another pool.
    pub fn restore(&self, blank: Blank) -> Result<(), Blank> {
        let Some(slot) = self.slots.get(self.first_hollow.get() as usize) else { return Err(blank) };
        self.first_hollow.set(slot.next.get());
        self.hollow.set(self.hollow.get() - 1);
        slot.memory.set(blank.memory);
        self.push_free(slot);
        Ok(())
    }

    /// The body of a buffer whose last handle is gone, if it was [lent](Fragment::lent): whoever lent it may use it as it
    /// likes. To be called by them until it answers `None`; until then the buffers are not available either.
    pub fn take_back(&self) -> Option<Fragment> {
        let slot = self.slots.get(self.first_lent.get() as usize)?;
        self.first_lent.set(slot.next.get());
        self.push_free(slot);
        self.attachments.get(slot.index as usize)?.take().body
    }

    /// Buffers that are not lent out.
    pub fn available(&self) -> usize {
        self.free.get() as usize
    }

    /// Slots whose memory has gone to another core and was not replaced yet.
    pub fn hollow(&self) -> usize {
        self.hollow.get() as usize
    }

    /// Buffers in all.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn pop_free(&self) -> Option<&Slot> {
        let slot = self.slots.get(self.first_free.get() as usize)?;
        self.first_free.set(slot.next.get());
        self.free.set(self.free.get() - 1);
        Some(slot)
    }

    fn push_free(&self, slot: &Slot) {
        slot.next.set(self.first_free.replace(slot.index));
        self.free.set(self.free.get() + 1);
    }
}

impl Slot {
    /// Where the buffer's attachment lies.
    pub(super) fn attachment(&self) -> Option<&Cell<Attachment>> {
        self.pool.get()?.attachments.get(self.index as usize)
    }

    /// Returns the buffer to its pool: the last handle is gone.
    pub(super) fn give_back(&self, attached: Attached) {
        let Some(pool) = self.pool.get() else { return };
        if attached == Attached::Yes && self.has_lent_body() {
            self.next.set(pool.first_lent.replace(self.index));
        } else {
            pool.push_free(self);
        }
    }

    fn has_lent_body(&self) -> bool {
        let body = self.attachment().and_then(|attachment| attachment.get().body);
        body.is_some_and(|body| body.is_lent())
    }

    /// Takes the memory out of the slot, whose last handle is gone.
    pub(super) fn hollow_out(&self) -> NonNull<u8> {
        if let Some(pool) = self.pool.get() {
            self.next.set(pool.first_hollow.replace(self.index));
            pool.hollow.set(pool.hollow.get() + 1);
        }
        self.memory.get()
    }
}
