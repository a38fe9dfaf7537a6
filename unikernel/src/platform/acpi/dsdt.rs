//! Two constants out of the DSDT, found by their AML encoding (ACPI 6.5, chapter 20), without an interpreter.

use crate::platform::bytes::{read_u16, read_u32};

/// The hardware id of virtio-mmio devices.
const VIRTIO_MMIO_ID: &[u8] = b"LNRO0005";
/// How far behind the id the resources of a device are looked for.
const DEVICE_BYTES: usize = 96;
/// A memory resource: Memory32Fixed descriptor (section 6.4.3.4), 9 bytes long.
const MEMORY_32_FIXED: &[u8] = &[0x86, 9, 0];
/// An interrupt resource: Extended Interrupt descriptor (section 6.4.3.6), 6 bytes long, one interrupt.
const EXTENDED_INTERRUPT: &[u8] = &[0x89, 6, 0];
/// `Name (_S5, Package`.
const S5_PACKAGE: &[u8] = b"_S5_\x12";
/// A byte constant follows.
const BYTE_PREFIX: u8 = 0x0a;

/// A virtio-mmio device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtioMmio {
    /// Address of its registers.
    pub base: u64,
    /// Bytes of its registers.
    pub len: u64,
    /// Its global system interrupt.
    pub gsi: u32,
}

/// The virtio-mmio devices, in the order of the table.
pub fn virtio_mmio(dsdt: &[u8]) -> impl Iterator<Item = VirtioMmio> {
    positions(dsdt, VIRTIO_MMIO_ID).filter_map(|at| {
        let device = &dsdt[at + VIRTIO_MMIO_ID.len()..];
        let device = &device[..device.len().min(DEVICE_BYTES)];
        let memory = &device[positions(device, MEMORY_32_FIXED).next()?..];
        let interrupt = &device[positions(device, EXTENDED_INTERRUPT).next()?..];
        Some(VirtioMmio {
            base: read_u32(memory, 4)?.into(),
            len: read_u32(memory, 8)?.into(),
            gsi: read_u32(interrupt, 5)?,
        })
    })
}

/// The sleep type of S5: the first element of its package.
pub fn soft_off_type(dsdt: &[u8]) -> Option<u8> {
    let package = &dsdt[positions(dsdt, S5_PACKAGE).next()? + S5_PACKAGE.len()..];
    // the package's length (1 to 4 bytes, the top two bits of the first say how many more) and element count
    let length_bytes = 1 + usize::from(package.first()? >> 6);
    let element = package.get(length_bytes + 1..)?;
    match *element.first()? {
        BYTE_PREFIX => element.get(1).copied(),
        constant @ (0 | 1) => Some(constant),
        _ => read_u16(element, 1).map(|word| word as u8),
    }
}

/// Where `pattern` stands in `bytes`.
fn positions<'a>(bytes: &'a [u8], pattern: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    bytes.windows(pattern.len()).enumerate().filter_map(move |(at, window)| (window == pattern).then_some(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device as QEMU's microvm describes it.
    fn device(base: u32, gsi: u32) -> Vec<u8> {
        let mut bytes = b"VR00\x08_HID\x0dLNRO0005\0\x08_UID\x00\x08_CRS\x11\x1a\x0a\x17".to_vec();
        bytes.extend([0x86, 9, 0, 1]);
        bytes.extend(base.to_le_bytes());
        bytes.extend(512u32.to_le_bytes());
        bytes.extend([0x89, 6, 0, 1, 1]);
        bytes.extend(gsi.to_le_bytes());
        bytes.extend([0x79, 0]);
        bytes
    }

    #[test]
    fn devices_are_found() {
        let dsdt = [b"DSDT".to_vec(), device(0xfeb0_0000, 24), device(0xfeb0_0e00, 31)].concat();
        let expected =
            [VirtioMmio { base: 0xfeb0_0000, len: 512, gsi: 24 }, VirtioMmio { base: 0xfeb0_0e00, len: 512, gsi: 31 }];
        assert_eq!(virtio_mmio(&dsdt).collect::<Vec<_>>(), expected);
        for len in 0..device(1, 1).len() - 2 {
            assert_eq!(virtio_mmio(&device(1, 1)[..len]).count(), 0);
        }
    }

    #[test]
    fn soft_off_is_found() {
        assert_eq!(soft_off_type(b"\x08_S5_\x12\x06\x04\x0a\x05\x0a\x05\0\0"), Some(5));
        assert_eq!(soft_off_type(b"\x08_S5_\x12\x06\x04\0\0\0\0"), Some(0));
        assert_eq!(soft_off_type(b"\x08_S4_\x12\x06\x04\0\0\0\0"), None);
        assert_eq!(soft_off_type(b"_S5_\x12"), None);
    }
}
