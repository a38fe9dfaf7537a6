//! What is asked of the processor: its cycle counter, and of Callgrind, which is the processor when it runs us.

#![allow(unsafe_code)] // an instruction each

use std::arch::asm;
use std::arch::x86_64::_rdtsc;

/// The cycle counter.
pub(crate) fn cycles() -> u64 {
    // SAFETY: every x86-64 processor has it, and no operating system that we run on forbids it.
    unsafe { _rdtsc() }
}

/// Requests to Callgrind (callgrind.h): 'C', 'T', and a number.
const CALLGRIND: u64 = (b'C' as u64) << 24 | (b'T' as u64) << 16;

/// What Callgrind is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request {
    /// Begin or end to count.
    ToggleCollect = 2,
    /// Begin to look at instructions at all, which slows everything down.
    StartInstrumentation = 4,
    /// End it.
    StopInstrumentation = 5,
}

/// Asks Callgrind for something; elsewhere it does nothing.
#[inline(always)]
pub(crate) fn callgrind(request: Request) {
    let arguments = [CALLGRIND + request as u64, 0, 0, 0, 0, 0];
    // SAFETY: the sequence by which a program under Valgrind addresses it (valgrind.h): the rotations add up to 128 bits
    // and the exchange is one of a register with itself, so that to a processor it is nothing. The arguments outlive it.
    unsafe {
        asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") arguments.as_ptr(),
            inout("rdx") 0_u64 => _,
        );
    }
}
