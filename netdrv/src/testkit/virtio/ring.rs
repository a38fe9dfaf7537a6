//! The device's side of a split virtqueue (virtio 1.2, section 2.7), written from the specification and not from the
//! driver: it reaches the rings by their addresses, as a device does.

#![allow(unsafe_code)] // plays DMA

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU16, AtomicU32, fence};

use crate::virtio::transport::RingAddresses;
use crate::virtio::{DESC_NEXT, DESC_WRITE, NO_NOTIFICATION, Suppression};

/// A piece of the driver's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins.
    pub addr: u64,
    /// Its bytes.
    pub len: u32,
    /// Whether the device may write to it, and only that; otherwise it may only read.
    pub writable: bool,
}

/// A descriptor chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its first descriptor.
    pub head: u16,
    /// Its pieces, in order.
    pub pieces: Vec<Piece>,
}

impl Chain {
    /// Reads everything readable.
    pub fn read(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for piece in self.pieces.iter().filter(|piece| !piece.writable) {
            // SAFETY: the driver lent this memory to the device until it is used (`DeviceQueue::new`).
            bytes.extend(unsafe { std::slice::from_raw_parts(piece.addr as *const u8, piece.len as usize) });
        }
        bytes
    }

    /// Writes as much of `bytes` as there is room for. Returns how much.
    pub fn write(&self, bytes: &[u8]) -> usize {
        let mut written = 0;
        for piece in self.pieces.iter().filter(|piece| piece.writable) {
            let n = (bytes.len() - written).min(piece.len as usize);
            // SAFETY: the driver lent this memory to the device until it is used (`DeviceQueue::new`).
            unsafe { std::ptr::copy_nonoverlapping(bytes[written..].as_ptr(), piece.addr as *mut u8, n) };
            written += n;
        }
        written
    }

    /// Bytes that [`write`](Chain::write) has room for.
    pub fn capacity(&self) -> usize {
        self.pieces.iter().filter(|piece| piece.writable).map(|piece| piece.len as usize).sum()
    }
}

/// The device's side of a queue.
#[derive(Debug)]
pub struct DeviceQueue {
    rings: RingAddresses,
    suppression: Suppression,
    next_avail: u16,
    next_used: u16,
    /// What the driver was last considered for an interrupt about.
    signalled: u16,
    /// Whether the device has used what it did not take, so that the driver may publish more than there is room for.
    lied: bool,
}

impl DeviceQueue {
    /// The queue at `rings`.
    ///
    /// # Safety
    ///
    /// The addresses are those of a driver's rings of that size, which live longer than the queue, and what the driver
    /// publishes there is memory that it lends until it is used.
    pub unsafe fn new(rings: RingAddresses, suppression: Suppression) -> DeviceQueue {
        assert!(rings.size.is_power_of_two(), "queue size {}", rings.size);
        let aligned = [(rings.descriptors, 16), (rings.driver, 2), (rings.device, 4)];
        assert!(aligned.iter().all(|(address, to)| address.is_multiple_of(*to)), "{rings:x?}");
        DeviceQueue { rings, suppression, next_avail: 0, next_used: 0, signalled: 0, lied: false }
    }

    /// Where it is.
    pub fn addresses(&self) -> RingAddresses {
        self.rings
    }

    /// Number of descriptors.
    pub fn size(&self) -> u16 {
        self.rings.size
    }

    /// Chains that the driver has published and the device has not taken.
    pub fn available(&self) -> u16 {
        self.u16_at(self.rings.driver + 2).load(Acquire).wrapping_sub(self.next_avail)
    }

    /// Takes the next chain.
    pub fn pop(&mut self) -> Option<Chain> {
        if self.available() == 0 {
            return None;
        }
        assert!(
            self.lied || self.available() <= self.size(),
            "the driver published more chains than there are descriptors"
        );
        let head = self.u16_at(self.rings.driver + 4 + 2 * self.slot(self.next_avail)).load(Relaxed);
        self.next_avail = self.next_avail.wrapping_add(1);
        let mut pieces = Vec::new();
        let mut next = Some(head);
        while let Some(id) = next {
            assert!(id < self.size() && pieces.len() < usize::from(self.size()), "chain of {head} is malformed");
            let entry = self.rings.descriptors + 16 * u64::from(id);
            let addr = [0, 4].map(|at| u64::from(self.u32_at(entry + at).load(Relaxed)));
            let flags = self.u16_at(entry + 12).load(Relaxed);
            let len = self.u32_at(entry + 8).load(Relaxed);
            assert!(len > 0, "descriptor {id} is empty");
            pieces.push(Piece { addr: addr[0] | addr[1] << 32, len, writable: flags & DESC_WRITE != 0 });
            next = (flags & DESC_NEXT != 0).then(|| self.u16_at(entry + 14).load(Relaxed));
        }
        Some(Chain { head, pieces })
    }

    /// Writes the next used entry, without showing it to the driver yet.
    pub fn stage_used(&mut self, id: u32, len: u32) {
        let entry = self.rings.device + 4 + 8 * self.slot(self.next_used);
        self.u32_at(entry).store(id, Relaxed);
        self.u32_at(entry + 4).store(len, Relaxed);
        self.next_used = self.next_used.wrapping_add(1);
    }

    /// Shows the driver all used entries. Returns whether it wants an interrupt for them.
    pub fn flush_used(&mut self) -> bool {
        self.u16_at(self.rings.device + 2).store(self.next_used, Release);
        fence(SeqCst);
        let (new, old) = (self.next_used, std::mem::replace(&mut self.signalled, self.next_used));
        match self.suppression {
            Suppression::Flags => self.u16_at(self.rings.driver).load(Relaxed) & NO_NOTIFICATION == 0,
            Suppression::EventIdx => {
                let event = self.u16_at(self.rings.driver + 4 + 2 * u64::from(self.size())).load(Relaxed);
                new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
            }
        }
    }

    /// Asks the driver for a notification of the next chain. Returns whether one is there already, so that there may be
    /// none.
    pub fn enable_notification(&self) -> bool {
        match self.suppression {
            Suppression::Flags => self.u16_at(self.rings.device).store(0, Relaxed),
            Suppression::EventIdx => self.avail_event().store(self.next_avail, Relaxed),
        }
        fence(SeqCst);
        self.available() > 0
    }

    /// Asks the driver for no notifications.
    pub fn disable_notification(&self) {
        match self.suppression {
            Suppression::Flags => self.u16_at(self.rings.device).store(NO_NOTIFICATION, Relaxed),
            Suppression::EventIdx => self.avail_event().store(self.next_avail.wrapping_sub(1), Relaxed),
        }
    }

    /// Uses anything, as a broken device might. Returns whether the driver wants an interrupt.
    pub fn inject_used(&mut self, id: u32, len: u32) -> bool {
        self.lied = true;
        self.stage_used(id, len);
        self.flush_used()
    }

    /// Makes the used index anything, as a broken device might.
    pub fn set_used_idx(&mut self, idx: u16) {
        self.lied = true;
        self.next_used = idx;
        self.flush_used();
    }

    /// Writes anything anywhere into the device's ring, as a broken device might.
    pub fn scribble(&mut self, offset: u16, value: u16) {
        self.lied = true;
        let words = 2 + 4 * self.size() + 1;
        self.u16_at(self.rings.device + 2 * u64::from(offset % words)).store(value, Relaxed);
    }

    fn avail_event(&self) -> &AtomicU16 {
        self.u16_at(self.rings.device + 4 + 8 * u64::from(self.size()))
    }

    fn slot(&self, idx: u16) -> u64 {
        u64::from(idx % self.size())
    }

    fn u16_at(&self, addr: u64) -> &AtomicU16 {
        // SAFETY: callers compute addresses within the rings (`new`), at offsets that are aligned; rings are only ever
        // accessed as atomics, on both sides.
        unsafe { &*(addr as *const AtomicU16) }
    }

    fn u32_at(&self, addr: u64) -> &AtomicU32 {
        // SAFETY: as in `u16_at`.
        unsafe { &*(addr as *const AtomicU32) }
    }
}
