//! The driver against the device model.

mod attached;
mod hostile;
mod pairs;
mod receive;
mod start;
mod transmit;

use super::*;
use crate::nic::{Batch, ClosedPair, QueuePair, RxQueue, TxQueue};
use crate::pktbuf::{PktBuf, Pool, PoolMemory};
use crate::testkit::virtio::{MmioRegisters, NetDevice, Offer};
use crate::virtio::transport::MmioTransport;

type Pair = QueuePair<ReceiveQueue<MmioTransport<MmioRegisters>>, TransmitQueue<MmioTransport<MmioRegisters>>>;

/// Everything to the first pair.
const TO_THE_FIRST: RssConfig = RssConfig { key: [0; 40], table: [0; 128] };

/// A running driver, its device and its memory.
struct Setup {
    device: NetDevice,
    pair: Pair,
    pool: &'static Pool,
}

impl Setup {
    fn new(offer: Offer, buffers: usize) -> Setup {
        let device = NetDevice::new(offer);
        let nic = VirtioNet::new(MmioTransport::new(device.mmio()).unwrap(), Interrupts::Line).unwrap();
        let pair = nic.into_queue_pairs(1, &TO_THE_FIRST).unwrap().pairs.pop().unwrap().open();
        let pool = Pool::leak(PoolMemory::leak(buffers));
        Setup { device, pair, pool }
    }

    /// A buffer with a frame of `len` bytes that begins with `tag`.
    fn frame(&self, tag: u32, len: usize) -> PktBuf {
        let mut buf = self.pool.alloc().unwrap();
        let bytes = buf.append(len).unwrap();
        bytes.fill(0);
        bytes[..4].copy_from_slice(&tag.to_le_bytes());
        buf
    }

    /// Everything that has arrived.
    fn poll(&mut self) -> Vec<PktBuf> {
        let mut batch = Batch::new();
        self.pair.rx.poll(&mut batch, 64);
        std::iter::from_fn(|| batch.pop_front()).collect()
    }

    /// Submits one frame and rings the doorbell.
    fn send(&mut self, frame: PktBuf) -> usize {
        let mut batch = Batch::new();
        batch.push_back(frame).unwrap();
        let taken = self.pair.tx.submit(&mut batch);
        self.pair.tx.doorbell();
        taken
    }

    /// Ends the driver: every buffer is back.
    fn finish(self) {
        let Setup { device, pair, pool } = self;
        drop(pair);
        assert!(!device.is_running());
        assert_eq!(pool.available(), pool.capacity());
    }
}

fn without(features: Features) -> Offer {
    let offer = Offer::default();
    Offer { features: offer.features & !features.bits(), ..offer }
}
