//! Virtio over MMIO, version 2 (virtio 1.2, section 4.2).

use super::{Doorbell, RingAddresses, Transport, halves};
use crate::Error;
use crate::registers::Registers;
use crate::virtio::features::Status;

/// "virt".
const MAGIC: u32 = 0x7472_6976;
/// Version of the modern interface; 1 is the legacy one.
const VERSION: u32 = 2;

/// Register offsets (section 4.2.2).
pub(crate) mod reg {
    pub(crate) const MAGIC_VALUE: usize = 0x000;
    pub(crate) const VERSION: usize = 0x004;
    pub(crate) const DEVICE_ID: usize = 0x008;
    pub(crate) const DEVICE_FEATURES: usize = 0x010;
    pub(crate) const DEVICE_FEATURES_SEL: usize = 0x014;
    pub(crate) const DRIVER_FEATURES: usize = 0x020;
    pub(crate) const DRIVER_FEATURES_SEL: usize = 0x024;
    pub(crate) const QUEUE_SEL: usize = 0x030;
    pub(crate) const QUEUE_NUM_MAX: usize = 0x034;
    pub(crate) const QUEUE_NUM: usize = 0x038;
    pub(crate) const QUEUE_READY: usize = 0x044;
    pub(crate) const QUEUE_NOTIFY: usize = 0x050;
    pub(crate) const INTERRUPT_STATUS: usize = 0x060;
    pub(crate) const INTERRUPT_ACK: usize = 0x064;
    pub(crate) const STATUS: usize = 0x070;
    pub(crate) const QUEUE_DESC: usize = 0x080;
    pub(crate) const QUEUE_DRIVER: usize = 0x090;
    pub(crate) const QUEUE_DEVICE: usize = 0x0a0;
    pub(crate) const CONFIG_GENERATION: usize = 0x0fc;
    pub(crate) const CONFIG: usize = 0x100;
}

/// A virtio device behind a window of MMIO registers.
#[derive(Debug)]
pub struct MmioTransport<R> {
    regs: R,
}

impl<R: Registers> MmioTransport<R> {
    /// The device behind `regs`. An empty slot is a device too: look at [`device_type`](Transport::device_type).
    pub fn new(regs: R) -> Result<MmioTransport<R>, Error> {
        match (regs.read32(reg::MAGIC_VALUE), regs.read32(reg::VERSION)) {
            (MAGIC, VERSION) => Ok(MmioTransport { regs }),
            (MAGIC, _) => Err(Error::LegacyOnly),
            (id, _) => Err(Error::NotVirtio { id }),
        }
    }

    fn write_address(&self, register: usize, address: u64) {
        let [low, high] = halves(address);
        self.regs.write32(register, low);
        self.regs.write32(register + 4, high);
    }
}

impl<R: Registers> Transport for MmioTransport<R> {
    const STATUS_REGISTER: &'static str = "Status";

    fn device_type(&self) -> u16 {
        self.regs.read32(reg::DEVICE_ID) as u16
    }

    fn read_status(&self) -> Status {
        Status::from_bits_retain(self.regs.read32(reg::STATUS) as u8)
    }

    fn write_status(&self, status: Status) {
        self.regs.write32(reg::STATUS, u32::from(status.bits()));
    }

    fn read_features(&self) -> u64 {
        let half = |selector| {
            self.regs.write32(reg::DEVICE_FEATURES_SEL, selector);
            u64::from(self.regs.read32(reg::DEVICE_FEATURES))
        };
        half(0) | half(1) << 32
    }

    fn write_features(&self, features: u64) {
        for (selector, half) in (0..).zip(halves(features)) {
            self.regs.write32(reg::DRIVER_FEATURES_SEL, selector);
            self.regs.write32(reg::DRIVER_FEATURES, half);
        }
    }

    fn read_queue_size(&self, queue: u16) -> Result<u16, Error> {
        self.regs.write32(reg::QUEUE_SEL, u32::from(queue));
        match self.regs.read32(reg::QUEUE_NUM_MAX) {
            0 => Err(Error::MissingQueue { queue }),
            size => Ok(u16::try_from(size).unwrap_or(u16::MAX)),
        }
    }

    fn route_interrupt(&self, queue: u16, entry: u16) -> Result<(), Error> {
        Err(Error::NoVector { queue, entry })
    }

    fn enable_queue(&self, queue: u16, rings: RingAddresses) -> Result<Doorbell, Error> {
        self.regs.write32(reg::QUEUE_SEL, u32::from(queue));
        if self.regs.read32(reg::QUEUE_READY) != 0 {
            return Err(Error::QueueInUse { queue });
        }
        self.regs.write32(reg::QUEUE_NUM, u32::from(rings.size));
        self.write_address(reg::QUEUE_DESC, rings.descriptors);
        self.write_address(reg::QUEUE_DRIVER, rings.driver);
        self.write_address(reg::QUEUE_DEVICE, rings.device);
        self.regs.write32(reg::QUEUE_READY, 1);
        Ok(Doorbell { offset: reg::QUEUE_NOTIFY, queue })
    }

    fn ring(&self, doorbell: Doorbell) {
        self.regs.write32(doorbell.offset, u32::from(doorbell.queue));
    }

    fn acknowledge_interrupt(&self) {
        let raised = self.regs.read32(reg::INTERRUPT_STATUS);
        if raised != 0 {
            self.regs.write32(reg::INTERRUPT_ACK, raised);
        }
    }

    fn read_config8(&self, offset: usize) -> u8 {
        self.regs.read8(reg::CONFIG + offset)
    }

    fn read_config16(&self, offset: usize) -> u16 {
        self.regs.read16(reg::CONFIG + offset)
    }

    fn read_config_generation(&self) -> u32 {
        self.regs.read32(reg::CONFIG_GENERATION)
    }
}

#[cfg(test)]
mod tests;
