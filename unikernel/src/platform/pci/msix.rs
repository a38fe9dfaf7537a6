//! MSI-X (PCI Local Bus 3.0, section 6.8.2).

#![allow(unsafe_code)] // device memory

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

/// Switches on MSI-X with `message` in entry 0, all the function needs here. `None` if the function has no MSI-X.
pub fn enable_one(function: &Function, message: Message) -> Option<()> {
    let capability = function.capabilities(CAPABILITY).next()?;
    let table = function.read(capability + TABLE);
    // SAFETY: a table entry only says what the device writes to raise an interrupt; `message` is such a write.
    let entry = unsafe { function.map_bar((table & 7) as u8, (table & !7).into(), ENTRY_BYTES) }?.cast::<u32>();
    // SAFETY: the four double words of the entry just mapped.
    unsafe {
        entry.write_volatile(message.address as u32);
        entry.add(1).write_volatile((message.address >> 32) as u32);
        entry.add(2).write_volatile(message.data);
        entry.add(3).write_volatile(0); // not masked
    }
    function.write(capability, function.read(capability) & !MASK_ALL | ENABLE);
    Some(())
}
