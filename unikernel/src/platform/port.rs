//! I/O ports, granted one by one through the TSS.

#![allow(unsafe_code)] // in and out

use core::arch::asm;

use crate::monitor::{self, Refused};

/// A range of ports that ring 3 was granted.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    first: u16,
    count: u16,
}

impl Ports {
    /// Asks for the `count` ports from `first` on. An access of several bytes needs as many ports.
    ///
    /// # Safety
    ///
    /// The device behind them does nothing to memory, or the owner of the value drives it so that memory safety holds.
    pub unsafe fn grant(first: u16, count: u16) -> Result<Ports, Refused> {
        monitor::grant_ports(first, count)?;
        Ok(Ports { first, count })
    }

    /// Ports that were granted before, without asking again: a grant costs a monitor call.
    ///
    /// # Safety
    ///
    /// [`Ports::grant`] has succeeded for this range, and its promise holds.
    pub const unsafe fn granted(first: u16, count: u16) -> Ports {
        Ports { first, count }
    }

    /// Reads a byte. `offset` counts from the first port and must lie in the range.
    pub fn read_u8(self, offset: u16) -> u8 {
        let value: u8;
        // SAFETY: the port was granted, by whose promise the access is memory-safe.
        unsafe { asm!("in al, dx", in("dx") self.port(offset), out("al") value, options(nomem, nostack)) };
        value
    }

    /// Writes a byte.
    pub fn write_u8(self, offset: u16, value: u8) {
        // SAFETY: as in `read_u8`.
        unsafe { asm!("out dx, al", in("dx") self.port(offset), in("al") value, options(nomem, nostack)) };
    }

    /// Writes 16 bits.
    pub fn write_u16(self, offset: u16, value: u16) {
        // SAFETY: as in `read_u8`.
        unsafe { asm!("out dx, ax", in("dx") self.port(offset), in("ax") value, options(nomem, nostack)) };
    }

    /// Reads 16 bits.
    pub fn read_u16(self, offset: u16) -> u16 {
        let value: u16;
        // SAFETY: as in `read_u8`.
        unsafe { asm!("in ax, dx", in("dx") self.port(offset), out("ax") value, options(nomem, nostack)) };
        value
    }

    /// Reads 32 bits.
    pub fn read_u32(self, offset: u16) -> u32 {
        let value: u32;
        // SAFETY: as in `read_u8`.
        unsafe { asm!("in eax, dx", in("dx") self.port(offset), out("eax") value, options(nomem, nostack)) };
        value
    }

    /// Writes 32 bits.
    pub fn write_u32(self, offset: u16, value: u32) {
        // SAFETY: as in `read_u8`.
        unsafe { asm!("out dx, eax", in("dx") self.port(offset), in("eax") value, options(nomem, nostack)) };
    }

    /// Writes 32 bits with `argument` in `rdi`, as a uhyve hypercall wants it. The VMM may read memory at `argument`.
    pub fn write_u32_with(self, offset: u16, argument: u64) {
        // SAFETY: as in `read_u8`; without `nomem`, memory is up to date when the VMM reads it.
        unsafe { asm!("out dx, eax", in("dx") self.port(offset), in("eax") 0, in("rdi") argument, options(nostack)) };
    }

    /// Writes all of `bytes` to one port, in one instruction: a VMM takes it in one exit.
    pub fn write_bytes(self, offset: u16, bytes: &[u8]) {
        // SAFETY: as in `read_u8`; reads `bytes` only.
        unsafe {
            asm!("rep outsb", in("dx") self.port(offset), inout("rsi") bytes.as_ptr() => _,
                 inout("rcx") bytes.len() => _, options(nostack, readonly));
        }
    }

    /// The port at `offset`; a wrong one stays within the range, so that nothing that was not granted is touched.
    fn port(self, offset: u16) -> u16 {
        debug_assert!(offset < self.count);
        self.first + offset % self.count
    }
}
