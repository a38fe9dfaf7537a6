//! What an engine knows of its connections, and of the requests under way on them: in two blocks of memory, made once.

use super::held::Queue;
use super::protocol::Progress;
use super::wire::{ConnId, Transport};
use super::workload::Operation;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) phase: Phase,
    /// On the list of those that may have something to send.
    pub(super) is_ready: bool,
    /// The request that was sent first, in the connection's block of slots (TCP).
    first: u16,
    /// How many are under way.
    pub(super) under_way: u16,
    /// Identifies the next request (UDP).
    next_id: u16,
    /// Requests to be sent before it is closed and opened again.
    pub(super) left: u32,
    /// Arrivals that wait.
    pub(super) held: Queue,
    /// The head of an answer that came in pieces.
    pub(super) split: Vec<u8>,
}

/// In which state it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Closed,
    Opening,
    Open,
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// When it should have been sent, and when it was, in cycles.
    pub(super) intended: u64,
    pub(super) sent: u64,
    pub(super) record: u64,
    pub(super) operation: Operation,
    pub(super) progress: Progress,
    /// By which its datagrams are known, and the number of the next.
    pub(super) id: u16,
    pub(super) sequence: u16,
    in_use: bool,
}

impl Connection {
    /// Requests that may be sent now, if at most `depth` are under way.
    #[inline]
    pub(super) fn room(&self, depth: usize) -> usize {
        if self.phase != Phase::Open || self.left == 0 {
            return 0;
        }
        depth.saturating_sub(self.under_way.into())
    }
}

impl Slot {
    /// A request that is sent now.
    pub(super) fn new(operation: Operation, record: u64, intended: u64, sent: u64) -> Slot {
        Slot { intended, sent, record, operation, progress: Progress::Head, id: 0, sequence: 0, in_use: true }
    }
}

/// All connections of an engine.
#[derive(Debug)]
pub(super) struct Connections {
    transport: Transport,
    list: Vec<Connection>,
    slots: Vec<Slot>,
    /// Slots of each connection, as a power of two.
    slot_bits: u32,
}

impl Connections {
    /// `count` connections, with at most `depth` requests under way on each.
    pub(super) fn new(transport: Transport, count: usize, depth: usize) -> Connections {
        let slot_bits = depth.next_power_of_two().ilog2();
        let unused = Slot { in_use: false, ..Slot::new(Operation::Read, 0, 0, 0) };
        let connection = || Connection {
            phase: Phase::Closed,
            is_ready: false,
            first: 0,
            under_way: 0,
            next_id: 0,
            left: 0,
            held: Queue::EMPTY,
            split: Vec::new(),
        };
        Connections {
            transport,
            list: (0..count).map(|_| connection()).collect(),
            slots: vec![unused; count << slot_bits],
            slot_bits,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    #[inline]
    pub(super) fn get(&mut self, conn: ConnId) -> &mut Connection {
        &mut self.list[conn.index()]
    }

    /// Adds a request to those under way; there must be room. Returns what identifies it over UDP, and the connection.
    #[inline(always)]
    pub(super) fn push(&mut self, conn: ConnId, mut slot: Slot) -> (u16, &mut Connection) {
        let connection = &mut self.list[conn.index()];
        let mask = (1 << self.slot_bits) - 1;
        let base = conn.index() << self.slot_bits;
        let mut at = connection.first.wrapping_add(connection.under_way) & mask;
        if self.transport == Transport::Udp {
            // An answer frees its slot wherever it is; the slot is the lower bits of the identifier.
            at = connection.next_id;
            while self.slots[base + usize::from(at & mask)].in_use {
                at = at.wrapping_add(1);
            }
            connection.next_id = at.wrapping_add(1);
        }
        slot.id = at;
        self.slots[base + usize::from(at & mask)] = slot;
        connection.under_way += 1;
        (at, connection)
    }

    /// The connection, and the request sent first among those under way (TCP).
    #[inline]
    pub(super) fn oldest(&mut self, conn: ConnId) -> Option<(&mut Connection, &mut Slot)> {
        let connection = &mut self.list[conn.index()];
        let slot = &mut self.slots[(conn.index() << self.slot_bits) + usize::from(connection.first)];
        (connection.under_way > 0).then_some((connection, slot))
    }

    /// The connection, and the request with an identifier (UDP).
    #[inline]
    pub(super) fn identified(&mut self, conn: ConnId, id: u16) -> Option<(&mut Connection, &mut Slot)> {
        let connection = &mut self.list[conn.index()];
        let slot = &mut self.slots[(conn.index() << self.slot_bits) + usize::from(id) % (1 << self.slot_bits)];
        (slot.in_use && slot.id == id).then_some((connection, slot))
    }

    /// Takes away a request that is no longer under way: over TCP, the oldest. Returns the connection.
    #[inline]
    pub(super) fn remove(&mut self, conn: ConnId, id: u16) -> &mut Connection {
        let connection = &mut self.list[conn.index()];
        let mask = (1 << self.slot_bits) - 1;
        self.slots[(conn.index() << self.slot_bits) + usize::from(id & mask)].in_use = false;
        connection.under_way -= 1;
        if self.transport == Transport::Tcp {
            connection.first = (connection.first + 1) & mask;
        }
        connection
    }

    /// Visits the requests under way on a connection.
    pub(super) fn visit(&self, conn: ConnId, visit: impl FnMut(&Slot)) {
        let base = conn.index() << self.slot_bits;
        self.slots[base..base + (1 << self.slot_bits)].iter().filter(|slot| slot.in_use).for_each(visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONN: ConnId = ConnId(1);

    fn slot(record: u64) -> Slot {
        Slot::new(Operation::Read, record, 0, 0)
    }

    #[test]
    fn streams_are_answered_in_order() {
        let mut connections = Connections::new(Transport::Tcp, 2, 3);
        for round in 0..10 {
            (0..3).for_each(|n| _ = connections.push(CONN, slot(round + n)).0);
            for n in 0..3 {
                let (_, oldest) = connections.oldest(CONN).unwrap();
                let (record, id) = (oldest.record, oldest.id);
                assert_eq!(record, round + n);
                connections.remove(CONN, id);
            }
            assert!(connections.oldest(CONN).is_none());
        }
    }

    #[test]
    fn datagrams_are_answered_in_any_order() {
        let mut connections = Connections::new(Transport::Udp, 2, 4);
        let ids: Vec<u16> = (0..4).map(|record| connections.push(CONN, slot(record)).0).collect();
        connections.remove(CONN, ids[2]);
        assert!(connections.identified(CONN, ids[2]).is_none());
        let later = connections.push(CONN, slot(9)).0;
        assert!(!ids.contains(&later), "an answer that comes late is not taken for another's");
        assert_eq!(connections.identified(CONN, later).unwrap().1.record, 9);
        assert_eq!(connections.identified(CONN, ids[1]).unwrap().1.record, 1);
        let mut records = Vec::new();
        connections.visit(CONN, |slot| records.push(slot.record));
        records.sort_unstable();
        assert_eq!(records, [0, 1, 3, 9]);
    }
}
