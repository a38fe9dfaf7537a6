//! MSI-X (PCI Local Bus 3.0, section 6.8.2).

use netdrv::pci::{PciFunction, capabilities};
use netdrv::registers::Registers;

use super::Function;
use crate::platform::interrupts::Message;

const CAPABILITY: u8 = 0x11;
/// Message control, in the upper half of the first double word.
const ENABLE: u32 = 1 << 31;
const MASK_ALL: u32 = 1 << 30;
/// Where the table is: BAR in the low three bits, offset above.
const TABLE: u16 = 4;
/// Bytes of a table entry.
const ENTRY_BYTES: u64 = 16;

/// Switches on MSI-X with `message` in entry 0, all that one queue pair needs. `None` if the function has no MSI-X.
pub fn enable_one(function: &Function, message: Message) -> Option<()> {
    let capability = capabilities(function).find(|found| found.id == CAPABILITY)?.offset;
    let table = function.read_config(capability + TABLE);
    let entry = function.map_bar((table & 7) as u8, (table & !7).into(), ENTRY_BYTES)?;
    entry.write32(0, message.address as u32);
    entry.write32(4, (message.address >> 32) as u32);
    entry.write32(8, message.data);
    entry.write32(12, 0); // not masked
    function.write_config(capability, function.read_config(capability) & !MASK_ALL | ENABLE);
    Some(())
}
