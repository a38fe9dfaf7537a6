//! Transmitting: a frame is a chain of two descriptors, its virtio header and its bytes, or of three, with a body.

#![allow(unsafe_code)] // the header's layout, shared with the device

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::header::{HEADER_BYTES, Words};
use super::shape::{Shape, Unfit};
use crate::Error;
use crate::dma::{DmaRegion, Shared};
use crate::nic::{Batch, TxCounters, TxQueue};
use crate::pktbuf::{Fragment, PktBuf};
use crate::virtio::transport::{Doorbell, Transport};
use crate::virtio::{DESC_NEXT, Descriptor, DescriptorId, Device, Features, InFlight, SplitQueue};

/// In the table of bodies: none.
const NO_BODY: u16 = u16::MAX;

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
///
/// A body goes into the second descriptor of a further slot, which is lent for it, so that the first of each stays what it
/// is.
pub struct TransmitQueue<T: Transport> {
    device: Arc<Device<T>>,
    queue: SplitQueue,
    doorbell: Doorbell,
    headers: &'static [Header],
    /// By slot: half the descriptor that heads the chain.
    in_flight: InFlight,
    /// By slot of a frame that has an attachment: the slot lent for its body.
    bodies: Box<[u16]>,
    features: Features,
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
            bodies: headers.0.iter().map(|_| NO_BODY).collect(),
            queue,
            headers: headers.0,
            features,
            counters: TxCounters::default(),
        }
    }

    /// Offers a frame to the device, or drops it if the device could not send it, which is counted.
    fn offer(&mut self, frame: PktBuf) {
        let shape = match Shape::of(&frame, self.features) {
            Ok(shape) => shape,
            Err(unfit) => return self.count(unfit),
        };
        if frame.has_attachment() {
            return self.offer_attached(frame, shape);
        }
        let (addr, len) = (frame.dma_addr(), frame.len() as u32);
        let Ok(slot) = self.in_flight.insert(frame) else { return };
        self.enqueue(slot, shape, Descriptor { addr, len, flags: 0, next: 0 });
    }

    /// The same for a frame that has an attachment.
    #[cold]
    fn offer_attached(&mut self, frame: PktBuf, shape: Shape) {
        let (addr, len) = (frame.dma_addr(), frame.len() as u32);
        let (flags, next, body) = match shape.body.map(|body| self.describe_body(body)) {
            Some(Some(slot)) => (DESC_NEXT, tail(slot).0, slot),
            Some(None) => return self.count(Unfit::Attachment), // the whole ring has no room for it
            None => (0, 0, NO_BODY),
        };
        let Ok(slot) = self.in_flight.insert(frame) else { return self.count(Unfit::Attachment) };
        if let Some(place) = self.bodies.get_mut(usize::from(slot)) {
            *place = body;
        }
        self.enqueue(slot, shape, Descriptor { addr, len, flags, next });
    }

    /// Describes a body in a slot lent for it, which is returned.
    fn describe_body(&mut self, body: Fragment) -> Option<u16> {
        // One slot is left for the head.
        let slot = if self.in_flight.room() > 1 { self.in_flight.lend()? } else { return None };
        self.queue
            .describe(tail(slot), Descriptor { addr: body.dma_addr(), len: body.len() as u32, flags: 0, next: 0 });
        Some(slot)
    }

    /// Completes the chain of a slot and puts it into the ring.
    fn enqueue(&mut self, slot: u16, shape: Shape, bytes: Descriptor) {
        if let Some(header) = self.headers.get(usize::from(slot)) {
            header.set(shape.header);
        }
        self.queue.describe(tail(slot), bytes);
        self.queue.offer(head(slot));
        self.counters.frames += 1;
        self.counters.bytes += shape.len as u64;
    }

    /// Counts a frame that cannot go out.
    #[cold]
    fn count(&mut self, unfit: Unfit) {
        match unfit {
            Unfit::Length => self.counters.bad_length += 1,
            Unfit::Checksum => self.counters.bad_checksum += 1,
            Unfit::Attachment => self.counters.bad_attachment += 1,
        }
    }

    /// Takes the frame back that the chain `head` leads to; `None` if there is none.
    fn take_sent(&mut self, head: DescriptorId) -> Option<PktBuf> {
        let slot = slot(head)?;
        let sent = self.in_flight.take(slot)?;
        if sent.has_attachment()
            && let Some(body) = self.bodies.get(usize::from(slot))
        {
            self.in_flight.give_back(*body);
        }
        Some(sent)
    }
}

/// Slots that a frame takes at most.
fn slots(frame: &PktBuf) -> u16 {
    if frame.has_attachment() { 2 } else { 1 }
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
    fn set(&self, words: Words) {
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
            match head.and_then(|head| self.take_sent(head)) {
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
        while let Some(next) = batch.front() {
            let slots = slots(next);
            // What would not fit an empty ring either is taken, to be dropped.
            if self.in_flight.room() < slots && usize::from(slots) <= self.in_flight.capacity() {
                break;
            }
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
