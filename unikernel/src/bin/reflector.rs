//! The driver alone: frames go back to where they came from. The limit of what any appliance on this driver can do.

#![no_std]
#![no_main]
#![allow(unsafe_code)] // entered by the monitor

extern crate alloc;

use abi::exit::Exit;
use unikernel::platform::machine::Machine;
use unikernel::platform::network::{self, FoundNic};
use unikernel::platform::power;
use unikernel::runtime::reflect::reflect;

unikernel::appliance!(serve);

fn serve(mut machine: Machine) -> ! {
    match network::find(&mut machine) {
        Some(FoundNic::VirtioMmio(nic)) => reflect(nic, machine),
        Some(FoundNic::VirtioPci(nic)) => reflect(nic, machine),
        None => power::exit(Exit::NoNic, format_args!("no network device: virtio-net is needed, on PCI or MMIO")),
    }
}
