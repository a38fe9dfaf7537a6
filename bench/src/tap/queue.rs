//! A file descriptor that carries frames, one a call, as a queue pair.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use netdrv::nic::{Armed, BATCH, Batch, QueuePair, RxCounters, RxQueue, TxCounters, TxQueue};
use netdrv::pktbuf::{PktBuf, Pool};
use netdrv::testkit::posted;
use nix::errno::Errno;
use nix::unistd::{read, write};

/// Empty buffers kept for frames to come.
const POSTED: usize = 2 * BATCH;
/// Room for a frame, and to see that one is longer.
const FRAME_ROOM: usize = 1600;

/// A queue pair on a descriptor that does not block.
pub fn queue_pair(fd: &Rc<OwnedFd>) -> QueuePair<FrameRx, FrameTx> {
    QueuePair {
        rx: FrameRx { fd: Rc::clone(fd), empty: VecDeque::new(), counters: RxCounters::default() },
        tx: FrameTx { fd: Rc::clone(fd), is_full: false, counters: TxCounters::default() },
    }
}

/// The receiving half.
pub struct FrameRx {
    fd: Rc<OwnedFd>,
    empty: VecDeque<PktBuf>,
    counters: RxCounters,
}

/// The sending half.
pub struct FrameTx {
    fd: Rc<OwnedFd>,
    /// The descriptor took no more. Looked at again once a turn.
    is_full: bool,
    counters: TxCounters,
}

impl RxQueue for FrameRx {
    fn poll(&mut self, batch: &mut Batch, limit: usize) -> usize {
        let mut frames = 0;
        while frames < limit && !batch.is_full() {
            let Some(mut buffer) = self.empty.pop_front() else { break };
            let Some(room) = buffer.append(FRAME_ROOM) else { break };
            // Whatever ails the descriptor, nothing is received.
            let Ok(len) = read(&self.fd, room) else {
                buffer.truncate(0);
                self.empty.push_front(buffer);
                break;
            };
            buffer.truncate(len);
            self.counters.frames += 1;
            self.counters.bytes += len as u64;
            frames += usize::from(batch.push_back(buffer).is_ok());
        }
        frames
    }

    fn refill(&mut self, pool: &'static Pool) -> usize {
        posted::refill(&mut self.empty, POSTED, pool, &mut self.counters)
    }

    fn arm(&mut self) -> Armed {
        Armed::Idle
    }

    fn disarm(&mut self) {}

    fn counters(&self) -> &RxCounters {
        &self.counters
    }
}

impl TxQueue for FrameTx {
    fn reclaim(&mut self) -> usize {
        self.is_full = false;
        0
    }

    fn room(&self) -> usize {
        if self.is_full { 0 } else { BATCH }
    }

    fn submit(&mut self, batch: &mut Batch) -> usize {
        let mut taken = 0;
        while let Some(frame) = batch.pop_front() {
            match write(self.fd.as_fd(), frame.bytes()) {
                Err(Errno::EAGAIN | Errno::ENOBUFS) => {
                    self.is_full = true;
                    let _ = batch.push_front(frame); // it came from there
                    break;
                }
                // A descriptor that fails loses frames, as a wire does.
                _ => taken += 1,
            }
            self.counters.frames += 1;
            self.counters.bytes += frame.len() as u64;
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
    use netdrv::pktbuf::PoolMemory;

    #[test]
    fn frames_cross_and_a_full_wire_keeps_the_rest() {
        let pool = Pool::leak(PoolMemory::leak(512));
        let [left, right] = crate::tap::wire().unwrap().map(Rc::new);
        let (mut left, mut right) = (queue_pair(&left), queue_pair(&right));
        right.rx.refill(pool);
        let mut batch = Batch::new();
        let mut sent = 0;
        while left.tx.room() > 0 {
            let mut frame = pool.alloc().unwrap();
            frame.extend_from_slice(&[sent as u8; 1000]).unwrap();
            batch.push_back(frame).unwrap();
            sent += left.tx.submit(&mut batch);
            assert!(sent < 100_000, "a wire without end");
        }
        assert_eq!((batch.len(), left.tx.submit(&mut batch)), (1, 0));
        let mut received = 0;
        let mut arrived = Batch::new();
        while right.rx.poll(&mut arrived, 64) > 0 {
            while let Some(frame) = arrived.pop_front() {
                assert_eq!(frame.bytes(), [received as u8; 1000]);
                received += 1;
            }
            right.rx.refill(pool);
        }
        assert_eq!(received, sent);
        left.tx.reclaim();
        assert_eq!(left.tx.submit(&mut batch), 1);
    }
}
