//! What the tests of several cores share: shards on one wire, and a client at its other end that checks every byte. All of
//! it runs in one thread on a virtual clock, core by core in an order that a seed chooses, so that a failure can be repeated.

mod apps;

use core::net::Ipv4Addr;
use core::time::Duration;

use netdrv::nic::TxChecksum;
use netdrv::nic::toeplitz::Toeplitz;
use netdrv::nic::{QueuePair, Steering as NicSteering};
use netdrv::pktbuf::{Pool, PoolMemory};
use netdrv::testkit::wire::{self, WireRx, WireTx};
use netstack::stack::{Addressing, Config, CongestionControl, Share, Stack, TcpSettings};
use netstack::steering::{FLOW_GROUPS, GroupSet};
use netstack::time::Instant;

use super::blocks::Blocks;
use super::mesh::mesh;
use super::queues::Queues;
use super::shard::{Parts, Shard};
use super::stages::StageClock;
use super::steer::Steering;
pub(super) use apps::{Caller, Echo};

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
pub(super) struct Testbed {
    pub(super) cores: Vec<WireShard<Echo>>,
    pub(super) client: WireShard<Caller>,
    pub(super) now: Instant,
    random: u64,
}

impl Testbed {
    /// `cores` cores, and a client that opens `connections` connections.
    pub(super) fn new(cores: usize, connections: u32, seed: u64) -> Testbed {
        let [near, far] = wire::pair();
        let caller = Caller::new(connections);
        let client = shards(1, fixed(CLIENT), 2, vec![Queues::Own(far)], vec![caller]).pop().unwrap();
        let queues =
            core::iter::once(Queues::Own(near)).chain((1..cores).map(|_| Queues::Via { core: 0, no_buffer: 0 }));
        let apps = (0..cores).map(|_| Echo::default()).collect();
        let cores = shards(cores, fixed(SERVER), 1, queues.collect(), apps);
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Testbed { cores, client, now: Instant::from_nanos(1_000_000_000), random }
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
        self.client.turn(self.now, 0);
        let first = self.random(self.cores.len());
        for n in 0..self.cores.len() {
            let core = (first + n) % self.cores.len();
            if self.random(8) > 0 {
                self.cores[core].turn(self.now, 0);
            }
        }
    }

    /// Rounds until `done`, at most `most`.
    pub(super) fn run(&mut self, most: usize, mut done: impl FnMut(&mut Testbed) -> bool) {
        for _ in 0..most {
            if done(self) {
                return;
            }
            self.round();
        }
        panic!("not done after {most} rounds");
    }

    /// The statistics of a core, by name.
    pub(super) fn statistic(&self, core: usize, wanted: &str) -> u64 {
        statistic(&self.cores[core], wanted)
    }
}

fn statistic<A: netstack::app::App>(shard: &WireShard<A>, wanted: &str) -> u64 {
    let mut found = None;
    shard.visit_own(&mut |name, value| found = if name == wanted { Some(value) } else { found });
    found.unwrap_or_else(|| panic!("no statistic {wanted}"))
}

/// Shards with pools of their own and flow groups dealt out in turn.
fn shards<A: netstack::app::App>(
    cores: usize,
    address: Addressing,
    mac: u8,
    queues: Vec<Queues<WireRx, WireTx>>,
    apps: Vec<A>,
) -> Vec<WireShard<A>> {
    let hash: &'static Toeplitz = Box::leak(Box::new(Toeplitz::new(&[0x5a; 40].map(|byte: u8| byte.wrapping_mul(37)))));
    let table = core::array::from_fn(|group| (group % cores) as u8);
    let parts = mesh(cores).into_iter().zip(queues).zip(apps).enumerate();
    let mut shards: Vec<WireShard<A>> = parts
        .map(|(core, ((port, queues), app))| {
            let pool = Pool::leak(PoolMemory::leak(BUFFERS));
            let groups = (0..FLOW_GROUPS).filter(|group| group % cores == core);
            let share = Share { hash, groups: groups.fold(0 as GroupSet, |set, group| set | 1 << group) };
            let address = if core == 0 { address } else { Addressing::Follow };
            let stack = Stack::among(config(address, mac), share, pool, Instant::ZERO);
            let steering = Steering::new(hash, table, NicSteering::None, cores);
            let (batch_limit, stage_clock) = (64, StageClock::Cycles);
            Shard::new(Parts { queues, pool, stack, app, port, steering, batch_limit, stage_clock })
        })
        .collect();
    let blocks = Blocks::new(cores, shards[0].statistics_len());
    shards.iter_mut().for_each(|shard| shard.publish_in(blocks.clone()));
    shards
}

/// A queue pair and its other end.
pub(super) fn pair() -> [QueuePair<WireRx, WireTx>; 2] {
    wire::pair()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_core_serves_and_no_buffer_is_lost() {
        for cores in [1, 2, 4] {
            let mut bed = Testbed::new(cores, 64, 7);
            bed.client.app_mut().limit(8_000);
            bed.run(20_000, |bed| bed.client.app_mut().is_done());
            for core in 0..cores {
                assert!(bed.statistic(core, "stage_requests") > 2_000, "core {core} of {cores}");
                assert_eq!(bed.statistic(core, "drop_steer_ring_full"), 0);
            }
            assert_eq!(bed.statistic(0, "steer_passed_on") > 0, cores > 1);
            bed.client.app_mut().close();
            bed.run(200_000, |bed| bed.client.app_mut().is_closed());
            for _ in 0..200 {
                bed.round();
            }
            for core in 0..cores {
                let ring = if core == 0 { 256 } else { 0 };
                let free = bed.statistic(core, "packet_buffers_free");
                assert!(free + ring >= bed.statistic(core, "packet_buffers") - 8, "core {core}: {free} free");
            }
        }
    }

    #[test]
    fn all_cores_learn_the_address_and_their_neighbors() {
        let mut bed = Testbed::new(3, 1, 1);
        assert!(bed.cores[0].address().is_none(), "the others have not answered");
        for _ in 0..50 {
            bed.round();
        }
        assert_eq!(bed.cores[0].address().map(|address| address.ip), Some(SERVER));
        assert!(bed.statistic(0, "arp_replies") > 0);
        assert_eq!((bed.statistic(1, "arp_replies"), bed.statistic(2, "arp_replies")), (0, 0));
    }
}
