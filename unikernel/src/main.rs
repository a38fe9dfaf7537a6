//! The appliance: memcached on the dataplane. This file only names the types that fill the runtime's loop: NIC, stack and
//! application.

#![no_std]
#![no_main]
#![allow(unsafe_code)] // entered by the monitor

extern crate alloc;

use core::ptr::NonNull;

use abi::config::{CasUse, Config, Evictions, Permission, Protocol};
use abi::exit::Exit;
use app_memcached::protocol::{self, Cluster, Dialect, Permissions, Settings, Speech, Token};
use app_memcached::service::{Error, Shared};
use app_memcached::store::{StoreMemory, WhenFull};
use unikernel::platform::machine::Machine;
use unikernel::platform::network::{self, FoundNic};
use unikernel::platform::power;
use unikernel::runtime::launch::{Datagrams, Resources, launch};

unikernel::appliance!(serve);

fn serve(mut machine: Machine) -> ! {
    match network::find(&mut machine) {
        Some(FoundNic::VirtioMmio(nic)) => launch(nic, machine, Datagrams::AtUdpPort, make_shared, Shared::service),
        Some(FoundNic::VirtioPci(nic)) => launch(nic, machine, Datagrams::AtUdpPort, make_shared, Shared::service),
        None => power::exit(Exit::NoNic, format_args!("no network device: virtio-net is needed, on PCI or MMIO")),
    }
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
    let settings = Settings {
        conn_limit: config.conn_limit,
        max_item_size: config.max_item_size,
        when_full: match config.evictions {
            Evictions::Enabled => WhenFull::Evict,
            Evictions::Disabled => WhenFull::Refuse,
        },
        port: config.port,
        udp_port: config.udp_port,
        http_port: config.http_port,
        permissions: Permissions {
            flush_all: config.flush_all == Permission::Granted,
            dumping: config.dumping == Permission::Granted,
            watching: config.watching == Permission::Granted,
            shutdown: config.shutdown == Permission::Granted,
        },
        auth: config.auth_token.and_then(|token| Token::new(token.text().as_bytes())),
        cluster: config.cluster_nodes.and_then(|list| Cluster::new(list.version(), list.nodes())),
        dialect: dialect(&config),
        threads: cores as u32,
    };
    Shared::new(settings, seed, memory)
}

fn dialect(config: &Config) -> Dialect {
    Dialect {
        speech: match config.protocol {
            Protocol::Auto => Speech::Auto,
            Protocol::Ascii => Speech::Ascii,
            Protocol::Binary => Speech::Binary,
        },
        cas: match config.cas {
            CasUse::Enabled => protocol::CasUse::Enabled,
            CasUse::Disabled => protocol::CasUse::Disabled,
        },
        idle_timeout_s: config.idle_timeout_s,
    }
}
