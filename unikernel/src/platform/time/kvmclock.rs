//! KVM's paravirtual clock (Linux, Documentation/virt/kvm/x86/msr.rst): two structures that KVM fills in.

#![allow(unsafe_code)] // memory that KVM writes

use core::cell::UnsafeCell;
use core::ptr;

use crate::monitor;
use crate::platform::cpu;

/// `pvclock_vcpu_time_info`.
#[repr(C, align(64))]
#[derive(Clone, Copy, Default)]
struct SystemTime {
    version: u32,
    _pad: u32,
    tsc_timestamp: u64,
    system_time_ns: u64,
    tsc_to_ns_mul: u32,
    tsc_shift: i8,
    flags: u8,
    _pad2: [u8; 2],
}

/// `pvclock_wall_clock`: the wall-clock time at system time 0.
#[repr(C, align(64))]
#[derive(Clone, Copy, Default)]
struct WallClock {
    version: u32,
    seconds: u32,
    nanoseconds: u32,
}

/// Memory that KVM owns once its address is handed over.
struct Shared<T>(UnsafeCell<T>);

// SAFETY: read by volatile copies only.
unsafe impl<T> Sync for Shared<T> {}

static SYSTEM_TIME: Shared<SystemTime> = Shared(UnsafeCell::new(SystemTime {
    version: 0,
    _pad: 0,
    tsc_timestamp: 0,
    system_time_ns: 0,
    tsc_to_ns_mul: 0,
    tsc_shift: 0,
    flags: 0,
    _pad2: [0; 2],
}));
static WALL_CLOCK: Shared<WallClock> = Shared(UnsafeCell::new(WallClock { version: 0, seconds: 0, nanoseconds: 0 }));

/// What KVM's clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KvmClock {
    /// Frequency of the time-stamp counter, in Hz.
    pub(super) tsc_hz: u64,
    /// Wall-clock time, in seconds since 1970.
    pub(super) unix_seconds: u64,
}

/// Registers with KVM and reads its clock; `None` without KVM.
pub(super) fn read() -> Option<KvmClock> {
    if !is_offered() {
        return None;
    }
    // SAFETY: KVM offers the clock; both statics are 64-byte aligned, large enough, and touched by volatile reads only.
    unsafe { monitor::kvmclock(SYSTEM_TIME.0.get() as u64, WALL_CLOCK.0.get() as u64) };
    // SAFETY: valid statics; KVM has filled them before the call returned, and this core is not entered while it
    // updates its own page.
    let (system, wall) = unsafe { (ptr::read_volatile(SYSTEM_TIME.0.get()), ptr::read_volatile(WALL_CLOCK.0.get())) };
    let tsc_hz = frequency(system.tsc_to_ns_mul, system.tsc_shift)?;
    Some(KvmClock { tsc_hz, unix_seconds: u64::from(wall.seconds) + system.system_time_ns / 1_000_000_000 })
}

fn is_offered() -> bool {
    const FEATURES: u32 = cpu::HYPERVISOR_LEAF + 1;
    const CLOCK_SOURCE_2: u32 = 1 << 3;
    if !cpu::has_hypervisor() {
        return false;
    }
    let signature = cpu::cpuid(cpu::HYPERVISOR_LEAF);
    let is_kvm = [signature.ebx, signature.ecx, signature.edx] == [0x4b4d_564b, 0x564b_4d56, 0x0000_004d];
    is_kvm && cpu::cpuid(FEATURES).eax & CLOCK_SOURCE_2 != 0
}

/// The frequency behind `ns = (ticks << shift) * mul / 2^32`, in Hz.
fn frequency(mul: u32, shift: i8) -> Option<u64> {
    let hz = (1_000_000_000u128 << 32).checked_div(mul.into())?;
    let hz = if shift < 0 { hz << shift.unsigned_abs().min(63) } else { hz >> shift.min(63) };
    u64::try_from(hz).ok().filter(|hz| *hz > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_follow_from_multiplier_and_shift() {
        assert_eq!(frequency(1 << 31, 0), Some(2_000_000_000));
        assert_eq!(frequency(1 << 31, -1), Some(4_000_000_000));
        assert_eq!(frequency(1 << 31, 1), Some(1_000_000_000));
        assert_eq!(frequency(0, 0), None);
    }
}
