//! The driver's side of a split virtqueue (virtio 1.2, section 2.7): offering descriptors, taking used ones back, and
//! notifications in both directions.
//!
//! The ring holds no buffers: who owns what is the business of [`InFlight`](super::InFlight), in memory that the device
//! cannot reach.

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::fence;

use super::index::{DescriptorId, RingIndex};
use super::rings::{NO_NOTIFICATION, RingHeader, Rings};
use super::transport::RingAddresses;
use crate::Error;

/// How the two sides tell each other that they want no notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suppression {
    /// By a flag in the ring that the other side reads.
    Flags,
    /// By the ring position after which one is wanted (VIRTIO_F_EVENT_IDX).
    EventIdx,
}

/// What a descriptor says.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    /// Where the memory begins, as the device sees it.
    pub addr: u64,
    /// Its bytes.
    pub len: u32,
    /// [`DESC_NEXT`](super::DESC_NEXT), [`DESC_WRITE`](super::DESC_WRITE).
    pub flags: u16,
    /// The next descriptor of the chain, if there is one.
    pub next: u16,
}

/// An entry of the used ring, as the device wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// The head of the chain that the device says it is done with. There may be no such descriptor.
    pub id: u32,
    /// The bytes that it says it wrote.
    pub len: u32,
}

/// How far a device has used a queue, for those that do not own the queue.
#[derive(Clone, Copy)]
pub struct UsedIndex(&'static RingHeader);

impl UsedIndex {
    /// The position of the next entry that the device will use.
    pub fn load(self) -> u16 {
        self.0.idx.load(Relaxed)
    }
}

/// The driver's side of a split virtqueue.
pub struct SplitQueue {
    rings: Rings,
    suppression: Suppression,
    /// Where the next descriptor is offered: our trusted copy, ahead of the ring's own until [`publish`](Self::publish).
    next_avail: RingIndex,
    /// What the device can see.
    published: RingIndex,
    /// Up to here the device was notified, or did not want to be.
    announced: RingIndex,
    /// Where the next used entry will be: our trusted copy.
    next_used: RingIndex,
}

impl SplitQueue {
    /// A queue of `size` descriptors, a power of two, that wants no interrupts.
    pub fn new(size: u16, suppression: Suppression) -> Result<SplitQueue, Error> {
        let start = RingIndex::default();
        let queue = SplitQueue {
            rings: Rings::leak(size)?,
            suppression,
            next_avail: start,
            published: start,
            announced: start,
            next_used: start,
        };
        queue.suppress_interrupts();
        Ok(queue)
    }

    /// Number of descriptors, a power of two.
    pub fn size(&self) -> u16 {
        self.rings.size
    }

    /// Where the device finds the rings.
    pub fn addresses(&self) -> RingAddresses {
        self.rings.addresses()
    }

    /// Fills in a descriptor. The device looks at it once a chain that leads to it is published.
    pub fn describe(&self, id: DescriptorId, descriptor: Descriptor) {
        let Some(entry) = self.rings.descriptors.get(usize::from(id.0)) else { return };
        let Descriptor { addr, len, flags, next } = descriptor;
        entry.addr.store(addr, Relaxed);
        entry.rest.store(u64::from(len) | u64::from(flags) << 32 | u64::from(next) << 48, Relaxed);
    }

    /// Changes where the memory of a descriptor begins, and nothing else.
    pub fn redirect(&self, id: DescriptorId, addr: u64) {
        if let Some(entry) = self.rings.descriptors.get(usize::from(id.0)) {
            entry.addr.store(addr, Relaxed);
        }
    }

    /// Puts the chain that begins with `head` next into the available ring. The device does not see it before
    /// [`publish`](Self::publish). The caller has at most [`size`](Self::size) chains under way.
    pub fn offer(&mut self, head: DescriptorId) {
        let Some(entry) = self.rings.avail_ring.get(self.next_avail.slot(self.rings.size)) else { return };
        entry.store(head.0, Relaxed);
        self.next_avail = self.next_avail.next();
    }

    /// Shows the device everything offered so far. The only place where descriptors become the device's.
    pub fn publish(&mut self) {
        if self.published == self.next_avail {
            return; // and leave the line alone that the device polls
        }
        // Release: pairs with the device's read of `avail.idx` before it reads the ring and the descriptors; it orders
        // the stores of `describe` and `offer`, and those into the buffers, before the index (section 2.7.13.3).
        self.rings.avail.idx.store(self.next_avail.0, Release);
        self.published = self.next_avail;
    }

    /// Whether the device is to be notified of what was published since this last answered yes. To be asked again while
    /// there is time for it: a device that did not want a notification then may want it now.
    pub fn take_notification(&mut self) -> bool {
        if self.announced == self.published {
            return false;
        }
        // SeqCst: between our store of `avail.idx` and our load of what the device wants. Pairs with the device's barrier
        // between its store of that and its second look at `avail.idx` (section 2.7.13.4.1): one of us sees the other.
        fence(SeqCst);
        match self.suppression {
            Suppression::EventIdx => {
                let event = RingIndex(self.rings.avail_event.load(Relaxed));
                let wanted = self.published.passes(event, self.announced);
                self.announced = self.published;
                wanted
            }
            Suppression::Flags => {
                let wanted = self.rings.used.flags.load(Relaxed) & NO_NOTIFICATION == 0;
                // A device that is busy now will look again before it sleeps, says the specification; uhyve 0.10 does
                // not. So a notification that was not wanted stays owed until the device has used everything anyway.
                if wanted || self.rings.used.idx.load(Relaxed) == self.published.0 {
                    self.announced = self.published;
                }
                wanted
            }
        }
    }

    /// Used entries that wait to be taken, if the device is to be believed.
    pub fn pending(&self) -> u16 {
        // Acquire: pairs with the device's release of `used.idx` after it wrote the entries and the buffers that they
        // name (section 2.7.14); our reads of both come after it.
        RingIndex(self.rings.used.idx.load(Acquire)).since(self.next_used)
    }

    /// How far the device has used the queue.
    pub fn used_index(&self) -> UsedIndex {
        UsedIndex(self.rings.used)
    }

    /// How far its entries are taken.
    pub fn taken(&self) -> u16 {
        self.next_used.0
    }

    /// Takes the next used entry. Only after [`pending`](Self::pending) has counted it.
    pub fn take_used(&mut self) -> Option<Used> {
        let entry = self.rings.used_ring.get(self.next_used.slot(self.rings.size))?;
        self.next_used = self.next_used.next();
        // The device may write what it likes, whenever it likes: each field is read once, and judged by the caller.
        Some(Used { id: entry.id.load(Relaxed), len: entry.len.load(Relaxed) })
    }

    /// The used entry that comes `distance` entries after the next. Only if [`pending`](Self::pending) has counted it.
    pub fn peek_used(&self, distance: u16) -> Option<Used> {
        let entry = self.rings.used_ring.get(self.next_used.after(distance).slot(self.rings.size))?;
        Some(Used { id: entry.id.load(Relaxed), len: entry.len.load(Relaxed) })
    }

    /// Asks for an interrupt when the next entry is used. Entries that are pending already raise none, so look at
    /// [`pending`](Self::pending) afterwards.
    pub fn request_interrupt(&self) {
        match self.suppression {
            Suppression::EventIdx => self.rings.used_event.store(self.next_used.0, Relaxed),
            Suppression::Flags => self.rings.avail.flags.store(0, Relaxed),
        }
        // SeqCst: between our store of the request and our next look at `used.idx`. Pairs with the device's barrier
        // between its store of `used.idx` and its load of the request (section 2.7.7): either it sees the request, or we
        // see the entry.
        fence(SeqCst);
    }

    /// Asks for no interrupts. A hint: one may be on its way, and with event indices one comes every 65,536 entries.
    pub fn suppress_interrupts(&self) {
        match self.suppression {
            // The position just behind is the one that the device passes last.
            Suppression::EventIdx => self.rings.used_event.store(self.next_used.previous().0, Relaxed),
            Suppression::Flags => self.rings.avail.flags.store(NO_NOTIFICATION, Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
