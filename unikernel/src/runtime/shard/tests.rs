use netdrv::nic::QueuePair;
use netdrv::nic::steering::FLOW_GROUPS;
use netdrv::nic::toeplitz::Toeplitz;
use netdrv::pktbuf::{PktBuf, PoolMemory};

use netdrv::testkit::wire::{WireRx, WireTx};
use netstack::app::{App, Cookie, Flow};
use netstack::stack::Addressing;

use super::*;
use crate::runtime::mesh::mesh;
use crate::runtime::testbed::{SERVER, config, pair};

/// An application that only takes events.
struct Silent;

impl App for Silent {
    fn run(&mut self, _: Turn<'_>, events: &mut Events, _: &mut Calls) -> Progress {
        events.clear();
        Progress::Done
    }
}

impl Movable for Silent {
    type State = ();

    fn export(&mut self, _: Cookie, _: &mut Vec<PktBuf>) -> Option<()> {
        None
    }

    fn import(&mut self, _: Flow, (): (), _: &mut Vec<PktBuf>) -> Option<Cookie> {
        None
    }
}

/// A shard, and the other end of its wire.
struct Bench {
    shard: Shard<WireRx, WireTx, Silent>,
    peer: QueuePair<WireRx, WireTx>,
    pool: &'static Pool,
}

impl Bench {
    fn new(batch_limit: usize) -> Bench {
        let pool = Pool::leak(PoolMemory::leak(1024));
        let [near, mut peer] = pair();
        peer.rx.refill(pool);
        let address = Addressing::Static { ip: SERVER, prefix: 24, gateway: None };
        let stack = Stack::new(config(address, 1), pool, Instant::ZERO);
        let hash = Box::leak(Box::new(Toeplitz::new(&[1; 40])));
        let steering = Steering::new(hash, [0; FLOW_GROUPS], netdrv::nic::Steering::None, 1);
        let port = mesh(1).pop().unwrap();
        let directory = Directory::new(&[0; FLOW_GROUPS]);
        let (queues, app, stage_clock) = (Queues::Own(near), Silent, StageClock::Cycles);
        let parts = Parts { queues, pool, stack, app, port, steering, directory, batch_limit, stage_clock };
        Bench { shard: Shard::new(parts), peer, pool }
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
    assert_eq!(bench.shard.lie_down(Instant::ZERO), Armed::Idle);
    bench.shard.get_up();
    bench.ask(1);
    assert_eq!(bench.shard.lie_down(Instant::ZERO), Armed::Pending);
}

#[test]
fn every_counter_has_a_name_of_its_own() {
    let bench = Bench::new(64);
    let mut names = Vec::new();
    bench.shard.visit_own(&mut |name, _| names.push(name.to_owned()));
    assert_eq!(names.len(), bench.shard.statistics_len());
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}
