//! Segments that a connection holds: what it has sent or may send, and what arrived out of order. All connections share one
//! slab, made at start-up with a record for every packet buffer there is, so that a record is never what runs out first.

use alloc::vec::Vec;

use netdrv::cache;
use netdrv::pktbuf::PktBuf;

use super::scoreboard::{Fate, Transmission};
use super::seq::SeqNum;

/// The end of a list.
pub(super) const NONE: u32 = u32::MAX;

/// A held segment.
pub(super) struct Record {
    /// Sequence number of the first byte.
    pub(super) seq: SeqNum,
    /// The payload.
    pub(super) payload: PktBuf,
    /// Of what is to be sent: what became of it.
    pub(super) transmission: Transmission,
    next: u32,
}

impl Record {
    /// Bytes of it, wherever they lie.
    pub(super) fn len(&self) -> u32 {
        self.payload.frame_len() as u32
    }

    /// Whether it was sent and has a body.
    pub(super) fn is_sent_with_body(&self) -> bool {
        self.payload.has_attachment() && self.transmission.fate != Fate::Unsent
    }

    /// The record behind it.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// Behind its last byte.
    pub(super) fn end(&self) -> SeqNum {
        self.seq + self.len()
    }
}

/// The slab.
pub(super) struct Segments {
    records: Vec<Option<Record>>,
    /// Links of free records.
    free_next: Vec<u32>,
    free: u32,
    most: usize,
}

/// A list of records, in sequence order.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    head: u32,
    tail: u32,
    len: u32,
}

impl List {
    pub(super) const EMPTY: List = List { head: NONE, tail: NONE, len: 0 };

    /// The first record.
    pub(super) fn head(&self) -> u32 {
        self.head
    }

    /// The last record.
    pub(super) fn tail(&self) -> u32 {
        self.tail
    }

    /// How many records.
    pub(super) fn len(&self) -> u32 {
        self.len
    }
}

impl Segments {
    /// A slab of `count` records, none of which is touched before it is used.
    pub(super) fn new(count: usize) -> Segments {
        Segments { records: Vec::with_capacity(count), free_next: Vec::with_capacity(count), free: NONE, most: count }
    }

    /// A record that was never used, while none of the others is free; [`NONE`] if there is none.
    #[cold]
    fn use_another(&mut self) -> u32 {
        if self.records.len() == self.most {
            return NONE;
        }
        self.records.push(None);
        self.free_next.push(NONE);
        (self.records.len() - 1) as u32
    }

    /// The record at `at`, of a list.
    pub(super) fn get(&self, at: u32) -> Option<&Record> {
        self.records.get(at as usize)?.as_ref()
    }

    /// Asks for the record at `at`, and for its link.
    #[inline]
    pub(super) fn expect(&self, at: u32) {
        if let (Some(record), Some(link)) = (self.records.get(at as usize), self.free_next.get(at as usize)) {
            cache::prefetch_value(record);
            cache::prefetch_value(link);
        }
    }

    /// The record at `at`, to change it.
    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Record> {
        self.records.get_mut(at as usize)?.as_mut()
    }

    /// Two records, to change both.
    pub(super) fn pair_mut(&mut self, a: u32, b: u32) -> (Option<&mut Record>, Option<&mut Record>) {
        match self.records.get_disjoint_mut([a as usize, b as usize]) {
            Ok([a, b]) => (a.as_mut(), b.as_mut()),
            Err(_) => (None, None),
        }
    }

    /// The record behind `at`.
    pub(super) fn next(&self, at: u32) -> u32 {
        self.get(at).map_or(NONE, |record| record.next)
    }

    /// Adds a record behind `before` (at the front if that is [`NONE`]) and returns where it is; the payload comes back if
    /// there is no record.
    #[inline(always)] // on the way of nearly every segment
    pub(super) fn insert(&mut self, list: &mut List, before: u32, seq: SeqNum, payload: PktBuf) -> Result<u32, PktBuf> {
        let at = if self.free == NONE { self.use_another() } else { self.free };
        if at == NONE {
            return Err(payload);
        }
        self.free = self.free_next[at as usize];
        let next = match self.get_mut(before) {
            Some(record) => core::mem::replace(&mut record.next, at),
            None => core::mem::replace(&mut list.head, at),
        };
        if next == NONE {
            list.tail = at;
        }
        list.len += 1;
        self.records[at as usize] = Some(Record { seq, payload, transmission: Transmission::NONE, next });
        Ok(at)
    }

    /// Adds a record at the end.
    #[inline]
    pub(super) fn push(&mut self, list: &mut List, seq: SeqNum, payload: PktBuf) -> Result<u32, PktBuf> {
        self.insert(list, list.tail, seq, payload)
    }

    /// Takes the first record out.
    pub(super) fn pop(&mut self, list: &mut List) -> Option<Record> {
        let at = list.head;
        let record = self.records.get_mut(at as usize)?.take()?;
        self.unlink_first(list, record.next);
        Some(record)
    }

    /// Drops the first record where it is, if `is_done` says so of it. Says whether it did.
    #[inline(always)]
    pub(super) fn drop_first_if(&mut self, list: &mut List, is_done: impl FnOnce(&Record) -> bool) -> bool {
        let Some(place) = self.records.get_mut(list.head as usize) else { return false };
        let Some(record) = place else { return false };
        if !is_done(record) {
            return false;
        }
        let next = record.next;
        *place = None;
        self.unlink_first(list, next);
        true
    }

    /// The place of the first record is free: the list begins at `next`.
    #[inline]
    fn unlink_first(&mut self, list: &mut List, next: u32) {
        let at = core::mem::replace(&mut list.head, next);
        list.len -= 1;
        if next == NONE {
            list.tail = NONE;
        }
        self.free_next[at as usize] = self.free;
        self.free = at;
    }

    /// Drops all records of a list.
    pub(super) fn clear(&mut self, list: &mut List) {
        while self.pop(list).is_some() {}
    }
}
