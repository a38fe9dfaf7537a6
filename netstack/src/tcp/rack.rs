//! RACK: a segment is lost if one that was sent sufficiently later has been delivered (RFC 8985, section 6).

use super::scoreboard::{Count, Fate, Transmission};
use super::segments::{NONE, Record};
use super::seq::SeqNum;
use super::tcb::Send;
use super::{Segments, Tcp};
use crate::time::Instant;

/// Records out of order after which no reordering is waited for (DupThresh).
const DUPLICATE_THRESHOLD: u32 = 3;
/// Recoveries for which a window that has grown is kept (section 6.2, step 4).
const PERSIST: u8 = 16;
/// How long the least round trip is believed.
const MIN_LIFETIME_US: u32 = 30_000_000;

/// The state of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rack {
    /// The transmission that is known to be delivered and was sent last: when, and the segment's end.
    newest_at: Instant,
    newest_end: SeqNum,
    /// Its round trip.
    round_trip_us: u32,
    least: LeastRoundTrip,
    /// The highest end delivered.
    highest: SeqNum,
    reordering_seen: bool,
    /// The reordering window, in quarters of the least round trip.
    quarters: u8,
    persist: u8,
    /// Until this is acknowledged, duplicates widen the window no further.
    duplicate_round: Option<SeqNum>,
}

/// The least round trip of the last while, by two halves of it.
#[derive(Clone, Copy, Debug)]
struct LeastRoundTrip {
    earlier_us: u32,
    current_us: u32,
    /// The end of the current half.
    until: Instant,
}

impl LeastRoundTrip {
    #[inline]
    fn measure(&mut self, round_trip_us: u32, now: Instant) {
        if now > self.until {
            self.earlier_us = self.current_us;
            self.current_us = round_trip_us;
            self.until = now.after_us(MIN_LIFETIME_US / 2);
        }
        self.current_us = self.current_us.min(round_trip_us);
    }

    fn us(&self) -> u32 {
        self.earlier_us.min(self.current_us)
    }
}

impl Rack {
    pub(super) fn new(iss: SeqNum) -> Rack {
        Rack {
            newest_at: Instant::ZERO,
            newest_end: iss,
            round_trip_us: 0,
            least: LeastRoundTrip { earlier_us: u32::MAX, current_us: u32::MAX, until: Instant::ZERO },
            highest: iss,
            reordering_seen: false,
            quarters: 1,
            persist: PERSIST,
            duplicate_round: None,
        }
    }

    /// A record up to `end` was delivered, cumulatively or selectively, so long after it was sent (steps 1 to 3).
    #[inline]
    pub(super) fn delivered(&mut self, transmission: &Transmission, end: SeqNum, round_trip_us: u32, now: Instant) {
        let at = transmission.at;
        let first = transmission.count == Count::Once;
        if first {
            self.least.measure(round_trip_us, now);
        } else if round_trip_us < self.least.us() {
            return; // of which transmission?
        }
        self.round_trip_us = round_trip_us;
        if self.newest_at < at || (self.newest_at == at && self.newest_end.lt(end)) {
            self.newest_at = at;
            self.newest_end = end;
        }
        if self.highest.lt(end) {
            self.highest = end;
        } else if end.lt(self.highest) && first {
            self.reordering_seen = true;
        }
    }

    /// The peer reports a duplicate (D-SACK): what was sent again was not lost, so longer is to be waited.
    pub(super) fn duplicate_reported(&mut self, una: SeqNum, next: SeqNum) {
        if self.duplicate_round.is_some_and(|round| round.le(una)) {
            self.duplicate_round = None;
        }
        if self.duplicate_round.is_none() {
            self.duplicate_round = Some(next);
            self.quarters = self.quarters.saturating_add(1);
            self.persist = PERSIST;
        }
    }

    /// A recovery has ended.
    pub(super) fn recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.quarters = 1;
        }
    }

    /// Whether the transmission of `record` was before the newest that is known to be delivered.
    fn is_overtaken(&self, record: &Record) -> bool {
        let at = record.transmission.at;
        at < self.newest_at || (at == self.newest_at && record.end().lt(self.newest_end))
    }

    /// How much later than its round trip a segment may be delivered (step 4).
    fn reordering_window_us(&self, send: &Send) -> u32 {
        let hurry = send.recovery.is_under_way() || send.scoreboard.sacked_records() >= DUPLICATE_THRESHOLD;
        if !self.reordering_seen && hurry {
            return 0;
        }
        let smoothed_us = send.rto.smoothed_us();
        let least_us = self.least.us().min(smoothed_us);
        (least_us / 4).saturating_mul(self.quarters.into()).min(smoothed_us)
    }
}

impl Tcp {
    /// Marks as lost what was overtaken for too long (step 5). Returns how long until that may hold for more, in
    /// microseconds.
    pub(super) fn detect_losses(segments: &mut Segments, send: &mut Send, now: Instant) -> Option<u32> {
        let patience_us = send.rack.round_trip_us + send.rack.reordering_window_us(send);
        let mut wait = None;
        let mut at = send.queue.head();
        while at != send.cursor
            && at != NONE
            && let Some(record) = segments.get_mut(at)
        {
            if record.transmission.fate == Fate::InNetwork && send.rack.is_overtaken(record) {
                let age_us = now.us_since(record.transmission.at);
                if age_us >= patience_us {
                    send.scoreboard.set(record, Fate::Lost);
                } else {
                    wait = wait.max(Some(patience_us - age_us));
                }
            }
            at = segments.next(at);
        }
        wait
    }

    /// The retransmission timer fired: the first record is lost, and every other that has had its time (section 6.3).
    pub(super) fn mark_timed_out(segments: &mut Segments, send: &mut Send, now: Instant) {
        let patience_us = send.rack.round_trip_us + send.rack.reordering_window_us(send);
        let first = send.queue.head();
        // A peer that has the first record and does not acknowledge it has given up what it held (RFC 2018, section 8).
        let reneged = segments.get(first).is_some_and(|record| record.transmission.fate == Fate::Sacked);
        let mut at = first;
        while at != send.cursor
            && at != NONE
            && let Some(record) = segments.get_mut(at)
        {
            let late = at == first || now.us_since(record.transmission.at) >= patience_us;
            if (record.transmission.fate == Fate::InNetwork && late) || reneged {
                send.scoreboard.set(record, Fate::Lost);
            }
            at = segments.next(at);
        }
        send.scoreboard.forget_duplicates();
    }
}
