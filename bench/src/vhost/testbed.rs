//! A guest's driver and the back end's queues, in the memory of one process.

#![allow(unsafe_code)] // this process's memory is the guest's

use std::sync::Arc;

use netdrv::nic::{ClosedPair as _, Nic as _, NicInfo, QueuePair, RssConfig};
use netdrv::testkit::virtio::{MmioRegisters, NetDevice, Offer};
use netdrv::virtio::transport::MmioTransport;
use netdrv::virtio_net::{Interrupts, ReceiveQueue, TransmitQueue, VirtioNet};

use super::Pairs;
use super::control::OFFERED;
use super::memory::Memory;
use super::ring::{Addresses, Ring};
use super::seat::Seat;

type Transport = MmioTransport<MmioRegisters>;

/// One of the guest's queue pairs.
pub(crate) type GuestPair = QueuePair<ReceiveQueue<Transport>, TransmitQueue<Transport>>;

/// The guest's side, and what the back end's is made of.
pub(crate) struct Guest {
    pub(crate) info: NicInfo,
    pub(crate) pairs: Vec<GuestPair>,
    pub(crate) device: NetDevice,
    pub(super) seats: Arc<[Arc<Seat>]>,
}

impl Guest {
    /// A guest whose driver has started so many queue pairs. Its receive queues are empty.
    pub(crate) fn new(pairs: u16) -> Guest {
        let offer = Offer { features: OFFERED.bits(), queue_pairs: pairs, ..Offer::default() };
        let device = NetDevice::new(offer);
        let nic = VirtioNet::new(MmioTransport::new(device.mmio()).unwrap(), Interrupts::SharedLine).unwrap();
        let info = nic.info();
        let steering = RssConfig { key: [0; 40], table: [0; 128] };
        let started = nic.into_queue_pairs(pairs.into(), &steering).unwrap();
        let seats: Arc<[Arc<Seat>]> = (0..2 * pairs).map(|_| Arc::default()).collect();
        for (queue, seat) in seats.iter().enumerate() {
            seat.start(ring_of(&device, queue, 0));
        }
        Guest { info, pairs: started.pairs.into_iter().map(|pair| pair.open()).collect(), device, seats }
    }

    /// The back end's side.
    pub(crate) fn back_end(&self) -> Pairs {
        Pairs(self.seats.clone())
    }
}

/// The back end's view of a queue, from `position` on.
pub(super) fn ring_of(device: &NetDevice, queue: usize, position: u16) -> Ring {
    // SAFETY: the driver lends what it names, and is correct.
    let memory = Arc::new(unsafe { Memory::own() });
    let at = device.rings(queue);
    let addresses = Addresses { descriptors: at.descriptors, available: at.driver, used: at.device };
    Ring::new(&memory, addresses, at.size.into(), position).unwrap()
}
