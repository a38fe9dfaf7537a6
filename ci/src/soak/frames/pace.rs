//! Sends frames no faster than the VMM takes them from the tap, so that every frame arrives.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::namespace::TapCounters;
use crate::packet::{PacketSocket, Sent};
use crate::soak::check_interrupted;

/// Frames sent between two looks at the tap's counters.
const BURST: u64 = 64;
/// Frames that may wait in the tap's queue: well below its length, as the kernel's own frames wait there too.
const WAITING: u64 = 256;
/// How long the tap's queue may stand still.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends frames at the pace of the VMM.
#[derive(Debug)]
pub(super) struct Pacer {
    before: TapCounters,
    now: TapCounters,
}

impl Pacer {
    /// Counts from now on.
    pub(super) fn new() -> Result<Pacer> {
        let now = TapCounters::read()?;
        Ok(Pacer { before: now, now })
    }

    /// Frames that the VMM has taken, the few of the kernel's own included.
    pub(super) fn delivered(&self) -> u64 {
        (self.now - self.before).delivered
    }

    /// Frames that found no room in the tap's queue.
    pub(super) fn dropped(&self) -> u64 {
        (self.now - self.before).dropped
    }

    /// Sends frames made by `next` until the VMM has taken `count` more.
    pub(super) fn send(&mut self, socket: &PacketSocket, count: u64, mut next: impl FnMut() -> Vec<u8>) -> Result<()> {
        let mut sent = 0;
        let start = TapCounters::read()?;
        while sent < count {
            check_interrupted()?;
            for _ in 0..BURST.min(count - sent) {
                if socket.send(&next())? == Sent::NoRoom {
                    break;
                }
                sent += 1;
            }
            self.wait(start, sent, WAITING)?;
        }
        self.wait(start, sent, 0)
    }

    /// Waits until at most `waiting` of the `sent` frames are still in the tap's queue.
    fn wait(&mut self, start: TapCounters, sent: u64, waiting: u64) -> Result<()> {
        let began = Instant::now();
        loop {
            self.now = TapCounters::read()?;
            let gone = self.now - start;
            if sent <= gone.delivered + gone.dropped + waiting {
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "the VMM has taken no frame for {PATIENCE:?}");
            thread::sleep(Duration::from_micros(100));
        }
    }
}
