//! An end of the link, as the queues of a NIC that does to what it sends what it is asked to, and nothing to what it
//! receives.

use std::collections::VecDeque;

use super::Port;
use crate::nic::{Armed, Batch, RxCounters, RxQueue, TxCounters, TxQueue};
use crate::pktbuf::{Checksum, PktBuf, Pool};
use crate::testkit::offload::sent_frames;
use crate::testkit::posted;

/// Buffers that wait for frames.
const RX_RING: usize = 64;
/// Frames that are taken between two doorbells, and so in a turn.
const TX_RING: usize = 256;

/// The receiving half of an end. Nobody vouches for checksums.
pub struct LinkRx {
    port: Port,
    empty: VecDeque<PktBuf>,
    counters: RxCounters,
}

/// The sending half of an end. Frames leave at the doorbell, and so do their buffers.
pub struct LinkTx {
    port: Port,
    ring: VecDeque<PktBuf>,
    counters: TxCounters,
}

impl LinkRx {
    pub(super) fn new(port: Port) -> LinkRx {
        LinkRx { port, empty: VecDeque::new(), counters: RxCounters::default() }
    }

    /// Buffers that wait for frames.
    pub fn posted(&self) -> usize {
        self.empty.len()
    }
}

impl RxQueue for LinkRx {
    fn poll(&mut self, batch: &mut Batch, limit: usize) -> usize {
        let mut frames = 0;
        while frames < limit && !batch.is_full() && !self.empty.is_empty() {
            let Some(mut buf) = self.empty.pop_front() else { break };
            let Some(copied) = self.port.receive(|frame| buf.extend_from_slice(frame).is_some()) else {
                self.empty.push_front(buf);
                break;
            };
            if !copied {
                self.counters.oversized += 1;
                continue;
            }
            self.counters.frames += 1;
            self.counters.bytes += buf.len() as u64;
            frames += usize::from(batch.push_back(buf).is_ok());
        }
        frames
    }

    fn refill(&mut self, pool: &'static Pool) -> usize {
        posted::refill(&mut self.empty, RX_RING, pool, &mut self.counters)
    }

    fn arm(&mut self) -> Armed {
        if self.port.has_received() { Armed::Pending } else { Armed::Idle }
    }

    fn disarm(&mut self) {}

    fn counters(&self) -> &RxCounters {
        &self.counters
    }
}

impl LinkTx {
    pub(super) fn new(port: Port) -> LinkTx {
        LinkTx { port, ring: VecDeque::new(), counters: TxCounters::default() }
    }
}

impl TxQueue for LinkTx {
    fn reclaim(&mut self) -> usize {
        0
    }

    fn room(&self) -> usize {
        TX_RING - self.ring.len()
    }

    fn submit(&mut self, batch: &mut Batch) -> usize {
        let mut taken = 0;
        while self.room() > 0 {
            let Some(frame) = batch.pop_front() else { break };
            self.counters.frames += 1;
            self.counters.bytes += frame.frame_len() as u64;
            self.ring.push_back(frame);
            taken += 1;
        }
        taken
    }

    fn doorbell(&mut self) {
        self.counters.doorbells += u64::from(!self.ring.is_empty());
        for frame in self.ring.drain(..) {
            if frame.checksum() == Checksum::None && !frame.has_attachment() {
                self.port.send(frame.bytes());
                continue;
            }
            match sent_frames(&frame) {
                Some(frames) => frames.iter().for_each(|frame| self.port.send(frame)),
                None if frame.has_attachment() => self.counters.bad_attachment += 1,
                None => self.counters.bad_checksum += 1,
            }
        }
    }

    fn counters(&self) -> &TxCounters {
        &self.counters
    }
}
