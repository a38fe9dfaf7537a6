//! What the tests of several cores share: shards on one wire, and a client at its other end that checks every byte. All of
//! it runs in one thread on a virtual clock, core by core in an order that a seed chooses, so that a failure can be repeated.

mod apps;
mod cache;
mod switch;

use core::net::Ipv4Addr;
use core::time::Duration;

use netdrv::nic::TxChecksum;
use netdrv::nic::toeplitz::Toeplitz;
use netdrv::nic::{QueuePair, Steering as NicSteering};
use netdrv::pktbuf::{Pool, PoolMemory};
use netdrv::testkit::wire::{self, WireRx, WireTx};
use netstack::app::Movable;
use netstack::stack::{Addressing, Config, CongestionControl, Share, Stack, TcpSettings};
use netstack::steering::{FLOW_GROUPS, GroupSet};
use netstack::time::Instant;

use super::blocks::Blocks;
use super::control::Control;
use super::directory::Directory;
use super::mesh::mesh;
use super::queues::Queues;
use super::shard::{Parts, Shard};
use super::stages::StageClock;
use super::steer::Steering;
pub(super) use apps::{Caller, Echo};
use switch::Switch;

pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(super) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(super) const PORT: u16 = 7;
const BUFFERS: usize = 4096;
/// Between two rounds of turns.
const STEP: Duration = Duration::from_micros(20);

pub(super) type WireShard<A> = Shard<WireRx, WireTx, A>;

/// A stack's configuration.
pub(super) fn config(address: Addressing, mac: u8) -> Config<'static> {
    Config {
        mac: [2, 0, 0, 0, 0, mac],
        vlan: None,
        mtu: 1500,
        tx_checksum: TxChecksum::Software,
        tso: None,
        address,
        listen: &[PORT],
        udp: &[],
        conn_limit: 256,
        congestion_control: CongestionControl::default(),
        tcp: TcpSettings::default(),
        seed: [mac; 16],
    }
}

fn fixed(ip: Ipv4Addr) -> Addressing {
    Addressing::Static { ip, prefix: 24, gateway: None }
}

/// Shards of one appliance, the first of which has the only queue pair, and a client.
pub(super) struct Testbed<A: Movable = Echo, C: Movable = Caller> {
    pub(super) cores: Vec<WireShard<A>>,
    pub(super) client: WireShard<C>,
    pub(super) now: Instant,
    /// The NIC, where it steers.
    switch: Option<Switch>,
    /// The client has a turn in one of so many rounds.
    pub(super) client_rest: usize,
    random: u64,
}

impl Testbed {
    /// `cores` cores, and a client that opens `connections` connections.
    pub(super) fn new(cores: usize, connections: u32, seed: u64) -> Testbed {
        let caller = |pool| Caller::new(connections, pool);
        Testbed::of(cores, BUFFERS, seed, Echo::new, caller)
    }
}

impl<A: Movable, C: Movable> Testbed<A, C> {
    /// `cores` cores with an application each and so many packet buffers, and a client.
    fn of(
        cores: usize,
        buffers: usize,
        seed: u64,
        server: impl FnMut(&'static Pool) -> A,
        client: impl FnMut(&'static Pool) -> C,
    ) -> Testbed<A, C> {
        let [near, far] = wire::pair();
        let client = shards(fixed(CLIENT), 2, vec![Queues::Own(far)], 4 * BUFFERS, client).pop().unwrap();
        // With an odd seed the NIC has a queue pair for each core, and steers.
        let steers = seed % 2 == 1 && cores > 1;
        let (queues, switch) = if steers {
            let (queues, switch) = Switch::before(near, cores);
            (queues, Some(switch))
        } else {
            let via = (1..cores).map(|_| Queues::Via { core: 0, no_buffer: 0 });
            (core::iter::once(Queues::Own(near)).chain(via).collect(), None)
        };
        let mut cores = shards(fixed(SERVER), 1, queues, buffers, server);
        if let Some(switch) = &switch {
            let count = cores.len();
            cores.iter_mut().for_each(|core| core.steering.be_steered_by_nic());
            let control = Control::new(cores[0].migrations.directory(), count, 0, 1);
            cores[0].govern_by(control, Some(switch.nic_table(count)));
        }
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Testbed { cores, client, switch, now: Instant::from_nanos(1_000_000_000), client_rest: 1, random }
    }

    pub(super) fn random(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 33) as usize % below
    }

    /// Some turns of everybody: each core once, at times another one a second time.
    pub(super) fn round(&mut self) {
        self.now = self.now + STEP;
        if self.random(self.client_rest) == 0 {
            self.client.turn(self.now, 0);
        }
        if let Some(switch) = &mut self.switch {
            switch.round();
        }
        let first = self.random(self.cores.len());
        for n in 0..self.cores.len() {
            let core = (first + n) % self.cores.len();
            if self.random(8) > 0 {
                self.cores[core].turn(self.now, 0);
            }
        }
    }

    /// Rounds until `done`, at most `most`.
    pub(super) fn run(&mut self, most: usize, mut done: impl FnMut(&mut Self) -> bool) {
        for _ in 0..most {
            if done(self) {
                return;
            }
            self.round();
        }
        panic!("not done after {most} rounds: {:?}", self.cores[0].control());
    }

    /// The sum of all cores' statistics of a name.
    pub(super) fn sum(&self, wanted: &str) -> u64 {
        (0..self.cores.len()).map(|core| self.statistic(core, wanted)).sum()
    }

    /// The statistics of a core, by name.
    pub(super) fn statistic(&self, core: usize, wanted: &str) -> u64 {
        statistic(&self.cores[core], wanted)
    }
}

fn statistic<A: Movable>(shard: &WireShard<A>, wanted: &str) -> u64 {
    let mut found = None;
    shard.visit_own(&mut |name, value| found = if name == wanted { Some(value) } else { found });
    found.unwrap_or_else(|| panic!("no statistic {wanted}"))
}

/// Shards with pools of their own and flow groups dealt out in turn.
fn shards<A: Movable>(
    address: Addressing,
    mac: u8,
    queues: Vec<Queues<WireRx, WireTx>>,
    buffers: usize,
    mut make_app: impl FnMut(&'static Pool) -> A,
) -> Vec<WireShard<A>> {
    let cores = queues.len();
    let hash = hash();
    let table = core::array::from_fn(|group| (group % cores) as u8);
    let directory = Directory::new(&table);
    let parts = mesh(cores).into_iter().zip(queues).enumerate();
    let mut shards: Vec<WireShard<A>> = parts
        .map(|(core, (port, queues))| {
            let pool = Pool::leak(PoolMemory::leak(buffers));
            let app = make_app(pool);
            let groups = (0..FLOW_GROUPS).filter(|group| group % cores == core);
            let share = Share { hash, groups: groups.fold(0 as GroupSet, |set, group| set | 1 << group) };
            let address = if core == 0 { address } else { Addressing::Follow };
            let stack = Stack::among(config(address, mac), share, pool, Instant::ZERO);
            let steering = Steering::new(hash, table, NicSteering::None, cores);
            let (batch_limit, stage_clock, directory) = (64, StageClock::Cycles, directory.clone());
            Shard::new(Parts { queues, pool, stack, app, port, steering, directory, batch_limit, stage_clock })
        })
        .collect();
    shards[0].govern_by(Control::new(directory, cores, 0, 1), None);
    let blocks = Blocks::new(cores, || shards[0].statistics_len());
    shards.iter_mut().for_each(|shard| shard.publish_in(blocks.clone()));
    shards
}

/// The flow hash of all tests.
fn hash() -> &'static Toeplitz {
    Box::leak(Box::new(Toeplitz::new(&core::array::from_fn(|n| (n as u8).wrapping_mul(37) ^ 0x5a))))
}

/// A queue pair and its other end.
pub(super) fn pair() -> [QueuePair<WireRx, WireTx>; 2] {
    wire::pair()
}

mod tests;
