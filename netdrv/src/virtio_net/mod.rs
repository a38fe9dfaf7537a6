//! virtio-net (virtio 1.2, section 5.1).
//!
//! ```text
//! mod      VirtioNet: negotiation, and the way to queue pairs       config   the device's configuration space
//! pair     a queue pair on its way to its core                      header   what precedes each frame
//! rx, tx   its two halves, at work                                  control  the control queue;  command  what it takes
//! shape    what a frame to transmit asks of the device              watch    a queue seen from another core
//! ```
//!
//! Called by the runtime through [`crate::nic`]; calls [`crate::virtio`].

mod command;
mod config;
mod control;
mod header;
mod pair;
mod rx;
mod shape;
mod tx;
mod watch;

use alloc::sync::Arc;
use alloc::vec::Vec;

pub use config::Link;
pub use control::RssControl;
pub use pair::VirtioPair;
pub use rx::ReceiveQueue;
pub use tx::TransmitQueue;
pub use watch::QueueWatch;

use crate::Error;
use crate::nic::{Nic, NicInfo, RssConfig, Started, Steering, TxChecksum};
use crate::virtio::transport::{Doorbell, Transport};
use crate::virtio::{Device, Features, SplitQueue, Suppression, TYPE_NETWORK};
use command::Command;
use config::Config;
use control::ControlQueue;
use rx::Wakes;
use watch::ArmedAt;

/// Features that the driver makes use of; VERSION_1 comes on its own.
const WANTED: Features = Features::NET_CSUM
    .union(Features::NET_GUEST_CSUM)
    .union(Features::NET_MTU)
    .union(Features::NET_MAC)
    .union(Features::NET_HOST_TSO4)
    .union(Features::NET_HOST_ECN)
    .union(Features::NET_MRG_RXBUF)
    .union(Features::NET_STATUS)
    .union(Features::NET_CTRL_VQ)
    .union(Features::NET_MQ)
    .union(Features::NET_RSS)
    .union(Features::EVENT_IDX);

/// The most queue pairs that are used: a steering table names them by a byte.
const MOST_PAIRS: u16 = 256;

/// The most descriptors of a receive queue: one a frame, four batches.
const RX_DESCRIPTORS: u16 = 256;
/// The most descriptors of a transmit queue: two a frame (see [`TransmitQueue`]), four batches.
const TX_DESCRIPTORS: u16 = 512;

/// The most payload of a frame that the device cuts: an IPv4 packet of 65,535 bytes, with the longest TCP header.
const MOST_CUT_PAYLOAD: u32 = 65_535 - 20 - 60;

/// Descriptors of the control queue: one command of two is under way at most.
const CONTROL_DESCRIPTORS: u16 = 2;

/// How the device's interrupts reach the cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupts {
    /// Through a line that stays raised until the driver acknowledges it: INTx, or MMIO's only way. It reaches one core, so
    /// there is one queue pair.
    Line,
    /// Through such a line, for several queue pairs: the first core is interrupted, acknowledges, and wakes the others as their
    /// [watches](Started::watches) say.
    SharedLine,
    /// Through entries of the MSI-X table, one a queue pair, which the platform has set up and enabled.
    MsiX {
        /// The entry of the first pair's receive queue; the others follow it.
        first: u16,
        /// The number of entries: there are no more queue pairs than that.
        entries: u16,
    },
}

/// A virtio-net device that is reset and negotiated. Dropped, it is reset again, and so it is when a queue of
/// an open pair is dropped.
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

impl<T: Transport> VirtioNet<T> {
    /// Queue pairs that can be used.
    fn queue_pairs(&self) -> u16 {
        let interrupted = match self.interrupts {
            Interrupts::Line => 1,
            Interrupts::SharedLine => MOST_PAIRS,
            Interrupts::MsiX { entries, .. } => entries,
        };
        self.config.queue_pairs.min(interrupted).min(MOST_PAIRS)
    }

    /// Sets up pair `index`, whose queues come two by two (section 5.1.2).
    fn enable_pair(&self, index: u16) -> Result<VirtioPair<T>, Error> {
        let (rx, tx) = (2 * index, 2 * index + 1);
        if let Interrupts::MsiX { first, .. } = self.interrupts {
            self.device.transport().route_interrupt(rx, first.saturating_add(index))?;
        }
        let rx = self.enable_queue(rx, RX_DESCRIPTORS)?;
        let tx = self.enable_queue(tx, TX_DESCRIPTORS)?;
        let wakes = match self.interrupts {
            Interrupts::MsiX { .. } => Wakes::Vector,
            Interrupts::SharedLine if index > 0 => Wakes::Watch(ArmedAt::new()),
            Interrupts::Line | Interrupts::SharedLine => Wakes::Line,
        };
        VirtioPair::new(self.device.clone(), rx, tx, self.features, wakes)
    }

    /// Sets up the control queue, behind those of all pairs that the device has (section 5.1.2).
    fn enable_control(&self) -> Result<ControlQueue<T>, Error> {
        let (queue, doorbell) = self.enable_queue(2 * self.config.queue_pairs, CONTROL_DESCRIPTORS)?;
        ControlQueue::new(self.device.clone(), queue, doorbell)
    }

    /// Tells the running device how many queue pairs to use and how to steer.
    fn steer(
        &self,
        mut queue: ControlQueue<T>,
        queue_pairs: u16,
        rss: &RssConfig,
    ) -> Result<Option<RssControl<T>>, Error> {
        if self.config.steering == Steering::Rss {
            match queue.execute(&Command::Steer { rss, queue_pairs }) {
                Ok(()) => return Ok(Some(RssControl::new(queue, rss.key, queue_pairs))),
                // There is still the device's own steering, with a command of its own.
                Err(Error::CommandRefused { .. }) if self.features.contains(Features::NET_MQ) => {}
                Err(error) => return Err(error),
            }
        }
        queue.execute(&Command::UsePairs(queue_pairs))?;
        Ok(None)
    }
}

impl<T: Transport> Nic for VirtioNet<T> {
    type Rx = ReceiveQueue<T>;
    type Tx = TransmitQueue<T>;
    type Pair = VirtioPair<T>;
    type Watch = QueueWatch;
    type Control = RssControl<T>;
    type Error = Error;

    fn info(&self) -> NicInfo {
        let completes = self.features.contains(Features::NET_CSUM);
        let queue_pairs = self.queue_pairs();
        NicInfo {
            mac: self.config.mac,
            mtu: self.config.mtu,
            tx_checksum: if completes { TxChecksum::Device } else { TxChecksum::Software },
            tso: self.features.contains(Features::NET_HOST_TSO4).then_some(MOST_CUT_PAYLOAD),
            queue_pairs: queue_pairs.into(),
            steering: if queue_pairs > 1 { self.config.steering } else { Steering::None },
        }
    }

    fn into_queue_pairs(self, n: usize, rss: &RssConfig) -> Result<Started<Self>, Error> {
        let count = n.min(self.queue_pairs().into()) as u16;
        if count == 0 {
            return Ok(Started { pairs: Vec::new(), control: None, watches: Vec::new() });
        }
        if let Some(pair) = rss.table.iter().find(|pair| u16::from(**pair) >= count) {
            return Err(Error::NoSuchPair { pair: *pair });
        }
        let pairs = (0..count).map(|index| self.enable_pair(index)).collect::<Result<Vec<_>, _>>()?;
        let watches = pairs.iter().filter_map(VirtioPair::watch).collect();
        let control = if count > 1 { Some(self.enable_control()?) } else { None };
        self.device.run();
        // A device that runs uses one pair until it is told otherwise (section 5.1.6.5.5).
        let control = match control {
            Some(queue) => self.steer(queue, count, rss)?,
            None => None,
        };
        Ok(Started { pairs, control, watches })
    }
}

#[cfg(test)]
mod tests;
