//! ACPI tables (ACPI 6.5, chapter 5): cores, interrupt controllers, PCI, and a little of what the DSDT says.
//!
//! There is no AML interpreter: what is wanted from the DSDT stands in it as constants, and is found by its encoding
//! ([`dsdt`]).

pub mod dsdt;
pub mod madt;

use dsdt::VirtioMmio;

use super::bytes::{read_u16, read_u32, read_u64};
use super::memory;
use madt::Madt;

/// Bytes of the root pointer, version 2.
const RSDP_BYTES: usize = 36;
/// Where the root pointer stands without UEFI (section 5.2.5.1).
const BIOS_AREA: core::ops::Range<u64> = 0xe_0000..0x10_0000;
/// Bytes of the header of every table.
const HEADER_BYTES: usize = 36;
/// Largest table that is read.
const MAX_TABLE_BYTES: usize = 1 << 20;

/// Virtio-mmio devices that are looked at.
pub const MAX_VIRTIO_MMIO: usize = 32;

/// What the tables say.
#[derive(Debug, Default)]
pub struct Acpi {
    /// Cores and interrupt controllers.
    pub madt: Option<Madt>,
    /// Base of the PCI configuration space in memory, segment 0.
    pub ecam: Option<Ecam>,
    /// PM1a control and the type of sleep state S5.
    pub soft_off: Option<(u16, u8)>,
    /// virtio-mmio devices.
    pub virtio_mmio: heapless::Vec<VirtioMmio, MAX_VIRTIO_MMIO>,
}

/// PCI configuration space in memory (PCI Express, section 7.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ecam {
    /// Address of bus 0.
    pub base: u64,
    /// Last bus.
    pub last_bus: u8,
}

/// Reads the tables. `rsdp` is where the boot protocol says they begin; without it the BIOS area is searched. Tables that
/// are damaged or missing are left out.
pub fn read(rsdp: Option<u64>) -> Acpi {
    let mut acpi = Acpi::default();
    let Some(rsdp) = rsdp.or_else(search_rsdp) else { return acpi };
    let Some(root) = view(rsdp, RSDP_BYTES).and_then(root_table) else { return acpi };
    let mut fadt = None;
    for address in entries(root) {
        let Some(bytes) = table(address) else { continue };
        match &bytes[..4] {
            b"APIC" => acpi.madt = Some(madt::parse(bytes)),
            b"MCFG" => acpi.ecam = mcfg(bytes),
            b"FACP" => fadt = Some(bytes),
            _ => {}
        }
    }
    if let Some(fadt) = fadt {
        read_fadt(fadt, &mut acpi);
    }
    acpi
}

#[allow(unsafe_code)]
fn view(at: u64, len: usize) -> Option<&'static [u8]> {
    // SAFETY: firmware tables lie in reserved memory, which is not handed out and does not change.
    unsafe { memory::view(at, len) }.ok()
}

/// The table at `address`, whole and with a right checksum.
fn table(address: u64) -> Option<&'static [u8]> {
    let len = read_u32(view(address, HEADER_BYTES)?, 4)? as usize;
    if !(HEADER_BYTES..=MAX_TABLE_BYTES).contains(&len) {
        return None;
    }
    let bytes = view(address, len)?;
    sums_to_zero(bytes).then_some(bytes)
}

fn sums_to_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)) == 0
}

fn search_rsdp() -> Option<u64> {
    let area = view(BIOS_AREA.start, (BIOS_AREA.end - BIOS_AREA.start) as usize)?;
    let found = area.chunks_exact(16).position(|chunk| chunk.starts_with(b"RSD PTR "))?;
    Some(BIOS_AREA.start + found as u64 * 16)
}

/// The root table that a root pointer names: the XSDT, or the RSDT before version 2.
fn root_table(rsdp: &'static [u8]) -> Option<&'static [u8]> {
    if !rsdp.starts_with(b"RSD PTR ") || !sums_to_zero(&rsdp[..20]) {
        return None;
    }
    match (rsdp[15] >= 2, read_u64(rsdp, 24)?) {
        (true, xsdt) if xsdt != 0 => table(xsdt),
        _ => table(read_u32(rsdp, 16)?.into()),
    }
}

/// The addresses in a root table.
fn entries(root: &[u8]) -> impl Iterator<Item = u64> {
    let width = if root.starts_with(b"XSDT") { 8 } else { 4 };
    root[HEADER_BYTES..].chunks_exact(width).filter_map(move |entry| match width {
        8 => read_u64(entry, 0),
        _ => read_u32(entry, 0).map(u64::from),
    })
}

/// The first allocation of the MCFG: base, segment, first and last bus.
fn mcfg(bytes: &[u8]) -> Option<Ecam> {
    let allocation = bytes.get(HEADER_BYTES + 8..)?;
    let (base, segment) = (read_u64(allocation, 0)?, read_u16(allocation, 8)?);
    let (first_bus, last_bus) = (*allocation.get(10)?, *allocation.get(11)?);
    (segment == 0 && first_bus == 0).then_some(Ecam { base, last_bus })
}

/// What the FADT (section 5.2.9) and the DSDT that it names say.
fn read_fadt(fadt: &[u8], acpi: &mut Acpi) {
    let dsdt = match read_u64(fadt, 140) {
        Some(address) if address != 0 => table(address),
        _ => read_u32(fadt, 40).and_then(|address| table(address.into())),
    };
    let Some(dsdt) = dsdt else { return };
    let pm1a_control = read_u32(fadt, 64).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    acpi.soft_off = pm1a_control.zip(dsdt::soft_off_type(dsdt));
    acpi.virtio_mmio = dsdt::virtio_mmio(dsdt).take(MAX_VIRTIO_MMIO).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mcfg_names_the_configuration_space() {
        let mut bytes = vec![0; HEADER_BYTES + 8];
        bytes.extend(0xb000_0000u64.to_le_bytes());
        bytes.extend([0, 0, 0, 255, 0, 0, 0, 0]);
        assert_eq!(mcfg(&bytes), Some(Ecam { base: 0xb000_0000, last_bus: 255 }));
        assert_eq!(mcfg(&bytes[..bytes.len() - 6]), None);
    }

    #[test]
    fn root_tables_have_entries_of_two_widths() {
        let mut xsdt = b"XSDT".to_vec();
        xsdt.resize(HEADER_BYTES, 0);
        xsdt.extend(0x1_0000_0000u64.to_le_bytes());
        assert_eq!(entries(&xsdt).collect::<Vec<_>>(), [0x1_0000_0000]);
        let mut rsdt = b"RSDT".to_vec();
        rsdt.resize(HEADER_BYTES, 0);
        rsdt.extend([1, 0, 0, 0, 2, 0, 0, 0, 9]);
        assert_eq!(entries(&rsdt).collect::<Vec<_>>(), [1, 2]);
    }
}
