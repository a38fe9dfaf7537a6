//! Virtio over PCI, the modern interface (virtio 1.2, section 4.1), also of transitional devices.
//!
//! uhyve 0.10 is held to less than the specification: the order and the widths of the accesses here are chosen so that it
//! copes (each place says so), and no access leaves the windows that the capabilities describe, or it would panic.

use super::{Doorbell, RingAddresses, Transport, halves};
use crate::Error;
use crate::pci::{self, PciFunction};
use crate::registers::Registers;
use crate::virtio::features::Status;

/// PCI vendor id of virtio devices (section 4.1.2).
const VENDOR: u16 = 0x1af4;
/// Device ids of transitional devices; their type is in the subsystem id.
const TRANSITIONAL: core::ops::RangeInclusive<u16> = 0x1000..=0x103f;
/// Device ids of modern devices: this plus their type.
const MODERN: core::ops::RangeInclusive<u16> = 0x1040..=0x107f;

/// PCI capability id "vendor-specific".
const CAP_VENDOR: u8 = 0x09;
/// Offsets within a capability (section 4.1.4).
const CAP_BAR: u16 = 4;
const CAP_OFFSET: u16 = 8;
const CAP_LENGTH: u16 = 12;
const CAP_NOTIFY_MULTIPLIER: u16 = 16;

/// Values of `cfg_type` (section 4.1.4).
const CFG_COMMON: u8 = 1;
const CFG_NOTIFY: u8 = 2;
const CFG_ISR: u8 = 3;
const CFG_DEVICE: u8 = 4;

/// What a queue's `queue_msix_vector` reads if the device has no such vector.
const NO_VECTOR: u16 = 0xffff;

/// Offsets within the common configuration (section 4.1.4.3).
pub(crate) mod reg {
    pub(crate) const DEVICE_FEATURE_SELECT: usize = 0x00;
    pub(crate) const DEVICE_FEATURE: usize = 0x04;
    pub(crate) const DRIVER_FEATURE_SELECT: usize = 0x08;
    pub(crate) const DRIVER_FEATURE: usize = 0x0c;
    pub(crate) const NUM_QUEUES: usize = 0x12;
    pub(crate) const DEVICE_STATUS: usize = 0x14;
    pub(crate) const CONFIG_GENERATION: usize = 0x15;
    pub(crate) const QUEUE_SELECT: usize = 0x16;
    pub(crate) const QUEUE_SIZE: usize = 0x18;
    pub(crate) const QUEUE_MSIX_VECTOR: usize = 0x1a;
    pub(crate) const QUEUE_ENABLE: usize = 0x1c;
    pub(crate) const QUEUE_NOTIFY_OFF: usize = 0x1e;
    pub(crate) const QUEUE_DESC: usize = 0x20;
    pub(crate) const QUEUE_DRIVER: usize = 0x28;
    pub(crate) const QUEUE_DEVICE: usize = 0x30;
    /// Bytes of the structure.
    pub(crate) const BYTES: usize = 0x38;
}

/// A virtio device that is a PCI function.
#[derive(Debug)]
pub struct PciTransport<R> {
    device_type: u16,
    common: R,
    notify: R,
    notify_bytes: usize,
    notify_multiplier: usize,
    isr: R,
    config: R,
}

impl<R: Registers> PciTransport<R> {
    /// The device behind `function`, which is switched on: it answers memory accesses and may access memory itself.
    ///
    /// All capabilities are read here, before the first reset, in which uhyve loses its list of them.
    pub fn new<F: PciFunction<Window = R>>(function: &F) -> Result<PciTransport<R>, Error> {
        let device_type = device_type(function)?;
        let command = function.read_config(pci::COMMAND) as u16;
        // The upper half is left 0: its bits are cleared by writing ones.
        let enable = pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER;
        function.write_config(pci::COMMAND, (u32::from(command) | enable) & !pci::COMMAND_INTX_DISABLE);

        let common = Window::find(function, CFG_COMMON, reg::BYTES, "common configuration")?;
        let notify = Window::find(function, CFG_NOTIFY, 2, "notification")?;
        let isr = Window::find(function, CFG_ISR, 1, "ISR status")?;
        let config = Window::find(function, CFG_DEVICE, 1, "device configuration")?;
        Ok(PciTransport {
            device_type,
            common: common.regs,
            notify: notify.regs,
            notify_bytes: notify.bytes,
            notify_multiplier: function.read_config(notify.capability + CAP_NOTIFY_MULTIPLIER) as usize,
            isr: isr.regs,
            config: config.regs,
        })
    }

    /// Selects a queue that the device has. uhyve breaks for good when a queue that it lacks is selected.
    fn select(&self, queue: u16) -> Result<(), Error> {
        if queue >= self.common.read16(reg::NUM_QUEUES) {
            return Err(Error::MissingQueue { queue });
        }
        self.common.write16(reg::QUEUE_SELECT, queue);
        Ok(())
    }

    /// Writes an address as two halves: the specification allows a write of 64 bits too, uhyve does not.
    fn write_address(&self, register: usize, address: u64) {
        let [low, high] = halves(address);
        self.common.write32(register, low);
        self.common.write32(register + 4, high);
    }

    /// Where the selected queue is notified (section 4.1.4.4).
    fn doorbell(&self, queue: u16) -> Result<Doorbell, Error> {
        let unit = usize::from(self.common.read16(reg::QUEUE_NOTIFY_OFF));
        let offset = unit.checked_mul(self.notify_multiplier).filter(|offset| {
            let end = offset.checked_add(2);
            offset.is_multiple_of(2) && end.is_some_and(|end| end <= self.notify_bytes)
        });
        Ok(Doorbell { offset: offset.ok_or(Error::BadCapability { structure: "notification" })?, queue })
    }
}

/// The type of the virtio device that `function` is (section 4.1.2.1).
fn device_type<F: PciFunction>(function: &F) -> Result<u16, Error> {
    let id = function.read_config(pci::ID);
    let (vendor, device) = (id as u16, (id >> 16) as u16);
    match device {
        _ if vendor != VENDOR => Err(Error::NotVirtio { id }),
        device if TRANSITIONAL.contains(&device) => Ok((function.read_config(pci::SUBSYSTEM) >> 16) as u16),
        device if MODERN.contains(&device) => Ok(device - MODERN.start()),
        _ => Err(Error::NotVirtio { id }),
    }
}

/// A structure in a BAR that a capability leads to.
struct Window<R> {
    regs: R,
    bytes: usize,
    /// Where the capability lies in the configuration space.
    capability: u16,
}

impl<R: Registers> Window<R> {
    /// Maps the first structure of type `cfg_type` that has at least `min_bytes` and can be mapped (section 4.1.4.1).
    fn find<F: PciFunction<Window = R>>(
        function: &F,
        cfg_type: u8,
        min_bytes: usize,
        structure: &'static str,
    ) -> Result<Window<R>, Error> {
        let typed = |cap: &pci::Capability| (function.read_config(cap.offset) >> 24) as u8 == cfg_type;
        let map = |cap: pci::Capability| {
            let bar = function.read_config(cap.offset + CAP_BAR) as u8;
            let offset = function.read_config(cap.offset + CAP_OFFSET);
            let bytes = function.read_config(cap.offset + CAP_LENGTH);
            if bar > 5 || (bytes as usize) < min_bytes {
                return None;
            }
            let regs = function.map_bar(bar, offset.into(), bytes.into())?;
            Some(Window { regs, bytes: bytes as usize, capability: cap.offset })
        };
        // A capability of 16 bytes (20 for notifications) that begins beyond 0xec reaches out of the space.
        let virtio = pci::capabilities(function).filter(|cap| cap.id == CAP_VENDOR && cap.offset <= 0xec);
        virtio.filter(typed).find_map(map).ok_or(Error::BadCapability { structure })
    }
}

impl<R: Registers> Transport for PciTransport<R> {
    const STATUS_REGISTER: &'static str = "device_status";

    fn device_type(&self) -> u16 {
        self.device_type
    }

    fn read_status(&self) -> Status {
        Status::from_bits_retain(self.common.read8(reg::DEVICE_STATUS))
    }

    fn write_status(&self, status: Status) {
        self.common.write8(reg::DEVICE_STATUS, status.bits());
    }

    fn read_features(&self) -> u64 {
        let half = |selector| {
            self.common.write32(reg::DEVICE_FEATURE_SELECT, selector);
            u64::from(self.common.read32(reg::DEVICE_FEATURE))
        };
        half(0) | half(1) << 32
    }

    fn write_features(&self, features: u64) {
        let [low, high] = halves(features);
        // The high half first: uhyve remembers only the half that was written last, and cares for bits of the low one.
        for (selector, half) in [(1, high), (0, low)] {
            self.common.write32(reg::DRIVER_FEATURE_SELECT, selector);
            self.common.write32(reg::DRIVER_FEATURE, half);
        }
    }

    fn read_queue_size(&self, queue: u16) -> Result<u16, Error> {
        self.select(queue)?;
        match self.common.read16(reg::QUEUE_SIZE) {
            0 => Err(Error::MissingQueue { queue }),
            size => Ok(size),
        }
    }

    fn route_interrupt(&self, queue: u16, entry: u16) -> Result<(), Error> {
        self.select(queue)?;
        self.common.write16(reg::QUEUE_MSIX_VECTOR, entry);
        match self.common.read16(reg::QUEUE_MSIX_VECTOR) {
            routed if routed == entry && entry != NO_VECTOR => Ok(()),
            _ => Err(Error::NoVector { queue, entry }),
        }
    }

    fn enable_queue(&self, queue: u16, rings: RingAddresses) -> Result<Doorbell, Error> {
        self.select(queue)?;
        // uhyve takes no size; its own is what the caller was offered, and wants.
        if self.common.read16(reg::QUEUE_SIZE) != rings.size {
            self.common.write16(reg::QUEUE_SIZE, rings.size);
        }
        self.write_address(reg::QUEUE_DESC, rings.descriptors);
        self.write_address(reg::QUEUE_DRIVER, rings.driver);
        self.write_address(reg::QUEUE_DEVICE, rings.device);
        let doorbell = self.doorbell(queue)?;
        self.common.write16(reg::QUEUE_ENABLE, 1);
        Ok(doorbell)
    }

    fn ring(&self, doorbell: Doorbell) {
        self.notify.write16(doorbell.offset, doorbell.queue);
    }

    fn acknowledge_interrupt(&self) {
        // Reading clears it and lowers the line (section 4.1.4.5). What it says does not matter: the caller polls anyway.
        let _ = self.isr.read8(0);
    }

    fn read_config8(&self, offset: usize) -> u8 {
        self.config.read8(offset)
    }

    fn read_config16(&self, offset: usize) -> u16 {
        self.config.read16(offset)
    }

    fn read_config_generation(&self) -> u32 {
        u32::from(self.common.read8(reg::CONFIG_GENERATION))
    }
}

#[cfg(test)]
mod tests;
