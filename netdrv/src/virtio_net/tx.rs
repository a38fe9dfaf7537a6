//! Transmitting: a frame is a chain of two descriptors, its virtio header and its bytes.

#![allow(unsafe_code)] // the header's layout, shared with the device

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::header::{HEADER_BYTES, to_transmit};
use crate::Error;
use crate::dma::{DmaRegion, Shared};
use crate::nic::{Batch, TxCounters, TxQueue};
use crate::pktbuf::{Checksum, PktBuf};
use crate::virtio::transport::{Doorbell, Transport};
use crate::virtio::{DESC_NEXT, Descriptor, DescriptorId, Device, Features, InFlight, SplitQueue};

/// An Ethernet header: no frame is shorter.
const MIN_FRAME: usize = 14;

/// The header of one slot. The fourth word pads it, so that none crosses a cache line.
#[repr(C, align(16))]
struct Header([AtomicU32; 4]);

// SAFETY: atomic integers without padding.
unsafe impl Shared for Header {}

/// The transmit half of a queue pair.
///
/// The virtio header cannot go before the frame in the frame's own buffer: a TCP segment's buffer is shared with the
/// retransmission queue, so nobody may write to it. Therefore slot `i` has a header of its own, and the descriptors
/// `2i` and `2i + 1`, which lie in one cache line. The first leads to the header and to the second and never changes, so a
/// frame costs one descriptor written, as if it were alone in its buffer. The header is written only if it differs
/// from that of the slot's last frame, which in a stream of TCP segments it does not: the lines of the headers stay
/// shared between our cache and the device's.
pub struct TransmitQueue<T: Transport> {
    device: Arc<Device<T>>,
    queue: SplitQueue,
    doorbell: Doorbell,
    headers: &'static [Header],
    /// By slot: half the descriptor that heads the chain.
    in_flight: InFlight,
    /// Whether the device completes checksums.
    completes_checksums: bool,
    counters: TxCounters,
}

/// The headers of all slots, in the descriptors that lead to them.
pub(super) struct Headers(&'static [Header]);

impl Headers {
    /// Makes the headers of `queue`.
    pub(super) fn leak(queue: &SplitQueue) -> Result<Headers, Error> {
        let slots = queue.size() / 2;
        let region = DmaRegion::leak(usize::from(slots) * size_of::<Header>())?;
        for slot in 0..slots {
            let addr = region.address(usize::from(slot) * size_of::<Header>());
            let len = HEADER_BYTES as u32;
            queue.describe(head(slot), Descriptor { addr, len, flags: DESC_NEXT, next: tail(slot).0 });
        }
        Ok(Headers(region.slice(0, slots.into())))
    }
}

impl<T: Transport> TransmitQueue<T> {
    pub(super) fn open(
        device: Arc<Device<T>>,
        queue: SplitQueue,
        doorbell: Doorbell,
        headers: Headers,
        features: Features,
    ) -> TransmitQueue<T> {
        TransmitQueue {
            device,
            doorbell,
            in_flight: InFlight::new(queue.size() / 2),
            queue,
            headers: headers.0,
            completes_checksums: features.contains(Features::NET_CSUM),
            counters: TxCounters::default(),
        }
    }

    /// Offers a frame to the device, or drops it if the device could not send it, which is counted.
    fn offer(&mut self, frame: PktBuf) {
        let (addr, len, checksum) = (frame.dma_addr(), frame.len(), frame.checksum());
        if len < MIN_FRAME {
            self.counters.bad_length += 1;
            return;
        }
        if !self.can_complete(checksum, len) {
            self.counters.bad_checksum += 1;
            return;
        }
        let Ok(slot) = self.in_flight.insert(frame) else { return };
        if let Some(header) = self.headers.get(usize::from(slot)) {
            header.set(to_transmit(checksum));
        }
        self.queue.describe(tail(slot), Descriptor { addr, len: len as u32, flags: 0, next: 0 });
        self.queue.offer(head(slot));
        self.counters.frames += 1;
        self.counters.bytes += len as u64;
    }

    /// Whether the device can do what a frame of `len` bytes wants done with its checksum.
    fn can_complete(&self, checksum: Checksum, len: usize) -> bool {
        match checksum {
            Checksum::None | Checksum::Verified => true,
            Checksum::Partial { start, field } => {
                self.completes_checksums && usize::from(start) + usize::from(field) + 2 <= len
            }
        }
    }
}

/// The descriptor of a slot's header.
const fn head(slot: u16) -> DescriptorId {
    DescriptorId(2 * slot)
}

/// The descriptor of a slot's frame.
const fn tail(slot: u16) -> DescriptorId {
    DescriptorId(2 * slot + 1)
}

/// The slot of a chain that begins with `head`; `None` if none does.
const fn slot(head: DescriptorId) -> Option<u16> {
    if head.0 & 1 == 0 { Some(head.0 / 2) } else { None }
}

impl Header {
    /// Makes these the header's words, touching only those that change.
    fn set(&self, words: [u32; HEADER_BYTES / 4]) {
        for (word, value) in self.0.iter().zip(words) {
            if word.load(Relaxed) != value {
                word.store(value, Relaxed);
            }
        }
    }
}

impl<T: Transport> TxQueue for TransmitQueue<T> {
    fn reclaim(&mut self) -> usize {
        let mut frames = 0;
        // No more entries than the ring has, whatever the device says.
        for _ in 0..self.queue.pending().min(self.queue.size()) {
            let head = self.queue.take_used().and_then(|used| used.id);
            match head.and_then(slot).and_then(|slot| self.in_flight.take(slot)) {
                Some(_sent) => frames += 1,
                None => self.counters.bad_descriptor += 1,
            }
        }
        frames
    }

    fn room(&self) -> usize {
        self.in_flight.room().into()
    }

    fn submit(&mut self, batch: &mut Batch) -> usize {
        let mut taken = 0;
        while self.in_flight.room() > 0 {
            let Some(frame) = batch.pop_front() else { break };
            self.offer(frame);
            taken += 1;
        }
        self.queue.publish();
        taken
    }

    fn doorbell(&mut self) {
        if self.queue.take_notification() {
            self.device.transport().ring(self.doorbell);
            self.counters.doorbells += 1;
        }
    }

    fn counters(&self) -> &TxCounters {
        &self.counters
    }
}

impl<T: Transport> Drop for TransmitQueue<T> {
    fn drop(&mut self) {
        if self.device.reset().is_err() {
            self.in_flight.forget();
        }
    }
}
