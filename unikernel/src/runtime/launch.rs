//! From a NIC to a serving shard: who gets which memory, the wait for an address, and the loop.

#![allow(unsafe_code)] // hands memory to pools

use core::ops::Range;
use core::ptr::NonNull;
use core::time::Duration;

use abi::config::{Address, Config};
use abi::console::Ready;
use abi::exit::Exit;
use netdrv::nic::steering::{FLOW_GROUPS, KEY_BYTES};
use netdrv::nic::{ClosedPair, Nic, NicInfo, RssConfig, RxQueue, TxQueue};
use netdrv::pktbuf::{BUF_BYTES, Pool, PoolMemory};
use netstack::app::App;
use netstack::stack::{self, Addressing, CongestionControl, Stack, TcpSettings};

use super::idle::Idle;
use super::selftest;
use super::shard::Shard;
use crate::log;
use crate::platform::entropy::Seed;
use crate::platform::machine::Machine;
use crate::platform::memory::{PAGE, Ram};
use crate::platform::power;

/// How long DHCP may take before the appliance gives up.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(10);
/// Packet buffers at least: what the rings of one queue pair hold, and as many again for the stack.
const LEAST_BUFFERS: u64 = 1024;
/// Packet buffers at most: 64 MiB.
const MOST_BUFFERS: u64 = 32 << 10;
/// The part of memory that packet buffers get, between these bounds.
const BUFFER_SHARE: u64 = 8;
/// Alignment of item memory: the store's segments.
const STORE_ALIGN: u64 = 1 << 20;

/// uhyve 0.10 cuts received frames to 1,500 bytes, Ethernet header included, though it promises an MTU of 1,500.
const UHYVE_MTU: u16 = 1500 - 14;
/// Bytes of a VLAN tag.
const VLAN_TAG: u16 = 4;

/// What an application starts with.
pub struct Resources {
    /// Memory for its items, its own for ever.
    pub memory: Range<u64>,
    /// Packet buffers, shared with the stack of its core.
    pub pool: &'static Pool,
    /// The configuration.
    pub config: Config,
    /// A random number.
    pub seed: u64,
}

/// Runs `nic` and the application that `make_app` makes, for ever.
pub fn launch<N: Nic, A: App, E: core::fmt::Display>(
    nic: N,
    mut machine: Machine,
    make_app: impl FnOnce(Resources) -> Result<A, E>,
) -> ! {
    let mut info = nic.info();
    if machine.is_uhyve {
        info.mtu = info.mtu.min(UHYVE_MTU - machine.config.vlan.map_or(0, |_| VLAN_TAG));
    }
    let pool = make_pool(&mut machine.ram);
    let memory = store_memory(&mut machine.ram, &machine.config);
    let store_bytes = memory.end - memory.start;
    let mut pairs = match nic.into_queue_pairs(1, &RssConfig { key: [0; KEY_BYTES], table: [0; FLOW_GROUPS] }) {
        Ok(started) => started.pairs,
        Err(error) => power::exit(Exit::NoNic, format_args!("the network device does not start: {error}")),
    };
    let Some(queues) = pairs.pop().map(ClosedPair::open) else {
        power::exit(Exit::NoNic, format_args!("the network device has no queues"))
    };
    machine.end_phase("nic");

    let config = machine.config;
    let (stack_seed, app_seed) = split_seed(&machine.seed);
    let stack = Stack::new(stack_config(&config, &info, &[config.port], stack_seed), pool, machine.clock.now());
    let app = match make_app(Resources { memory, pool, config, seed: app_seed }) {
        Ok(app) => app,
        Err(error) => power::exit(Exit::TooLittleMemory, format_args!("{error}")),
    };
    let shard = Shard::new(queues, pool, stack, app, config.batch.into());
    machine.end_phase("service");
    serve(shard, machine, store_bytes)
}

/// The loop of the first core. Says when there is an address; ends the appliance if there is none in time.
fn serve<R: RxQueue, T: TxQueue, A: App>(mut shard: Shard<R, T, A>, mut machine: Machine, store_bytes: u64) -> ! {
    let (config, clock) = (machine.config, machine.clock);
    let mut idle = Idle::new(config.spin_us, clock.now());
    let mut ready = false;
    let deadline = clock.now() + ADDRESS_TIMEOUT;
    loop {
        let now = clock.now();
        let work = shard.turn(now, clock.unix_seconds(now));
        match shard.stack().address() {
            _ if ready => {}
            Some(address) => {
                ready = true;
                machine.end_phase("address");
                report_ready(&machine, address.ip, store_bytes);
                if let Some(test) = config.selftest {
                    selftest::run(test);
                }
            }
            None if now > deadline => {
                power::exit(Exit::NoAddress, format_args!("no IP address: no DHCP server answered; set ip=A.B.C.D/LEN"))
            }
            None => {}
        }
        idle.after_turn(&mut shard, work, now, &clock);
    }
}

fn make_pool(ram: &mut Ram) -> &'static Pool {
    let buffers = (ram.total() / BUFFER_SHARE / BUF_BYTES as u64).clamp(LEAST_BUFFERS, MOST_BUFFERS);
    let Some(range) = ram.take(buffers * BUF_BYTES as u64, PAGE) else {
        power::exit(Exit::TooLittleMemory, format_args!("too little memory for {buffers} packet buffers"))
    };
    let Some(base) = NonNull::new(range.start as *mut u8) else {
        power::exit(Exit::BadPlatform, format_args!("memory begins at address 0"))
    };
    // SAFETY: the range was just taken: mapped RAM, virtual = physical, with no other owner.
    Pool::leak(unsafe { PoolMemory::from_raw(base, (range.end - range.start) as usize) })
}

/// All that is left, or as much of it as `memory-limit` says.
fn store_memory(ram: &mut Ram, config: &Config) -> Range<u64> {
    let left = ram.left().saturating_sub(STORE_ALIGN); // what alignment may cost
    let wanted = config.memory_limit_mib.map_or(left, |mib| u64::from(mib) << 20);
    if wanted > left {
        log!(Warn, "memory-limit is {} MiB, but only {} MiB are left: using those", wanted >> 20, left >> 20);
    }
    match ram.take(wanted.min(left), STORE_ALIGN) {
        Some(range) if !range.is_empty() => range,
        _ => power::exit(Exit::TooLittleMemory, format_args!("no memory is left for items")),
    }
}

/// What the stack gets of the seed, and what the application gets.
fn split_seed(seed: &Seed) -> ([u8; 16], u64) {
    let (stack, rest) = seed.split_at(16);
    let app = rest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    (core::array::from_fn(|i| stack[i]), app)
}

fn stack_config<'a>(config: &Config, info: &NicInfo, ports: &'a [u16], seed: [u8; 16]) -> stack::Config<'a> {
    let addressing = match config.address {
        Address::Dhcp => Addressing::Dhcp,
        Address::Static { ip, prefix } => Addressing::Static { ip, prefix, gateway: config.gateway },
    };
    stack::Config {
        mac: info.mac,
        vlan: config.vlan,
        mtu: info.mtu,
        tx_checksum: info.tx_checksum,
        tso: info.tso,
        address: addressing,
        listen: ports,
        udp: &[],
        conn_limit: config.conn_limit as usize,
        congestion_control: CongestionControl::default(),
        tcp: TcpSettings::default(),
        seed,
    }
}

fn report_ready(machine: &Machine, ip: core::net::Ipv4Addr, store_bytes: u64) {
    let ready = Ready {
        ip,
        port: machine.config.port,
        cores_serving: 1,
        cores_present: machine.cores as u16,
        store_bytes,
        phases: &machine.phases,
    };
    crate::platform::console::print_line(format_args!("{ready}"));
}
