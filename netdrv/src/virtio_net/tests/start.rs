//! From a device to queue pairs, and back.

use super::*;
use crate::testkit::virtio::{Behaviour, Flavour, RX, TX};
use crate::virtio::transport::PciTransport;

fn nic(offer: Offer) -> Result<VirtioNet<MmioTransport<MmioRegisters>>, Error> {
    VirtioNet::new(MmioTransport::new(NetDevice::new(offer).mmio())?, Interrupts::Line)
}

fn refused(offer: Offer) -> Error {
    nic(offer).err().unwrap()
}

#[test]
fn the_device_says_what_it_is() {
    let device = nic(Offer { mtu: 1400, link: 0, ..Offer::default() }).unwrap();
    let mac = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
    let (tx_checksum, tso, steering) = (TxChecksum::Device, Some(65_455), Steering::None);
    assert_eq!(device.info(), NicInfo { mac, mtu: 1400, tx_checksum, tso, queue_pairs: 1, steering });
    assert_eq!(device.link(), Link::Down);
    assert_eq!(device.features(), Features::all());
}

#[test]
fn what_is_not_offered_is_neither_read_nor_used() {
    let device = nic(without(Features::NET_MTU | Features::NET_STATUS | Features::NET_CSUM)).unwrap();
    assert_eq!((device.info().mtu, device.info().tx_checksum), (1500, TxChecksum::Software));
    assert_eq!(device.link(), Link::Up);
    let unknown = Offer { features: u64::MAX, ..Offer::default() };
    assert_eq!(nic(unknown).unwrap().features(), Features::all());
}

#[test]
fn a_packet_of_the_mtu_fits_a_buffer() {
    let mtu = nic(Offer { mtu: 9000, ..Offer::default() }).unwrap().info().mtu;
    assert_eq!(usize::from(mtu), crate::pktbuf::BUF_BYTES - 12 - 18);
}

#[test]
fn devices_that_cannot_work_are_refused_by_name() {
    let offer = Offer::default;
    let mac = Error::MissingFeature { feature: "VIRTIO_NET_F_MAC" };
    assert_eq!(refused(without(Features::VERSION_1)), Error::LegacyOnly);
    assert_eq!(refused(without(Features::NET_MAC)), mac);
    assert_eq!(refused(Offer { mtu: 67, ..offer() }), Error::BadConfig { field: "mtu", value: 67 });
    assert_eq!(refused(Offer { mac: [1; 6], ..offer() }), Error::BadConfig { field: "mac", value: 0x0101_0101_0101 });
    assert_eq!(refused(Offer { mac: [0; 6], ..offer() }), Error::BadConfig { field: "mac", value: 0 });
    assert_eq!(refused(Offer { agrees: Behaviour::Broken, ..offer() }), Error::FeaturesRefused);
    assert_eq!(refused(Offer { resets: Behaviour::Broken, ..offer() }), Error::Timeout { register: "Status" });
    let restless = Error::Timeout { register: "config_generation" };
    assert_eq!(refused(Offer { rests: Behaviour::Broken, ..offer() }), restless);
    for (queue_sizes, queue) in [([0, 256], 0), ([256, 0], 1), ([256, 1], 1)] {
        let device = nic(Offer { queue_sizes, ..offer() }).unwrap();
        assert_eq!(device.into_queue_pairs(1, &TO_THE_FIRST).err(), Some(Error::MissingQueue { queue }));
    }
}

#[test]
fn queues_are_bounded_powers_of_two() {
    let sizes = |queue_sizes| {
        let setup = Setup::new(Offer { queue_sizes, ..Offer::default() }, 0);
        [RX, TX].map(|queue| setup.device.with_queue(queue, |queue| queue.size()))
    };
    assert_eq!(sizes([256, 256]), [256, 256]);
    assert_eq!(sizes([1024, 1024]), [256, 512]);
    assert_eq!(sizes([300, 7]), [256, 4]);
}

#[test]
fn a_device_that_is_dropped_is_reset() {
    let device = NetDevice::new(Offer::default());
    let nic = VirtioNet::new(MmioTransport::new(device.mmio()).unwrap(), Interrupts::Line).unwrap();
    let mut pairs = nic.into_queue_pairs(4, &TO_THE_FIRST).unwrap().pairs;
    assert_eq!(pairs.len(), 1, "as many as it has");
    assert!(device.is_running());
    let QueuePair { rx, tx } = pairs.pop().unwrap().open();
    drop(rx);
    assert!(!device.is_running(), "before the first buffer is given back");
    drop(tx);
}

#[test]
fn a_device_that_does_not_stop_keeps_its_buffers() {
    let mut setup = Setup::new(Offer::default(), 300);
    setup.pair.rx.refill(setup.pool);
    setup.send(setup.frame(1, 60));
    setup.device.set_resets(Behaviour::Broken);
    drop(setup.pair);
    assert_eq!(setup.pool.available(), 300 - 256 - 1);
}

/// The whole way over PCI, as QEMU and uhyve have it. The model panics where uhyve would.
#[test]
fn pci_devices_run() {
    let uhyve = Features::NET_MAC | Features::NET_STATUS | Features::NET_MTU | Features::NET_CSUM;
    let uhyve = uhyve | Features::NET_GUEST_CSUM | Features::VERSION_1;
    let cases = [
        (Flavour::Qemu, Offer::default(), Interrupts::Line),
        (
            Flavour::Qemu,
            Offer { queue_sizes: [1024; 2], ..Offer::default() },
            Interrupts::MsiX { first: 1, entries: 1 },
        ),
        (Flavour::Uhyve, Offer { features: uhyve.bits(), ..Offer::default() }, Interrupts::Line),
    ];
    for (flavour, offer, interrupts) in cases {
        let device = NetDevice::new(offer);
        let pool = Pool::leak(PoolMemory::leak(300));
        let nic = VirtioNet::new(PciTransport::new(&device.pci(flavour)).unwrap(), interrupts).unwrap();
        let QueuePair { mut rx, mut tx } = nic.into_queue_pairs(1, &TO_THE_FIRST).unwrap().pairs.pop().unwrap().open();
        assert_eq!(rx.refill(pool), 256);
        assert!(device.deliver(b"a frame from elsewhere"));
        let mut batch = Batch::new();
        assert_eq!(rx.poll(&mut batch, 1), 1);
        assert_eq!(tx.submit(&mut batch), 1);
        tx.doorbell();
        assert_eq!(device.transmit()[0].frame, b"a frame from elsewhere");
        assert_eq!((device.kicks(RX), device.kicks(TX)), (1, 1));
        rx.arm();
        device.deliver(&[0; 60]);
        assert!(device.interrupt_raised());
        rx.disarm();
        assert_eq!(device.interrupt_raised(), interrupts != Interrupts::Line, "a line is acknowledged");
        drop((rx, tx));
        assert_eq!(pool.available(), pool.capacity());
    }
}

#[test]
fn an_entry_that_msix_lacks_is_refused() {
    let device = NetDevice::new(Offer::default());
    let transport = PciTransport::new(&device.pci(Flavour::Qemu)).unwrap();
    let nic = VirtioNet::new(transport, Interrupts::MsiX { first: 9, entries: 1 }).unwrap();
    assert_eq!(nic.into_queue_pairs(1, &TO_THE_FIRST).err(), Some(Error::NoVector { queue: 0, entry: 9 }));
    assert!(!device.is_running());
}
