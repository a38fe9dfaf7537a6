//! A NIC with a queue pair for each core, which steers by a table that it changes when it gets round to it.

use std::sync::{Arc, Mutex};

use netdrv::nic::steering::{Progress, SteeringControl, SubmitError, Table};
use netdrv::nic::{Batch, RxQueue, TxQueue};
use netstack::steering::{Destination, destination};

use super::*;
use crate::runtime::nic_steering::NicTable;

const QUEUE_BUFFERS: usize = 2048;

/// The NIC, between the wire and the cores.
pub(super) struct Switch {
    wire: QueuePair<WireRx, WireTx>,
    queues: Vec<QueuePair<WireRx, WireTx>>,
    state: Arc<Mutex<State>>,
    hash: &'static Toeplitz,
    pool: &'static Pool,
}

struct State {
    table: Table,
    asked: Option<Table>,
    /// Changes so far, and rounds until the last is made and until it is answered: different ones each time.
    changes: usize,
    change_in: usize,
    answer_in: usize,
}

/// The first core's way to it.
struct Handle(Arc<Mutex<State>>);

impl Switch {
    /// A NIC at this end of a wire, and the queues of so many cores.
    pub(super) fn before(wire: QueuePair<WireRx, WireTx>, cores: usize) -> (Vec<Queues<WireRx, WireTx>>, Switch) {
        let (near, queues): (Vec<_>, Vec<_>) = (0..cores).map(|_| wire::pair()).map(|[a, b]| (a, b)).unzip();
        let table = core::array::from_fn(|group| (group % cores) as u8);
        let state = Arc::new(Mutex::new(State { table, asked: None, changes: 0, change_in: 0, answer_in: 0 }));
        let pool = Pool::leak(PoolMemory::leak(QUEUE_BUFFERS * (cores + 1)));
        (near.into_iter().map(Queues::Own).collect(), Switch { wire, queues, state, hash: hash(), pool })
    }

    /// The table, for the first of so many cores.
    pub(super) fn nic_table(&self, cores: usize) -> NicTable {
        let table = self.state.lock().unwrap().table;
        NicTable::new(Box::new(Handle(Arc::clone(&self.state))), table, cores)
    }

    /// Moves frames both ways.
    pub(super) fn round(&mut self) {
        let table = self.table();
        let mut batch = Batch::new();
        self.wire.rx.refill(self.pool);
        let mut brought = self.queues.iter().map(|_| Batch::new()).collect::<Vec<_>>();
        while self.queues.iter().all(|queue| queue.tx.room() >= 64) && self.wire.rx.poll(&mut batch, 64) > 0 {
            while let Some(frame) = batch.pop_front() {
                let pair = match destination(frame.bytes(), self.hash) {
                    Destination::Group(group) => table[usize::from(group)].into(),
                    _ => 0,
                };
                brought[pair].push_back(frame).unwrap();
            }
            for (queue, frames) in self.queues.iter_mut().zip(&mut brought) {
                queue.tx.submit(frames);
            }
        }
        for queue in &mut self.queues {
            queue.rx.refill(self.pool);
            while self.wire.tx.room() >= 64 && queue.rx.poll(&mut batch, 64) > 0 {
                self.wire.tx.submit(&mut batch);
            }
        }
    }

    /// The table of this round.
    fn table(&self) -> Table {
        let mut state = self.state.lock().unwrap();
        state.change_in = state.change_in.saturating_sub(1);
        state.answer_in = state.answer_in.saturating_sub(1);
        if let (0, Some(asked)) = (state.change_in, state.asked) {
            state.table = asked;
        }
        state.table
    }
}

impl SteeringControl for Handle {
    fn submit(&mut self, table: &Table) -> Result<(), SubmitError> {
        let mut state = self.0.lock().unwrap();
        if state.asked.is_some() {
            return Err(SubmitError::Busy);
        }
        state.asked = Some(*table);
        state.changes += 1;
        state.change_in = state.changes * 7 % 23;
        state.answer_in = state.change_in + state.changes * 5 % 11;
        Ok(())
    }

    fn poll(&mut self) -> Progress {
        let mut state = self.0.lock().unwrap();
        match state.asked {
            None => Progress::Idle,
            Some(_) if state.change_in + state.answer_in > 0 => Progress::Pending,
            Some(asked) => {
                (state.table, state.asked) = (asked, None);
                Progress::Done
            }
        }
    }
}
