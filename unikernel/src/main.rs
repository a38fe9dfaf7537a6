//! The appliance: memcached on the dataplane. This file only names the types that fill the runtime's loop (NIC, stack,
//! application) and what a freestanding binary must have.

#![no_std]
#![no_main]
#![allow(unsafe_code)] // entered by the monitor

extern crate alloc;

use core::ptr::NonNull;

use abi::config::Evictions;
use abi::exit::Exit;
use app_memcached::service::{Error, ServiceConfig, Shared};
use app_memcached::store::{StoreMemory, WhenFull};
use unikernel::crash;
use unikernel::platform::heap::BootHeap;
use unikernel::platform::machine::{BootProtocol, Machine};
use unikernel::platform::network::{self, FoundNic};
use unikernel::platform::{cores, power};
use unikernel::runtime::launch::{Resources, launch};

// uhyve takes an image by this note; QEMU by the one in monitor/entry.S.
hermit_entry::define_entry_version!();

#[global_allocator]
static HEAP: BootHeap = BootHeap::empty();

/// How the monitor was entered: BOOT_PVH in monitor/entry.S; the other is BOOT_HERMIT.
const BOOT_PVH: u64 = 1;

/// Where the monitor enters ring 3 on the first core.
#[unsafe(no_mangle)]
extern "C" fn primary_main(boot_info: u64, boot_kind: u64) -> ! {
    let protocol = if boot_kind == BOOT_PVH { BootProtocol::Pvh } else { BootProtocol::Hermit };
    // SAFETY: the monitor enters here once, with what it was handed.
    let mut machine = unsafe { Machine::boot(protocol, boot_info, &HEAP) };
    match network::find(&mut machine) {
        Some(FoundNic::VirtioMmio(nic)) => launch(nic, machine, make_shared, Shared::service),
        Some(FoundNic::VirtioPci(nic)) => launch(nic, machine, make_shared, Shared::service),
        None => power::exit(Exit::NoNic, format_args!("no network device: virtio-net is needed, on PCI or MMIO")),
    }
}

/// Where the monitor enters ring 3 on every other core.
#[unsafe(no_mangle)]
extern "C" fn secondary_main(index: u64) -> ! {
    cores::run_secondary(index as usize);
    power::halt()
}

/// What the memcached services of all cores share, in the memory that the runtime gives it.
fn make_shared(resources: Resources) -> Result<Shared, Error> {
    let Resources { memory, config, cores, seed } = resources;
    let bytes = (memory.end - memory.start) as usize;
    let Some(base) = NonNull::new(memory.start as *mut u8) else {
        return Err(Error::TooLittleMemory { bytes: 0, needed: 1 });
    };
    // SAFETY: the runtime took the range for the application: mapped RAM without another owner, for ever.
    let memory = unsafe { StoreMemory::from_raw(base, bytes) };
    let config = ServiceConfig {
        conn_limit: config.conn_limit,
        max_item_size: config.max_item_size,
        when_full: match config.evictions {
            Evictions::Enabled => WhenFull::Evict,
            Evictions::Disabled => WhenFull::Refuse,
        },
        port: config.port,
        threads: cores as u32,
        seed,
    };
    Shared::new(config, memory)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    crash::panicked(info)
}

/// Named by the precompiled `core`; never called, as nothing unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
