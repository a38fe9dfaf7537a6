//! What the boot protocol hands over: RAM, command line, and what else it knows.

pub mod hermit;
pub mod pvh;

use super::memory::Regions;

/// Longest command line, in bytes.
pub const COMMAND_LINE_BYTES: usize = 2048;

/// What a boot protocol told us.
pub struct BootInfo {
    /// RAM.
    pub ram: Regions,
    /// Kernel command line.
    pub command_line: heapless::String<COMMAND_LINE_BYTES>,
    /// Where ACPI's root pointer is, if the protocol says so.
    pub rsdp: Option<u64>,
    /// What uhyve says instead of ACPI.
    pub uhyve: Option<Uhyve>,
}

/// What uhyve says of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uhyve {
    /// Cores.
    pub cores: u32,
    /// Frequency of the time-stamp counter, in kHz.
    pub tsc_khz: Option<u32>,
    /// Wall-clock time when the VM was made, in seconds since 1970.
    pub boot_time: u64,
}

/// Why boot information was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It cannot be read where it should be.
    Unreadable,
    /// It does not begin with its magic number.
    BadMagic,
    /// It is too old to have a memory map.
    NoMemoryMap,
    /// The command line is longer than [`COMMAND_LINE_BYTES`] or not UTF-8.
    BadCommandLine,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Error::Unreadable => "the boot information cannot be read",
            Error::BadMagic => "the boot information has no magic number",
            Error::NoMemoryMap => "the boot information has no memory map",
            Error::BadCommandLine => "the command line is longer than 2048 bytes or not UTF-8",
        })
    }
}

/// The text of a command line.
fn command_line(bytes: &[u8]) -> Result<heapless::String<COMMAND_LINE_BYTES>, Error> {
    let text = core::str::from_utf8(bytes).map_err(|_| Error::BadCommandLine)?;
    text.try_into().map_err(|_| Error::BadCommandLine)
}
