//! What the rings carry without a stack: frames to a guest that sends them back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netdrv::nic::{BATCH, Batch, ClosedPair as _, QueuePair, RxQueue, TxQueue};
use netdrv::pktbuf::{PktBuf, Pool, PoolMemory};
use nix::unistd::Pid;

use super::options::Options;
use super::row::{LimitedBy, Round};
use super::trial::{Found, counted_by_reflector};
use super::wires::Way;
use crate::load::LoadError;
use crate::load::wire::WireError;
use crate::peers::Server;

/// Ethernet's least frame, without its checksum.
const FRAME_LEN: usize = 60;
/// Frames to it, from it, and their type: those for local experiments (IEEE 802, section 9.2.3.1). The second asks for an
/// account: of frames so far, and of cycles of the turns that had any, behind the Ethernet header.
const ADDRESSES: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9];
const PLAIN: [u8; 2] = [0x88, 0xb5];
const ACCOUNT: [u8; 2] = [0x88, 0xb6];
const PAYLOAD: usize = 14;
/// The most frames under way: less than a ring holds.
const MOST_UNDER_WAY: usize = 128;
const BUFFERS: usize = 4096;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the reflector has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Account {
    frames: u64,
    busy_cycles: u64,
}

/// Keeps `connections * depth` frames under way, 128 at most, and counts those that come back.
pub(super) fn measure(
    way: &Way,
    server: &Server,
    options: &Options,
    interrupted: &AtomicBool,
) -> Result<Found, LoadError> {
    let broken = |what: &str| LoadError::Wire(WireError::Broken(what.to_owned()));
    let pairs = way.take_pairs().ok_or_else(|| broken("the guest's queues are in use"))?;
    let under_way = (options.connections * options.depth).clamp(1, MOST_UNDER_WAY);
    let client = options.cores.client;
    std::thread::scope(|scope| {
        let polling = scope.spawn(move || {
            let mut set = nix::sched::CpuSet::new();
            let pinned = set.set(client).and_then(|()| nix::sched::sched_setaffinity(Pid::from_raw(0), &set));
            pinned.map_err(|error| LoadError::Impossible(format!("processor {client}: {error}")))?;
            let mut loop_ = Loop::new(pairs.open());
            loop_.run(under_way, options.warmup, interrupted)?;
            let before = loop_.account()?;
            let rate = loop_.run(under_way, options.time, interrupted)?;
            let after = loop_.account()?;
            Ok((rate, cycles_per_frame(before, after)))
        });
        let joined = polling.join().map_err(|_| LoadError::Thread("the reflector's client".to_owned()))?;
        joined.map(|(rate, cycles)| found(rate, cycles, server))
    })
}

fn cycles_per_frame(before: Account, after: Account) -> Option<f64> {
    let frames = after.frames.checked_sub(before.frames).filter(|&frames| frames > 0)?;
    Some(after.busy_cycles.checked_sub(before.busy_cycles)? as f64 / frames as f64)
}

fn found(rate: f64, cycles: Option<f64>, server: &Server) -> Found {
    Found {
        round: Round {
            rps_at_sla: None,
            p99_at_sla_us: None,
            p99_at_sla_whole_us: None,
            rps_peak: rate,
            p99_peak_us: 0.0,
            p99_unloaded_us: None,
            p50_unloaded_us: None,
            server_cycles_per_request: cycles,
            limited_by: LimitedBy::Generator,
            // Both sides poll and do next to nothing: what the guest takes for a frame is the figure.
            peak_limited_by: LimitedBy::Generator,
            boot_ms: None,
            resident_bytes: server.boot.resident_bytes,
            points: Vec::new(),
        },
        cycles_counted: counted_by_reflector(),
    }
}

/// Frames that go round.
struct Loop<R, T> {
    queues: QueuePair<R, T>,
    pool: &'static Pool,
    received: Batch,
    outgoing: Batch,
}

impl<R: RxQueue, T: TxQueue> Loop<R, T> {
    fn new(mut queues: QueuePair<R, T>) -> Self {
        let pool = Pool::leak(PoolMemory::leak(BUFFERS));
        queues.rx.refill(pool);
        Loop { queues, pool, received: Batch::new(), outgoing: Batch::new() }
    }

    /// Returns the frames a second that came back.
    fn run(&mut self, under_way: usize, time: Duration, interrupted: &AtomicBool) -> Result<f64, LoadError> {
        let (mut owed, mut answered) = (0, 0_u64);
        let began = Instant::now();
        while began.elapsed() < time {
            for _ in owed..under_way {
                let Some(frame) = self.frame(PLAIN) else { break };
                if self.outgoing.push_back(frame).is_err() {
                    break;
                }
            }
            owed += self.send();
            let came = self.receive();
            owed = owed.saturating_sub(came);
            answered += came as u64;
            self.received.clear();
            if interrupted.load(Ordering::Relaxed) {
                return Err(LoadError::Impossible("interrupted".to_owned()));
            }
        }
        let rate = answered as f64 / began.elapsed().as_secs_f64();
        if answered == 0 {
            return Err(LoadError::Stalled { after: time, during: "sending frames" });
        }
        self.drain(owed);
        Ok(rate)
    }

    /// What the guest says of itself.
    fn account(&mut self) -> Result<Account, LoadError> {
        let silent = || LoadError::Stalled { after: PATIENCE, during: "asking the reflector for its account" };
        let frame = self.frame(ACCOUNT).ok_or_else(silent)?;
        let _ = self.outgoing.push_back(frame); // it is empty
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            self.send();
            self.receive();
            while let Some(frame) = self.received.pop_front() {
                if let Some(account) = parse(frame.bytes()) {
                    return Ok(account);
                }
            }
        }
        Err(silent())
    }

    /// Lets what is still under way come back.
    fn drain(&mut self, mut owed: usize) {
        let began = Instant::now();
        while owed > 0 && began.elapsed() < PATIENCE {
            owed -= self.receive().min(owed);
            self.received.clear();
        }
    }

    fn frame(&self, kind: [u8; 2]) -> Option<PktBuf> {
        let mut bytes = [0; FRAME_LEN];
        bytes[..ADDRESSES.len()].copy_from_slice(&ADDRESSES);
        bytes[ADDRESSES.len()..PAYLOAD].copy_from_slice(&kind);
        let mut frame = self.pool.alloc()?;
        frame.extend_from_slice(&bytes)?;
        Some(frame)
    }

    fn send(&mut self) -> usize {
        self.queues.tx.reclaim();
        let sent = self.queues.tx.submit(&mut self.outgoing);
        self.queues.tx.doorbell();
        sent
    }

    fn receive(&mut self) -> usize {
        let came = self.queues.rx.poll(&mut self.received, BATCH);
        self.queues.rx.refill(self.pool);
        came
    }
}

/// The account in a frame that came back.
fn parse(frame: &[u8]) -> Option<Account> {
    if frame.get(ADDRESSES.len()..PAYLOAD) != Some(&ACCOUNT) {
        return None;
    }
    let word = |at: usize| frame.get(PAYLOAD + at..PAYLOAD + at + 8)?.try_into().ok().map(u64::from_le_bytes);
    Some(Account { frames: word(0)?, busy_cycles: word(8)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_read_off_its_frame() {
        let mut frame = [0; FRAME_LEN];
        frame[12..14].copy_from_slice(&ACCOUNT);
        frame[14..22].copy_from_slice(&1000_u64.to_le_bytes());
        frame[22..30].copy_from_slice(&450_000_u64.to_le_bytes());
        let after = parse(&frame).unwrap();
        assert_eq!(after, Account { frames: 1000, busy_cycles: 450_000 });
        assert_eq!(cycles_per_frame(Account { frames: 0, busy_cycles: 0 }, after), Some(450.0));
        assert_eq!(cycles_per_frame(after, after), None);
        frame[13] = 0xb5;
        assert_eq!(parse(&frame), None);
        assert_eq!(parse(&frame[..20]), None);
    }
}
