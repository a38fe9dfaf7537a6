//! What an acknowledgement says was delivered: cumulatively, and selectively (RFC 2018, RFC 2883).

use netdrv::pktbuf::Pool;

use super::cut::cut_record;
use super::header::Header;
use super::options::{MAX_BLOCKS, SackBlock};
use super::rack::Rack;
use super::scoreboard::{Count, Fate, Transmission};
use super::segments::{NONE, Segments};
use super::seq::SeqNum;
use super::tcb::Send;
use crate::time::Instant;

/// What one acknowledgement has brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delivered {
    /// Sequence numbers acknowledged cumulatively.
    pub(super) acked: u32,
    /// Bytes of payload newly known to be delivered.
    pub(super) bytes: u32,
    /// The round trip of the first of them that was sent only once, in microseconds.
    pub(super) round_trip_us: Option<u32>,
    /// A duplicate arrived (D-SACK).
    pub(super) duplicate: bool,
}

impl Delivered {
    /// `len` bytes up to `end`, a record of the send queue, are delivered.
    #[inline]
    fn note(&mut self, rack: &mut Rack, transmission: &Transmission, len: u32, end: SeqNum, now: Instant) {
        let round_trip_us = now.us_since(transmission.at);
        self.bytes += len;
        rack.delivered(transmission, end, round_trip_us, now);
        if self.round_trip_us.is_none() && transmission.count == Count::Once {
            self.round_trip_us = Some(round_trip_us);
        }
    }
}

/// Takes the acknowledgement of `header`, which lies in what was sent.
pub(super) fn take(
    segments: &mut Segments,
    send: &mut Send,
    pool: &'static Pool,
    header: &Header,
    now: Instant,
) -> Delivered {
    cut_at_edges(segments, send, pool, header);
    let mut delivered =
        if send.una.lt(header.ack) { take_cumulative(segments, send, header.ack, now) } else { Delivered::default() };
    if !header.options.sack.is_empty() {
        take_selective(segments, send, &header.options.sack, now, &mut delivered);
    }
    delivered
}

/// Cuts records of more than a segment where the acknowledgement, or a block of it, ends in the middle of one, so that what
/// is delivered can be told from what is not. Where that is not possible nothing of the record counts as delivered yet.
fn cut_at_edges(segments: &mut Segments, send: &mut Send, pool: &'static Pool, header: &Header) {
    if !send.scoreboard.has_bodies() {
        return;
    }
    let edges = header.options.sack.iter().flat_map(|block| [block.start, block.end]);
    for edge in edges.chain([header.ack]) {
        let mut at = send.queue.head();
        while at != send.cursor
            && let Some(record) = segments.get(at)
            && record.seq.lt(edge)
        {
            if edge.lt(record.end()) && record.len() > send.mss.into() {
                let _ = cut_record(segments, send, pool, at, edge - record.seq); // or it counts later
                break;
            }
            at = segments.next(at);
        }
    }
}

/// Takes an acknowledgement up to `ack` and drops the records before it.
fn take_cumulative(segments: &mut Segments, send: &mut Send, ack: SeqNum, now: Instant) -> Delivered {
    let mut delivered = Delivered { acked: ack - send.una, ..Delivered::default() };
    send.una = ack;
    while let Some(record) = segments.get(send.queue.head())
        && record.end().le(ack)
    {
        if send.cursor == send.queue.head() {
            send.cursor = record.next();
        }
        send.scoreboard.remove(record);
        if record.transmission.fate != Fate::Sacked {
            delivered.note(&mut send.rack, &record.transmission, record.len(), record.end(), now);
        }
        segments.drop_first_if(&mut send.queue, |_| true);
    }
    send.scoreboard.forget_duplicates();
    delivered
}

/// The same at rest: all that was sent is in the network, and nothing of it has a body.
#[inline]
pub(super) fn take_at_rest(segments: &mut Segments, send: &mut Send, ack: SeqNum, now: Instant) -> Delivered {
    let mut delivered = Delivered { acked: ack - send.una, ..Delivered::default() };
    send.una = ack;
    // Nearly always one record, so that no loop is to be prepared for.
    if send.queue.head() != send.cursor
        && take_first_at_rest(segments, send, now, &mut delivered)
        && send.queue.head() != send.cursor
    {
        take_more_at_rest(segments, send, now, &mut delivered);
    }
    send.scoreboard.forget_duplicates();
    delivered
}

#[inline(never)]
fn take_more_at_rest(segments: &mut Segments, send: &mut Send, now: Instant, delivered: &mut Delivered) {
    while send.queue.head() != send.cursor && take_first_at_rest(segments, send, now, delivered) {}
}

/// Drops the first record, if it was sent and is acknowledged. Says whether it was.
#[inline(always)]
fn take_first_at_rest(segments: &mut Segments, send: &mut Send, now: Instant, delivered: &mut Delivered) -> bool {
    let Send { una, queue, scoreboard, rack, .. } = send;
    segments.drop_first_if(queue, |record| {
        debug_assert!(record.transmission.fate == Fate::InNetwork && !record.payload.has_attachment());
        let len = record.payload.len() as u32;
        let end = record.seq + len;
        let is_delivered = end.le(*una);
        if is_delivered {
            scoreboard.delivered(len);
            delivered.note(rack, &record.transmission, len, end, now);
        }
        is_delivered
    })
}

/// Marks the records that blocks cover. A block that reports a duplicate says nothing else (RFC 2883, section 4).
fn take_selective(
    segments: &mut Segments,
    send: &mut Send,
    blocks: &[SackBlock],
    now: Instant,
    delivered: &mut Delivered,
) {
    if is_duplicate_report(blocks, send) {
        delivered.duplicate = true;
        send.rack.duplicate_reported(send.una, send.max);
    }
    let plausible =
        |block: &&SackBlock| send.una.le(block.start) && block.start.lt(block.end) && block.end.le(send.max);
    let blocks: heapless::Vec<SackBlock, MAX_BLOCKS> = blocks.iter().filter(plausible).copied().collect();
    let Some(highest) = blocks.iter().map(|block| block.end).reduce(|a, b| a.max(b)) else { return };
    let mut at = send.queue.head();
    while at != send.cursor
        && at != NONE
        && let Some(record) = segments.get_mut(at)
        && record.seq.lt(highest)
    {
        let covered = |block: &SackBlock| block.start.le(record.seq) && record.end().le(block.end);
        if record.transmission.fate != Fate::Sacked && blocks.iter().any(covered) {
            send.scoreboard.set(record, Fate::Sacked);
            delivered.note(&mut send.rack, &record.transmission, record.len(), record.end(), now);
        }
        at = segments.next(at);
    }
}

/// Whether the first block reports a segment that came twice: it lies before what is acknowledged, or in the second.
fn is_duplicate_report(blocks: &[SackBlock], send: &Send) -> bool {
    match *blocks {
        [first, ..] if first.end.le(send.una) => true,
        [first, second, ..] => second.start.le(first.start) && first.end.le(second.end),
        _ => false,
    }
}
