//! The Hermit boot protocol, version 4 (crate `hermit-entry`), as uhyve speaks it.

use fdt::Fdt;
use hermit_entry::boot_info::{self, PlatformInfo, RawBootInfo};

use super::{BootInfo, Error, Uhyve, command_line};
use crate::platform::memory::{self, Regions};

/// Bytes of uhyve's device tree.
const DEVICE_TREE_BYTES: usize = 4 * 4096;

/// Reads the boot information at `raw`.
///
/// # Safety
///
/// The monitor entered by the Hermit protocol and `raw` is what it was handed; RAM is not handed out yet.
#[allow(unsafe_code)]
pub unsafe fn read(raw: u64) -> Result<BootInfo, Error> {
    // SAFETY: the VMM's structures lie still in memory that is nobody's yet.
    let view = |at, len| unsafe { memory::view(at, len) }.map_err(|_| Error::Unreadable);
    view(raw, size_of::<RawBootInfo>())?;
    // SAFETY: readable (above), page-aligned, and written by the VMM as this type.
    let raw = unsafe { *(raw as *const RawBootInfo) };
    let info = boot_info::BootInfo::from(raw);
    let PlatformInfo::Uhyve { num_cpus, cpu_freq, boot_time, .. } = info.platform_info else {
        return Err(Error::BadMagic);
    };
    let mut ram = Regions::new();
    let _ = ram.push(info.hardware_info.phys_addr_range); // the first of an empty list
    let text = match info.hardware_info.device_tree {
        Some(at) => boot_arguments(view(at.get(), DEVICE_TREE_BYTES)?)?,
        None => "",
    };
    Ok(BootInfo {
        ram,
        command_line: command_line(text.as_bytes())?,
        rsdp: None,
        uhyve: Some(Uhyve {
            cores: u32::try_from(num_cpus.get()).unwrap_or(1),
            tsc_khz: cpu_freq.map(|khz| khz.get()),
            boot_time: u64::try_from(boot_time.unix_timestamp()).unwrap_or(0),
        }),
    })
}

/// `/chosen/bootargs` of a device tree.
fn boot_arguments(device_tree: &'static [u8]) -> Result<&'static str, Error> {
    let tree = Fdt::new(device_tree).map_err(|_| Error::BadMagic)?;
    Ok(tree.chosen().bootargs().unwrap_or(""))
}
