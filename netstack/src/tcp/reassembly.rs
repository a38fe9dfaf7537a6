//! What comes before its turn: held until the gap is filled, and reported to the peer by SACK blocks (RFC 2018, section 4;
//! RFC 2883).
//!
//! Of bytes that come twice the first copy counts. How much is held is bounded, for each connection by its window and for all
//! by a share of the packet buffers.

use netdrv::pktbuf::PktBuf;

use super::options::{MAX_BLOCKS, SackBlock, SackBlocks};
use super::segments::NONE;
use super::seq::SeqNum;
use super::tcb::Receive;
use super::{Tcp, Work};

/// Segments that become deliverable are handed to the app so many at a time.
pub(super) const DELIVERED_AT_ONCE: usize = 32;
/// All connections together hold at most this share of the packet buffers.
const HELD_SHARE: usize = 4;
/// Segments that one connection holds at most: so many, or its window in segments of this size.
const HELD_LEAST: u32 = 32;
const HELD_BYTES: u32 = 1024;

/// What the next ACK tells of held payload.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Report {
    /// Runs of held payload, that which grew last first. Not all of them, if there are many.
    runs: SackBlocks,
    /// Payload that came twice, to be told once; empty if none did.
    duplicate: SackBlock,
}

impl Report {
    /// Payload that came was held.
    fn held(&mut self, start: SeqNum, end: SeqNum) {
        let mut grown = SackBlock { start, end };
        let mut others = SackBlocks::default();
        for run in self.runs.iter() {
            if run.start.le(grown.end) && grown.start.le(run.end) {
                grown = SackBlock { start: run.start.min(grown.start), end: run.end.max(grown.end) };
            } else {
                others.push(*run);
            }
        }
        self.runs = SackBlocks::default();
        self.runs.push(grown);
        others.iter().for_each(|run| self.runs.push(*run));
    }

    /// Everything before `nxt` was delivered.
    pub(super) fn delivered(&mut self, nxt: SeqNum) {
        if self.runs.is_empty() {
            return;
        }
        let left = core::mem::take(&mut self.runs);
        left.iter().filter(|run| nxt.lt(run.start)).for_each(|run| self.runs.push(*run));
    }

    /// Payload came that had come before.
    pub(super) fn duplicate(&mut self, start: SeqNum, end: SeqNum) {
        if start.lt(end) {
            self.duplicate = SackBlock { start, end };
        }
    }

    /// Whether an ACK without payload is to tell something.
    fn is_due(&self) -> bool {
        !self.runs.is_empty() || self.duplicate != SackBlock::default()
    }

    /// The blocks of the ACK that leaves now, at most `most`.
    fn take(&mut self, most: usize) -> SackBlocks {
        let duplicate = core::mem::take(&mut self.duplicate);
        let mut blocks = SackBlocks::default();
        if duplicate != SackBlock::default() {
            blocks.push(duplicate);
        }
        let room = most - blocks.len();
        self.runs.iter().take(room).for_each(|run| blocks.push(*run));
        blocks
    }
}

impl Receive {
    /// Whether something came before its turn and still waits for it.
    pub(super) fn has_gap(&self) -> bool {
        !self.report.runs.is_empty()
    }

    /// Whether the ACK that is due must leave without payload: RFC 5681, section 2, counts no other as a duplicate, and a
    /// full segment has no room for blocks.
    pub(super) fn needs_pure_ack(&self) -> bool {
        self.report.is_due()
    }
}

impl Tcp {
    /// The blocks for the ACK of connection `index` that leaves now.
    pub(super) fn sack_blocks(&mut self, index: u32) -> SackBlocks {
        let Some(tcb) = self.tcb(index) else { return SackBlocks::default() };
        let most = if tcb.timestamps.is_some() { MAX_BLOCKS - 1 } else { MAX_BLOCKS };
        let blocks = tcb.receive.report.take(most);
        if tcb.sack_permitted { blocks } else { SackBlocks::default() }
    }

    /// Holds payload that is not next, in sequence order, less what is held already. It is acknowledged at once, which the
    /// peer counts as a duplicate.
    pub(super) fn hold(&mut self, index: u32, seq: SeqNum, payload: PktBuf, work: &mut Work<'_>) {
        self.ack_now(index);
        let share_is_used = self.held >= self.pool.capacity() / HELD_SHARE;
        let Some(tcb) = self.tcb(index) else { return };
        let most = HELD_LEAST.max(tcb.receive.limit / HELD_BYTES);
        if share_is_used || tcb.receive.out_of_order.len() >= most {
            work.counters.drop_tcp_out_of_order_full += 1;
            return;
        }
        match self.insert_held(index, seq, payload) {
            Ok(0) => work.counters.drop_tcp_duplicate += 1,
            Ok(_) => work.counters.tcp_out_of_order += 1,
            Err(()) => work.counters.drop_tcp_out_of_order_full += 1,
        }
    }

    /// Puts payload into the list, where it is new. Returns how many bytes are, up to what is held behind them; what lies
    /// behind that comes again.
    fn insert_held(&mut self, index: u32, mut seq: SeqNum, mut payload: PktBuf) -> Result<u32, ()> {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return Err(()) };
        let (receive, came) = (&mut tcb.receive, seq);
        let came_end = seq + payload.len() as u32;
        let list = &mut receive.out_of_order;
        let tail_end = self.segments.get(list.tail()).map(|record| record.end());
        let (mut before, mut at) = match tail_end {
            Some(end) if end.le(seq) => (list.tail(), NONE), // nearly always
            _ => (NONE, list.head()),
        };
        while let Some(record) = self.segments.get(at) {
            if seq.lt(record.seq) {
                payload.truncate((record.seq - seq) as usize);
                break;
            }
            payload.trim_front(record.end().since(seq) as usize);
            seq = seq.max(record.end());
            before = at;
            at = self.segments.next(at);
        }
        let (len, end) = (payload.len() as u32, seq + payload.len() as u32);
        if came.lt(seq) {
            receive.report.duplicate(came, seq.min(came_end));
        } else if end.lt(came_end) {
            let next_end = self.segments.get(at).map_or(end, |record| record.end());
            receive.report.duplicate(end, came_end.min(next_end));
        }
        if payload.is_empty() {
            receive.report.held(came, came_end);
            return Ok(0);
        }
        self.segments.insert(list, before, seq, payload).map_err(drop)?;
        self.held += 1;
        // Not what waits for the app alone.
        if receive.nxt.lt(seq) {
            receive.report.held(seq, end);
        }
        Ok(len)
    }

    /// Delivers what was held and is next now, as much as events have room for; the rest follows in
    /// [`deliver_more`](Tcp::deliver_more).
    pub(super) fn deliver_held(&mut self, index: u32, work: &mut Work<'_>) {
        for _ in 0..DELIVERED_AT_ONCE {
            let Some(tcb) = self.tcbs[index as usize].as_mut() else { return };
            let receive = &mut tcb.receive;
            match self.segments.get(receive.out_of_order.head()) {
                Some(record) if record.seq.le(receive.nxt) => {}
                _ => return,
            }
            let Some(mut record) = self.segments.pop(&mut receive.out_of_order) else { return };
            self.held -= 1;
            record.payload.trim_front(receive.nxt.since(record.seq) as usize);
            if let Some(fin) = receive.fin {
                record.payload.truncate(fin.since(receive.nxt) as usize);
            }
            // A filled gap is acknowledged at once (RFC 5681, section 4.2).
            self.ack_now(index);
            if !record.payload.is_empty() {
                self.deliver(index, record.payload, work);
            }
        }
        self.deliverable.push(index);
    }

    /// Goes on where [`deliver_held`](Tcp::deliver_held) stopped for want of room. Says whether there was anything.
    pub(crate) fn deliver_more(&mut self, work: &mut Work<'_>) -> bool {
        let Some(index) = self.deliverable.pop() else { return false };
        self.deliver_held(index, work);
        self.take_fin(index, work);
        true
    }

    /// Drops what a connection holds out of order.
    pub(super) fn discard_held(&mut self, index: u32) {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return };
        self.held -= tcb.receive.out_of_order.len() as usize;
        self.segments.clear(&mut tcb.receive.out_of_order);
        tcb.receive.report = Report::default();
    }
}
