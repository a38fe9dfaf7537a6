//! virtio-net (virtio 1.2, section 5.1).
//!
//! ```text
//! mod      VirtioNet: negotiation, and the way to queue pairs       config  the device's configuration space
//! rx, tx   the two halves of a queue pair                            header  what precedes each frame
//! ```
//!
//! Called by the runtime through [`crate::nic`]; calls [`crate::virtio`].

mod config;
mod header;
mod rx;
mod tx;

use alloc::sync::Arc;
use alloc::vec::Vec;

pub use config::Link;
pub use rx::ReceiveQueue;
pub use tx::TransmitQueue;

use crate::Error;
use crate::nic::{Nic, NicInfo, QueuePair, QueuePairs, TxChecksum};
use crate::virtio::transport::{Doorbell, Transport};
use crate::virtio::{Device, Features, SplitQueue, Suppression, TYPE_NETWORK};
use config::Config;

/// Features that the driver makes use of; VERSION_1 comes on its own.
const WANTED: Features = Features::NET_CSUM
    .union(Features::NET_GUEST_CSUM)
    .union(Features::NET_MTU)
    .union(Features::NET_MAC)
    .union(Features::NET_MRG_RXBUF)
    .union(Features::NET_STATUS)
    .union(Features::EVENT_IDX);

/// Index of the first pair's receive queue (section 5.1.2).
const RX_QUEUE: u16 = 0;
/// Index of the first pair's transmit queue.
const TX_QUEUE: u16 = 1;

/// The most descriptors of a receive queue: one a frame, four batches.
const RX_DESCRIPTORS: u16 = 256;
/// The most descriptors of a transmit queue: two a frame (see [`TransmitQueue`]), four batches.
const TX_DESCRIPTORS: u16 = 512;

/// How the device's interrupts reach the cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupts {
    /// Through a line that stays raised until the driver acknowledges it: INTx, or MMIO's only way.
    Line,
    /// Through entries of the MSI-X table, which the platform has set up and enabled.
    MsiX {
        /// The entry of the first queue pair's receive queue.
        entry: u16,
    },
}

/// A virtio-net device that is reset and negotiated. Dropped, it is reset again, and so it is when a queue is dropped.
pub struct VirtioNet<T: Transport> {
    device: Arc<Device<T>>,
    features: Features,
    config: Config,
    interrupts: Interrupts,
}

impl<T: Transport> VirtioNet<T> {
    /// Takes the device behind `transport`, as far as step 6 of section 3.1.1.
    pub fn new(transport: T, interrupts: Interrupts) -> Result<VirtioNet<T>, Error> {
        let device = Device::take(transport, TYPE_NETWORK)?;
        let features = device.negotiate(WANTED)?;
        let config = Config::read(device.transport(), features)?;
        Ok(VirtioNet { device: Arc::new(device), features, config, interrupts })
    }

    /// Whether the device says that its link is up.
    pub fn link(&self) -> Link {
        self.config.link
    }

    /// The features that both sides agreed on.
    pub fn features(&self) -> Features {
        self.features
    }

    /// Sets queue `index` up with at most `most` descriptors (section 4.1.5.1.3).
    fn enable_queue(&self, index: u16, most: u16) -> Result<(SplitQueue, Doorbell), Error> {
        let transport = self.device.transport();
        // A split queue has a power of two of descriptors (section 2.7), and a frame to send takes two.
        let size = 1_u16 << transport.read_queue_size(index)?.min(most).ilog2();
        if size < 2 {
            return Err(Error::MissingQueue { queue: index });
        }
        let event_idx = self.features.contains(Features::EVENT_IDX);
        let suppression = if event_idx { Suppression::EventIdx } else { Suppression::Flags };
        let queue = SplitQueue::new(size, suppression)?;
        let doorbell = transport.enable_queue(index, queue.addresses())?;
        Ok((queue, doorbell))
    }
}

impl<T: Transport> Nic for VirtioNet<T> {
    type Rx = ReceiveQueue<T>;
    type Tx = TransmitQueue<T>;
    type Error = Error;

    fn info(&self) -> NicInfo {
        let completes = self.features.contains(Features::NET_CSUM);
        NicInfo {
            mac: self.config.mac,
            mtu: self.config.mtu,
            tx_checksum: if completes { TxChecksum::Device } else { TxChecksum::Software },
            queue_pairs: 1,
        }
    }

    fn into_queue_pairs(self, n: usize) -> Result<QueuePairs<Self>, Error> {
        if n == 0 {
            return Ok(Vec::new());
        }
        if let Interrupts::MsiX { entry } = self.interrupts {
            self.device.transport().route_interrupt(RX_QUEUE, entry)?;
        }
        let (rx, rx_doorbell) = self.enable_queue(RX_QUEUE, RX_DESCRIPTORS)?;
        let (tx, tx_doorbell) = self.enable_queue(TX_QUEUE, TX_DESCRIPTORS)?;
        let rx = ReceiveQueue::new(self.device.clone(), rx, rx_doorbell, self.features, self.interrupts);
        let tx = TransmitQueue::new(self.device.clone(), tx, tx_doorbell, self.features)?;
        self.device.run();
        Ok(Vec::from([QueuePair { rx, tx }]))
    }
}

#[cfg(test)]
mod tests;
