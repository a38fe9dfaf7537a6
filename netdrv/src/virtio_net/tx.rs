//! Transmitting: a frame is a chain of two descriptors, its virtio header and its bytes, or of three, with a body.

#![allow(unsafe_code)] // the header's layout, shared with the device

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::header::{HEADER_BYTES, Words};
use super::shape::{Shape, Unfit, plain_header};
use crate::Error;
use crate::dma::{DmaRegion, Shared};
use crate::nic::{Batch, TxCounters, TxQueue};
use crate::pktbuf::{Fragment, PktBuf};
use crate::virtio::transport::{Doorbell, Transport};
use crate::virtio::{DESC_NEXT, Descriptor, DescriptorId, Device, Features, InFlight, SplitQueue};

/// In the table of bodies: none.
const NO_BODY: u16 = u16::MAX;

/// The header of one slot, padded, so that none crosses a cache line.
#[repr(C, align(16))]
struct Header([AtomicU64; 2]);

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
    in_flight: InFlight<PktBuf>,
    /// By slot of a frame that has a body: the slot lent for that; else [`NO_BODY`].
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

    /// Offers the first frame to the device, or drops it if the device could not send it, which is counted. There is room
    /// for it, and nothing attached to it.
    #[inline]
    fn offer(&mut self, batch: &mut Batch) {
        // The handle is looked at where it lies, and then moved as a whole: taken apart, it would be put together again.
        let Some(frame) = batch.front() else { return };
        let (addr, len) = (frame.dma_addr(), frame.len());
        let header = plain_header(len, frame.checksum(), self.features);
        let Some(frame) = batch.pop_front() else { return };
        match header {
            Ok(header) => {
                let Ok(slot) = self.in_flight.insert(frame) else { return };
                self.enqueue(slot, header, Descriptor { addr, len: len as u32, flags: 0, next: 0 });
                self.counters.bytes += len as u64;
            }
            Err(unfit) => self.count(unfit),
        }
    }

    /// The same for a frame that has an attachment. It comes back if there is no room for it now.
    #[cold]
    #[inline(never)]
    fn offer_attached(&mut self, frame: PktBuf) -> Result<(), PktBuf> {
        let shape = match Shape::of(&frame, self.features) {
            Ok(shape) if usize::from(shape.slots()) > self.in_flight.capacity() => Err(Unfit::Attachment),
            other => other,
        };
        let shape = match shape {
            Ok(shape) if shape.slots() > self.in_flight.room() => return Err(frame),
            Ok(shape) => shape,
            Err(unfit) => {
                self.count(unfit);
                return Ok(());
            }
        };
        let (addr, len) = (frame.dma_addr(), frame.len() as u32);
        let slot = self.in_flight.insert(frame)?;
        let (flags, next) = match shape.body.and_then(|body| self.describe_body(slot, body)) {
            Some(body) => (DESC_NEXT, body.0),
            None => (0, 0),
        };
        self.enqueue(slot, shape.header, Descriptor { addr, len, flags, next });
        self.counters.bytes += shape.len as u64;
        Ok(())
    }

    /// Describes the body of the frame in `slot`, in another slot that is lent for it.
    fn describe_body(&mut self, slot: u16, body: Fragment) -> Option<DescriptorId> {
        let lent = self.in_flight.lend()?;
        *self.bodies.get_mut(usize::from(slot))? = lent;
        let (addr, len) = (body.dma_addr(), body.len() as u32);
        self.queue.describe(tail(lent), Descriptor { addr, len, flags: 0, next: 0 });
        Some(tail(lent))
    }

    /// Completes the chain of a slot and puts it into the ring.
    #[inline]
    fn enqueue(&mut self, slot: u16, header: Words, bytes: Descriptor) {
        if let Some(place) = self.headers.get(usize::from(slot)) {
            place.set(header);
        }
        self.queue.describe(tail(slot), bytes);
        self.queue.offer(head(slot));
        self.counters.frames += 1;
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

    /// Takes the frame back whose chain begins with descriptor `head`; `None` if there is none.
    fn take_sent(&mut self, head: u32) -> Option<PktBuf> {
        if head & 1 != 0 {
            return None;
        }
        let slot = head as usize / 2;
        let sent = self.in_flight.take(slot)?;
        if sent.has_attachment() {
            self.release_body(slot);
        }
        Some(sent)
    }

    /// Takes back the slot that was lent for a body, if one was.
    #[cold]
    fn release_body(&mut self, slot: usize) {
        if let Some(body) = self.bodies.get_mut(slot)
            && *body != NO_BODY
        {
            self.in_flight.give_back(core::mem::replace(body, NO_BODY));
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

impl Header {
    /// Makes these the header's words, touching only those that change.
    #[inline]
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
            match self.queue.take_used().and_then(|used| self.take_sent(used.id)) {
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
        let waiting = batch.len();
        while self.in_flight.room() > 0 {
            match batch.front() {
                Some(frame) if !frame.has_attachment() => self.offer(batch),
                Some(_) => {
                    let Some(frame) = batch.pop_front() else { break };
                    if let Err(frame) = self.offer_attached(frame) {
                        let _ = batch.push_front(frame); // it has just left its place
                        break;
                    }
                }
                None => break,
            }
        }
        self.queue.publish();
        waiting - batch.len()
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
