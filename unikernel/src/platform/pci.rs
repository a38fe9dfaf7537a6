//! PCI: configuration space, finding functions, their BARs and MSI-X tables (PCI Local Bus 3.0).

#![allow(unsafe_code)] // ports and device memory

mod config;
mod msix;

use core::ptr::NonNull;

pub use config::ConfigSpace;
pub use msix::enable_one as enable_msix;

use super::memory;

/// Registers of the configuration header.
const ID: u16 = 0x00;
const COMMAND: u16 = 0x04;
const HEADER_TYPE: u16 = 0x0c;
const BAR_0: u16 = 0x10;
const SECONDARY_BUS: u16 = 0x18;
const CAPABILITIES: u16 = 0x34;
const INTERRUPT: u16 = 0x3c;
/// Command: memory space and bus master.
const MEMORY_AND_MASTER: u32 = 0b110;
/// Status, in the upper half of the command register: there is a capability list.
const HAS_CAPABILITIES: u32 = 1 << 20;
/// BAR: in I/O space; 64 bits wide.
const BAR_IO: u32 = 1;
const BAR_TYPE: u32 = 0b110;
const BAR_64: u32 = 0b100;
/// Capabilities that a list can hold.
const MAX_CAPABILITIES: usize = 48;

/// One function of a device.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    config: ConfigSpace,
    bus: u8,
    device: u8,
    number: u8,
}

impl Function {
    /// Reads the aligned double word at `offset`.
    pub fn read(&self, offset: u16) -> u32 {
        self.config.read(self.bus, self.device, self.number, offset)
    }

    /// Writes the aligned double word at `offset`.
    pub fn write(&self, offset: u16, value: u32) {
        self.config.write(self.bus, self.device, self.number, offset, value);
    }

    /// Vendor and device id.
    pub fn id(&self) -> (u16, u16) {
        let id = self.read(ID);
        (id as u16, (id >> 16) as u16)
    }

    /// Lets the function answer memory accesses and use DMA.
    pub fn enable(&self) {
        self.write(COMMAND, self.read(COMMAND) & 0xffff | MEMORY_AND_MASTER);
    }

    /// The interrupt line that firmware noted; on PCs without MSI, an ISA interrupt.
    pub fn interrupt_line(&self) -> u8 {
        self.read(INTERRUPT) as u8
    }

    /// Offsets of the capabilities with this id.
    pub fn capabilities(&self, id: u8) -> impl Iterator<Item = u16> {
        let has_list = self.read(COMMAND) & HAS_CAPABILITIES != 0;
        let mut next = if has_list { self.read(CAPABILITIES) as u8 & !3 } else { 0 };
        let list = core::iter::from_fn(move || {
            let at = u16::from(next);
            if at < 0x40 {
                return None;
            }
            let header = self.read(at);
            next = (header >> 8) as u8 & !3;
            Some((at, header as u8))
        });
        list.take(MAX_CAPABILITIES).filter_map(move |(at, found)| (found == id).then_some(at))
    }

    /// The address of a memory BAR; `None` if it is not one, or firmware has not set it.
    pub fn bar_address(&self, bar: u8) -> Option<u64> {
        if bar > 5 {
            return None;
        }
        let low = self.read(BAR_0 + 4 * u16::from(bar));
        let high = match low & BAR_TYPE {
            BAR_64 if bar < 5 => self.read(BAR_0 + 4 * u16::from(bar + 1)),
            _ => 0,
        };
        let address = u64::from(high) << 32 | u64::from(low & !0xf);
        (low & BAR_IO == 0 && address != 0).then_some(address)
    }

    /// Maps `len` bytes at `offset` of a memory BAR.
    ///
    /// # Safety
    ///
    /// As for [`memory::map_device`].
    pub unsafe fn map_bar(&self, bar: u8, offset: u64, len: u64) -> Option<NonNull<u8>> {
        let at = self.bar_address(bar)?.checked_add(offset)?;
        // SAFETY: the caller's promise.
        unsafe { memory::map_device(at, len) }.ok()
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
        let functions = if first.read(HEADER_TYPE) & MULTI_FUNCTION != 0 { 8 } else { 1 };
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
    if function.read(HEADER_TYPE) >> 16 & 0x7f == BRIDGE {
        let secondary = (function.read(SECONDARY_BUS) >> 8) as u8;
        if secondary > function.bus {
            scan_bus(function.config, secondary, found);
        }
    }
}
