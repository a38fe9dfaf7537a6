//! RACK: a segment is lost if one that was sent sufficiently later has been delivered (RFC 8985, section 6).

use core::time::Duration;

use super::scoreboard::{Count, Fate};
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
const MIN_LIFETIME: Duration = Duration::from_secs(30);

/// The state of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rack {
    /// The transmission that is known to be delivered and was sent last: when, and the segment's end.
    newest_at: Instant,
    newest_end: SeqNum,
    /// Its round trip.
    round_trip: Duration,
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
    earlier: Duration,
    current: Duration,
    since: Instant,
}

impl LeastRoundTrip {
    fn measure(&mut self, round_trip: Duration, now: Instant) {
        if now.since(self.since) > MIN_LIFETIME / 2 {
            self.earlier = self.current;
            self.current = round_trip;
            self.since = now;
        }
        self.current = self.current.min(round_trip);
    }

    fn get(&self) -> Duration {
        self.earlier.min(self.current)
    }
}

impl Rack {
    pub(super) fn new(iss: SeqNum) -> Rack {
        Rack {
            newest_at: Instant::ZERO,
            newest_end: iss,
            round_trip: Duration::ZERO,
            least: LeastRoundTrip { earlier: Duration::MAX, current: Duration::MAX, since: Instant::ZERO },
            highest: iss,
            reordering_seen: false,
            quarters: 1,
            persist: PERSIST,
            duplicate_round: None,
        }
    }

    /// A record was delivered, cumulatively or selectively (steps 1 to 3).
    pub(super) fn delivered(&mut self, record: &Record, now: Instant) {
        let (at, end) = (record.transmission.at, record.end());
        let round_trip = now.since(at);
        let first = record.transmission.count == Count::Once;
        if first {
            self.least.measure(round_trip, now);
        } else if round_trip < self.least.get() {
            return; // of which transmission?
        }
        self.round_trip = round_trip;
        if (self.newest_at, 0) < (at, 0) || (self.newest_at == at && self.newest_end.lt(end)) {
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
    fn reordering_window(&self, send: &Send) -> Duration {
        let hurry = send.recovery.is_under_way() || send.scoreboard.sacked_records() >= DUPLICATE_THRESHOLD;
        if !self.reordering_seen && hurry {
            return Duration::ZERO;
        }
        let least = self.least.get().min(send.rto.smoothed());
        (least * u32::from(self.quarters) / 4).min(send.rto.smoothed())
    }
}

impl Tcp {
    /// Marks as lost what was overtaken for too long (step 5). Returns how long until that may hold for more.
    pub(super) fn detect_losses(segments: &mut Segments, send: &mut Send, now: Instant) -> Option<Duration> {
        let patience = send.rack.round_trip + send.rack.reordering_window(send);
        let mut wait = None;
        let mut at = send.queue.head();
        while at != send.cursor
            && at != NONE
            && let Some(record) = segments.get_mut(at)
        {
            if record.transmission.fate == Fate::InNetwork && send.rack.is_overtaken(record) {
                let age = now.since(record.transmission.at);
                if age >= patience {
                    send.scoreboard.set(record, Fate::Lost);
                } else {
                    wait = wait.max(Some(patience - age));
                }
            }
            at = segments.next(at);
        }
        wait
    }

    /// The retransmission timer fired: the first record is lost, and every other that has had its time (section 6.3).
    pub(super) fn mark_timed_out(segments: &mut Segments, send: &mut Send, now: Instant) {
        let patience = send.rack.round_trip + send.rack.reordering_window(send);
        let first = send.queue.head();
        // A peer that has the first record and does not acknowledge it has given up what it held (RFC 2018, section 8).
        let reneged = segments.get(first).is_some_and(|record| record.transmission.fate == Fate::Sacked);
        let mut at = first;
        while at != send.cursor
            && at != NONE
            && let Some(record) = segments.get_mut(at)
        {
            let late = at == first || now.since(record.transmission.at) >= patience;
            if (record.transmission.fate == Fate::InNetwork && late) || reneged {
                send.scoreboard.set(record, Fate::Lost);
            }
            at = segments.next(at);
        }
        send.scoreboard.forget_duplicates();
    }
}
