//! The appliance.

#![no_std]
#![no_main]

extern crate alloc;
hermit_entry::define_entry_version!();
use unikernel::{crash, log};
use unikernel::platform::{console, power};
struct NoHeap;
#[allow(unsafe_code)]
unsafe impl core::alloc::GlobalAlloc for NoHeap {
    unsafe fn alloc(&self, _: core::alloc::Layout) -> *mut u8 { core::ptr::null_mut() }
    unsafe fn dealloc(&self, _: *mut u8, _: core::alloc::Layout) { }
}
#[global_allocator] static H: NoHeap = NoHeap;

#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn primary_main(info: u64, kind: u64) -> ! {
    if kind == 1 { console::init_uart() } else { console::init_uhyve() }
    log!(Info, "hello {info:#x} {kind}");
    if kind == 7 { panic!("x") }
    let p = core::hint::black_box(0x10u64) as *const u32;
    log!(Info, "apic {:?}", unikernel::monitor::apic());
    log!(Info, "read {}", unsafe { p.read_volatile() });
    power::exit(abi::exit::Exit::PowerOff, format_args!("bye"))
}

#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn secondary_main(index: u64) -> ! {
    log!(Info, "core {index}");
    power::halt()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    crash::panicked(info)
}

#[allow(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
