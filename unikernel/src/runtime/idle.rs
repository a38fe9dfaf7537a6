//! What a core does when there is nothing to do: spin for a while, for latency, then halt, for the neighbours.
//!
//! Before a halt the core says that it will, arms its queue, and looks once more ([`Shard::lie_down`]), so that neither a
//! frame nor a message is slept through; the interrupt only ends the halt.

use core::time::Duration;

use netdrv::nic::{Armed, RxQueue, TxQueue};
use netstack::app::Movable;
use netstack::time::Instant;

use super::shard::{Shard, Work};
use super::spin::Spin;
use crate::platform::time::Clock;

/// Spins, then halts.
pub struct Idle {
    spin: Spin,
    /// Since when there has been no work, if there is none.
    since: Option<Instant>,
    /// When the core was last woken.
    woken: Instant,
}

impl Idle {
    /// Halts after at most `spin_us` microseconds without work.
    pub fn new(spin_us: u32, now: Instant) -> Idle {
        Idle { spin: Spin::new(Duration::from_micros(spin_us.into())), since: None, woken: now }
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
            if let Some(since) = self.since.take() {
                self.spin.found_work(now.since(since));
            }
            return;
        }
        let since = *self.since.get_or_insert(now);
        if now.since(since) < self.spin.limit() && !shard.is_parked() {
            core::hint::spin_loop();
            return;
        }
        if shard.lie_down(now) == Armed::Idle {
            let began = clock.now();
            clock.halt_until(shard.next_deadline(now));
            let woken = clock.now();
            self.spin.halted(began.since(self.woken), woken.since(began));
            self.woken = woken;
        }
        shard.get_up();
        self.since = None;
    }
}
