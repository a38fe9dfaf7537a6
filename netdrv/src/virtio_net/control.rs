//! The control queue (virtio 1.2, section 5.1.6.5): commands to the device, one at a time, and its answers.
//!
//! A command is a chain of two descriptors over memory that is never freed: its bytes, and one byte for the answer.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

use super::command::{Command, MAX_COMMAND_BYTES};
use crate::Error;
use crate::dma::DmaRegion;
use crate::nic::steering::{KEY_BYTES, Progress, RssConfig, SteeringControl, SubmitError, Table};
use crate::virtio::transport::{Doorbell, Transport};
use crate::virtio::{DESC_NEXT, DESC_WRITE, Descriptor, DescriptorId, Device, SplitQueue};

/// Looks at the ring before a wait for an answer ends; each reads a register, which leaves the guest and so gives the
/// device time: 0.1 s on a PCIe bus, seconds under a VMM.
const MAX_LOOKS: u32 = 100_000;

/// The descriptor of the command, which heads the chain, and that of the answer.
const COMMAND: DescriptorId = DescriptorId(0);
const ANSWER: DescriptorId = DescriptorId(1);

/// Where the answer lies, behind the command.
const ANSWER_OFFSET: usize = MAX_COMMAND_BYTES;
/// Answers: VIRTIO_NET_OK, VIRTIO_NET_ERR, and what lies there before one.
const OK: u8 = 0;
const REFUSED: u8 = 1;
const NONE: u8 = 0xff;

/// The driver's side of the control queue.
pub(super) struct ControlQueue<T: Transport> {
    device: Arc<Device<T>>,
    queue: SplitQueue,
    doorbell: Doorbell,
    command: &'static [AtomicU8],
    answer: &'static AtomicU8,
    /// Where the device finds the command.
    address: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Pending,
}

impl<T: Transport> ControlQueue<T> {
    pub(super) fn new(device: Arc<Device<T>>, queue: SplitQueue, doorbell: Doorbell) -> Result<ControlQueue<T>, Error> {
        let region = DmaRegion::leak(ANSWER_OFFSET + 1)?;
        let answer = region.slice(ANSWER_OFFSET, 1).first().ok_or(Error::OutOfMemory { bytes: 1 })?;
        let address = region.address(0);
        let answer_at = region.address(ANSWER_OFFSET);
        queue.describe(ANSWER, Descriptor { addr: answer_at, len: 1, flags: DESC_WRITE, next: 0 });
        let command = region.slice(0, MAX_COMMAND_BYTES);
        Ok(ControlQueue { device, queue, doorbell, command, answer, address, state: State::Idle })
    }

    /// Sends a command and waits for the answer: only while the device starts.
    pub(super) fn execute(&mut self, command: &Command<'_>) -> Result<(), Error> {
        let name = command.name();
        self.submit(command);
        for _ in 0..MAX_LOOKS {
            match self.poll() {
                Progress::Done => return Ok(()),
                Progress::Refused => return Err(Error::CommandRefused { command: name }),
                Progress::Garbled => return Err(Error::BadAnswer { command: name }),
                Progress::Idle | Progress::Pending => {}
            }
            let _ = self.device.transport().read_status();
        }
        Err(Error::NoAnswer { command: name })
    }

    /// Sends a command. None is under way.
    fn submit(&mut self, command: &Command<'_>) {
        // Whatever the device said out of turn is no answer to this.
        for _ in 0..self.queue.pending() {
            let _ = self.queue.take_used();
        }
        let mut len = 0;
        command.emit(|byte| {
            if let Some(place) = self.command.get(len) {
                place.store(byte, Relaxed);
                len += 1;
            }
        });
        self.answer.store(NONE, Relaxed);
        let bytes = Descriptor { addr: self.address, len: len as u32, flags: DESC_NEXT, next: ANSWER.0 };
        self.queue.describe(COMMAND, bytes);
        self.queue.offer(COMMAND);
        self.queue.publish();
        self.state = State::Pending;
        self.notify();
    }

    /// What has become of the last command.
    fn poll(&mut self) -> Progress {
        if self.state == State::Idle {
            return Progress::Idle;
        }
        if self.queue.pending() == 0 {
            self.notify();
            return Progress::Pending;
        }
        let is_ours = self.queue.take_used().is_some_and(|used| used.id == u32::from(COMMAND.0));
        self.state = State::Idle;
        match self.answer.load(Relaxed) {
            OK if is_ours => Progress::Done,
            REFUSED if is_ours => Progress::Refused,
            _ => Progress::Garbled,
        }
    }

    fn notify(&mut self) {
        if self.queue.take_notification() {
            self.device.transport().ring(self.doorbell);
        }
    }
}

/// Changes the steering of a device that runs.
pub struct RssControl<T: Transport> {
    queue: ControlQueue<T>,
    key: [u8; KEY_BYTES],
    queue_pairs: u16,
}

impl<T: Transport> RssControl<T> {
    /// For a device that steers by `key` to so many queue pairs.
    pub(super) fn new(queue: ControlQueue<T>, key: [u8; KEY_BYTES], queue_pairs: u16) -> RssControl<T> {
        RssControl { queue, key, queue_pairs }
    }
}

impl<T: Transport> SteeringControl for RssControl<T> {
    fn submit(&mut self, table: &Table) -> Result<(), SubmitError> {
        if self.queue.state == State::Pending {
            return Err(SubmitError::Busy);
        }
        if table.iter().any(|pair| u16::from(*pair) >= self.queue_pairs) {
            return Err(SubmitError::NoSuchPair);
        }
        let rss = RssConfig { key: self.key, table: *table };
        self.queue.submit(&Command::Steer { rss: &rss, queue_pairs: self.queue_pairs });
        Ok(())
    }

    fn poll(&mut self) -> Progress {
        self.queue.poll()
    }
}
