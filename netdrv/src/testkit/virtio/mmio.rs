//! The registers over MMIO (virtio 1.2, section 4.2).

use std::cell::RefCell;

use super::NetDevice;
use crate::registers::Registers;
use crate::virtio::transport::RingAddresses;

/// The MMIO registers of a device. An access that section 4.2.2.2 does not allow panics.
#[derive(Debug)]
pub struct MmioRegisters {
    device: NetDevice,
    selected: RefCell<Selected>,
    identity: [u32; 3],
}

/// What the registers hold that is not the device's.
#[derive(Clone, Copy, Debug)]
struct Selected {
    device_features: u32,
    driver_features: u32,
    queue: usize,
    rings: RingAddresses,
}

impl MmioRegisters {
    pub(super) fn new(device: NetDevice) -> MmioRegisters {
        let rings = RingAddresses { size: 0, descriptors: 0, driver: 0, device: 0 };
        let selected = Selected { device_features: 0, driver_features: 0, queue: 0, rings };
        MmioRegisters { device, selected: RefCell::new(selected), identity: [u32::from_le_bytes(*b"virt"), 2, 1] }
    }

    /// Registers with another magic value, version and device type.
    pub fn with_identity(self, magic: u32, version: u32, device_type: u32) -> MmioRegisters {
        MmioRegisters { identity: [magic, version, device_type], ..self }
    }

    fn config(&self, offset: usize) -> u8 {
        let offset = offset.checked_sub(0x100).unwrap_or_else(|| panic!("{offset:#x} is a register of 32 bits"));
        self.device.state().config_byte(offset)
    }
}

/// Replaces one half of an address.
fn set_half(address: &mut u64, half: usize, value: u32) {
    let shift = 32 * half;
    *address = *address & !(0xffff_ffff << shift) | u64::from(value) << shift;
}

impl Registers for MmioRegisters {
    fn read8(&self, offset: usize) -> u8 {
        self.config(offset)
    }

    fn read16(&self, offset: usize) -> u16 {
        assert!(offset.is_multiple_of(2));
        u16::from_le_bytes([self.config(offset), self.config(offset + 1)])
    }

    fn read32(&self, offset: usize) -> u32 {
        let mut state = self.device.state();
        let selected = self.selected.borrow();
        match offset {
            0x00 => self.identity[0],
            0x04 => self.identity[1],
            0x08 => self.identity[2],
            0x10 => (state.offer.features >> (32 * selected.device_features)) as u32,
            0x34 => state.offer.queue_size(selected.queue).into(),
            0x44 => u32::from(state.queues[selected.queue].is_some()),
            0x60 => u32::from(state.interrupt_raised),
            0x70 => state.status.bits().into(),
            0xfc => state.read_generation(),
            _ => panic!("read of register {offset:#x}"),
        }
    }

    fn write8(&self, offset: usize, _value: u8) {
        panic!("8-bit write of register {offset:#x}");
    }

    fn write16(&self, offset: usize, _value: u16) {
        panic!("16-bit write of register {offset:#x}");
    }

    fn write32(&self, offset: usize, value: u32) {
        let mut state = self.device.state();
        let mut selected = self.selected.borrow_mut();
        match offset {
            0x14 => selected.device_features = value,
            0x24 => selected.driver_features = value,
            0x20 => state.write_features(selected.driver_features, value),
            0x30 => selected.queue = value as usize,
            0x38 => selected.rings.size = value as u16,
            0x44 => {
                assert_eq!(value, 1);
                state.enable_queue(selected.queue, selected.rings);
            }
            0x50 => state.kick(value as usize),
            0x64 => state.interrupt_raised &= value & 1 == 0,
            0x70 => state.write_status(value as u8),
            0x80 | 0x84 => set_half(&mut selected.rings.descriptors, (offset - 0x80) / 4, value),
            0x90 | 0x94 => set_half(&mut selected.rings.driver, (offset - 0x90) / 4, value),
            0xa0 | 0xa4 => set_half(&mut selected.rings.device, (offset - 0xa0) / 4, value),
            _ => panic!("write of register {offset:#x}"),
        }
    }
}
