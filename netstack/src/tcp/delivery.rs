//! What an acknowledgement says was delivered: cumulatively, and selectively (RFC 2018, RFC 2883).

use netdrv::pktbuf::Pool;

use super::cut::cut_record;
use super::header::Header;
use super::options::{MAX_BLOCKS, SackBlock};
use super::scoreboard::{Count, Fate};
use super::segments::{NONE, Record, Segments};
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
    /// A record of the send queue is delivered.
    #[inline]
    fn note(&mut self, send: &mut Send, record: &Record, now: Instant) {
        let round_trip_us = now.us_since(record.transmission.at);
        self.bytes += record.len();
        send.rack.delivered(record, round_trip_us, now);
        if self.round_trip_us.is_none() && record.transmission.count == Count::Once {
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
#[inline]
pub(super) fn take_cumulative(segments: &mut Segments, send: &mut Send, ack: SeqNum, now: Instant) -> Delivered {
    let mut delivered = Delivered { acked: ack - send.una, ..Delivered::default() };
    send.una = ack;
    while let Some(record) = segments.get(send.queue.head()) {
        if send.una.lt(record.end()) {
            break;
        }
        if send.cursor == send.queue.head() {
            send.cursor = record.next();
        }
        send.scoreboard.remove(record);
        if record.transmission.fate != Fate::Sacked {
            delivered.note(send, record, now);
        }
        segments.drop_first(&mut send.queue);
    }
    send.scoreboard.forget_duplicates();
    delivered
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
            delivered.note(send, record, now);
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
