//! The loops of the cores.

#![allow(unsafe_code)] // shards go to their cores

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use abi::config::SelfTest;
use abi::console::Ready;
use abi::exit::Exit;
use netdrv::nic::{RxQueue, TxQueue, Watch};
use netstack::app::Movable;

use super::blocks::Blocks;
use super::idle::Idle;
use super::mesh::cores_of;
use super::selftest;
use super::shard::Shard;
use crate::platform::cores::{self, ApicIds};
use crate::platform::machine::Machine;
use crate::platform::power;
use crate::platform::time::Clock;

/// How long DHCP may take before the appliance gives up.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(10);

/// A shard on its way to the core that will run it.
struct Handover<S>(Box<S>);

// SAFETY: a shard is all that refers to its core's pool, whose counts are plain cells: queues, stack and application hold
// the only handles of its buffers. The first core puts it together, and from here on leaves it alone; the job's release
// and acquire in `cores::run_on` orders all that it did before what the other core does.
unsafe impl<S> Send for Handover<S> {}

impl<S> Handover<S> {
    fn take(self) -> Box<S> {
        self.0
    }
}

/// What a core's loop needs beside its shard.
struct Surroundings {
    clock: Clock,
    spin_us: u32,
    apic_ids: ApicIds,
}

/// Runs each shard on its core, the first on this one, which looks after the queues that `watches` are of. Never returns.
pub(super) fn all<R, T, A, W: Watch>(
    mut shards: Vec<Box<Shard<R, T, A>>>,
    machine: Machine,
    store_bytes: u64,
    watches: Vec<W>,
) -> !
where
    R: RxQueue + 'static,
    T: TxQueue + 'static,
    A: Movable + 'static,
{
    let cores = shards.len();
    let blocks = Blocks::new(cores, || shards.first().map_or(0, |shard| shard.statistics_len()));
    shards.iter_mut().for_each(|shard| shard.publish_in(blocks.clone()));
    for core in (1..cores).rev() {
        let Some(shard) = shards.pop() else { break };
        let surroundings = Surroundings::of(&machine);
        let handover = Handover(shard);
        let fault = machine.config.fault_of(core);
        let job = move || {
            commit(fault);
            other(handover.take(), surroundings);
        };
        cores::run_on(core, machine.apic_ids[core], Box::new(job));
    }
    let Some(shard) = shards.pop() else { power::exit(Exit::BadPlatform, format_args!("no core serves")) };
    first(shard, machine, cores, store_bytes, watches)
}

/// The loop of the first core. Says when there is an address; ends the appliance if there is none in time.
fn first<R: RxQueue, T: TxQueue, A: Movable, W: Watch>(
    mut shard: Box<Shard<R, T, A>>,
    mut machine: Machine,
    cores: usize,
    store_bytes: u64,
    mut watches: Vec<W>,
) -> ! {
    let mut surroundings = Surroundings::of(&machine);
    let mut idle = Idle::new(surroundings.spin_us, surroundings.clock.now());
    let deadline = surroundings.clock.now() + ADDRESS_TIMEOUT;
    while shard.address().is_none() {
        if surroundings.turn(&mut shard, &mut idle) > deadline {
            power::exit(Exit::NoAddress, format_args!("no IP address: no DHCP server answered; set ip=A.B.C.D/LEN"));
        }
        surroundings.wake_watched(&mut watches);
    }
    machine.end_phase("address");
    report_ready(&machine, &shard, cores, store_bytes);
    commit(machine.config.fault_of(0));
    loop {
        surroundings.turn(&mut shard, &mut idle);
        surroundings.wake_watched(&mut watches);
    }
}

/// Commits the fault that a core was asked for, if it was.
fn commit(fault: Option<SelfTest>) {
    if let Some(test) = fault {
        selftest::run(test);
    }
}

/// The loop of any other core.
fn other<R: RxQueue, T: TxQueue, A: Movable>(mut shard: Box<Shard<R, T, A>>, mut surroundings: Surroundings) {
    let mut idle = Idle::new(surroundings.spin_us, surroundings.clock.now());
    loop {
        surroundings.turn(&mut shard, &mut idle);
    }
}

impl Surroundings {
    fn of(machine: &Machine) -> Surroundings {
        let Machine { config, clock, apic_ids, .. } = machine;
        Surroundings { clock: *clock, spin_us: config.spin_us, apic_ids: apic_ids.clone() }
    }

    /// Wakes the cores that halt while frames wait in their queues, where the NIC cannot: core 1 has the first watch. After
    /// every turn, hence after every halt.
    fn wake_watched<W: Watch>(&self, watches: &mut [W]) {
        for (watch, apic_id) in watches.iter_mut().zip(self.apic_ids.iter().skip(1)) {
            if watch.take_work() {
                cores::wake(*apic_id);
            }
        }
    }

    /// One turn, and what follows it. Returns when it began.
    fn turn<R: RxQueue, T: TxQueue, A: Movable>(
        &mut self,
        shard: &mut Shard<R, T, A>,
        idle: &mut Idle,
    ) -> netstack::time::Instant {
        let now = self.clock.now();
        let work = shard.turn(now, self.clock.unix_seconds(now));
        for core in cores_of(shard.take_halted()) {
            cores::wake(self.apic_ids[core]);
        }
        if shard.is_over(now) {
            power::exit(Exit::PowerOff, format_args!("a client has asked for it"));
        }
        idle.after_turn(shard, work, now, &self.clock);
        now
    }
}

fn report_ready<R: RxQueue, T: TxQueue, A: Movable>(
    machine: &Machine,
    shard: &Shard<R, T, A>,
    cores: usize,
    store_bytes: u64,
) {
    let Some(address) = shard.address() else { return };
    let ready = Ready {
        ip: address.ip,
        port: machine.config.port,
        cores_serving: cores as u16,
        cores_present: machine.apic_ids.len() as u16,
        store_bytes,
        phases: &machine.phases,
    };
    crate::platform::console::print_line(format_args!("{ready}"));
}
