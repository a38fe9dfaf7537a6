use crate::Error;
use crate::testkit::virtio::{NetDevice, Offer};
use crate::virtio::Device;
use crate::virtio::transport::{MmioTransport, Transport};

const MAGIC: u32 = u32::from_le_bytes(*b"virt");

fn identified(magic: u32, version: u32, device_type: u32) -> Result<u16, Error> {
    let registers = NetDevice::new(Offer::default()).mmio().with_identity(magic, version, device_type);
    MmioTransport::new(registers).map(|transport| transport.device_type())
}

#[test]
fn a_slot_is_identified() {
    assert_eq!(identified(MAGIC, 2, 1), Ok(1));
    assert_eq!(identified(MAGIC, 2, 0), Ok(0), "an empty slot is no error");
    assert_eq!(identified(MAGIC, 1, 1), Err(Error::LegacyOnly));
    assert_eq!(identified(u32::MAX, u32::MAX, 1), Err(Error::NotVirtio { id: u32::MAX }));
}

#[test]
fn a_driver_takes_only_its_type() {
    let registers = NetDevice::new(Offer::default()).mmio().with_identity(MAGIC, 2, 4);
    let taken = Device::take(MmioTransport::new(registers).unwrap(), 1);
    assert_eq!(taken.err(), Some(Error::WrongType { wanted: 1, found: 4 }));
}

#[test]
fn there_are_no_msix_vectors() {
    let transport = MmioTransport::new(NetDevice::new(Offer::default()).mmio()).unwrap();
    assert_eq!(transport.route_interrupt(0, 1), Err(Error::NoVector { queue: 0, entry: 1 }));
}
