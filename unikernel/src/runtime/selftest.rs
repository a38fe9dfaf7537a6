//! Deliberate faults, to see the crash report (`selftest=` on the command line).

#![allow(unsafe_code)] // they are faults

use core::arch::asm;
use core::hint::black_box;

use abi::config::SelfTest;

/// Commits the fault.
pub fn run(test: SelfTest) {
    match test {
        SelfTest::WriteText => write_text(),
        SelfTest::ExecuteData => execute_data(),
        SelfTest::NullRead => null_read(),
        SelfTest::StackOverflow => {
            black_box(stack_overflow(1));
        }
        SelfTest::DivideByZero => divide_by_zero(),
        SelfTest::Panic => panic!("selftest=panic"),
        SelfTest::Ud2 => stray_ud2(),
    }
}

#[inline(never)]
fn write_text() {
    // SAFETY: not sound, on purpose: the page is read-only, so that the write faults.
    unsafe { (run as *mut u8).write_volatile(0) };
}

#[inline(never)]
fn execute_data() {
    /// `ret`, in memory that is not text.
    static mut DATA: [u8; 1] = [0xc3];
    // SAFETY: not sound, on purpose: the page is not executable, so that the call faults.
    unsafe { asm!("call {}", in(reg) &raw mut DATA, clobber_abi("C")) };
}

#[inline(never)]
fn null_read() {
    // SAFETY: not sound, on purpose: page 0 is not mapped, so that the read faults.
    unsafe { asm!("mov {}, [{}]", out(reg) _, in(reg) 0u64, options(nostack, readonly)) };
}

#[inline(never)]
fn stack_overflow(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { stack_overflow(depth + 1) + frame[0] }
}

#[inline(never)]
fn divide_by_zero() {
    // SAFETY: faults, on purpose; changes nothing else.
    unsafe { asm!("div {0:e}", in(reg) 0u32, inout("eax") 1u32 => _, inout("edx") 0u32 => _, options(nomem, nostack)) };
}

#[inline(never)]
fn stray_ud2() {
    // SAFETY: faults, on purpose; changes nothing.
    unsafe { asm!("ud2", options(nomem, nostack)) };
}
