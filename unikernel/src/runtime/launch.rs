//! From a NIC to a shard for each core: who gets which memory, queue pair and flow groups.

#![allow(unsafe_code)] // hands memory to pools

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;
use core::time::Duration;

use abi::config::{self, Address, Config};
use abi::exit::Exit;
use abi::memory::{Division, PACKET_BUFFER_BYTES, STORE_ALIGN};
use netdrv::nic::steering::{FLOW_GROUPS, KEY_BYTES, Table};
use netdrv::nic::toeplitz::Toeplitz;
use netdrv::nic::{ClosedPair, Nic, NicInfo, RssConfig, Started};
use netdrv::pktbuf::{BUF_BYTES, Pool, PoolMemory};
use netstack::app::Movable;
use netstack::stack::{self, Addressing, CongestionControl, EcnUse, Keepalive, Share, Stack, TcpSettings};
use netstack::steering::GroupSet;
use siphasher::sip::SipHasher24;

use super::control::Control;
use super::directory::Directory;
use super::mesh::{MAX_CORES, mesh};
use super::nic_steering::NicTable;
use super::queues::Queues;
use super::serve;
use super::shard::{Parts, Shard};
use super::stages::StageClock;
use super::steer::Steering;
use crate::log;
use crate::platform::entropy::Seed;
use crate::platform::machine::Machine;
use crate::platform::memory::{PAGE, Ram};
use crate::platform::power;

const _: () = assert!(BUF_BYTES as u64 == PACKET_BUFFER_BYTES);

/// uhyve 0.10 cuts received frames to 1,500 bytes, Ethernet header included, though it promises an MTU of 1,500.
const UHYVE_MTU: u16 = 1500 - 14;
/// Bytes of a VLAN tag.
const VLAN_TAG: u16 = 4;

/// What the cores' applications share when they start.
pub struct Resources {
    /// Memory for items, its own for ever.
    pub memory: Range<u64>,
    /// The configuration.
    pub config: Config,
    /// Cores that serve.
    pub cores: usize,
    /// A random number.
    pub seed: u64,
}

/// Where the application takes datagrams. Connections come to the configured port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagrams {
    /// At the port of that number.
    AtPort,
    /// At the port that is configured for them, if one is.
    AtUdpPort,
}

impl Datagrams {
    fn port(self, config: &Config) -> Option<u16> {
        match self {
            Datagrams::AtPort => Some(config.port),
            Datagrams::AtUdpPort => Some(config.udp_port).filter(|port| *port != 0),
        }
    }
}

/// Runs `nic` and an application on each core, for ever: `make_shared` makes what they share, `make_app` each core's from it
/// and the core's packet buffers.
pub fn launch<N, A, S, E>(
    nic: N,
    mut machine: Machine,
    datagrams: Datagrams,
    make_shared: impl FnOnce(Resources) -> Result<S, E>,
    mut make_app: impl FnMut(&mut S, &'static Pool) -> Result<A, E>,
) -> !
where
    N: Nic<Rx: 'static, Tx: 'static, Control: Send + 'static>,
    A: Movable + 'static,
    E: core::fmt::Display,
{
    let config = machine.config;
    let cores = machine.apic_ids.len().min(config.threads.map_or(MAX_CORES, usize::from)).min(MAX_CORES);
    if config.http_port == config.port {
        power::exit(Exit::BadConfig, format_args!("http-port is the port of the service: give it another"));
    }
    let mut info = nic.info();
    if machine.is_uhyve {
        info.mtu = info.mtu.min(UHYVE_MTU - config.vlan.map_or(0, |_| VLAN_TAG));
    }
    let pools = make_pools(&mut machine.ram, &config, cores);
    let memory = store_memory(&mut machine.ram, &config);
    let store_bytes = memory.end - memory.start;
    let Secrets { stack: stack_seed, app: seed, key } = split_seed(&machine.seed);
    let shared = make_shared(Resources { memory, config, cores, seed });
    let apps = shared.map(|mut shared| make_apps(pools, |pool| make_app(&mut shared, pool)));
    let apps = apps.unwrap_or_else(|error| power::exit(Exit::TooLittleMemory, format_args!("{error}")));
    let cores = apps.len();
    let layout = Layout::new(cores, info.queue_pairs);
    let Started { mut pairs, watches, control: nic_control } =
        match nic.into_queue_pairs(cores, &RssConfig { key, table: layout.pairs }) {
            Ok(started) => started,
            Err(error) => power::exit(Exit::NoNic, format_args!("the network device does not start: {error}")),
        };
    machine.end_phase("nic");

    let hash: &'static Toeplitz = Box::leak(Box::new(Toeplitz::new(&key)));
    let stage_clock = stage_clock(&config);
    let directory = Directory::new(&layout.cores);
    let mut shards = Vec::new();
    for ((core, port), (pool, app)) in mesh(cores).into_iter().enumerate().zip(apps) {
        let ports = [config.port, config.http_port];
        let ports = if config.http_port == 0 { &ports[..1] } else { &ports };
        let udp = datagrams.port(&config);
        // What is transmitted through another core's queue is copied into one buffer.
        let tso = info.tso.filter(|_| core < layout.pair_count);
        let stack_config =
            stack::Config { tso, udp: udp.as_slice(), ..stack_config(&config, &info, ports, stack_seed, core) };
        let share = Share { hash, groups: layout.groups_of(core) };
        let stack = Stack::among(stack_config, share, pool, machine.clock.now());
        let queues = match core {
            _ if pairs.is_empty() => Queues::Via { core: core % layout.pair_count, no_buffer: 0 },
            _ => Queues::Own(pairs.remove(0).open()),
        };
        let steering = Steering::new(hash, layout.cores, info.steering, cores);
        let batch_limit = config.batch.into();
        let stage_clock = stage_clock.clone();
        let directory = directory.clone();
        let parts = Parts { queues, pool, stack, app, port, steering, directory, batch_limit, stage_clock };
        shards.push(Box::new(Shard::new(parts)));
    }
    let nic_table = nic_control.map(|control| NicTable::new(Box::new(control), layout.pairs, layout.pair_count));
    let control = Control::new(directory, cores, config.exercise, seed);
    if let Some(first) = shards.first_mut() {
        first.govern_by(control, nic_table);
    }
    machine.end_phase("service");
    serve::all(shards, machine, store_bytes, watches)
}

/// An application for each core, with the core's pool. There are fewer where a further one does not start.
fn make_apps<A, E: core::fmt::Display>(
    pools: Vec<&'static Pool>,
    mut make_app: impl FnMut(&'static Pool) -> Result<A, E>,
) -> Vec<(&'static Pool, A)> {
    let mut apps = Vec::new();
    for pool in pools {
        match make_app(pool) {
            Ok(app) => apps.push((pool, app)),
            Err(error) if apps.is_empty() => power::exit(Exit::TooLittleMemory, format_args!("{error}")),
            Err(error) => {
                log!(Warn, "only {} cores serve: {error}", apps.len());
                break;
            }
        }
    }
    apps
}

/// Which flow group goes where at first.
struct Layout {
    /// The core of each group, and its queue pair: that of the core, or the one that transmits for it.
    cores: Table,
    pairs: Table,
    pair_count: usize,
}

impl Layout {
    /// Groups dealt out in turn.
    fn new(cores: usize, queue_pairs: usize) -> Layout {
        let pair_count = queue_pairs.clamp(1, cores);
        let table: Table = core::array::from_fn(|group| (group % cores) as u8);
        Layout { cores: table, pairs: table.map(|core| core % pair_count as u8), pair_count }
    }

    fn groups_of(&self, core: usize) -> GroupSet {
        (0..FLOW_GROUPS).filter(|group| usize::from(self.cores[*group]) == core).fold(0, |set, group| set | 1 << group)
    }
}

fn stage_clock(config: &Config) -> StageClock {
    match config.stage_clock {
        abi::config::StageClock::Cycles => StageClock::Cycles,
        abi::config::StageClock::Alone => StageClock::Alone(Arc::new(AtomicU64::new(0))),
    }
}

/// Pools of packet buffers, one a core, all of one size.
fn make_pools(ram: &mut Ram, config: &Config, cores: usize) -> Vec<&'static Pool> {
    let division = Division::of(ram.total(), config, cores as u64);
    (0..cores).map(|_| make_pool(ram, division.packet_buffers_per_core)).collect()
}

pub(super) fn make_pool(ram: &mut Ram, buffers: u64) -> &'static Pool {
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

/// What is drawn from the seed.
struct Secrets {
    stack: [u8; 16],
    app: u64,
    /// Of the flow hash.
    key: [u8; KEY_BYTES],
}

fn split_seed(seed: &Seed) -> Secrets {
    let (stack, rest) = seed.split_at(16);
    let app = rest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let stack: [u8; 16] = core::array::from_fn(|i| stack[i]);
    // A hash of its own, so that the key tells nothing of the secrets beside it.
    let expand = SipHasher24::new_with_keys(app, u64::from_le_bytes(core::array::from_fn(|i| rest[8 + i])));
    let key = core::array::from_fn(|i| expand.hash(&[i as u8]) as u8);
    Secrets { stack, app, key }
}

fn stack_config<'a>(
    config: &Config,
    info: &NicInfo,
    ports: &'a [u16],
    seed: [u8; 16],
    core: usize,
) -> stack::Config<'a> {
    let addressing = match config.address {
        _ if core != 0 => Addressing::Follow,
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
        congestion_control: match config.congestion_control {
            config::CongestionControl::Cubic => CongestionControl::Cubic,
            config::CongestionControl::NewReno => CongestionControl::NewReno,
        },
        tcp: tcp_settings(config),
        seed,
    }
}

fn tcp_settings(config: &Config) -> TcpSettings {
    let keepalive = |idle| Keepalive { idle: Duration::from_secs(idle), ..Keepalive::default() };
    // Whoever is silent for that long is asked, which wakes the core: it is then that the application closes the connection.
    let silent_s = Some(u64::from(config.idle_timeout_s) + 1).filter(|idle| *idle > 1);
    let asked_s = Some(u64::from(config.keepalive_s)).filter(|idle| *idle > 0);
    TcpSettings {
        syn_backlog: config.listen_backlog as usize,
        keepalive: asked_s.into_iter().chain(silent_s).min().map(keepalive),
        ecn: match config.ecn {
            config::Ecn::Never => EcnUse::Never,
            config::Ecn::Offered => EcnUse::Offered,
        },
        ..TcpSettings::default()
    }
}
