//! The gate to the monitor: the only way from ring 3 into ring 0, by the `ud2` in `monitor_call`.
//!
//! Calls are rare: they cost an exception, 15 us where ring 0 is emulated. Each function here is one call of
//! `../monitor/calls.S`.

#![allow(unsafe_code)] // the monitor's glue

use core::ops::Range;

// On the host there is no monitor, and no test comes near it.
#[cfg(not(test))]
core::arch::global_asm!(
    include_str!("../monitor/core.S"),
    include_str!("../monitor/paging.S"),
    include_str!("../monitor/apic.S"),
    include_str!("../monitor/entry.S"),
    include_str!("../monitor/traps.S"),
    include_str!("../monitor/calls.S"),
);

const HALT: u64 = 0;
const MAP: u64 = 1;
const GRANT_PORTS: u64 = 2;
const PREPARE_CORE: u64 = 3;
const SEND_IPI: u64 = 4;
const APIC: u64 = 5;
const TIMER_COUNT: u64 = 6;
const KVMCLOCK: u64 = 7;
const RESET: u64 = 8;

/// The vector of the interrupt that [`Ipi::Wake`] raises; those from here on are free for devices.
pub const WAKE_VECTOR: u8 = 0x21;
/// The last vector for devices: the one after it is the APIC's spurious vector.
pub const LAST_VECTOR: u8 = 0x3e;

/// Bytes of a core's block, and its alignment.
pub const CORE_BLOCK_BYTES: u64 = 0x2000;

/// The answer of a refused call.
const REFUSED: u64 = u64::MAX;

unsafe extern "C" {
    /// calls.S: the number comes last, where it costs one move.
    fn monitor_call(a: u64, b: u64, c: u64, number: u64) -> u64;
}

/// What ring 3 may do with a range of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum MapKind {
    /// Nothing: a guard page.
    None = 0,
    /// Read.
    Read = 1,
    /// Read and write.
    Ram = 2,
    /// Read and write, uncached: device registers.
    Device = 3,
    /// Nothing; ring 0 reads and writes.
    Monitor = 4,
}

/// The call was refused: a bad range, or no memory left for page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// An inter-processor interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Ipi {
    /// Resets a core.
    Init = 0,
    /// Starts a core that waits after [`Ipi::Init`].
    Startup = 1,
    /// Ends a core's halt.
    Wake = 2,
}

/// The APIC of the calling core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Apic {
    /// Its id.
    pub id: u32,
    /// What [`halt`] takes.
    pub timer: TimerKind,
}

/// What the timer of a core takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerKind {
    /// A value of the time-stamp counter.
    TscDeadline,
    /// A 32-bit count of the APIC's clock.
    Count,
}

/// Halts this core until an interrupt. `timer` arms the timer first, in the unit of [`Apic::timer`]; 0 leaves it off.
pub fn halt(timer: u64) {
    // SAFETY: changes no memory.
    unsafe { monitor_call(timer, 0, 0, HALT) };
}

/// Maps the pages of `range`, virtual = physical. Refuses the image itself, and page 0 for
/// anything but reading.
///
/// # Safety
///
/// Whatever lives in `range` is not used in a way that `kind` forbids, and memory that becomes writable here has no
/// other owner.
pub unsafe fn map(range: Range<u64>, kind: MapKind) -> Result<(), Refused> {
    // SAFETY: the caller's promise.
    let answer = unsafe { monitor_call(range.start, range.end, kind as u64, MAP) };
    if answer == REFUSED { Err(Refused) } else { Ok(()) }
}

/// Grants this core, and those started later, the `count` I/O ports from `first` on.
pub fn grant_ports(first: u16, count: u16) -> Result<(), Refused> {
    // SAFETY: changes no memory of ring 3; what is done with the ports is `platform::port`'s to justify.
    let answer = unsafe { monitor_call(first.into(), count.into(), 0, GRANT_PORTS) };
    if answer == REFUSED { Err(Refused) } else { Ok(()) }
}

/// Sets the block and the stack of the core that is started next; it enters `secondary_main(index)`.
///
/// # Safety
///
/// - `block` is [`CORE_BLOCK_BYTES`] long and aligned, mapped [`MapKind::Monitor`], and the core's for ever.
/// - `stack_top` is 16-byte aligned and ends a stack that is the core's for ever.
/// - The core prepared last has entered `secondary_main`.
pub unsafe fn prepare_core(block: u64, stack_top: u64, index: u64) {
    // SAFETY: the caller's promise.
    unsafe { monitor_call(block, stack_top, index, PREPARE_CORE) };
}

/// Sends an inter-processor interrupt to the core with this APIC id.
pub fn send_ipi(apic_id: u32, ipi: Ipi) {
    // SAFETY: a core started by this runs what `prepare_core` was promised; a wake only ends a halt.
    unsafe { monitor_call(apic_id.into(), ipi as u64, 0, SEND_IPI) };
}

/// The APIC of this core.
pub fn apic() -> Apic {
    // SAFETY: changes no memory.
    let answer = unsafe { monitor_call(0, 0, 0, APIC) };
    let timer = if answer & 1 == 1 { TimerKind::TscDeadline } else { TimerKind::Count };
    Apic { id: (answer >> 32) as u32, timer }
}

/// Starts the timer at `start`, unless that is 0, and answers what it has left.
pub fn timer_count(start: u32) -> u32 {
    // SAFETY: changes no memory.
    unsafe { monitor_call(start.into(), 0, 0, TIMER_COUNT) as u32 }
}

/// Has KVM write this core's clock to `system_time` from now on, and the wall clock to `wall_clock` once.
///
/// # Safety
///
/// The CPU reports KVM's clock source (leaf 0x40000001, bit 3), and both addresses are 4-byte aligned memory of 32 and 12
/// bytes that is KVM's for ever.
pub unsafe fn kvmclock(system_time: u64, wall_clock: u64) {
    // SAFETY: the caller's promise.
    unsafe { monitor_call(system_time | 1, wall_clock, 0, KVMCLOCK) };
}

/// Resets the machine.
pub fn reset() -> ! {
    loop {
        // SAFETY: does not return.
        unsafe { monitor_call(0, 0, 0, RESET) };
    }
}
