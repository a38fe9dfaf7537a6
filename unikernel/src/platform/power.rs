//! Ending: power off with an exit code, reboot, or halt for good.

#![allow(unsafe_code)] // ports and the reset register

use core::sync::atomic::{AtomicU32, Ordering};

use abi::exit::{DEBUG_EXIT_PORT, Exit};

use super::console;
use super::port::Ports;
use crate::monitor;

/// uhyve's exit hypercall (uhyve-interface, version 2): `rdi` is the code.
const UHYVE_EXIT_PORT: u16 = 0x1010;
/// The reset control register of PC chipsets.
const RESET_CONTROL_PORT: u16 = 0xcf9;
/// Full reset.
const RESET_CONTROL_FULL: u8 = 0x0e;
/// The keyboard controller's command port, and its command that pulses the reset line.
const KEYBOARD_PORT: u16 = 0x64;
const KEYBOARD_RESET: u8 = 0xfe;
/// Sleep enable, in PM1 control (ACPI 6.5, section 4.8.3.2.1) and in the sleep control register (section 4.8.3.7).
const PM1_SLEEP_ENABLE: u16 = 1 << 13;

/// How ACPI puts this machine into S5: `1 << 31 | type << 16 | port` of PM1a control; 0 if it does not.
static SOFT_OFF: AtomicU32 = AtomicU32::new(0);

/// Remembers how ACPI powers the machine off: the port of PM1a control and the sleep type of S5.
pub fn set_soft_off(pm1a_control: u16, sleep_type: u8) {
    SOFT_OFF.store(1 << 31 | u32::from(sleep_type) << 16 | u32::from(pm1a_control), Ordering::Relaxed);
}

/// Prints why, then powers the machine off, handing the exit code to a VMM that takes it.
pub fn exit(exit: Exit, reason: core::fmt::Arguments<'_>) -> ! {
    console::print_line(format_args!("{}code={} {reason}", abi::console::EXIT, exit.code()));
    power_off(exit)
}

/// Powers the machine off, handing the exit code to a VMM that takes it. Without one, by ACPI; else it halts.
pub fn power_off(exit: Exit) -> ! {
    let code = u32::from(exit.code());
    // SAFETY: the port belongs to QEMU's isa-debug-exit, or to nothing.
    if let Ok(port) = unsafe { Ports::grant(DEBUG_EXIT_PORT, 4) } {
        port.write_u32(0, code);
    }
    // SAFETY: the port belongs to uhyve, or to nothing.
    if let Ok(port) = unsafe { Ports::grant(UHYVE_EXIT_PORT, 4) } {
        port.write_u32_with(0, code.into());
    }
    let soft_off = SOFT_OFF.load(Ordering::Relaxed);
    if soft_off != 0 {
        // SAFETY: ACPI names it as PM1a control.
        if let Ok(port) = unsafe { Ports::grant(soft_off as u16, 2) } {
            port.write_u16(0, PM1_SLEEP_ENABLE | ((soft_off >> 16 & 7) as u16) << 10);
        }
    }
    halt()
}

/// Resets the machine, by each way that PCs have.
pub fn reboot() -> ! {
    // SAFETY: the port resets the machine, or belongs to nothing.
    if let Ok(port) = unsafe { Ports::grant(RESET_CONTROL_PORT, 1) } {
        port.write_u8(0, RESET_CONTROL_FULL);
    }
    // SAFETY: as above.
    if let Ok(port) = unsafe { Ports::grant(KEYBOARD_PORT, 1) } {
        port.write_u8(0, KEYBOARD_RESET);
    }
    monitor::reset()
}

/// Halts this core for good.
pub fn halt() -> ! {
    loop {
        monitor::halt(0);
    }
}
