//! Two NICs joined back to back: what one sends the other receives, copied into a buffer of its own pool.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::nic::{Armed, Batch, QueuePair, RxCounters, RxQueue, TxCounters, TxQueue};
use crate::pktbuf::{Checksum, PktBuf, Pool};
use crate::testkit::offload::sent_frames;
use crate::testkit::posted;

/// Frames under way in one direction.
type Direction = Rc<RefCell<VecDeque<Passing>>>;

/// A frame under way.
enum Passing {
    /// As it was sent. A partial checksum never leaves the host, as with a virtio device.
    Whole(PktBuf),
    /// A piece of one that was cut, or had a body elsewhere.
    Piece(Vec<u8>),
}

/// Frames that a direction holds before the sender sees a full ring.
const CAPACITY: usize = 256;

/// Both ends of a wire.
pub fn pair() -> [QueuePair<WireRx, WireTx>; 2] {
    let (there, back) = (Direction::default(), Direction::default());
    [end(&back, &there), end(&there, &back)]
}

fn end(from: &Direction, to: &Direction) -> QueuePair<WireRx, WireTx> {
    QueuePair {
        rx: WireRx { from: Rc::clone(from), empty: VecDeque::new(), counters: RxCounters::default() },
        tx: WireTx { to: Rc::clone(to), counters: TxCounters::default() },
    }
}

/// The receiving half of an end.
pub struct WireRx {
    from: Direction,
    empty: VecDeque<PktBuf>,
    counters: RxCounters,
}

/// The sending half of an end.
pub struct WireTx {
    to: Direction,
    counters: TxCounters,
}

impl RxQueue for WireRx {
    fn poll(&mut self, batch: &mut Batch, limit: usize) -> usize {
        let mut frames = 0;
        while frames < limit && !batch.is_full() && !self.empty.is_empty() {
            let Some(sent) = self.from.borrow_mut().pop_front() else { break };
            let Some(mut buf) = self.empty.pop_front() else { break };
            let (bytes, is_vouched_for) = match &sent {
                Passing::Whole(frame) => (frame.bytes(), matches!(frame.checksum(), Checksum::Partial { .. })),
                Passing::Piece(bytes) => (&bytes[..], false),
            };
            if buf.extend_from_slice(bytes).is_none() {
                self.counters.oversized += 1;
                continue;
            }
            if is_vouched_for {
                buf.set_checksum(Checksum::Verified);
            }
            self.counters.frames += 1;
            self.counters.bytes += buf.len() as u64;
            frames += usize::from(batch.push_back(buf).is_ok());
        }
        frames
    }

    fn refill(&mut self, pool: &'static Pool) -> usize {
        posted::refill(&mut self.empty, CAPACITY, pool, &mut self.counters)
    }

    fn arm(&mut self) -> Armed {
        if self.from.borrow().is_empty() { Armed::Idle } else { Armed::Pending }
    }

    fn disarm(&mut self) {}

    fn counters(&self) -> &RxCounters {
        &self.counters
    }
}

impl TxQueue for WireTx {
    fn reclaim(&mut self) -> usize {
        0
    }

    fn room(&self) -> usize {
        CAPACITY.saturating_sub(self.to.borrow().len())
    }

    fn submit(&mut self, batch: &mut Batch) -> usize {
        let mut taken = 0;
        while self.room() > 0 {
            let Some(frame) = batch.pop_front() else { break };
            self.counters.frames += 1;
            self.counters.bytes += frame.frame_len() as u64;
            taken += 1;
            let mut to = self.to.borrow_mut();
            if !frame.has_attachment() {
                to.push_back(Passing::Whole(frame));
            } else if let Some(pieces) = sent_frames(&frame) {
                to.extend(pieces.into_iter().map(Passing::Piece));
            } else {
                self.counters.bad_attachment += 1;
            }
        }
        taken
    }

    fn doorbell(&mut self) {}

    fn counters(&self) -> &TxCounters {
        &self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pktbuf::PoolMemory;

    #[test]
    fn frames_cross_in_order_and_leave_no_buffer_behind() {
        let pool = Pool::leak(PoolMemory::leak(600));
        let [mut left, mut right] = pair();
        right.rx.refill(pool);
        let mut batch = Batch::new();
        for i in 0..10_u8 {
            let mut frame = pool.alloc().unwrap();
            frame.extend_from_slice(&[i; 60]).unwrap();
            batch.push_back(frame).unwrap();
        }
        assert_eq!(left.tx.submit(&mut batch), 10);
        assert_eq!(right.rx.arm(), Armed::Pending);
        assert_eq!(right.rx.poll(&mut batch, 64), 10);
        assert!((0..10_u8).all(|i| batch.pop_front().unwrap().bytes() == [i; 60]));
        drop((left, right));
        assert_eq!(pool.available(), pool.capacity());
    }

    #[test]
    fn a_wire_is_finite() {
        let pool = Pool::leak(PoolMemory::leak(CAPACITY + 1));
        let [mut left, _right] = pair();
        let mut batch = Batch::new();
        for _ in 0..=CAPACITY {
            if batch.is_full() {
                left.tx.submit(&mut batch);
            }
            batch.push_back(pool.alloc().unwrap()).unwrap();
        }
        left.tx.submit(&mut batch);
        assert_eq!((left.tx.room(), batch.len()), (0, 1));
    }
}
