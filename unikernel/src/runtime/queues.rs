//! What a core sends and receives through: a queue pair of its own, or the one of another core.

use netdrv::nic::{Armed, Batch, QueuePair, RxCounters, RxQueue, TxCounters, TxQueue};
use netdrv::pktbuf::Pool;
use netstack::app::Statistics;
use netstack::reserves;

use super::mesh::Port;
use super::message::Message;

/// Copies for another core in one turn while buffers are short.
const FEW_COPIES: usize = 4;

/// A core's way to the NIC.
pub enum Queues<R, T> {
    /// A queue pair of its own.
    Own(QueuePair<R, T>),
    /// Another core's: there are fewer pairs than cores. What is received comes through the mesh.
    Via {
        /// The core that transmits for this one.
        core: usize,
        /// Frames dropped because there was no buffer to copy them to.
        no_buffer: u64,
    },
}

impl<R: RxQueue, T: TxQueue> Queues<R, T> {
    /// Frees what the device has sent. Returns how many frames.
    pub fn reclaim(&mut self) -> usize {
        match self {
            Queues::Own(pair) => pair.tx.reclaim(),
            Queues::Via { .. } => 0,
        }
    }

    /// Takes at most `limit` received frames.
    pub fn poll(&mut self, received: &mut Batch, limit: usize) -> usize {
        match self {
            Queues::Own(pair) => pair.rx.poll(received, limit),
            Queues::Via { .. } => 0,
        }
    }

    /// Gives the device empty buffers.
    pub fn refill(&mut self, pool: &'static Pool) {
        if let Queues::Own(pair) = self {
            pair.rx.refill(pool);
        }
    }

    /// Frames that [`submit`](Queues::submit) would take now. Each that goes through another core takes a copy: that leaves some
    /// buffers, or what frees them could not come in.
    pub fn room(&self, port: &mut Port<Message>, pool: &'static Pool) -> usize {
        match self {
            Queues::Own(pair) => pair.tx.room(),
            Queues::Via { core, .. } => {
                let leaving = |share| pool.available().saturating_sub(reserves::buffers(pool, share));
                let spare = leaving(reserves::REPLIES).max(leaving(reserves::COPIES).min(FEW_COPIES));
                port.room(*core).min(spare)
            }
        }
    }

    /// Sends frames from the front of `batch`, as many as there is room for. Returns how many.
    pub fn submit(&mut self, batch: &mut Batch, port: &mut Port<Message>, pool: &'static Pool) -> usize {
        match self {
            Queues::Own(pair) => pair.tx.submit(batch),
            Queues::Via { core, no_buffer } => {
                let mut submitted = 0;
                while port.room(*core) > 0 {
                    let Some(frame) = batch.pop_front() else { break };
                    // There is room, so only a buffer can be missing.
                    *no_buffer += u64::from(port.send_buffer(*core, frame, pool, Message::Transmit).is_err());
                    submitted += 1;
                }
                submitted
            }
        }
    }

    /// Tells the device of new frames.
    pub fn doorbell(&mut self) {
        if let Queues::Own(pair) = self {
            pair.tx.doorbell();
        }
    }

    /// Asks for an interrupt at the next frame, unless one is there already.
    pub fn arm(&mut self) -> Armed {
        match self {
            Queues::Own(pair) => pair.rx.arm(),
            Queues::Via { .. } => Armed::Idle,
        }
    }

    /// Takes the request back.
    pub fn disarm(&mut self) {
        if let Queues::Own(pair) = self {
            pair.rx.disarm();
        }
    }

    /// What the queues have done.
    pub fn counters(&self) -> QueueCounters<'_> {
        match self {
            Queues::Own(pair) => QueueCounters { pair: Some((pair.rx.counters(), pair.tx.counters())), no_buffer: 0 },
            Queues::Via { no_buffer, .. } => QueueCounters { pair: None, no_buffer: *no_buffer },
        }
    }
}

/// What a core's queues have done.
#[derive(Clone, Copy)]
pub struct QueueCounters<'a> {
    pair: Option<(&'a RxCounters, &'a TxCounters)>,
    no_buffer: u64,
}

impl Statistics for QueueCounters<'_> {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        let none = (RxCounters::default(), TxCounters::default());
        let (rx, tx) = self.pair.unwrap_or((&none.0, &none.1));
        visit("nic_rx_frames", rx.frames);
        visit("nic_rx_bytes", rx.bytes);
        visit("nic_rx_pool_empty", rx.pool_empty);
        visit("drop_nic_rx_bad_length", rx.bad_length);
        visit("drop_nic_rx_oversized", rx.oversized);
        visit("drop_nic_rx_bad_descriptor", rx.bad_descriptor);
        visit("drop_nic_tx_bad_length", tx.bad_length);
        visit("drop_nic_tx_bad_checksum", tx.bad_checksum);
        visit("drop_nic_tx_bad_attachment", tx.bad_attachment);
        visit("nic_tx_frames", tx.frames);
        visit("nic_tx_bytes", tx.bytes);
        visit("nic_tx_doorbells", tx.doorbells);
        visit("nic_tx_bad_descriptor", tx.bad_descriptor);
        visit("drop_relay_no_buffer", self.no_buffer);
    }
}
