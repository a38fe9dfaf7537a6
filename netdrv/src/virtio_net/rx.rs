//! Receiving: empty buffers go to the device whole, and come back with header and frame at their beginning.

use alloc::sync::Arc;

use super::header::{DATA_VALID, HEADER_BYTES, NEEDS_CSUM, Received};
use super::watch::ArmedAt;
use crate::cache;
use crate::nic::{Armed, Batch, RxCounters, RxQueue};
use crate::pktbuf::{BUF_BYTES, Checksum, PktBuf, Pool, Whole};
use crate::virtio::transport::{Doorbell, Transport};
use crate::virtio::{DESC_WRITE, Descriptor, DescriptorId, Device, Features, InFlight, SplitQueue};

/// What ends a halt of the queue's core when a frame comes.
#[derive(Clone)]
pub(super) enum Wakes {
    /// An interrupt of its own.
    Vector,
    /// The device's interrupt line, which is acknowledged.
    Line,
    /// Whoever watches the queue.
    Watch(ArmedAt),
}

/// The part of a ring that is refilled at once.
const REFILL_PART: u16 = 16;

/// How many frames ahead their first lines are asked for, and how many lines of each: headers, and a short request.
const AHEAD: usize = 8;
const HEADER_LINES: usize = 2;

/// The receive half of a queue pair.
///
/// A frame takes one descriptor and one buffer. With VIRTIO_NET_F_MRG_RXBUF the device may spread a larger one over
/// several buffers; the MTU in [`NicInfo`](crate::nic::NicInfo) makes that a frame that nobody asked for, and it is dropped.
pub struct ReceiveQueue<T: Transport> {
    device: Arc<Device<T>>,
    queue: SplitQueue,
    doorbell: Doorbell,
    wakes: Wakes,
    /// Whether `arm` was called since the last `disarm`.
    requested: bool,
    /// Empty descriptors that are worth a refill: the line that shows them to the device is the device's to read.
    refill_at: u16,
    /// By descriptor.
    in_flight: InFlight<Whole>,
    /// Flags that vouch for a checksum; none unless VIRTIO_NET_F_GUEST_CSUM was negotiated.
    vouching: u8,
    /// Whether `num_buffers` counts for anything.
    merges: bool,
    /// Buffers still to come of a frame that is being dropped.
    fragments_to_drop: u16,
    counters: RxCounters,
}

impl<T: Transport> ReceiveQueue<T> {
    pub(super) fn open(
        device: Arc<Device<T>>,
        queue: SplitQueue,
        doorbell: Doorbell,
        features: Features,
        wakes: Wakes,
    ) -> ReceiveQueue<T> {
        // All buffers are alike: only where one lies changes from here on.
        let buffer = Descriptor { addr: 0, len: BUF_BYTES as u32, flags: DESC_WRITE, next: 0 };
        (0..queue.size()).for_each(|id| queue.describe(DescriptorId(id), buffer));
        ReceiveQueue {
            in_flight: InFlight::new(queue.size()),
            refill_at: (queue.size() / REFILL_PART).max(1),
            device,
            queue,
            doorbell,
            wakes,
            requested: false,
            vouching: if features.contains(Features::NET_GUEST_CSUM) { NEEDS_CSUM | DATA_VALID } else { 0 },
            merges: features.contains(Features::NET_MRG_RXBUF),
            fragments_to_drop: 0,
            counters: RxCounters::default(),
        }
    }

    /// Takes one used buffer; `None` if it holds no frame to hand up, which is counted.
    #[inline(always)]
    fn take_frame(&mut self) -> Option<PktBuf> {
        let used = self.queue.take_used()?;
        let Some(buf) = self.in_flight.take(used.id as usize) else {
            self.counters.bad_descriptor += 1;
            return None;
        };
        if self.fragments_to_drop > 0 {
            self.fragments_to_drop -= 1;
            return None;
        }
        let len = used.len as usize;
        if len <= HEADER_BYTES || len > BUF_BYTES {
            self.counters.bad_length += 1;
            return None;
        }
        let header = Received::parse(&buf.first());
        if self.merges && header.num_buffers > 1 {
            self.counters.oversized += 1;
            self.fragments_to_drop = header.num_buffers - 1;
            return None;
        }
        let is_vouched_for = header.flags & self.vouching != 0;
        let checksum = if is_vouched_for { Checksum::Verified } else { Checksum::None };
        buf.into_view(HEADER_BYTES as u16, (len - HEADER_BYTES) as u16, checksum)
    }

    /// Asks for the headers of a frame that will be taken, so many entries from now: another core, or a device, has written them.
    #[inline(always)]
    fn expect(&self, distance: usize) {
        let used = self.queue.peek_used(distance as u16);
        if let Some(buf) = used.and_then(|used| self.in_flight.get(used.id as usize)) {
            cache::prefetch(buf.dma_addr() as *const u8, HEADER_LINES);
        }
    }

    /// Hands the frame of one used buffer up, if it holds one; there is room.
    #[inline(always)]
    fn hand_up(&mut self, batch: &mut Batch) {
        if let Some(frame) = self.take_frame() {
            self.counters.frames += 1;
            self.counters.bytes += frame.len() as u64;
            let _ = batch.push_back(frame);
        }
    }

    #[inline(never)]
    fn hand_up_many(&mut self, batch: &mut Batch, entries: usize) {
        (0..AHEAD.min(entries)).for_each(|distance| self.expect(distance));
        for left in (0..entries).rev() {
            if left >= AHEAD {
                self.expect(AHEAD);
            }
            self.hand_up(batch);
        }
    }

    /// Offers an empty buffer to the device.
    fn post(&mut self, buf: Whole) {
        let addr = buf.dma_addr();
        if let Ok(slot) = self.in_flight.insert(buf) {
            self.queue.redirect(DescriptorId(slot), addr);
            self.queue.offer(DescriptorId(slot));
        }
    }

    /// Notifies the device of new buffers, if it wants to know.
    fn notify(&mut self) {
        if self.queue.take_notification() {
            self.device.transport().ring(self.doorbell);
        }
    }
}

impl<T: Transport> RxQueue for ReceiveQueue<T> {
    fn poll(&mut self, batch: &mut Batch, limit: usize) -> usize {
        let pending = usize::from(self.queue.pending());
        if pending == 0 {
            // The device may have run dry just when it did not want to be told of new buffers.
            self.notify();
            return 0;
        }
        let room = batch.capacity() - batch.len();
        let before = self.counters.frames;
        // Bounded by entries, not by frames: garbage from the device uses up the limit too.
        match pending.min(limit).min(room) {
            0 => {}
            1 => self.hand_up(batch), // where instructions per frame count, no loop is to be prepared for
            entries => self.hand_up_many(batch, entries),
        }
        (self.counters.frames - before) as usize
    }

    fn refill(&mut self, pool: &'static Pool) -> usize {
        let room = self.in_flight.room();
        if room < self.refill_at {
            return 0;
        }
        let mut posted = 0;
        while posted < room {
            let Some(buf) = pool.alloc_whole() else {
                self.counters.pool_empty += 1;
                break;
            };
            self.post(buf);
            posted += 1;
        }
        self.queue.publish();
        self.notify();
        posted.into()
    }

    fn arm(&mut self) -> Armed {
        self.requested = true;
        self.notify();
        if let Wakes::Watch(armed_at) = &self.wakes {
            armed_at.arm(self.queue.taken());
        }
        self.queue.request_interrupt();
        if self.queue.pending() == 0 { Armed::Idle } else { Armed::Pending }
    }

    fn disarm(&mut self) {
        if !self.requested {
            return;
        }
        self.requested = false;
        self.queue.suppress_interrupts();
        match &self.wakes {
            Wakes::Line => self.device.transport().acknowledge_interrupt(),
            Wakes::Watch(armed_at) => armed_at.disarm(),
            Wakes::Vector => {}
        }
    }

    fn counters(&self) -> &RxCounters {
        &self.counters
    }
}

impl<T: Transport> Drop for ReceiveQueue<T> {
    fn drop(&mut self) {
        if self.device.reset().is_err() {
            self.in_flight.forget();
        }
    }
}
