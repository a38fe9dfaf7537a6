//! Queues of segments: chains through one slab of records, so that connections own no queue memory of their own.

use alloc::boxed::Box;
use alloc::vec::Vec;

use netdrv::pktbuf::PktBuf;

use super::seq::SeqNum;

/// No record.
pub(super) const NIL: u32 = u32::MAX;

/// A buffer of payload and the sequence number of its first byte.
struct Record {
    seq: SeqNum,
    next: u32,
    buf: Option<PktBuf>,
}

const _: () = assert!(size_of::<Record>() == 24);

/// A queue of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) head: u32,
    pub(super) tail: u32,
    pub(super) len: u32,
}

impl Chain {
    /// No segments.
    pub(super) const EMPTY: Chain = Chain { head: NIL, tail: NIL, len: 0 };
}

/// Where a segment lies on the circle of sequence numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) seq: SeqNum,
    pub(super) len: u32,
}

impl Span {
    /// The sequence number after the last byte.
    pub(super) fn end(self) -> SeqNum {
        self.seq + self.len
    }
}

/// The slab of records.
pub(super) struct SegmentSlab {
    records: Box<[Record]>,
    free: u32,
}

impl SegmentSlab {
    /// A slab of `capacity` records.
    pub(super) fn new(capacity: usize) -> SegmentSlab {
        let records: Vec<Record> = (0..capacity as u32)
            .map(|index| Record {
                seq: SeqNum(0),
                next: if index + 1 < capacity as u32 { index + 1 } else { NIL },
                buf: None,
            })
            .collect();
        SegmentSlab { records: records.into_boxed_slice(), free: if capacity > 0 { 0 } else { NIL } }
    }

    /// Whether another segment can be queued.
    pub(super) fn has_room(&self) -> bool {
        self.free != NIL
    }

    /// Adds a segment after `prev`, at the front if that is [`NIL`]. Gives the buffer back if the slab is full.
    pub(super) fn insert_after(
        &mut self,
        chain: &mut Chain,
        prev: u32,
        seq: SeqNum,
        buf: PktBuf,
    ) -> Result<u32, PktBuf> {
        let id = self.free;
        if id == NIL {
            return Err(buf);
        }
        self.free = self.records[id as usize].next;
        let next = if prev == NIL {
            core::mem::replace(&mut chain.head, id)
        } else {
            core::mem::replace(&mut self.records[prev as usize].next, id)
        };
        if next == NIL {
            chain.tail = id;
        }
        chain.len += 1;
        self.records[id as usize] = Record { seq, next, buf: Some(buf) };
        Ok(id)
    }

    /// Adds a segment at the end.
    pub(super) fn push_back(&mut self, chain: &mut Chain, seq: SeqNum, buf: PktBuf) -> Result<u32, PktBuf> {
        self.insert_after(chain, chain.tail, seq, buf)
    }

    /// Takes the first segment.
    pub(super) fn pop_front(&mut self, chain: &mut Chain) -> Option<PktBuf> {
        let id = chain.head;
        let record = self.records.get_mut(id as usize)?;
        chain.head = core::mem::replace(&mut record.next, self.free);
        chain.len -= 1;
        if chain.head == NIL {
            chain.tail = NIL;
        }
        self.free = id;
        record.buf.take()
    }

    /// Drops all segments.
    pub(super) fn clear(&mut self, chain: &mut Chain) {
        while self.pop_front(chain).is_some() {}
    }

    /// The segment after `id`.
    pub(super) fn next(&self, id: u32) -> u32 {
        self.records.get(id as usize).map_or(NIL, |record| record.next)
    }

    /// Where the segment lies; `None` for [`NIL`].
    pub(super) fn span(&self, id: u32) -> Option<Span> {
        let record = self.records.get(id as usize)?;
        Some(Span { seq: record.seq, len: record.buf.as_ref()?.len() as u32 })
    }

    /// The segment's buffer.
    pub(super) fn buf(&mut self, id: u32) -> Option<&mut PktBuf> {
        self.records.get_mut(id as usize)?.buf.as_mut()
    }

    /// Drops `n` bytes from the front of a segment.
    pub(super) fn trim_front(&mut self, id: u32, n: u32) {
        let Some(record) = self.records.get_mut(id as usize) else { return };
        record.seq += n;
        if let Some(buf) = &mut record.buf {
            buf.trim_front(n as usize);
        }
    }
}
