//! The MADT (ACPI 6.5, section 5.2.12): cores and I/O APICs.

use crate::platform::bytes::{read_u16, read_u32};

/// Cores that are looked at.
pub const MAX_CORES: usize = 64;
/// I/O APICs that are looked at.
pub const MAX_IO_APICS: usize = 8;

/// Where the entries begin.
const ENTRIES: usize = 44;
/// Entry types.
const LOCAL_APIC: u8 = 0;
const IO_APIC: u8 = 1;
const SOURCE_OVERRIDE: u8 = 2;
const LOCAL_X2APIC: u8 = 9;
/// The core is enabled.
const ENABLED: u32 = 1;

/// Cores and interrupt controllers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Madt {
    /// APIC ids of the cores that are enabled.
    pub cores: heapless::Vec<u32, MAX_CORES>,
    /// I/O APICs.
    pub io_apics: heapless::Vec<IoApicEntry, MAX_IO_APICS>,
    /// Where ISA interrupts arrive that are not wired one to one: source, global system interrupt.
    pub overrides: heapless::Vec<(u8, u32), 16>,
}

/// An I/O APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoApicEntry {
    /// Address of its registers.
    pub address: u32,
    /// The global system interrupt of its first pin.
    pub first_gsi: u32,
}

/// Parses a MADT. Entries that are damaged or too many are left out.
pub fn parse(table: &[u8]) -> Madt {
    let mut madt = Madt::default();
    let mut rest = table.get(ENTRIES..).unwrap_or_default();
    while let [kind, len, ..] = *rest {
        let Some(entry) = rest.get(..usize::from(len).max(2)) else { break };
        let _ = parse_entry(kind, entry, &mut madt);
        rest = &rest[entry.len()..];
    }
    madt
}

fn parse_entry(kind: u8, entry: &[u8], madt: &mut Madt) -> Option<()> {
    match kind {
        LOCAL_APIC if read_u32(entry, 4)? & ENABLED != 0 => madt.cores.push((*entry.get(3)?).into()).ok(),
        LOCAL_X2APIC if read_u32(entry, 8)? & ENABLED != 0 => madt.cores.push(read_u32(entry, 4)?).ok(),
        IO_APIC => {
            let (address, first_gsi) = (read_u32(entry, 4)?, read_u32(entry, 8)?);
            madt.io_apics.push(IoApicEntry { address, first_gsi }).ok()
        }
        SOURCE_OVERRIDE if read_u16(entry, 8).is_some() => {
            madt.overrides.push((*entry.get(3)?, read_u32(entry, 4)?)).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[&[u8]]) -> Vec<u8> {
        [vec![0; ENTRIES], entries.concat()].concat()
    }

    #[test]
    fn cores_and_controllers_are_listed() {
        let madt = parse(&table(&[
            &[0, 8, 0, 0, 1, 0, 0, 0],
            &[0, 8, 1, 1, 0, 0, 0, 0], // disabled
            &[0, 8, 2, 2, 1, 0, 0, 0],
            &[9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0],
            &[1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0],
            &[2, 10, 0, 0, 2, 0, 0, 0, 0, 0],
        ]));
        assert_eq!(&madt.cores[..], &[0, 2, 256]);
        assert_eq!(&madt.io_apics[..], &[IoApicEntry { address: 0xfec0_0000, first_gsi: 0 }]);
        assert_eq!(&madt.overrides[..], &[(0, 2)]);
    }

    #[test]
    fn damaged_entries_do_no_harm() {
        assert_eq!(parse(&[]), Madt::default());
        assert_eq!(parse(&table(&[&[0, 0], &[0, 0, 0]])), Madt::default());
        assert_eq!(parse(&table(&[&[0, 200, 0, 0, 1, 0, 0, 0]])), Madt::default());
        for len in 0..8 {
            assert!(parse(&table(&[&[0, len, 0, 0, 1, 0, 0, 0][..len as usize]])).cores.is_empty());
        }
    }
}
