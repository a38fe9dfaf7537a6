//! Windows of device registers.

#![allow(unsafe_code)] // volatile access behind checked bounds

use core::ptr::NonNull;

/// A window of device registers. Offsets are in bytes from its start; registers are little-endian.
///
/// An access outside the window, or one that is not aligned to its width, behaves like one that no device answers: it
/// reads all ones and writes nothing. Tests implement this to play the device.
pub trait Registers {
    /// Reads 8 bits.
    fn read8(&self, offset: usize) -> u8;
    /// Reads 16 bits.
    fn read16(&self, offset: usize) -> u16;
    /// Reads 32 bits.
    fn read32(&self, offset: usize) -> u32;
    /// Writes 8 bits.
    fn write8(&self, offset: usize, value: u8);
    /// Writes 16 bits.
    fn write16(&self, offset: usize, value: u16);
    /// Writes 32 bits.
    fn write32(&self, offset: usize, value: u32);
}

/// Registers mapped into the address space.
#[derive(Debug)]
pub struct Mmio {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the window is plain addresses, valid on every core (`Mmio::new`).
unsafe impl Send for Mmio {}
// SAFETY: as above; accesses are volatile, and what concurrent ones mean is between the driver and the device.
unsafe impl Sync for Mmio {}

impl Mmio {
    /// The window of `bytes` bytes at `base`.
    ///
    /// # Safety
    ///
    /// - The range is mapped, on every core, uncached, as registers of one device, for as long as the value lives.
    /// - Nothing in it is Rust memory: no access to it changes what a reference can see.
    pub const unsafe fn new(base: NonNull<u8>, bytes: usize) -> Mmio {
        Mmio { base, bytes }
    }

    /// The register of type `T` at `offset`, if it lies within the window and is aligned.
    fn register<T>(&self, offset: usize) -> Option<NonNull<T>> {
        if offset.checked_add(size_of::<T>())? > self.bytes {
            return None;
        }
        // SAFETY: the result lies within the window, checked above.
        let register = unsafe { self.base.add(offset) }.cast::<T>();
        register.is_aligned().then_some(register)
    }

    fn read<T: Copy>(&self, offset: usize, absent: T) -> T {
        // SAFETY: `register` checked bounds and alignment; the window is mapped (`Mmio::new`), and every bit pattern is
        // a valid `T`, which is an unsigned integer in all callers.
        self.register::<T>(offset).map_or(absent, |register| unsafe { register.read_volatile() })
    }

    fn write<T>(&self, offset: usize, value: T) {
        if let Some(register) = self.register::<T>(offset) {
            // SAFETY: `register` checked bounds and alignment; the window is mapped (`Mmio::new`).
            unsafe { register.write_volatile(value) };
        }
    }
}

impl Registers for Mmio {
    fn read8(&self, offset: usize) -> u8 {
        self.read(offset, u8::MAX)
    }

    fn read16(&self, offset: usize) -> u16 {
        self.read(offset, u16::MAX)
    }

    fn read32(&self, offset: usize) -> u32 {
        self.read(offset, u32::MAX)
    }

    fn write8(&self, offset: usize, value: u8) {
        self.write(offset, value);
    }

    fn write16(&self, offset: usize, value: u16) {
        self.write(offset, value);
    }

    fn write32(&self, offset: usize, value: u32) {
        self.write(offset, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(memory: &mut [u32; 2]) -> Mmio {
        // SAFETY: the tests use the array only through the window while it lives.
        unsafe { Mmio::new(NonNull::from(memory).cast(), 8) }
    }

    #[test]
    fn registers_are_little_endian() {
        let mut memory = [0; 2];
        let window = window(&mut memory);
        window.write32(4, 0x1122_3344);
        assert_eq!((window.read8(4), window.read16(6), window.read32(0)), (0x44, 0x1122, 0));
        window.write8(7, 0xaa);
        window.write16(4, 0xbbcc);
        assert_eq!(window.read32(4), 0xaa22_bbcc);
    }

    #[test]
    fn nobody_answers_outside_the_window_or_across_registers() {
        let mut memory = [0; 2];
        let window = window(&mut memory);
        window.write32(8, 1);
        window.write32(6, 1);
        window.write16(1, 1);
        window.write8(usize::MAX, 1);
        assert_eq!((window.read32(0), window.read32(4)), (0, 0));
        assert_eq!((window.read32(5), window.read16(8), window.read8(8)), (u32::MAX, u16::MAX, u8::MAX));
    }
}
