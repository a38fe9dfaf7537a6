//! The crash report: what an exception or a panic leaves on the console, and what follows it.
//!
//! The monitor hands an exception of ring 3 to [`crash_main`], on a stack of its own; a panic gets there by an invalid opcode.
//! The report's lines begin with `crash:`; code addresses in them have 16 digits, so that `memstorm` can name the functions.

#![allow(unsafe_code)] // walks stacks

use core::arch::asm;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use abi::config::OnCrash;
use abi::exit::Exit;

use crate::platform::{console, image, power};

/// Return addresses printed at most.
const DEEPEST: usize = 24;

/// What follows the report, as `OnCrash`.
static ON_CRASH: AtomicU8 = AtomicU8::new(OnCrash::Exit as u8);

/// The registers at an exception, as `monitor/traps.S` lays them out.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CrashRecord {
    rax: u64,
    rbx: u64,
    rcx: u64,
    rdx: u64,
    rsi: u64,
    rdi: u64,
    rbp: u64,
    r8: u64,
    r9: u64,
    r10: u64,
    r11: u64,
    r12: u64,
    r13: u64,
    r14: u64,
    r15: u64,
    vector: u64,
    error: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
    cr2: u64,
    core: u64,
}

/// Sets what follows a crash report.
pub fn set_on_crash(on_crash: OnCrash) {
    ON_CRASH.store(on_crash as u8, Ordering::Relaxed);
}

/// Whether a panic led here.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Reports the exception in `record`. Entered by the monitor.
#[unsafe(no_mangle)]
extern "C" fn crash_main(record: &CrashRecord) -> ! {
    let cause = if PANICKED.load(Ordering::Relaxed) { Exit::Panic } else { cause(record) };
    if cause != Exit::Panic {
        headline(cause);
    }
    print_registers(record);
    line(format_args!("#0 {:#018x}", record.rip));
    // A jump into nowhere has not made a frame yet: who jumped is on top of the stack.
    let first = if image::is_read_only(record.rip) { 1 } else { print_caller(record.rsp) };
    backtrace(record.rbp, first);
    end(cause)
}

/// Reports a panic: what it says, then the rest by way of the monitor, which has the registers.
pub fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    headline(Exit::Panic);
    line(format_args!("{}", info.message()));
    if let Some(location) = info.location() {
        line(format_args!("at {location}"));
    }
    PANICKED.store(true, Ordering::Relaxed);
    // SAFETY: an invalid opcode that is not the gate: the monitor enters `crash_main`.
    unsafe { asm!("ud2", options(noreturn)) }
}

fn print_registers(record: &CrashRecord) {
    let CrashRecord { rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, .. } = record;
    let CrashRecord { vector, error, rip, cs, rflags, rsp, ss, cr2, core, .. } = record;
    line(format_args!("core={core} vector={vector} error={error:#x} cr2={cr2:#x}"));
    line(format_args!("rip={rip:#018x} cs={cs:#x} rflags={rflags:#x} rsp={rsp:#x} ss={ss:#x}"));
    line(format_args!("rax={rax:#x} rbx={rbx:#x} rcx={rcx:#x} rdx={rdx:#x}"));
    line(format_args!("rsi={rsi:#x} rdi={rdi:#x} rbp={rbp:#x} r8={r8:#x}"));
    line(format_args!("r9={r9:#x} r10={r10:#x} r11={r11:#x} r12={r12:#x}"));
    line(format_args!("r13={r13:#x} r14={r14:#x} r15={r15:#x}"));
}

/// What an exception means.
fn cause(record: &CrashRecord) -> Exit {
    const WRITE: u64 = 1 << 1;
    const FETCH: u64 = 1 << 4;
    match record.vector {
        0 => Exit::DivideError,
        6 => Exit::InvalidOpcode,
        13 => Exit::GeneralProtection,
        14 if record.cr2 < 4096 => Exit::NullAccess,
        14 if image::is_guard_page(record.cr2) => Exit::StackOverflow,
        14 if record.error & FETCH != 0 => Exit::ExecuteData,
        14 if record.error & WRITE != 0 && image::is_read_only(record.cr2) => Exit::WriteProtected,
        14 => Exit::PageFault,
        _ => Exit::Exception,
    }
}

fn headline(cause: Exit) {
    line(format_args!("cause={cause:?} code={} build={}", cause.code(), image::build_id()));
}

fn line(text: fmt::Arguments<'_>) {
    console::print_line(format_args!("{}{text}", abi::console::CRASH));
}

/// Prints the return address on top of the stack as the first caller. Returns the number of the next one.
fn print_caller(rsp: u64) -> usize {
    if !rsp.is_multiple_of(8) || !image::is_on_boot_stack(rsp..rsp + 8) {
        return 1;
    }
    // SAFETY: 8 aligned bytes of a stack, which is mapped, at its stack pointer.
    line(format_args!("#1 {:#018x}", unsafe { *(rsp as *const u64) }));
    2
}

/// Prints the return addresses that the chain of frame pointers leads to: each frame is the caller's frame pointer and
/// then the return address. Ends at anything that is not a frame on a stack of the image.
fn backtrace(mut rbp: u64, first: usize) {
    for depth in first..DEEPEST {
        if !rbp.is_multiple_of(8) || !image::is_on_boot_stack(rbp..rbp + 16) {
            return;
        }
        // SAFETY: 16 aligned bytes of a stack, which is mapped and initialised above the stack pointer.
        let [caller, return_address] = unsafe { *(rbp as *const [u64; 2]) };
        if return_address == 0 {
            return;
        }
        line(format_args!("#{depth} {return_address:#018x}"));
        if caller <= rbp {
            return;
        }
        rbp = caller;
    }
}

/// Does what was configured to follow.
fn end(cause: Exit) -> ! {
    let on_crash = ON_CRASH.load(Ordering::Relaxed);
    if on_crash == OnCrash::Reboot as u8 {
        power::reboot()
    } else if on_crash == OnCrash::Halt as u8 {
        power::halt()
    } else {
        power::exit(cause, format_args!("{}", cause.describe()))
    }
}
