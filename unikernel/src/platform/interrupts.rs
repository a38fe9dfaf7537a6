//! Interrupts of devices. None is ever delivered to ring 3: an interrupt ends the halt of the core it is sent to, and the
//! driver acknowledges its device afterwards.

#![allow(unsafe_code)] // I/O APIC registers

use core::ptr::NonNull;

use super::acpi::madt::{IoApicEntry, MAX_CORES};
use super::memory;
use crate::monitor::{LAST_VECTOR, WAKE_VECTOR};

/// Registers of an I/O APIC (82093AA datasheet, section 3.1).
const IO_REGISTER_SELECT: usize = 0x00;
const IO_WINDOW: usize = 0x10;
const IO_APIC_BYTES: u64 = 0x20;
/// Index registers.
const VERSION: u32 = 1;
const REDIRECTION: u32 = 0x10;
/// Redirection entry: level-triggered, masked.
const LEVEL: u32 = 1 << 15;
/// Where message-signalled interrupts are written (SDM volume 3, section 11.11.1).
const MSI_ADDRESS: u64 = 0xfee0_0000;

/// How a line signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// By a rising edge.
    Edge,
    /// By a high or low level, until acknowledged.
    Level,
}

/// A message-signalled interrupt: what the device writes, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Address.
    pub address: u64,
    /// Data.
    pub data: u32,
}

/// Hands out vectors and routes interrupts to cores.
pub struct Interrupts {
    io_apics: heapless::Vec<IoApic, 8>,
    /// Where lines go.
    core_apic_id: u32,
    next_vector: u8,
}

struct IoApic {
    registers: NonNull<u8>,
    first_gsi: u32,
    pins: u32,
}

impl Interrupts {
    /// Interrupts whose lines go to the core with this APIC id.
    pub fn new(io_apics: &[IoApicEntry], core_apic_id: u32) -> Interrupts {
        let io_apics = io_apics.iter().filter_map(IoApic::new).take(8).collect();
        Interrupts { io_apics, core_apic_id, next_vector: WAKE_VECTOR + 1 }
    }

    /// Routes a global system interrupt to the core. `None` if no I/O APIC has it, or vectors ran out.
    pub fn route_line(&mut self, gsi: u32, trigger: Trigger) -> Option<()> {
        let vector = self.take_vector()?;
        let chip = self.io_apics.iter().find(|chip| (chip.first_gsi..chip.first_gsi + chip.pins).contains(&gsi))?;
        let entry = REDIRECTION + 2 * (gsi - chip.first_gsi);
        chip.write(entry + 1, self.core_apic_id << 24);
        let level = if trigger == Trigger::Level { LEVEL } else { 0 };
        chip.write(entry, u32::from(vector) | level);
        Some(())
    }

    /// The messages that interrupt these cores, by their APIC ids. `None` if vectors ran out. They are fewer from the first
    /// core on that a message cannot name: its address has 8 bits for that.
    pub fn messages(&mut self, apic_ids: &[u32]) -> Option<impl ExactSizeIterator<Item = Message> + use<>> {
        // One vector does for all: it only ends a halt, of the core that it is sent to.
        let data = self.take_vector()?.into();
        let named: heapless::Vec<u8, MAX_CORES> = apic_ids.iter().map_while(|id| u8::try_from(*id).ok()).collect();
        Some(named.into_iter().map(move |id| Message { address: MSI_ADDRESS | u64::from(id) << 12, data }))
    }

    fn take_vector(&mut self) -> Option<u8> {
        let vector = self.next_vector;
        (vector <= LAST_VECTOR).then(|| {
            self.next_vector += 1;
            vector
        })
    }
}

impl IoApic {
    fn new(entry: &IoApicEntry) -> Option<IoApic> {
        // SAFETY: the registers only route interrupts, which do nothing to memory.
        let registers = unsafe { memory::map_device(entry.address.into(), IO_APIC_BYTES) }.ok()?;
        let mut chip = IoApic { registers, first_gsi: entry.first_gsi, pins: 0 };
        chip.pins = (chip.read(VERSION) >> 16 & 0xff) + 1;
        Some(chip)
    }

    fn read(&self, index: u32) -> u32 {
        // SAFETY: two aligned registers of the mapped range.
        unsafe {
            self.registers.add(IO_REGISTER_SELECT).cast::<u32>().write_volatile(index);
            self.registers.add(IO_WINDOW).cast::<u32>().read_volatile()
        }
    }

    fn write(&self, index: u32, value: u32) {
        // SAFETY: as in `read`.
        unsafe {
            self.registers.add(IO_REGISTER_SELECT).cast::<u32>().write_volatile(index);
            self.registers.add(IO_WINDOW).cast::<u32>().write_volatile(value);
        }
    }
}
