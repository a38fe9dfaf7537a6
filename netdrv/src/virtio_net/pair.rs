//! A queue pair between set-up, on one core, and use, on another: rings without buffers, which can be sent.

use alloc::sync::Arc;

use super::rx::Wakes;
use super::tx::Headers;
use super::watch::QueueWatch;
use super::{ReceiveQueue, TransmitQueue};
use crate::Error;
use crate::nic::{ClosedPair, QueuePair};
use crate::virtio::transport::{Doorbell, Transport};
use crate::virtio::{Device, Features, SplitQueue};

/// A queue and where its notifications go.
type Queue = (SplitQueue, Doorbell);

/// A queue pair of a virtio-net device.
pub struct VirtioPair<T: Transport> {
    device: Arc<Device<T>>,
    rx: Queue,
    tx: Queue,
    headers: Headers,
    features: Features,
    wakes: Wakes,
}

impl<T: Transport> VirtioPair<T> {
    pub(super) fn new(
        device: Arc<Device<T>>,
        rx: Queue,
        tx: Queue,
        features: Features,
        wakes: Wakes,
    ) -> Result<VirtioPair<T>, Error> {
        let headers = Headers::leak(&tx.0)?;
        Ok(VirtioPair { device, rx, tx, headers, features, wakes })
    }

    /// The watch of its receive queue, if it is to be watched.
    pub(super) fn watch(&self) -> Option<QueueWatch> {
        match &self.wakes {
            Wakes::Watch(armed_at) => Some(QueueWatch::new(armed_at.clone(), self.rx.0.used_index())),
            Wakes::Line | Wakes::Vector => None,
        }
    }
}

impl<T: Transport> ClosedPair for VirtioPair<T> {
    type Rx = ReceiveQueue<T>;
    type Tx = TransmitQueue<T>;

    fn open(self) -> QueuePair<ReceiveQueue<T>, TransmitQueue<T>> {
        let VirtioPair { device, rx, tx, headers, features, wakes } = self;
        let rx = ReceiveQueue::open(device.clone(), rx.0, rx.1, features, wakes);
        let tx = TransmitQueue::open(device, tx.0, tx.1, headers, features);
        QueuePair { rx, tx }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registers::Mmio;
    use crate::virtio::transport::{MmioTransport, PciTransport};
    use crate::virtio_net::RssControl;

    #[test]
    fn pairs_and_control_travel_to_their_cores() {
        fn travels<T: Send>() {}
        travels::<VirtioPair<PciTransport<Mmio>>>();
        travels::<VirtioPair<MmioTransport<Mmio>>>();
        travels::<RssControl<PciTransport<Mmio>>>();
        travels::<QueueWatch>();
    }
}
