//! Frames that a guest sends back as they are (the image `reflector`): the ceiling of the wire, without a stack on either side.

use std::time::{Duration, Instant};

use netdrv::nic::{BATCH, Batch, ClosedPair as _, QueuePair, RxQueue as _, TxQueue as _};
use netdrv::pktbuf::{PktBuf, Pool, PoolMemory};

use super::{BackEnd, FromGuests, Pairs, ToGuests};

/// EtherTypes for local experiments (IEEE 802, section 9.2.3.1): of a frame to reflect, and of one that asks for the account.
const REFLECT: [u8; 2] = [0x88, 0xb5];
const ACCOUNT: [u8; 2] = [0x88, 0xb6];
/// Where a frame has its type and its payload.
const ETHERTYPE: usize = 12;
const PAYLOAD: usize = 14;
/// Bytes of a frame that asks for the account.
const ACCOUNT_BYTES: usize = 60;

/// How long the guest may take for anything.
const PATIENCE: Duration = Duration::from_secs(10);
/// Turns between two looks at the clock.
const TURNS: usize = 256;

/// What is to be reflected.
#[derive(Clone, Copy, Debug)]
pub struct Reflection {
    /// Frames under way, at most 256.
    pub in_flight: usize,
    /// Bytes of each, at least 60.
    pub frame_bytes: usize,
    /// For how long.
    pub time: Duration,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reflected {
    /// Frames that went to the guest and came back.
    pub frames: u64,
    /// How long that took.
    pub took: Duration,
    /// Cycles of the guest's turns with work.
    pub guest_cycles: u64,
}

impl Reflected {
    /// Frames a second.
    pub fn frames_per_s(&self) -> f64 {
        self.frames as f64 / self.took.as_secs_f64()
    }

    /// Cycles that the guest was busy for each.
    pub fn cycles_per_frame(&self) -> f64 {
        self.guest_cycles as f64 / self.frames as f64
    }
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum ReflectError {
    /// The guest is gone, or does not keep to the rules.
    #[error("the guest is gone{0}")]
    Gone(String),
    /// Nothing came back.
    #[error("the guest sent nothing back for {PATIENCE:?}: is it the image `reflector`?")]
    Silent,
}

/// The near end of the wire.
pub struct Mirror<'a> {
    back_end: &'a BackEnd,
    queues: QueuePair<FromGuests, ToGuests>,
    pool: &'static Pool,
}

impl<'a> Mirror<'a> {
    /// Takes the queues of a back end.
    pub fn new(back_end: &'a BackEnd, pairs: Pairs) -> Mirror<'a> {
        let mut queues = pairs.open();
        let pool = Pool::leak(PoolMemory::leak(1024));
        queues.rx.refill(pool);
        Mirror { back_end, queues, pool }
    }

    /// Keeps frames under way for the time given.
    pub fn measure(&mut self, reflection: &Reflection) -> Result<Reflected, ReflectError> {
        let before = self.account()?;
        let began = Instant::now();
        let mut outgoing = Batch::new();
        for _ in 0..reflection.in_flight {
            let Some(frame) = frame(self.pool, REFLECT, reflection.frame_bytes) else { break };
            let _ = outgoing.push_back(frame); // it is empty
            self.send(&mut outgoing)?;
        }
        let (mut frames, mut last) = (0, began);
        while began.elapsed() < reflection.time {
            let before = frames;
            for _ in 0..TURNS {
                frames += self.queues.rx.poll(&mut outgoing, BATCH) as u64;
                if !outgoing.is_empty() {
                    self.send(&mut outgoing)?;
                }
            }
            last = if frames > before { Instant::now() } else { last };
            self.still_there(last)?;
        }
        let took = began.elapsed();
        self.drain(reflection.in_flight)?;
        let after = self.account()?;
        // What was drained the guest has counted, and we have not.
        let guest_frames = after.0 - before.0;
        let guest_cycles = (after.1 - before.1) * frames / guest_frames.max(1);
        Ok(Reflected { frames, took, guest_cycles })
    }

    /// Waits for the frames under way.
    fn drain(&mut self, mut under_way: usize) -> Result<(), ReflectError> {
        let began = Instant::now();
        while under_way > 0 {
            let mut batch = Batch::new();
            under_way -= self.queues.rx.poll(&mut batch, under_way);
            self.still_there(began)?;
        }
        Ok(())
    }

    /// The guest's account: frames, and cycles.
    fn account(&mut self) -> Result<(u64, u64), ReflectError> {
        let mut batch = Batch::new();
        frame(self.pool, ACCOUNT, ACCOUNT_BYTES).into_iter().for_each(|frame| {
            let _ = batch.push_back(frame); // it is empty
        });
        self.send(&mut batch)?;
        let began = Instant::now();
        loop {
            self.queues.rx.poll(&mut batch, BATCH);
            while let Some(frame) = batch.pop_front() {
                if let Some(account) = account_in(frame.bytes()) {
                    return Ok(account);
                }
            }
            self.still_there(began)?;
        }
    }

    /// Sends all frames of a batch.
    fn send(&mut self, batch: &mut Batch) -> Result<(), ReflectError> {
        let mut stuck_since = None;
        loop {
            self.queues.tx.reclaim();
            self.queues.tx.submit(batch);
            self.queues.tx.doorbell();
            if batch.is_empty() {
                return Ok(());
            }
            self.still_there(*stuck_since.get_or_insert_with(Instant::now))?;
        }
    }

    fn still_there(&self, last: Instant) -> Result<(), ReflectError> {
        if let Some(fault) = self.back_end.fault() {
            return Err(ReflectError::Gone(format!(": {fault}")));
        }
        if last.elapsed() < PATIENCE {
            return Ok(());
        }
        let gone = !self.back_end.is_connected();
        Err(if gone { ReflectError::Gone(String::new()) } else { ReflectError::Silent })
    }
}

/// A frame between stations of nobody.
fn frame(pool: &'static Pool, ethertype: [u8; 2], len: usize) -> Option<PktBuf> {
    let mut frame = pool.alloc()?;
    let bytes = frame.append(len.max(ACCOUNT_BYTES))?;
    bytes.fill(0);
    bytes[..ETHERTYPE].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
    bytes[ETHERTYPE..PAYLOAD].copy_from_slice(&ethertype);
    Some(frame)
}

/// Frames and cycles, if that is what a frame tells.
fn account_in(bytes: &[u8]) -> Option<(u64, u64)> {
    let (ethertype, payload) = bytes.get(ETHERTYPE..)?.split_at_checked(2)?;
    let (frames, rest) = payload.split_first_chunk()?;
    let cycles = rest.first_chunk()?;
    (ethertype == ACCOUNT).then_some((u64::from_le_bytes(*frames), u64::from_le_bytes(*cycles)))
}
