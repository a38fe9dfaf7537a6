//! The device's side of a split virtqueue (virtio 1.2, section 2.7), polled: notifications are suppressed by the flags, which
//! lie in lines that the two sides read anyway.

#![allow(unsafe_code)] // memory shared with the guest

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, fence};

use netdrv::virtio::{DESC_NEXT, DESC_WRITE, NO_NOTIFICATION};

use super::Fault;
use super::memory::Memory;

/// The most descriptors of a queue (section 2.7).
const MOST_DESCRIPTORS: u32 = 1 << 15;

/// The available ring, in its words: flags, the index, the entries.
const FLAGS: usize = 0;
const INDEX: usize = 1;
const ENTRIES: usize = 2;

/// The used ring, in its words: flags with the index above them, and two for each entry.
const HEADER: usize = 0;
const USED_ENTRIES: usize = 1;

/// Where the parts of a queue are, in the VMM's address space.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Addresses {
    pub(super) descriptors: u64,
    pub(super) available: u64,
    pub(super) used: u64,
}

/// What a descriptor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) address: u64,
    pub(super) len: u32,
    /// The next one of the chain.
    pub(super) next: Option<u16>,
    pub(super) access: Access,
}

impl Descriptor {
    /// The buffer behind its first `bytes` bytes; it has so many.
    pub(super) fn after(self, bytes: u32) -> Descriptor {
        Descriptor { address: self.address.wrapping_add(bytes.into()), len: self.len - bytes, ..self }
    }
}

/// What the device may do with a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// A queue at work. All its memory was checked when it was made; what is in that is checked when it is looked at.
#[derive(Debug)]
pub(super) struct Ring {
    /// Two a descriptor: its address, and the rest.
    descriptors: &'static [AtomicU64],
    available: &'static [AtomicU16],
    used: &'static [AtomicU32],
    /// Descriptors, less one.
    mask: u16,
    /// The next chain to take, and the next entry to use: as each is used before the next is taken, they go together.
    next: Cell<u16>,
    /// The used index that the guest can see.
    published: u16,
    /// Keeps all of it mapped; declared last, to be dropped last.
    pub(super) memory: Arc<Memory>,
}

impl Ring {
    /// The queue of `size` descriptors at `addresses`, from position `next` on. The guest is told to send no notifications.
    pub(super) fn new(memory: &Arc<Memory>, addresses: Addresses, size: u32, next: u16) -> Result<Ring, Fault> {
        if !size.is_power_of_two() || size > MOST_DESCRIPTORS {
            return Err(Fault::Ring);
        }
        let n = size as usize;
        // SAFETY: the ring keeps the memory.
        let (descriptors, available, used) = unsafe {
            (
                memory.words(addresses.descriptors, 2 * n)?,
                memory.words(addresses.available, ENTRIES + n)?,
                memory.words(addresses.used, USED_ENTRIES + 2 * n)?,
            )
        };
        let ring = Ring {
            descriptors,
            available,
            used,
            mask: (size - 1) as u16,
            next: Cell::new(next),
            published: next,
            memory: memory.clone(),
        };
        ring.show();
        Ok(ring)
    }

    /// Where the queue is, for whoever goes on with it.
    pub(super) fn position(&self) -> u16 {
        self.next.get()
    }

    /// Chains that wait.
    #[inline]
    pub(super) fn available(&self) -> Result<u16, Fault> {
        // Acquire: pairs with the driver's release after it wrote descriptors and buffers (section 2.7.13.3).
        let waiting = self.available[INDEX].load(Acquire).wrapping_sub(self.next.get());
        if waiting > self.mask + 1 { Err(Fault::AvailableIndex) } else { Ok(waiting) }
    }

    /// The first descriptor of the chain that is `ahead` of the next. Only of those that wait.
    #[inline]
    pub(super) fn head(&self, ahead: u16) -> Result<u16, Fault> {
        let slot = self.next.get().wrapping_add(ahead) & self.mask;
        let head = self.available.get(ENTRIES + usize::from(slot)).ok_or(Fault::Ring)?.load(Relaxed);
        if head > self.mask { Err(Fault::NoSuchDescriptor) } else { Ok(head) }
    }

    /// A descriptor, as it is now.
    #[inline]
    pub(super) fn descriptor(&self, id: u16) -> Result<Descriptor, Fault> {
        let words = self.descriptors.get(2 * usize::from(id)..).and_then(<[_]>::first_chunk::<2>);
        let words = words.ok_or(Fault::NoSuchDescriptor)?;
        let [address, rest] = [words[0].load(Relaxed), words[1].load(Relaxed)];
        let (flags, next) = ((rest >> 32) as u16, (rest >> 48) as u16);
        Ok(Descriptor {
            address,
            len: rest as u32,
            next: (flags & DESC_NEXT != 0).then_some(next),
            access: if flags & DESC_WRITE != 0 { Access::Write } else { Access::Read },
        })
    }

    /// Descriptors of the queue: no chain has more.
    pub(super) fn size(&self) -> usize {
        usize::from(self.mask) + 1
    }

    /// Uses the next chain, whose first descriptor is `head`, with `written` bytes in it. The guest does not see it before
    /// [`publish`](Ring::publish).
    #[inline]
    pub(super) fn use_next(&self, head: u16, written: u32) {
        let entry = USED_ENTRIES + 2 * usize::from(self.next.get() & self.mask);
        if let Some([id, len]) = self.used.get(entry..entry + 2) {
            id.store(head.into(), Relaxed);
            len.store(written, Relaxed);
        }
        self.next.set(self.next.get().wrapping_add(1));
    }

    /// Shows the guest what was used. Returns whether it wants to be interrupted for that.
    #[inline]
    pub(super) fn publish(&mut self) -> bool {
        if self.published == self.next.get() {
            return false;
        }
        self.published = self.next.get();
        self.show();
        // SeqCst: between our store of the index and our load of what the driver wants; pairs with the driver's barrier
        // between its store of that and its second look at the index (section 2.7.7).
        fence(SeqCst);
        self.available[FLAGS].load(Relaxed) & NO_NOTIFICATION == 0
    }

    /// Writes flags and index of the used ring, which are read one by one.
    #[inline]
    fn show(&self) {
        // Release: pairs with the driver's read of the index, before it reads the entries (section 2.7.14).
        self.used[HEADER].store(u32::from(NO_NOTIFICATION) | u32::from(self.next.get()) << 16, Release);
    }
}
