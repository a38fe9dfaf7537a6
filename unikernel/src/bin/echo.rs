//! The dataplane with an echo on it, over TCP and UDP: the limit of what an appliance of this stack can do.

#![no_std]
#![no_main]
#![allow(unsafe_code)] // entered by the monitor

extern crate alloc;

use core::convert::Infallible;

use abi::exit::Exit;
use app_echo::Echo;
use netdrv::pktbuf::Pool;
use unikernel::platform::machine::Machine;
use unikernel::platform::network::{self, FoundNic};
use unikernel::platform::power;
use unikernel::runtime::launch::{Datagrams, Resources, launch};

unikernel::appliance!(serve);

fn serve(mut machine: Machine) -> ! {
    match network::find(&mut machine) {
        Some(FoundNic::VirtioMmio(nic)) => launch(nic, machine, Datagrams::AtPort, conn_limit, make_echo),
        Some(FoundNic::VirtioPci(nic)) => launch(nic, machine, Datagrams::AtPort, conn_limit, make_echo),
        None => power::exit(Exit::NoNic, format_args!("no network device: virtio-net is needed, on PCI or MMIO")),
    }
}

/// All that the cores share is how many connections each may have.
fn conn_limit(resources: Resources) -> Result<usize, Infallible> {
    Ok(resources.config.conn_limit as usize)
}

fn make_echo(connections: &mut usize, pool: &'static Pool) -> Result<Echo, Infallible> {
    Ok(Echo::new(*connections, pool))
}
