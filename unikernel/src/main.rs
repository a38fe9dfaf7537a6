//! The appliance.

#![no_std]
#![no_main]
#![allow(unsafe_code)]

extern crate alloc;
use unikernel::{crash, log};
use unikernel::platform::{power,cores,machine::{Machine,BootProtocol},heap::BootHeap};
hermit_entry::define_entry_version!();
#[global_allocator] static HEAP: BootHeap = BootHeap::empty();

#[unsafe(no_mangle)]
extern "C" fn primary_main(info: u64, kind: u64) -> ! {
    let protocol = if kind == 1 { BootProtocol::Pvh } else { BootProtocol::Hermit };
    let m = unsafe { Machine::boot(protocol, info, &HEAP) };
    log!(Info, "{:?} cores {} ram {:#x} left {:#x}", m.phases, m.cores, m.ram.total(), m.ram.left());
    log!(Info, "{:?}", m.acpi);
    log!(Info, "{:?}", m.functions);
    log!(Info, "unix {} {:?}", m.clock.unix_seconds(m.clock.now()), m.clock);
    let t = m.clock.now();
    m.clock.halt_until(Some(t + core::time::Duration::from_millis(10)));
    log!(Info, "halted {:?}", m.clock.now().since(t));
    power::exit(abi::exit::Exit::PowerOff, format_args!("bye"))
}

#[unsafe(no_mangle)]
extern "C" fn secondary_main(_index: u64) -> ! {
    cores::report_started();
    power::halt()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    crash::panicked(info)
}

#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
