//! Starting the other cores. Each gets a block for the monitor and a stack with a guard page, and halts until it is given
//! something to run.

#![allow(unsafe_code)] // stacks and blocks

use alloc::boxed::Box;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::acpi::madt::MAX_CORES;
use super::memory::{PAGE, Ram};
use super::time::Clock;
use crate::log;
use crate::monitor::{self, CORE_BLOCK_BYTES, Ipi, MapKind};

/// Bytes of a core's stack.
const STACK_BYTES: u64 = 64 << 10;
/// Between INIT and start-up (SDM volume 3, section 9.4.4.1), in microseconds; virtual cores need none.
const INIT_WAIT_US: u64 = 10_000;
/// How long a core may take to start, in microseconds.
const START_US: u64 = 200_000;

/// Cores that have entered ring 3 since boot, the first not counted.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// APIC ids by core.
pub type ApicIds = heapless::Vec<u32, MAX_CORES>;

/// Starts the cores with these APIC ids, but for the calling one, which becomes core 0. Returns the cores that there are
/// now; one that does not start is reported and left out.
pub fn start(apic_ids: &[u32], ram: &mut Ram, clock: &Clock, virtualized: bool) -> ApicIds {
    let own = monitor::apic().id;
    let mut present = ApicIds::from_array([own]);
    for &apic_id in apic_ids.iter().filter(|id| **id != own) {
        let index = present.len() as u32;
        if start_one(apic_id, index, ram, clock, virtualized).is_none() || present.push(apic_id).is_err() {
            log!(Warn, "core with APIC id {apic_id} does not start");
        }
    }
    present
}

fn start_one(apic_id: u32, index: u32, ram: &mut Ram, clock: &Clock, virtualized: bool) -> Option<()> {
    let block = ram.take(CORE_BLOCK_BYTES, CORE_BLOCK_BYTES)?;
    let stack = ram.take(PAGE + STACK_BYTES, PAGE)?;
    // SAFETY: both ranges were just taken, so nothing else lives there.
    unsafe {
        monitor::map(block.clone(), MapKind::Monitor).ok()?;
        monitor::map(stack.start..stack.start + PAGE, MapKind::None).ok()?;
        monitor::prepare_core(block.start, stack.end, index.into());
    }
    let started = STARTED.load(Ordering::Acquire);
    monitor::send_ipi(apic_id, Ipi::Init);
    if !virtualized {
        clock.spin_us(INIT_WAIT_US);
    }
    monitor::send_ipi(apic_id, Ipi::Startup);
    let deadline = clock.now() + core::time::Duration::from_micros(START_US);
    while STARTED.load(Ordering::Acquire) == started {
        if clock.now() > deadline {
            return None;
        }
        core::hint::spin_loop();
    }
    Some(())
}

/// What a core is to run, for ever.
pub type Job = Box<dyn FnOnce() + Send>;

/// The job of each core, until it has taken it.
static JOBS: [AtomicPtr<Job>; MAX_CORES] = [const { AtomicPtr::new(ptr::null_mut()) }; MAX_CORES];

/// Has a core, by its number and APIC id, run a job for ever. To be called once for each but the first.
pub fn run_on(core: usize, apic_id: u32, job: Job) {
    // Pairs with `next_job`, which owns it from then on.
    JOBS[core].store(Box::into_raw(Box::new(job)), Ordering::Release);
    wake(apic_id);
}

/// Ends the halt of the core with this APIC id, or else its next one.
pub fn wake(apic_id: u32) {
    monitor::send_ipi(apic_id, Ipi::Wake);
}

/// Reports the calling core, which is not the first, as started, and runs the job that it is given.
pub fn run_secondary(core: usize) {
    STARTED.fetch_add(1, Ordering::Release);
    let job = loop {
        if let Some(job) = JOBS.get(core).and_then(next_job) {
            break job;
        }
        monitor::halt(0); // the interrupt of `wake` is pending if it came before
    };
    job();
}

fn next_job(slot: &AtomicPtr<Job>) -> Option<Job> {
    let job = slot.swap(ptr::null_mut(), Ordering::Acquire);
    // SAFETY: what is there comes from `Box::into_raw` in `run_on`, and the swap takes it once.
    (!job.is_null()).then(|| *unsafe { Box::from_raw(job) })
}
