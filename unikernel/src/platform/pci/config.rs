//! Access to configuration space: by memory (ECAM) where ACPI names it, else by the two ports of PC chipsets.

#![allow(unsafe_code)] // ports and device memory

use core::ptr::NonNull;

use crate::platform::acpi::Ecam;
use crate::platform::memory;
use crate::platform::port::Ports;

/// Address and data port.
const PORT: u16 = 0xcf8;
const ADDRESS: u16 = 0;
const DATA: u16 = 4;
const ENABLE: u32 = 1 << 31;
/// Bytes of configuration space per function and per bus, in memory.
const FUNCTION_BYTES: u64 = 4096;
const BUS_BYTES: u64 = 256 * FUNCTION_BYTES;

/// A way to configuration space.
#[derive(Clone, Copy, Debug)]
pub enum ConfigSpace {
    /// In memory, buses 0 to `last_bus`.
    Memory {
        /// Bus 0.
        base: NonNull<u8>,
        /// The last bus.
        last_bus: u8,
    },
    /// By ports 0xcf8 and 0xcfc.
    Ports(Ports),
}

impl ConfigSpace {
    /// The best way there is; `None` if there is no PCI.
    pub fn find(ecam: Option<Ecam>) -> Option<ConfigSpace> {
        if let Some(Ecam { base, last_bus }) = ecam {
            let len = (u64::from(last_bus) + 1) * BUS_BYTES;
            // SAFETY: ACPI names it as configuration space; drivers let devices touch only memory they were given.
            if let Ok(base) = unsafe { memory::map_device(base, len) } {
                return Some(ConfigSpace::Memory { base, last_bus });
            }
        }
        // SAFETY: as above.
        let ports = unsafe { Ports::grant(PORT, 8) }.ok()?;
        // A chipset reads back the enable bit; where there is none, nothing does.
        ports.write_u32(ADDRESS, ENABLE);
        let config = ConfigSpace::Ports(ports);
        (config.read(0, 0, 0, 0) != u32::MAX).then_some(config)
    }

    pub(super) fn read(self, bus: u8, device: u8, function: u8, offset: u16) -> u32 {
        match self {
            ConfigSpace::Memory { last_bus, .. } if bus > last_bus => u32::MAX,
            ConfigSpace::Memory { base, .. } => {
                // SAFETY: an aligned double word of the mapped range.
                unsafe { base.add(memory_offset(bus, device, function, offset)).cast::<u32>().read_volatile() }
            }
            ConfigSpace::Ports(_) if offset > 0xff => u32::MAX,
            ConfigSpace::Ports(ports) => {
                ports.write_u32(ADDRESS, port_address(bus, device, function, offset));
                ports.read_u32(DATA)
            }
        }
    }

    pub(super) fn write(self, bus: u8, device: u8, function: u8, offset: u16, value: u32) {
        match self {
            ConfigSpace::Memory { last_bus, .. } if bus > last_bus => {}
            ConfigSpace::Memory { base, .. } => {
                // SAFETY: an aligned double word of the mapped range.
                unsafe {
                    base.add(memory_offset(bus, device, function, offset)).cast::<u32>().write_volatile(value);
                }
            }
            ConfigSpace::Ports(_) if offset > 0xff => {}
            ConfigSpace::Ports(ports) => {
                ports.write_u32(ADDRESS, port_address(bus, device, function, offset));
                ports.write_u32(DATA, value);
            }
        }
    }
}

fn memory_offset(bus: u8, device: u8, function: u8, offset: u16) -> usize {
    usize::from(bus) << 20
        | usize::from(device & 31) << 15
        | usize::from(function & 7) << 12
        | usize::from(offset & 0xffc)
}

fn port_address(bus: u8, device: u8, function: u8, offset: u16) -> u32 {
    let (device, function) = (device & 31, function & 7);
    ENABLE | u32::from(bus) << 16 | u32::from(device) << 11 | u32::from(function) << 8 | u32::from(offset & 0xfc)
}
