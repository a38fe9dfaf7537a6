//! What the stages of a core's turns cost: cycles and batch sizes.
//!
//! A stage that did nothing reads no clock: its few cycles count for the next stage that did something, and a turn in which
//! none did reads the clock once.
//!
//! Under `-icount` the time-stamp counter counts instructions, those of other vCPUs too, which take turns in one thread. QEMU
//! changes vCPU where one pauses after an empty turn or halts, and where a timer or a device is to be heard. Only the last
//! comes into a turn. Such a turn is left out, with the requests that it served: a core leaves its mark in a word at the end of
//! each stage, and looks whether it is still there. Two errors remain. Long turns are likelier to be left out; that is no more than
//! their share, `stage_turns_left_out`, which is under a hundredth where the device steers and cores hardly halt. And a core that
//! runs for less than a stage leaves no mark, so that its instructions count for the stage that it came into.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use netstack::app::Statistics;

use crate::platform::cpu;

/// The stages of a turn, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Buffers of frames that the device has sent.
    Reclaim,
    /// Messages of other cores.
    Mailbox,
    /// Timers that are due.
    Timers,
    /// Frames from the device, sorted by core.
    Receive,
    /// The stack takes frames.
    Ingress,
    /// The application runs.
    App,
    /// The stack makes frames, and the ring takes them.
    Egress,
    /// The device and other cores are told.
    Doorbell,
}

/// Their names, as statistics, in that order: cycles, batches, and items.
const NAMES: [[&str; 3]; STAGES] = [
    ["stage_reclaim_cycles", "stage_reclaim_batches", "stage_reclaim_items"],
    ["stage_mailbox_cycles", "stage_mailbox_batches", "stage_mailbox_items"],
    ["stage_timers_cycles", "stage_timers_batches", "stage_timers_items"],
    ["stage_receive_cycles", "stage_receive_batches", "stage_receive_items"],
    ["stage_ingress_cycles", "stage_ingress_batches", "stage_ingress_items"],
    ["stage_app_cycles", "stage_app_batches", "stage_app_items"],
    ["stage_egress_cycles", "stage_egress_batches", "stage_egress_items"],
    ["stage_doorbell_cycles", "stage_doorbell_batches", "stage_doorbell_items"],
];
const STAGES: usize = 8;

/// Names of the sizes of receive batches: powers of two.
const SIZES: [&str; 7] = [
    "stage_receive_batches_1",
    "stage_receive_batches_2",
    "stage_receive_batches_4",
    "stage_receive_batches_8",
    "stage_receive_batches_16",
    "stage_receive_batches_32",
    "stage_receive_batches_64",
];

/// How turns are told apart from those that another vCPU ran in.
#[derive(Clone)]
pub enum StageClock {
    /// Every turn counts: each core has a processor.
    Cycles,
    /// A turn counts if no other core left its mark in this word meanwhile.
    Alone(Arc<AtomicU64>),
}

/// The account of one core.
pub struct Stages {
    clock: StageClock,
    core: u64,
    /// The clock when it was read last.
    last: u64,
    /// Of this turn.
    turn: [Count; STAGES],
    /// Of all turns that count.
    total: [Count; STAGES],
    sizes: [u64; SIZES.len()],
    turns: u64,
    turns_left_out: u64,
    empty_turns: u64,
    empty_cycles: u64,
    /// Requests in turns that count, and those of the application when it was last asked.
    requests: u64,
    requests_seen: u64,
    /// Whether the turn before was empty, so that the cycles since then were too.
    was_empty: bool,
    /// Whether another core ran in this turn.
    was_interrupted: bool,
}

#[derive(Clone, Copy, Default)]
struct Count {
    cycles: u64,
    batches: u64,
    items: u64,
}

impl Stages {
    /// An empty account.
    pub fn new(core: usize, clock: StageClock) -> Stages {
        Stages {
            clock,
            core: core as u64,
            last: 0,
            turn: Default::default(),
            total: Default::default(),
            sizes: Default::default(),
            turns: 0,
            turns_left_out: 0,
            empty_turns: 0,
            empty_cycles: 0,
            requests: 0,
            requests_seen: 0,
            was_empty: false,
            was_interrupted: false,
        }
    }

    /// A turn begins.
    pub fn begin(&mut self) {
        self.leave_mark();
        self.was_interrupted = false;
        let now = cpu::tsc();
        if core::mem::replace(&mut self.was_empty, false) {
            self.empty_cycles += now.wrapping_sub(self.last);
        }
        self.last = now;
    }

    /// A stage of the turn ends; it worked on `items`.
    pub fn end(&mut self, stage: Stage, items: usize) {
        if items == 0 {
            return;
        }
        self.leave_mark();
        let now = cpu::tsc();
        let count = &mut self.turn[stage as usize];
        count.cycles += now.wrapping_sub(self.last);
        count.batches += 1;
        count.items += items as u64;
        self.last = now;
        if stage == Stage::Receive {
            self.sizes[(items.ilog2() as usize).min(SIZES.len() - 1)] += 1;
        }
    }

    /// The turn ends, without anything done.
    pub fn end_empty(&mut self) {
        self.empty_turns += 1;
        self.was_empty = true;
    }

    /// The turn ends. `requests` is how many the application has answered in all.
    pub fn end_turn(&mut self, requests: u64) {
        if !self.was_interrupted {
            self.turns += 1;
            self.requests += requests - self.requests_seen;
            for (total, turn) in self.total.iter_mut().zip(&self.turn) {
                total.cycles += turn.cycles;
                total.batches += turn.batches;
                total.items += turn.items;
            }
        } else {
            self.turns_left_out += 1;
        }
        self.requests_seen = requests;
        self.turn = Default::default();
    }

    /// Has the others see that this core ran, and sees whether another did.
    fn leave_mark(&mut self) {
        if let StageClock::Alone(word) = &self.clock
            && word.load(Ordering::Relaxed) != self.core
        {
            self.was_interrupted = true;
            word.store(self.core, Ordering::Relaxed);
        }
    }

    /// The core has halted: that was no turn.
    pub fn rested(&mut self) {
        self.was_empty = false;
    }
}

impl Statistics for Stages {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        visit("stage_turns", self.turns);
        visit("stage_turns_left_out", self.turns_left_out);
        visit("stage_empty_turns", self.empty_turns);
        visit("stage_empty_cycles", self.empty_cycles);
        visit("stage_requests", self.requests);
        for ([cycles, batches, items], count) in NAMES.iter().zip(&self.total) {
            visit(cycles, count.cycles);
            visit(batches, count.batches);
            visit(items, count.items);
        }
        SIZES.iter().zip(&self.sizes).for_each(|(name, count)| visit(name, *count));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn value(stages: &Stages, wanted: &str) -> u64 {
        let mut found = None;
        stages.visit(&mut |name, value| found = if name == wanted { Some(value) } else { found });
        found.unwrap()
    }

    #[test]
    fn turns_and_empty_ones_are_apart() {
        let mut stages = Stages::new(0, StageClock::Cycles);
        for items in [3, 64, 0, 0, 5000] {
            stages.begin();
            stages.end(Stage::Receive, items);
            if items == 0 {
                stages.end_empty();
            } else {
                stages.end_turn(items as u64);
            }
        }
        let names =
            ["stage_turns", "stage_empty_turns", "stage_receive_batches", "stage_receive_items", "stage_requests"];
        assert_eq!(names.map(|name| value(&stages, name)), [3, 2, 3, 5067, 5000]);
        assert_eq!(SIZES.map(|name| value(&stages, name)), [0, 1, 0, 0, 0, 0, 2]);
        assert!(value(&stages, "stage_receive_cycles") > 0 && value(&stages, "stage_empty_cycles") > 0);
        assert_eq!(value(&stages, "stage_app_cycles"), 0);
    }

    #[test]
    fn a_turn_that_another_core_came_into_is_left_out() {
        let word = Arc::new(AtomicU64::new(0));
        let [mut a, mut b] = [0, 1].map(|core| Stages::new(core, StageClock::Alone(Arc::clone(&word))));
        let stages = [Stage::Receive, Stage::App, Stage::Egress];
        // In the first stage, in each further one, and not at all; the other core's marks are those of an empty turn, of a
        // stage, or of both.
        for (turn, interrupted_in) in [0, 1, 2, 3, 0, 1, 2, 3].into_iter().enumerate() {
            a.begin();
            for (at, stage) in stages.into_iter().enumerate() {
                if at == interrupted_in && turn < 4 {
                    b.begin();
                }
                if at == interrupted_in {
                    b.end(Stage::App, 1);
                }
                a.end(stage, 1);
            }
            a.end_turn(turn as u64 + 1);
            b.begin();
            b.end_empty();
        }
        let names = ["stage_turns", "stage_turns_left_out", "stage_requests", "stage_app_items"];
        assert_eq!(names.map(|name| value(&a, name)), [2, 6, 2, 2]);
    }
}
