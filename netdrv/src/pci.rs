//! What a driver needs of a PCI function. The platform implements it (ports 0xCF8/0xCFC, or ECAM); tests play it.

use crate::registers::Registers;

/// Vendor id in bits 0 to 15, device id in bits 16 to 31.
pub const ID: u16 = 0x00;
/// Command in bits 0 to 15, status (write one to clear) in bits 16 to 31.
pub const COMMAND: u16 = 0x04;
/// Subsystem vendor id in bits 0 to 15, subsystem id in bits 16 to 31.
pub const SUBSYSTEM: u16 = 0x2c;

/// [`COMMAND`]: the function answers memory accesses.
pub const COMMAND_MEMORY: u32 = 1 << 1;
/// [`COMMAND`]: the function may access memory itself.
pub const COMMAND_BUS_MASTER: u32 = 1 << 2;
/// [`COMMAND`]: the function does not assert its interrupt pin.
pub const COMMAND_INTX_DISABLE: u32 = 1 << 10;

/// [`COMMAND`]: the function has a list of capabilities.
const STATUS_CAPABILITIES: u32 = 1 << (16 + 4);
/// Offset of the first capability, in bits 0 to 7.
const CAPABILITIES: u16 = 0x34;
/// The list ends after as many capabilities as fit behind the header, even if it is a circle.
const MAX_CAPABILITIES: usize = (256 - 64) / 4;

/// One PCI function.
pub trait PciFunction {
    /// A mapped range of a BAR.
    type Window: Registers;

    /// Reads 32 bits of the configuration space. `offset` is in bytes, a multiple of 4.
    fn read_config(&self, offset: u16) -> u32;

    /// Writes 32 bits of the configuration space. `offset` is in bytes, a multiple of 4.
    fn write_config(&self, offset: u16, value: u32);

    /// Maps `len` bytes from `offset` of memory BAR `bar`, uncached. `None` if there is no such range. Ranges of one page may
    /// be asked for one by one.
    fn map_bar(&self, bar: u8, offset: u64, len: u64) -> Option<Self::Window>;
}

/// An entry of the capability list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// What it is.
    pub id: u8,
    /// Where it lies in the configuration space, in bytes.
    pub offset: u16,
}

/// Walks the capability list (PCI Local Bus 3.0, section 6.7).
pub fn capabilities<F: PciFunction>(function: &F) -> impl Iterator<Item = Capability> + '_ {
    let listed = function.read_config(COMMAND) & STATUS_CAPABILITIES != 0;
    let mut next = if listed { function.read_config(CAPABILITIES) as u8 } else { 0 };
    core::iter::from_fn(move || {
        // The lowest two bits are reserved.
        let offset = u16::from(next & !3);
        if offset < 0x40 {
            return None;
        }
        let header = function.read_config(offset);
        next = (header >> 8) as u8;
        Some(Capability { id: header as u8, offset })
    })
    .take(MAX_CAPABILITIES)
}
