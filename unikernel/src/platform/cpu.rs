//! What the CPU says of itself, its counter and its random numbers.

#![allow(unsafe_code)] // instructions that need a feature

use core::arch::x86_64::{__cpuid, __cpuid_count, _rdrand64_step, _rdseed64_step, _rdtsc, CpuidResult};

/// CPUID leaf where hypervisors begin.
pub const HYPERVISOR_LEAF: u32 = 0x4000_0000;

/// CPUID leaf `leaf`, sub-leaf 0.
pub fn cpuid(leaf: u32) -> CpuidResult {
    __cpuid(leaf)
}

/// The highest standard CPUID leaf.
pub fn highest_leaf() -> u32 {
    cpuid(0).eax
}

/// Whether a hypervisor's leaves may be read.
pub fn has_hypervisor() -> bool {
    cpuid(1).ecx >> 31 & 1 == 1
}

/// The time-stamp counter. Not ordered with other instructions.
pub fn tsc() -> u64 {
    // SAFETY: every CPU in long mode has it, and CR4.TSD is clear.
    unsafe { _rdtsc() }
}

/// A random number from RDSEED or else RDRAND; `None` if the CPU has neither or they run dry.
pub fn random() -> Option<u64> {
    const TRIES: usize = 100;
    if highest_leaf() >= 7 && __cpuid_count(7, 0).ebx >> 18 & 1 == 1 {
        // SAFETY: the CPU has RDSEED.
        let seed = (0..TRIES).find_map(|_| unsafe { rdseed() });
        if seed.is_some() {
            return seed;
        }
    }
    if cpuid(1).ecx >> 30 & 1 == 0 {
        return None;
    }
    // SAFETY: the CPU has RDRAND.
    (0..TRIES).find_map(|_| unsafe { rdrand() })
}

#[target_feature(enable = "rdseed")]
fn rdseed() -> Option<u64> {
    let mut value = 0;
    (_rdseed64_step(&mut value) == 1).then_some(value)
}

#[target_feature(enable = "rdrand")]
fn rdrand() -> Option<u64> {
    let mut value = 0;
    (_rdrand64_step(&mut value) == 1).then_some(value)
}
