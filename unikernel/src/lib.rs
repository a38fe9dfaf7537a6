//! The appliance below the dataplane: what boots it, what the machine offers, and the loop that runs it.
//!
//! ```text
//! ../monitor/  ring 0, assembly only: boot entries, page tables, exceptions, halting, starting cores
//! monitor      the calls that ring 3 makes to it
//! platform/    the machine: memory, cores, clock, console, interrupts, PCI, entropy, power
//! runtime/     the run-to-completion loop of a core, and what goes on around it
//! entry        what makes a binary an appliance
//! crash        the report of an exception or a panic
//! ```
//!
//! The binaries name the types that fill the loop: NIC, stack and application. Called by nobody; calls `netdrv`,
//! `netstack` and `abi`.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod crash;
pub mod entry;
pub mod monitor;
pub mod platform;
pub mod runtime;
