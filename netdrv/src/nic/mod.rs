//! The contract between a driver and the runtime.
//!
//! A NIC becomes queue pairs, and each queue belongs to one core: there are no queue ids and no locks on a packet's
//! way. All calls work on batches. Generics pick the driver; nothing here is a trait object.
//!
//! ```text
//! rx: refill(pool) -> device fills -> poll(batch)            tx: submit(batch) -> doorbell -> reclaim
//! idle: arm() == Armed -> halt -> disarm()
//! ```
//!
//! A frame to transmit is a packet buffer, with what is attached to it: a body that is sent from where it lies, and how the
//! device cuts the whole ([`Attachment`](crate::pktbuf::Attachment)). Until it is reclaimed, the driver holds the buffer's
//! handle, and the body stays as it is. Which queue a received frame arrives in is the business of [`steering`].

pub mod steering;
pub mod toeplitz;

use alloc::vec::Vec;

use crate::fifo::Fifo;
use crate::pktbuf::{PktBuf, Pool};
pub use steering::{RssConfig, Steering, SteeringControl};

/// The most packets that one call moves: the upper bound of the adaptive batch (IX's B).
pub const BATCH: usize = 64;

/// A batch of frames, in the order of the wire.
pub type Batch = Fifo<PktBuf, BATCH>;

/// Whether a queue is armed to interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Armed {
    /// Nothing is waiting, and the next frame raises an interrupt.
    Idle,
    /// A frame is waiting already: poll instead of halting.
    Pending,
}

/// The receive half of a queue pair.
pub trait RxQueue {
    /// Moves at most `limit` received frames to the back of `batch`, as far as it has room. Returns how many. Never
    /// waits.
    fn poll(&mut self, batch: &mut Batch, limit: usize) -> usize;

    /// Gives the device empty buffers from `pool`, as many as it has room for and the pool has, once there is room for
    /// enough of them to be worth it. Returns how many.
    fn refill(&mut self, pool: &'static Pool) -> usize;

    /// Asks for an interrupt at the next frame, then looks whether one has come already. Whatever the answer,
    /// [`disarm`](RxQueue::disarm) comes next.
    fn arm(&mut self) -> Armed;

    /// Takes the request back and acknowledges the interrupt, if there was one. Queues start disarmed.
    fn disarm(&mut self);

    /// What this queue has done.
    fn counters(&self) -> &RxCounters;
}

/// The transmit half of a queue pair.
pub trait TxQueue {
    /// Drops the buffers of the frames that the device has sent. Returns how many.
    fn reclaim(&mut self) -> usize;

    /// Frames that `submit` would take now. One with a body counts as two.
    fn room(&self) -> usize;

    /// Queues frames from the front of `batch`, as many as there is room for. Returns how many. The device may not see
    /// them before [`doorbell`](TxQueue::doorbell).
    fn submit(&mut self, batch: &mut Batch) -> usize;

    /// Tells the device about the frames submitted since the last call, if it wants to be told. Once a turn, also when
    /// nothing was submitted: a device may come to want it later.
    fn doorbell(&mut self);

    /// What this queue has done.
    fn counters(&self) -> &TxCounters;
}

/// The two queues that belong to one core.
pub struct QueuePair<R, T> {
    /// Receive half.
    pub rx: R,
    /// Transmit half.
    pub tx: T,
}

/// A queue pair without buffers, on its way to the core that will use it.
pub trait ClosedPair {
    /// Its receive queue.
    type Rx: RxQueue;
    /// Its transmit queue.
    type Tx: TxQueue;

    /// Makes it ready for buffers, which belong to one core, as does the pair from here on.
    fn open(self) -> QueuePair<Self::Rx, Self::Tx>;
}

/// A receive queue whose core halts, seen from the first core.
pub trait Watch {
    /// Whether the queue is armed and a frame waits in it, so that its core is to be woken. Says so once.
    fn take_work(&mut self) -> bool;
}

/// A NIC that is reset and negotiated, before its queues run.
pub trait Nic: Sized {
    /// Its receive queues.
    type Rx: RxQueue;
    /// Its transmit queues.
    type Tx: TxQueue;
    /// Its queue pairs, as they travel to their cores.
    type Pair: ClosedPair<Rx = Self::Rx, Tx = Self::Tx>;
    /// What watches its receive queues.
    type Watch: Watch;
    /// What changes its steering while it runs.
    type Control: SteeringControl;
    /// Why it does not start.
    type Error: core::fmt::Display;

    /// What the device is and can do.
    fn info(&self) -> NicInfo;

    /// Starts the device with `n` queue pairs, or as many as it has if those are fewer, and with this steering if it has
    /// any. The table of `rss` names only pairs that there will be.
    fn into_queue_pairs(self, n: usize, rss: &RssConfig) -> Result<Started<Self>, Self::Error>;
}

/// A NIC that runs.
pub struct Started<N: Nic> {
    /// Its queue pairs, one a core.
    pub pairs: Vec<N::Pair>,
    /// The way to change the steering; `None` if the NIC steers by rules that are not ours, or has one queue pair.
    pub control: Option<N::Control>,
    /// Where interrupts reach the first core only: the watches of all pairs but the first, in their order. That core asks them
    /// once a turn, and wakes the cores of those that have work. Empty where each pair's interrupts reach its own core.
    pub watches: Vec<N::Watch>,
}

/// What a NIC is and can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NicInfo {
    /// Ethernet address.
    pub mac: [u8; 6],
    /// Largest IP packet, in bytes.
    pub mtu: u16,
    /// Whether it completes [`Checksum::Partial`](crate::pktbuf::Checksum::Partial) on transmit.
    pub tx_checksum: TxChecksum,
    /// The largest TCP payload, in bytes, of a frame that it cuts ([`Segmentation`](crate::pktbuf::Segmentation)); `None` if
    /// it cuts none.
    pub tso: Option<u32>,
    /// Queue pairs that it has.
    pub queue_pairs: usize,
    /// How it picks the queue of a received frame.
    pub steering: Steering,
}

/// Who writes the TCP checksum of a transmitted segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxChecksum {
    /// The device, from the partial sum.
    Device,
    /// The stack.
    Software,
}

/// What a receive queue has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RxCounters {
    /// Frames handed up.
    pub frames: u64,
    /// Bytes of those frames.
    pub bytes: u64,
    /// Frames dropped because the device reported a length that its buffers do not have.
    pub bad_length: u64,
    /// Frames dropped because they filled more than one packet buffer.
    pub oversized: u64,
    /// Used-ring entries that name no buffer the device was given.
    pub bad_descriptor: u64,
    /// Refills that ended early because the pool was empty.
    pub pool_empty: u64,
}

/// What a transmit queue has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxCounters {
    /// Frames taken, before any is cut.
    pub frames: u64,
    /// Bytes of those frames.
    pub bytes: u64,
    /// Notifications sent to the device.
    pub doorbells: u64,
    /// Used-ring entries that name no frame in flight.
    pub bad_descriptor: u64,
    /// Frames dropped because they were shorter than an Ethernet header.
    pub bad_length: u64,
    /// Frames dropped because they wanted a checksum that the device does not complete.
    pub bad_checksum: u64,
    /// Frames dropped because the device does not send what is attached to them, or not as they want it cut.
    pub bad_attachment: u64,
}
