//! How a driver reaches a device's registers.

mod mmio;
mod pci;

pub use mmio::MmioTransport;
pub use pci::PciTransport;

use super::features::Status;
use crate::Error;

/// Where the parts of a split virtqueue lie, as the device sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingAddresses {
    /// Number of descriptors, a power of two.
    pub size: u16,
    /// The descriptor table ("descriptor area").
    pub descriptors: u64,
    /// The available ring ("driver area").
    pub driver: u64,
    /// The used ring ("device area").
    pub device: u64,
}

/// Where a queue's notifications go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doorbell {
    offset: usize,
    queue: u16,
}

/// The registers of one virtio device.
///
/// Every method is one access, or a fixed short sequence, and none waits. During set-up the caller is alone; while the
/// device runs, only [`ring`](Transport::ring) and [`acknowledge_interrupt`](Transport::acknowledge_interrupt) are called, by
/// any core.
pub trait Transport {
    /// The name of the register behind [`read_status`](Transport::read_status) in the specification.
    const STATUS_REGISTER: &'static str;

    /// What the device is (virtio 1.2, section 5); 0 is an empty slot.
    fn device_type(&self) -> u16;

    /// Reads the device status.
    fn read_status(&self) -> Status;

    /// Writes the device status; an empty one resets the device.
    fn write_status(&self, status: Status);

    /// Reads the feature bits that the device offers.
    fn read_features(&self) -> u64;

    /// Writes the feature bits that the driver accepts.
    fn write_features(&self, features: u64);

    /// The most descriptors that the queue can have, not 0.
    fn read_queue_size(&self, queue: u16) -> Result<u16, Error>;

    /// Has the queue's interrupts raised through this entry of the MSI-X table. Before [`enable_queue`](Transport::enable_queue).
    fn route_interrupt(&self, queue: u16, entry: u16) -> Result<(), Error>;

    /// Hands a queue's rings to the device. Their size is at most what [`read_queue_size`](Transport::read_queue_size) says.
    fn enable_queue(&self, queue: u16, rings: RingAddresses) -> Result<Doorbell, Error>;

    /// Notifies the device of a queue.
    fn ring(&self, doorbell: Doorbell);

    /// Takes a line interrupt back that the device has raised.
    fn acknowledge_interrupt(&self);

    /// Reads a byte of the device's own configuration.
    fn read_config8(&self, offset: usize) -> u8;

    /// Reads two bytes of the device's own configuration, at an even offset.
    fn read_config16(&self, offset: usize) -> u16;

    /// Changes whenever the device changes its configuration.
    fn read_config_generation(&self) -> u32;
}

/// The halves of an address, low first: it is written to two registers of 32 bits.
fn halves(address: u64) -> [u32; 2] {
    [address as u32, (address >> 32) as u32]
}
