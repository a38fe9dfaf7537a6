//! The device as a PCI function (virtio 1.2, section 4.1), in the manner of two VMMs.

use std::cell::RefCell;
use std::rc::Rc;

use super::NetDevice;
use crate::pci::PciFunction;
use crate::registers::Registers;
use crate::virtio::transport::RingAddresses;

/// Whose device this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// QEMU on a plain PCI bus: transitional, windows a page each in BAR 4, MSI-X, sizes can be chosen.
    Qemu,
    /// uhyve 0.10: all in 256 bytes of BAR 0, and the quirks; what makes it panic makes the model panic.
    Uhyve,
}

/// A structure that a capability leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Structure {
    Common = 1,
    Notify = 2,
    Isr = 3,
    Device = 4,
}

/// Where a structure lies: BAR, offset and length in bytes.
type Place = (Structure, u8, u32, u32);

const QEMU_PLACES: [Place; 4] = [
    (Structure::Common, 4, 0x0000, 0x1000),
    (Structure::Isr, 4, 0x1000, 0x1000),
    (Structure::Device, 4, 0x2000, 0x1000),
    (Structure::Notify, 4, 0x3000, 0x1000),
];

const UHYVE_PLACES: [Place; 4] = [
    (Structure::Common, 0, 0x88, 0x40),
    (Structure::Isr, 0, 0xc8, 0x01),
    (Structure::Notify, 0, 0xd0, 0x08),
    (Structure::Device, 0, 0xd8, 0x18),
];

/// Bytes from one queue's doorbell to the next.
const NOTIFY_MULTIPLIER: u32 = 4;
/// Entries of the MSI-X table.
const VECTORS: u16 = 6;

/// The PCI function. Its configuration space can be tampered with before the driver sees it.
#[derive(Debug)]
pub struct PciModel {
    registers: Rc<Common>,
    space: RefCell<[u8; 256]>,
    places: [Place; 4],
}

/// State behind the windows.
#[derive(Debug)]
struct Common {
    device: NetDevice,
    flavour: Flavour,
    selected: RefCell<Selected>,
}

#[derive(Debug)]
struct Selected {
    device_features: u32,
    driver_features: u32,
    queue: u16,
    rings: Vec<RingAddresses>,
    vectors: Vec<u16>,
    /// uhyve keeps its capability list until the first reset.
    lists_capabilities: bool,
}

impl PciModel {
    pub(super) fn new(device: NetDevice, flavour: Flavour) -> PciModel {
        let queues = device.state().offer.num_queues();
        let rings: Vec<RingAddresses> = (0..queues.into())
            .map(|queue| {
                let size = device.state().offer.queue_size(queue);
                RingAddresses { size, descriptors: 0, driver: 0, device: 0 }
            })
            .collect();
        let selected = Selected {
            device_features: 0,
            driver_features: 0,
            queue: 0,
            vectors: vec![0xffff; rings.len()],
            rings,
            lists_capabilities: true,
        };
        let registers = Rc::new(Common { device, flavour, selected: RefCell::new(selected) });
        let places = if flavour == Flavour::Qemu { QEMU_PLACES } else { UHYVE_PLACES };
        let model = PciModel { registers, space: RefCell::new([0; 256]), places };
        model.lay_out();
        model
    }

    /// Writes the header and the capabilities.
    fn lay_out(&self) {
        let (id, subsystem) = match self.registers.flavour {
            Flavour::Qemu => (0x1000_1af4, 0x0001_1af4),
            Flavour::Uhyve => (0x1041_1af4, 0),
        };
        self.poke(0x00, id);
        self.poke(0x04, 1 << 20);
        self.poke(0x2c, subsystem);
        self.poke(0x34, 0x40);
        // One that is not virtio's, and one of a virtio type that drivers do not need.
        self.poke(0x40, 0x0000_4c11);
        self.poke(0x4c, 0x0514_6009);
        let mut offset = 0x60;
        for (i, (structure, bar, start, len)) in self.places.into_iter().enumerate() {
            let next = if i + 1 < self.places.len() { u32::from(offset) + 0x18 } else { 0 };
            self.poke(offset, (structure as u32) << 24 | 0x14_0009 | next << 8);
            self.poke(offset + 4, bar.into());
            self.poke(offset + 8, start);
            self.poke(offset + 12, len);
            if structure == Structure::Notify {
                self.poke(offset + 16, NOTIFY_MULTIPLIER);
            }
            offset += 0x18;
        }
    }

    /// Writes anything into the configuration space.
    pub fn poke(&self, offset: u16, value: u32) {
        let at = usize::from(offset);
        self.space.borrow_mut()[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Reads the configuration space, whatever the device says to its driver.
    pub fn peek(&self, offset: u16) -> u32 {
        let at = usize::from(offset);
        u32::from_le_bytes(self.space.borrow()[at..at + 4].try_into().expect("4 bytes"))
    }
}

impl PciFunction for PciModel {
    type Window = PciWindow;

    fn read_config(&self, offset: u16) -> u32 {
        assert!(offset.is_multiple_of(4));
        let value = self.peek(offset);
        let listed = self.registers.selected.borrow().lists_capabilities;
        if offset == 0x04 && !listed { value & !(1 << 20) } else { value }
    }

    fn write_config(&self, offset: u16, value: u32) {
        assert_eq!(offset, 0x04, "the driver writes only the command register");
        self.poke(offset, self.peek(offset) & 0xffff_0000 & !value | value & 0xffff);
    }

    fn map_bar(&self, bar: u8, offset: u64, len: u64) -> Option<PciWindow> {
        let place = |place: &&Place| (place.1, u64::from(place.2), u64::from(place.3)) == (bar, offset, len);
        let structure = self.places.iter().find(place)?.0;
        Some(PciWindow { registers: Rc::clone(&self.registers), structure, bytes: len as usize })
    }
}

/// A window of the device's BAR.
#[derive(Debug)]
pub struct PciWindow {
    registers: Rc<Common>,
    structure: Structure,
    bytes: usize,
}

impl PciWindow {
    fn check(&self, offset: usize, width: usize) {
        assert!(offset.is_multiple_of(width) && offset + width <= self.bytes, "{:?}+{offset:#x}", self.structure);
    }

    fn wrong(&self, offset: usize, access: &str) -> ! {
        panic!("{access} of {:?}+{offset:#x}", self.structure)
    }
}

impl Registers for PciWindow {
    fn read8(&self, offset: usize) -> u8 {
        self.check(offset, 1);
        let mut state = self.registers.device.state();
        match (self.structure, offset) {
            (Structure::Common, 0x14) => state.status.bits(),
            (Structure::Common, 0x15) => state.read_generation() as u8,
            (Structure::Isr, 0) => u8::from(std::mem::take(&mut state.interrupt_raised)),
            (Structure::Device, _) => state.config_byte(offset),
            _ => self.wrong(offset, "8-bit read"),
        }
    }

    fn read16(&self, offset: usize) -> u16 {
        self.check(offset, 2);
        if self.structure == Structure::Device {
            return u16::from_le_bytes([self.read8(offset), self.read8(offset + 1)]);
        }
        let selected = self.registers.selected.borrow();
        let queue = usize::from(selected.queue);
        match (self.structure, offset) {
            (Structure::Common, 0x12) => selected.rings.len() as u16,
            (Structure::Common, 0x18) => selected.rings[queue].size,
            (Structure::Common, 0x1a) => selected.vectors[queue],
            (Structure::Common, 0x1e) => selected.queue,
            _ => self.wrong(offset, "16-bit read"),
        }
    }

    fn read32(&self, offset: usize) -> u32 {
        self.check(offset, 4);
        let selector = self.registers.selected.borrow().device_features;
        match (self.structure, offset) {
            (Structure::Common, 0x04) => (self.registers.device.state().offer.features >> (32 * selector)) as u32,
            _ => self.wrong(offset, "32-bit read"),
        }
    }

    fn write8(&self, offset: usize, value: u8) {
        self.check(offset, 1);
        let (Structure::Common, 0x14) = (self.structure, offset) else { self.wrong(offset, "8-bit write") };
        let uhyve = self.registers.flavour == Flavour::Uhyve;
        if value == 0 && uhyve {
            self.registers.selected.borrow_mut().lists_capabilities = false;
        }
        self.registers.device.state().write_status(value);
    }

    fn write16(&self, offset: usize, value: u16) {
        self.check(offset, 2);
        let mut selected = self.registers.selected.borrow_mut();
        let mut state = self.registers.device.state();
        let queue = usize::from(selected.queue);
        let qemu = self.registers.flavour == Flavour::Qemu;
        match (self.structure, offset) {
            (Structure::Common, 0x16) => {
                assert!(usize::from(value) < selected.rings.len(), "selects queue {value}");
                selected.queue = value;
            }
            (Structure::Common, 0x18) if qemu => selected.rings[queue].size = value,
            (Structure::Common, 0x1a) if qemu => {
                selected.vectors[queue] = if value < VECTORS { value } else { 0xffff };
            }
            (Structure::Common, 0x1c) => {
                assert_eq!(value, 1);
                state.enable_queue(queue, selected.rings[queue]);
            }
            (Structure::Notify, _) => {
                assert_eq!(offset, usize::from(value) * NOTIFY_MULTIPLIER as usize);
                state.kick(value.into());
            }
            _ => self.wrong(offset, "16-bit write"),
        }
    }

    fn write32(&self, offset: usize, value: u32) {
        self.check(offset, 4);
        assert_eq!(self.structure, Structure::Common);
        let mut selected = self.registers.selected.borrow_mut();
        let mut state = self.registers.device.state();
        let queue = usize::from(selected.queue);
        let selector = selected.driver_features;
        let address = match offset {
            0x00 => return selected.device_features = value,
            0x08 => return selected.driver_features = value,
            0x0c => {
                let forgotten = self.registers.flavour == Flavour::Uhyve && selector == 1 && state.driver_features != 0;
                assert!(!forgotten, "uhyve forgets the low half of the features");
                return state.write_features(selector, value);
            }
            0x20 | 0x24 => &mut selected.rings[queue].descriptors,
            0x28 | 0x2c => &mut selected.rings[queue].driver,
            0x30 | 0x34 => &mut selected.rings[queue].device,
            _ => self.wrong(offset, "32-bit write"),
        };
        let shift = 8 * (offset & 4);
        *address = *address & !(0xffff_ffff << shift) | u64::from(value) << shift;
    }
}
