//! The machine: what there is, and how to reach it.
//!
//! ```text
//! boot_info/  what the boot protocol hands over           acpi/      what firmware tables say
//! memory      what is mapped, who owns RAM                heap       the boot and control heap
//! cpu         CPUID, counters, random numbers             cores      starting the other cores
//! time        clock and wall-clock time                   interrupts vectors, I/O APIC lines, messages
//! pci/        finding functions                           entropy    seeds
//! network     finding the NIC
//! console     lines out                                   power      the end
//! machine     all of it, in the order of a boot
//! ```
//!
//! Called by the binary at boot and by `runtime` to idle; calls `monitor`. Parsers of what firmware and VMMs hand over take
//! bytes and run on the host too.

pub mod acpi;
pub mod boot_info;
mod bytes;
pub mod console;
pub mod cores;
pub mod cpu;
pub mod entropy;
pub mod heap;
pub mod image;
pub mod interrupts;
pub mod machine;
pub mod memory;
#[cfg(not(test))]
mod memory_functions;
pub mod network;
pub mod pci;
pub mod port;
pub mod power;
pub mod time;
