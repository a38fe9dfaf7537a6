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

/// Message control: the number of the table's last entry.
const LAST_ENTRY: u32 = 0x7ff;

/// Switches on MSI-X with these messages in its entries from 0 on, as far as there are entries. Returns how many there
/// are; `None` if the function has no MSI-X.
pub fn enable(function: &Function, messages: impl ExactSizeIterator<Item = Message>) -> Option<u16> {
    let capability = capabilities(function).find(|found| found.id == CAPABILITY)?.offset;
    let control = function.read_config(capability);
    let entries = messages.len().min((control >> 16 & LAST_ENTRY) as usize + 1);
    let at = function.read_config(capability + TABLE);
    let table = function.map_bar((at & 7) as u8, (at & !7).into(), entries as u64 * ENTRY_BYTES)?;
    for (message, entry) in messages.zip((0..entries).map(|entry| entry * ENTRY_BYTES as usize)) {
        table.write32(entry, message.address as u32);
        table.write32(entry + 4, (message.address >> 32) as u32);
        table.write32(entry + 8, message.data);
        table.write32(entry + 12, 0); // not masked
    }
    function.write_config(capability, control & !MASK_ALL | ENABLE);
    Some(entries as u16)
}
