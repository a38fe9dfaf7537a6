//! Xen's PVH boot protocol (`xen/include/public/arch-x86/hvm/start_info.h`), as QEMU and Firecracker speak it.

use super::{BootInfo, COMMAND_LINE_BYTES, Error, command_line};
use crate::platform::bytes::{read_u32, read_u64};
use crate::platform::memory::{self, Regions};

const MAGIC: u32 = 0x336e_c578;
/// From this version on there is a memory map.
const MEMORY_MAP_VERSION: u32 = 1;
/// Bytes of `hvm_start_info`, version 1.
const START_INFO_BYTES: usize = 56;
/// Bytes of an `hvm_memmap_table_entry`.
const ENTRY_BYTES: usize = 24;
/// The type of usable RAM, as in e820.
const TYPE_RAM: u32 = 1;
/// Entries that are read at most.
const MAX_ENTRIES: u32 = 128;

/// `hvm_start_info`, as far as it is used.
#[derive(Debug, PartialEq, Eq)]
struct StartInfo {
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
}

impl StartInfo {
    fn parse(bytes: &[u8]) -> Result<StartInfo, Error> {
        let at_u32 = |offset| read_u32(bytes, offset).ok_or(Error::Unreadable);
        let at_u64 = |offset| read_u64(bytes, offset).ok_or(Error::Unreadable);
        if at_u32(0)? != MAGIC {
            return Err(Error::BadMagic);
        }
        if at_u32(4)? < MEMORY_MAP_VERSION {
            return Err(Error::NoMemoryMap);
        }
        Ok(StartInfo {
            command_line: at_u64(24)?,
            rsdp: at_u64(32)?,
            memory_map: at_u64(40)?,
            memory_map_entries: at_u32(48)?,
        })
    }
}

/// The usable RAM in a memory map.
fn ram(memory_map: &[u8]) -> Regions {
    let entries = memory_map.chunks_exact(ENTRY_BYTES);
    let usable = entries.filter_map(|entry| {
        let (start, size, kind) = (read_u64(entry, 0)?, read_u64(entry, 8)?, read_u32(entry, 16)?);
        (kind == TYPE_RAM).then_some(start..start.checked_add(size)?)
    });
    usable.take(memory::MAX_REGIONS).collect()
}

/// Reads the boot information at `start_info`.
///
/// # Safety
///
/// The monitor entered by PVH and `start_info` is what it was handed; RAM is not handed out yet.
#[allow(unsafe_code)]
pub unsafe fn read(start_info: u64) -> Result<BootInfo, Error> {
    // SAFETY: the boot loader's structures lie still in memory that is nobody's yet.
    let view = |at, len| unsafe { memory::view(at, len) }.map_err(|_| Error::Unreadable);
    let start_info = StartInfo::parse(view(start_info, START_INFO_BYTES)?)?;
    let entries = start_info.memory_map_entries.min(MAX_ENTRIES) as usize;
    let memory_map = view(start_info.memory_map, entries * ENTRY_BYTES)?;
    let text = match start_info.command_line {
        0 => &[],
        at => view(at, COMMAND_LINE_BYTES + 1)?,
    };
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let info = BootInfo {
        ram: ram(memory_map),
        command_line: command_line(text)?,
        rsdp: (start_info.rsdp != 0).then_some(start_info.rsdp),
        uhyve: None,
    };
    memory::unmap_null_page(); // QEMU's option ROM leaves the memory map there
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start_info(magic: u32, version: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [magic, version, 0, 0] {
            bytes.extend(word.to_le_bytes());
        }
        for word in [0u64, 0x1000, 0x2000, 0x3000] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend([7, 0, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn start_info_is_read() {
        let expected = StartInfo { command_line: 0x1000, rsdp: 0x2000, memory_map: 0x3000, memory_map_entries: 7 };
        assert_eq!(StartInfo::parse(&start_info(MAGIC, 1)), Ok(expected));
    }

    #[test]
    fn what_is_not_start_info_is_refused() {
        assert_eq!(StartInfo::parse(&start_info(1, 1)), Err(Error::BadMagic));
        assert_eq!(StartInfo::parse(&start_info(MAGIC, 0)), Err(Error::NoMemoryMap));
        for len in 0..52 {
            assert_eq!(StartInfo::parse(&start_info(MAGIC, 1)[..len]), Err(Error::Unreadable));
        }
    }

    #[test]
    fn only_ram_counts() {
        let mut map = Vec::new();
        for (start, size, kind) in
            [(0u64, 0x9fc00u64, 1u32), (0xf0000, 0x10000, 2), (0x100000, 0x3f00000, 1), (5, u64::MAX, 1)]
        {
            map.extend(start.to_le_bytes());
            map.extend(size.to_le_bytes());
            map.extend(kind.to_le_bytes());
            map.extend([0; 4]);
        }
        assert_eq!(&ram(&map)[..], &[0..0x9fc00, 0x100000..0x4000000]);
    }
}
