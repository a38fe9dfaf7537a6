use core::net::Ipv4Addr;

use netdrv::nic::TxChecksum;
use netdrv::pktbuf::PoolMemory;
use netdrv::testkit::wire::{self, WireRx, WireTx};
use netstack::stack::{Addressing, Config, CongestionControl, TcpSettings};

use super::*;

/// An application that only takes events.
struct Silent;

impl App for Silent {
    fn run(&mut self, _: Turn<'_>, events: &mut Events, _: &mut Calls) -> Progress {
        events.clear();
        Progress::Done
    }
}

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// A shard, and the other end of its wire.
struct Bench {
    shard: Shard<WireRx, WireTx, Silent>,
    peer: QueuePair<WireRx, WireTx>,
    pool: &'static Pool,
}

impl Bench {
    fn new(batch_limit: usize) -> Bench {
        let pool = Pool::leak(PoolMemory::leak(1024));
        let config = Config {
            mac: MAC,
            vlan: None,
            mtu: 1500,
            tx_checksum: TxChecksum::Software,
            tso: None,
            address: Addressing::Static { ip: Ipv4Addr::new(10, 0, 0, 1), prefix: 24, gateway: None },
            listen: &[11211],
            udp: &[],
            conn_limit: 16,
            congestion_control: CongestionControl::default(),
            tcp: TcpSettings::default(),
            seed: [7; 16],
        };
        let [near, mut peer] = wire::pair();
        peer.rx.refill(pool);
        let stack = Stack::new(config, pool, Instant::ZERO);
        Bench { shard: Shard::new(near, pool, stack, Silent, batch_limit), peer, pool }
    }

    /// Sends `count` ARP requests for the shard's address.
    fn ask(&mut self, count: usize) {
        let mut batch = Batch::new();
        for _ in 0..count {
            let mut frame = self.pool.alloc().unwrap();
            frame.extend_from_slice(&[0xff; 6]).unwrap();
            frame.extend_from_slice(&[2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]).unwrap();
            frame.extend_from_slice(&[2, 0, 0, 0, 0, 2, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1]).unwrap();
            batch.push_back(frame).unwrap();
        }
        self.peer.tx.submit(&mut batch);
    }

    /// The frames that the shard has sent.
    fn answers(&mut self) -> usize {
        let mut batch = Batch::new();
        let answers = self.peer.rx.poll(&mut batch, 64);
        drop(batch);
        self.peer.rx.refill(self.pool);
        answers
    }

    fn turn(&mut self) -> Work {
        self.shard.turn(Instant::ZERO, 0)
    }
}

#[test]
fn a_frame_is_answered_in_the_turn_that_takes_it() {
    let mut bench = Bench::new(64);
    bench.turn();
    assert_eq!(bench.answers(), 1, "the address is announced");
    assert_eq!(bench.turn(), Work::None);
    bench.ask(1);
    assert_eq!(bench.turn(), Work::Done);
    assert_eq!(bench.answers(), 1);
}

#[test]
fn a_turn_takes_a_batch_at_most_and_never_waits_for_one() {
    let mut bench = Bench::new(4);
    bench.turn();
    bench.answers();
    bench.ask(10);
    for expected in [4, 4, 2, 0] {
        bench.turn();
        assert_eq!(bench.answers(), expected);
    }
}

#[test]
fn frames_that_wait_keep_the_queue_from_arming() {
    let mut bench = Bench::new(64);
    bench.turn();
    assert_eq!(bench.shard.arm(), Armed::Idle);
    bench.shard.disarm();
    bench.ask(1);
    assert_eq!(bench.shard.arm(), Armed::Pending);
}

#[test]
fn every_counter_has_a_name_of_its_own() {
    let bench = Bench::new(64);
    let shard = &bench.shard;
    let below = Below { rx: &shard.queues.rx, tx: &shard.queues.tx, stack: &shard.stack, pool: shard.pool };
    let mut names = Vec::new();
    below.visit(&mut |name, _| names.push(name.to_owned()));
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}
