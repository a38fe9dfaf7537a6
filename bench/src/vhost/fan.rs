//! All queue pairs of a guest, polled by one thread as if they were one.

use std::rc::Rc;
use std::sync::Arc;

use netdrv::nic::{Armed, Batch, ClosedPair, QueuePair, RxCounters, RxQueue, TxCounters, TxQueue};
use netdrv::pktbuf::Pool;

use super::flows::Flows;
use super::seat::Seat;
use super::{FromGuest, ToGuest};

/// The queue pairs, on their way to the thread that polls them.
#[derive(Debug)]
pub struct Pairs(pub(super) Arc<[Arc<Seat>]>);

impl ClosedPair for Pairs {
    type Rx = FromGuests;
    type Tx = ToGuests;

    fn open(self) -> QueuePair<FromGuests, ToGuests> {
        let flows = Rc::new(Flows::new());
        let pairs = self.0.chunks_exact(2);
        // The guest's queues are its own: what it receives by is what we transmit by (virtio 1.2, section 5.1.2).
        let (to, from) = pairs.map(|pair| (ToGuest::new(pair[0].clone()), FromGuest::new(pair[1].clone()))).unzip();
        QueuePair {
            rx: FromGuests { queues: from, flows: flows.clone(), first: 0, counters: RxCounters::default() },
            tx: ToGuests { queues: to, flows, room: 0, sorted: Batch::new(), counters: TxCounters::default() },
        }
    }
}

/// Receives what the guest sends by any of its queues.
pub struct FromGuests {
    queues: Vec<FromGuest>,
    flows: Rc<Flows>,
    /// The queue that is asked first: each in turn.
    first: usize,
    counters: RxCounters,
}

impl RxQueue for FromGuests {
    fn poll(&mut self, batch: &mut Batch, limit: usize) -> usize {
        if let [queue] = &mut self.queues[..] {
            return queue.poll(batch, limit);
        }
        let mut frames = 0;
        for turn in 0..self.queues.len() {
            let pair = (self.first + turn) % self.queues.len();
            let before = batch.len();
            frames += self.queues[pair].poll(batch, limit - frames);
            batch.iter().skip(before).for_each(|frame| self.flows.came_by(frame.bytes(), pair as u8));
        }
        self.first = (self.first + 1) % self.queues.len();
        if frames > 0 {
            self.counters = self.queues.iter().map(|queue| *queue.counters()).fold(RxCounters::default(), rx_sum);
        }
        frames
    }

    fn refill(&mut self, pool: &'static Pool) -> usize {
        self.queues.iter_mut().map(|queue| queue.refill(pool)).sum()
    }

    /// Who polls does not halt.
    fn arm(&mut self) -> Armed {
        Armed::Pending
    }

    fn disarm(&mut self) {}

    fn counters(&self) -> &RxCounters {
        match &self.queues[..] {
            [queue] => queue.counters(),
            _ => &self.counters,
        }
    }
}

/// Sends to the guest, each flow by the queue that the guest last sent it by.
#[derive(Debug)]
pub struct ToGuests {
    queues: Vec<ToGuest>,
    flows: Rc<Flows>,
    /// Frames that each queue takes.
    room: usize,
    /// What goes to one queue.
    sorted: Batch,
    counters: TxCounters,
}

impl ToGuests {
    /// Submits the frames at the front of the batch that go to the same queue, at most as many as it takes.
    fn submit_run(&mut self, batch: &mut Batch) -> usize {
        let pair = |frame: &netdrv::pktbuf::PktBuf| usize::from(self.flows.pair_for(frame.bytes()));
        let Some(first) = batch.front().map(pair) else { return 0 };
        let len = batch.iter().take_while(|frame| pair(frame) == first).count();
        for _ in 0..len {
            let Some(frame) = batch.pop_front() else { break };
            let _ = self.sorted.push_back(frame); // as large as a batch, and empty
        }
        let Some(queue) = self.queues.get_mut(first) else { return 0 };
        let taken = queue.submit(&mut self.sorted);
        // What the queue does not take goes back to the front, in order.
        let mut back = Batch::new();
        while let Some(frame) = self.sorted.pop_front() {
            let _ = back.push_front(frame);
        }
        while let Some(frame) = back.pop_front() {
            let _ = batch.push_front(frame);
        }
        taken
    }
}

impl TxQueue for ToGuests {
    fn reclaim(&mut self) -> usize {
        self.queues.iter_mut().for_each(|queue| {
            queue.reclaim();
        });
        // A queue that the guest does not use has no buffers, and nothing is sent by it.
        self.room = self.queues.iter().map(ToGuest::room).filter(|room| *room > 0).min().unwrap_or(0);
        0
    }

    fn room(&self) -> usize {
        match &self.queues[..] {
            [queue] => queue.room(),
            _ => self.room,
        }
    }

    fn submit(&mut self, batch: &mut Batch) -> usize {
        if let [queue] = &mut self.queues[..] {
            return queue.submit(batch);
        }
        let mut taken = 0;
        loop {
            match self.submit_run(batch) {
                0 => break,
                frames => taken += frames,
            }
        }
        self.room = self.room.saturating_sub(taken);
        self.counters = self.queues.iter().map(|queue| *queue.counters()).fold(TxCounters::default(), tx_sum);
        taken
    }

    fn doorbell(&mut self) {
        self.queues.iter_mut().for_each(ToGuest::doorbell);
    }

    fn counters(&self) -> &TxCounters {
        match &self.queues[..] {
            [queue] => queue.counters(),
            _ => &self.counters,
        }
    }
}

fn rx_sum(a: RxCounters, b: RxCounters) -> RxCounters {
    RxCounters {
        frames: a.frames + b.frames,
        bytes: a.bytes + b.bytes,
        bad_length: a.bad_length + b.bad_length,
        oversized: a.oversized + b.oversized,
        bad_descriptor: a.bad_descriptor + b.bad_descriptor,
        pool_empty: a.pool_empty + b.pool_empty,
    }
}

fn tx_sum(a: TxCounters, b: TxCounters) -> TxCounters {
    TxCounters {
        frames: a.frames + b.frames,
        bytes: a.bytes + b.bytes,
        doorbells: a.doorbells + b.doorbells,
        bad_descriptor: a.bad_descriptor + b.bad_descriptor,
        bad_length: a.bad_length + b.bad_length,
        bad_checksum: a.bad_checksum + b.bad_checksum,
        bad_attachment: a.bad_attachment + b.bad_attachment,
    }
}
