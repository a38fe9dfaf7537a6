//! Pools: who owns the memory of packet buffers while nobody holds a handle.
//!
//! A pool may be far larger than what is in use: neither a buffer nor its place in the tables is touched before it is needed, and
//! the one that came back last is used first.

use alloc::boxed::Box;
use core::cell::{Cell, UnsafeCell};
use core::mem::MaybeUninit;
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
    memory: PoolMemory,
    /// Those that were used.
    slots: Table<Slot>,
    /// By slot, apart from the slots: few frames have one.
    attachments: Table<Cell<Attachment>>,
    /// Of the slots that were used.
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
    pool: &'static Pool,
}

impl Pool {
    /// Makes a pool of as many buffers as fit into `memory`. It lives for ever.
    pub fn leak(memory: PoolMemory) -> &'static Pool {
        let count = memory.buffers;
        Box::leak(Box::new(Pool {
            memory,
            slots: Table::new(count),
            attachments: Table::new(count),
            first_free: Cell::new(NONE),
            free: Cell::new(count as u32),
            first_hollow: Cell::new(NONE),
            hollow: Cell::new(0),
            first_lent: Cell::new(NONE),
        }))
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
        self.memory.buffers
    }

    pub(super) fn pop_free(&'static self) -> Option<&'static Slot> {
        let slot = match self.slots.get(self.first_free.get() as usize) {
            Some(slot) => slot,
            None => self.use_another()?,
        };
        self.first_free.set(slot.next.get());
        self.free.set(self.free.get() - 1);
        Some(slot)
    }

    /// A slot that was never used, while none of the others is free.
    #[cold]
    fn use_another(&'static self) -> Option<&'static Slot> {
        let index = self.slots.len();
        if index == self.memory.buffers {
            return None;
        }
        // SAFETY: index < buffers, so the buffer lies within the memory that `from_raw` was promised.
        let memory = unsafe { self.memory.base.add(index * BUF_BYTES) };
        self.attachments.push(Cell::default())?;
        self.slots.push(Slot {
            memory: Cell::new(memory),
            handles: Cell::new(0),
            next: Cell::new(NONE),
            index: index as u32,
            pool: self,
        })
    }

    fn push_free(&self, slot: &Slot) {
        slot.next.set(self.first_free.replace(slot.index));
        self.free.set(self.free.get() + 1);
    }
}

impl Slot {
    /// Where the buffer's attachment lies.
    pub(super) fn attachment(&self) -> Option<&Cell<Attachment>> {
        self.pool.attachments.get(self.index as usize)
    }

    /// Returns the buffer to its pool: the last handle is gone.
    pub(super) fn give_back(&self, attached: Attached) {
        if attached == Attached::Yes && self.has_lent_body() {
            self.next.set(self.pool.first_lent.replace(self.index));
        } else {
            self.pool.push_free(self);
        }
    }

    fn has_lent_body(&self) -> bool {
        let body = self.attachment().and_then(|attachment| attachment.get().body);
        body.is_some_and(|body| body.is_lent())
    }

    /// Takes the memory out of the slot, whose last handle is gone.
    pub(super) fn hollow_out(&self) -> NonNull<u8> {
        let pool = self.pool;
        self.next.set(pool.first_hollow.replace(self.index));
        pool.hollow.set(pool.hollow.get() + 1);
        self.memory.get()
    }
}

/// A table that grows in memory of its own, which is not touched before: what is in it stays where it is.
struct Table<T> {
    entries: Box<[UnsafeCell<MaybeUninit<T>>]>,
    /// The first so many entries are initialised, and never written to as a whole again.
    len: Cell<usize>,
}

impl<T> Table<T> {
    fn new(capacity: usize) -> Table<T> {
        let entries: Box<[MaybeUninit<UnsafeCell<MaybeUninit<T>>>]> = Box::new_uninit_slice(capacity);
        // SAFETY: an entry is memory that need not be initialised.
        Table { entries: unsafe { entries.assume_init() }, len: Cell::new(0) }
    }

    fn len(&self) -> usize {
        self.len.get()
    }

    #[inline]
    fn get(&self, index: usize) -> Option<&T> {
        if index >= self.len.get() {
            return None;
        }
        // SAFETY:
        // - index < len <= capacity, so the entry is there and was initialised;
        // - only shared references to it exist from then on.
        Some(unsafe { &*self.entries.as_ptr().add(index).cast::<T>() })
    }

    /// Adds an entry, if there is room.
    fn push(&self, value: T) -> Option<&T> {
        let index = self.len.get();
        let entry = self.entries.get(index)?;
        // SAFETY: index >= len: no reference to the entry exists.
        unsafe { (*entry.get()).write(value) };
        self.len.set(index + 1);
        self.get(index)
    }
}
