//! What a freestanding binary must have, whatever runs in it.

#![allow(unsafe_code)] // the linker's and the monitor's names

use crate::platform::heap::BootHeap;
use crate::platform::machine::{BootProtocol, Machine};
use crate::platform::{cores, power};

/// How the monitor was entered: BOOT_PVH in monitor/entry.S; the other is BOOT_HERMIT.
const BOOT_PVH: u64 = 1;

/// Makes the binary an appliance: on the first core, `$serve` gets the [`Machine`], and never returns.
#[macro_export]
macro_rules! appliance {
    ($serve:path) => {
        // uhyve takes an image by this note; QEMU by the one in monitor/entry.S.
        hermit_entry::define_entry_version!();

        #[global_allocator]
        static HEAP: $crate::platform::heap::BootHeap = $crate::platform::heap::BootHeap::empty();

        /// Where the monitor enters ring 3 on the first core.
        #[unsafe(no_mangle)]
        extern "C" fn primary_main(boot_info: u64, boot_kind: u64) -> ! {
            // SAFETY: the monitor enters here once, with what it was handed.
            $serve(unsafe { $crate::entry::boot(boot_info, boot_kind, &HEAP) })
        }

        /// Where the monitor enters ring 3 on every other core.
        #[unsafe(no_mangle)]
        extern "C" fn secondary_main(index: u64) -> ! {
            $crate::entry::join(index)
        }

        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::crash::panicked(info)
        }

        /// Named by the precompiled `core`; never called, as nothing unwinds.
        #[unsafe(no_mangle)]
        extern "C" fn rust_eh_personality() {}
    };
}

/// Boots the machine.
///
/// # Safety
///
/// Called once, on the first core, with what the monitor handed over.
pub unsafe fn boot(boot_info: u64, boot_kind: u64, heap: &BootHeap) -> Machine {
    let protocol = if boot_kind == BOOT_PVH { BootProtocol::Pvh } else { BootProtocol::Hermit };
    // SAFETY: the caller's promise.
    unsafe { Machine::boot(protocol, boot_info, heap) }
}

/// What any other core does.
pub fn join(index: u64) -> ! {
    cores::run_secondary(index as usize);
    power::halt()
}
