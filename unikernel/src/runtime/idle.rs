//! What a core does when there is nothing to do: spin for a while, for latency, then halt, for the neighbours.
//!
//! Before a halt the core says that it will, arms its queue, and looks once more ([`Shard::lie_down`]), so that neither a
//! frame nor a message is slept through; the interrupt only ends the halt.

use core::time::Duration;

use netdrv::nic::{Armed, RxQueue, TxQueue};
use netstack::app::Movable;
use netstack::time::Instant;

use super::shard::{Shard, Work};
use crate::platform::time::Clock;

/// Spins, then halts.
pub struct Idle {
    spin: Duration,
    last_work: Instant,
}

impl Idle {
    /// Halts after `spin_us` microseconds without work.
    pub fn new(spin_us: u32, now: Instant) -> Idle {
        Idle { spin: Duration::from_micros(spin_us.into()), last_work: now }
    }

    /// To be called after every turn, with what it found.
    pub fn after_turn<R: RxQueue, T: TxQueue, A: Movable>(
        &mut self,
        shard: &mut Shard<R, T, A>,
        work: Work,
        now: Instant,
        clock: &Clock,
    ) {
        if work == Work::Done {
            self.last_work = now;
            return;
        }
        if now.since(self.last_work) < self.spin && !shard.is_parked() {
            core::hint::spin_loop();
            return;
        }
        if shard.lie_down(now) == Armed::Idle {
            clock.halt_until(shard.next_deadline(now));
        }
        shard.get_up();
        self.last_work = clock.now();
    }
}
