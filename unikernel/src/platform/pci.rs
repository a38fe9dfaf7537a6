//! PCI: configuration space, finding functions, their BARs and MSI-X tables (PCI Local Bus 3.0).

#![allow(unsafe_code)] // ports and device memory

mod config;
mod msix;

use netdrv::pci::{self, PciFunction};
use netdrv::registers::Mmio;

pub use config::ConfigSpace;
pub use msix::enable as enable_msix;

use super::memory;

/// Registers of the configuration header, beside those that drivers use.
const HEADER_TYPE: u16 = 0x0c;
const BAR_0: u16 = 0x10;
const SECONDARY_BUS: u16 = 0x18;
const INTERRUPT: u16 = 0x3c;
/// BAR: in I/O space; 64 bits wide.
const BAR_IO: u32 = 1;
const BAR_TYPE: u32 = 0b110;
const BAR_64: u32 = 0b100;

/// One function of a device.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    config: ConfigSpace,
    bus: u8,
    device: u8,
    number: u8,
}

impl Function {
    /// Vendor and device id.
    pub fn id(&self) -> (u16, u16) {
        let id = self.read_config(pci::ID);
        (id as u16, (id >> 16) as u16)
    }

    /// Lets the function answer memory accesses and use DMA. (The upper half is status, where a one clears.)
    pub fn enable(&self) {
        let command = self.read_config(pci::COMMAND) & 0xffff;
        self.write_config(pci::COMMAND, command | pci::COMMAND_MEMORY | pci::COMMAND_BUS_MASTER);
    }

    /// The interrupt line that firmware noted; on PCs, a global system interrupt below 16.
    pub fn interrupt_line(&self) -> u8 {
        self.read_config(INTERRUPT) as u8
    }

    /// The address of a memory BAR; `None` if it is not one, or firmware has not set it.
    pub fn bar_address(&self, bar: u8) -> Option<u64> {
        if bar > 5 {
            return None;
        }
        let low = self.read_config(BAR_0 + 4 * u16::from(bar));
        let high = match low & BAR_TYPE {
            BAR_64 if bar < 5 => self.read_config(BAR_0 + 4 * u16::from(bar + 1)),
            _ => 0,
        };
        let address = u64::from(high) << 32 | u64::from(low & !0xf);
        (low & BAR_IO == 0 && address != 0).then_some(address)
    }
}

impl PciFunction for Function {
    type Window = Mmio;

    fn read_config(&self, offset: u16) -> u32 {
        self.config.read(self.bus, self.device, self.number, offset)
    }

    fn write_config(&self, offset: u16, value: u32) {
        self.config.write(self.bus, self.device, self.number, offset, value);
    }

    fn map_bar(&self, bar: u8, offset: u64, len: u64) -> Option<Mmio> {
        let at = self.bar_address(bar)?.checked_add(offset)?;
        // SAFETY: firmware gave this range to the device's registers; its driver lets it touch only memory it was given.
        let base = unsafe { memory::map_device(at, len) }.ok()?;
        // SAFETY: just mapped, for ever; registers are not Rust memory.
        Some(unsafe { Mmio::new(base, usize::try_from(len).ok()?) })
    }
}

/// Calls `found` with every function on bus 0 and on the buses behind its bridges.
pub fn for_each_function(config: ConfigSpace, found: &mut dyn FnMut(Function)) {
    scan_bus(config, 0, found);
}

fn scan_bus(config: ConfigSpace, bus: u8, found: &mut dyn FnMut(Function)) {
    const MULTI_FUNCTION: u32 = 1 << 23;
    for device in 0..32 {
        let first = Function { config, bus, device, number: 0 };
        if first.id().0 == 0xffff {
            continue;
        }
        // Functions beyond the first exist only where the first says so: uhyve answers for any number.
        let functions = if first.read_config(HEADER_TYPE) & MULTI_FUNCTION != 0 { 8 } else { 1 };
        for number in 0..functions {
            let function = Function { number, ..first };
            if function.id().0 != 0xffff {
                visit(function, found);
            }
        }
    }
}

fn visit(function: Function, found: &mut dyn FnMut(Function)) {
    const BRIDGE: u32 = 1;
    found(function);
    if function.read_config(HEADER_TYPE) >> 16 & 0x7f == BRIDGE {
        let secondary = (function.read_config(SECONDARY_BUS) >> 8) as u8;
        if secondary > function.bus {
            scan_bus(function.config, secondary, found);
        }
    }
}
