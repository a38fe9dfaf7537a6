//! What is counted between two times: latencies, answers, bytes, and what the engine did with its own time.

use hdrhistogram::Histogram;

use super::clock::Clock;
use super::latencies::Latencies;
use super::protocol::Outcome;
use super::workload::Operation;

/// Latencies are kept up to an hour, to three digits, in nanoseconds.
const LONGEST_NS: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;

/// What one engine, or all of them, have recorded.
#[derive(Clone, Debug)]
pub struct Record {
    /// Latencies of reads and of updates, in nanoseconds, of the requests intended for the interval.
    pub reads: Histogram<u64>,
    /// Of updates.
    pub updates: Histogram<u64>,
    /// How much later than intended requests left, where no answer had to be waited for, in nanoseconds.
    pub lag: Histogram<u64>,
    /// Requests that were sent as the first, second, ... under way on their connection.
    pub depths: Vec<u64>,
    /// Answers that came within the interval.
    pub answered: u64,
    /// Requests intended for the interval: sent, skipped or still waiting.
    pub intended: u64,
    /// Reads for which there was nothing.
    pub misses: u64,
    /// Requests that the server was not able to answer.
    pub refused: u64,
    /// Requests that were given up as too many waited.
    pub skipped: u64,
    /// Requests whose datagrams were lost, or their answers.
    pub lost: u64,
    /// Requests without an answer when the measurement was ended; in the histograms by how long they had waited.
    pub unanswered: u64,
    /// Bytes of answers and of requests, within the interval.
    pub rx_bytes: u64,
    /// Of requests.
    pub tx_bytes: u64,
    /// Connections that were opened anew.
    pub reconnects: u64,
    /// Cycles of turns in which something came or was sent, and of the others.
    pub busy_cycles: u64,
    /// Of the others.
    pub idle_cycles: u64,
}

impl Record {
    /// Nothing yet.
    pub fn new(depth: usize) -> Record {
        Record {
            reads: histogram(),
            updates: histogram(),
            lag: histogram(),
            depths: vec![0; depth + 1],
            answered: 0,
            intended: 0,
            misses: 0,
            refused: 0,
            skipped: 0,
            lost: 0,
            unanswered: 0,
            rx_bytes: 0,
            tx_bytes: 0,
            reconnects: 0,
            busy_cycles: 0,
            idle_cycles: 0,
        }
    }

    /// Forgets everything. All memory of the histograms is written.
    fn clear(&mut self) {
        [&mut self.reads, &mut self.updates, &mut self.lag].into_iter().for_each(Histogram::reset);
        self.depths.fill(0);
        let Record { answered, intended, misses, refused, skipped, lost, unanswered, .. } = self;
        [answered, intended, misses, refused, skipped, lost, unanswered].into_iter().for_each(|count| *count = 0);
        let Record { rx_bytes, tx_bytes, reconnects, busy_cycles, idle_cycles, .. } = self;
        [rx_bytes, tx_bytes, reconnects, busy_cycles, idle_cycles].into_iter().for_each(|count| *count = 0);
    }

    /// Adds what another engine has recorded.
    pub fn add(&mut self, other: &Record) {
        for (own, other) in
            [(&mut self.reads, &other.reads), (&mut self.updates, &other.updates), (&mut self.lag, &other.lag)]
        {
            // Bounds are the same.
            own.add(other).ok();
        }
        if self.depths.len() < other.depths.len() {
            self.depths.resize(other.depths.len(), 0);
        }
        self.depths.iter_mut().zip(&other.depths).for_each(|(own, other)| *own += other);
        let Record { answered, intended, misses, refused, skipped, lost, unanswered, .. } = other;
        self.answered += answered;
        self.intended += intended;
        self.misses += misses;
        self.refused += refused;
        self.skipped += skipped;
        self.lost += lost;
        self.unanswered += unanswered;
        self.rx_bytes += other.rx_bytes;
        self.tx_bytes += other.tx_bytes;
        self.reconnects += other.reconnects;
        self.busy_cycles += other.busy_cycles;
        self.idle_cycles += other.idle_cycles;
    }

    /// The share of its time in which an engine had nothing to do.
    pub fn idle_share(&self) -> f64 {
        self.idle_cycles as f64 / (self.busy_cycles + self.idle_cycles).max(1) as f64
    }

    /// Latencies of reads and updates.
    pub fn all(&self) -> Histogram<u64> {
        let mut all = self.reads.clone();
        all.add(&self.updates).ok();
        all
    }
}

fn histogram() -> Histogram<u64> {
    let bounded = Histogram::new_with_bounds(1, LONGEST_NS, DIGITS);
    // The bounds are constants that it accepts, as the tests show.
    bounded.unwrap_or_else(|_| unreachable!("bounds of a histogram"))
}

/// Records what lies within an interval, which may consist of pieces.
#[derive(Debug)]
pub(super) struct Recorder {
    clock: Clock,
    /// In cycles.
    from: u64,
    until: u64,
    piece: u64,
    /// One for each piece; between intervals those of the last, without anything in them.
    records: Vec<Counted>,
    current: Current,
}

/// The record of a piece, as it is filled.
#[derive(Clone, Debug)]
struct Counted {
    record: Record,
    reads: Latencies,
    updates: Latencies,
}

/// The piece that was recorded in last: where nearly all belongs that is recorded next, so that it is found without a division.
#[derive(Debug, Default)]
struct Current {
    index: usize,
    from: u64,
    /// In cycles; 0 if there is none.
    len: u64,
}

impl Counted {
    fn new(depth: usize) -> Counted {
        Counted { record: Record::new(depth), reads: Latencies::new(), updates: Latencies::new() }
    }

    /// Forgets everything. All memory is written.
    fn clear(&mut self) {
        self.record.clear();
        self.reads.clear();
        self.updates.clear();
    }

    /// The record, with all latencies in its histograms.
    fn complete(&self) -> Record {
        let mut record = self.record.clone();
        self.reads.add_to(&mut record.reads);
        self.updates.add_to(&mut record.updates);
        record
    }
}

impl Recorder {
    /// Records nothing before an interval is set.
    pub(super) fn new(clock: Clock, depth: usize) -> Recorder {
        let (records, current) = (vec![Counted::new(depth)], Current::default());
        Recorder { clock, from: u64::MAX, until: u64::MAX, piece: 1, records, current }
    }

    /// Begins anew, with an interval of so many pieces. The histograms stay where they are: a page of theirs that is touched for the
    /// first time while requests are under way takes as long as many of these.
    pub(super) fn begin(&mut self, from: u64, until: u64, pieces: usize) {
        let empty = Counted::new(self.records[0].record.depths.len() - 1);
        self.records.resize(pieces.max(1), empty);
        self.records.iter_mut().for_each(Counted::clear);
        self.piece = (until - from).div_ceil(self.records.len() as u64).max(1);
        (self.from, self.until) = (from, until);
        self.current = Current::default();
    }

    /// Ends: returns what was recorded in each piece.
    pub(super) fn end(&mut self) -> Vec<Record> {
        (self.from, self.until) = (u64::MAX, u64::MAX);
        self.current = Current::default();
        self.records.iter().map(Counted::complete).collect()
    }

    /// Whether a time lies in the interval.
    #[inline]
    pub(super) fn covers(&self, time: u64) -> bool {
        self.from <= time && time < self.until
    }

    /// Where what belongs to a time is counted, if it lies in the interval.
    #[inline]
    fn at(&mut self, time: u64) -> Option<&mut Record> {
        self.counted(time).map(|counted| &mut counted.record)
    }

    #[inline]
    fn counted(&mut self, time: u64) -> Option<&mut Counted> {
        if time.wrapping_sub(self.current.from) >= self.current.len {
            self.change_piece(time)?;
        }
        self.records.get_mut(self.current.index)
    }

    /// Makes the piece of `time` the current one, if it has one.
    #[cold]
    fn change_piece(&mut self, time: u64) -> Option<()> {
        if !self.covers(time) {
            return None;
        }
        let index = (time - self.from) / self.piece;
        let from = self.from + index * self.piece;
        self.current = Current { index: index as usize, from, len: self.piece.min(self.until - from) };
        Some(())
    }

    /// A turn has ended at `now`, `cycles` after the one before it.
    #[inline]
    pub(super) fn turn(&mut self, now: u64, cycles: u64, is_busy: bool) {
        if let Some(record) = self.at(now) {
            *if is_busy { &mut record.busy_cycles } else { &mut record.idle_cycles } += cycles;
        }
    }

    /// Too many requests wait: one that was intended then is not sent.
    pub(super) fn skipped(&mut self, intended: u64) {
        if let Some(record) = self.at(intended) {
            record.skipped += 1;
        }
    }

    /// A request is to be sent.
    #[inline]
    pub(super) fn arrived(&mut self, intended: u64) {
        if let Some(record) = self.at(intended) {
            record.intended += 1;
        }
    }

    /// A request was sent, as one of `under_way`.
    #[inline]
    pub(super) fn sent(&mut self, now: u64, under_way: usize, bytes: usize) {
        if let Some(record) = self.at(now) {
            record.depths[under_way] += 1;
            record.tx_bytes += bytes as u64;
        }
    }

    /// `count` requests left at `now`, the first of them intended for `intended`.
    #[inline]
    pub(super) fn left(&mut self, now: u64, intended: u64, count: u64) {
        let lag_ns = self.clock.ns(now.saturating_sub(intended));
        if let Some(record) = self.at(intended) {
            record.lag.saturating_record_n(lag_ns, count);
        }
    }

    /// Bytes came.
    #[inline]
    pub(super) fn received(&mut self, now: u64, bytes: usize) {
        if let Some(record) = self.at(now) {
            record.rx_bytes += bytes as u64;
        }
    }

    /// An answer came.
    #[inline]
    pub(super) fn answered(&mut self, now: u64, intended: u64, operation: Operation, outcome: Outcome) {
        if let Some(record) = self.at(now) {
            record.answered += 1;
        }
        if let Some(record) = self.latency(now, intended, operation) {
            match outcome {
                Outcome::Hit | Outcome::Stored => {}
                Outcome::Miss => record.misses += 1,
                Outcome::Refused => record.refused += 1,
            }
        }
    }

    /// A connection was opened anew.
    pub(super) fn reconnected(&mut self) {
        if let Some(record) = self.at(self.clock.now()) {
            record.reconnects += 1;
        }
    }

    /// A request was given up at `now`. It counts by how long it has waited, so as not to flatter the others.
    pub(super) fn lost(&mut self, now: u64, intended: u64, operation: Operation) {
        if let Some(record) = self.latency(now, intended, operation) {
            record.lost += 1;
        }
    }

    /// No answer came until `now`.
    pub(super) fn unanswered(&mut self, now: u64, intended: u64, operation: Operation) {
        if let Some(record) = self.latency(now, intended, operation) {
            record.unanswered += 1;
        }
    }

    /// Records what a request took, if it was intended for the interval: then the record of its piece is returned.
    #[inline]
    fn latency(&mut self, now: u64, intended: u64, operation: Operation) -> Option<&mut Record> {
        let latency_ns = self.clock.ns(now.saturating_sub(intended));
        let Counted { record, reads, updates } = self.counted(intended)?;
        let (latencies, histogram) = match operation {
            Operation::Read => (reads, &mut record.reads),
            Operation::Update => (updates, &mut record.updates),
        };
        if latencies.record(latency_ns).is_none() {
            histogram.saturating_record(latency_ns);
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn only_the_interval_counts() {
        let clock = Clock::calibrate();
        let mut recorder = Recorder::new(clock, 4);
        recorder.answered(5, 1, Operation::Read, Outcome::Hit);
        recorder.begin(1000, 2000, 1);
        for intended in [999, 1000, 1999, 2000] {
            recorder.arrived(intended);
            recorder.answered(intended + 500, intended, Operation::Read, Outcome::Miss);
        }
        recorder.sent(1500, 4, 10);
        recorder.received(2000, 10);
        recorder.unanswered(3000, 1500, Operation::Update);
        let [record] = &recorder.end()[..] else { panic!("one piece") };
        assert_eq!((record.intended, record.answered, record.reads.len(), record.misses), (2, 2, 2, 2));
        assert_eq!((record.tx_bytes, record.rx_bytes, record.depths[4]), (10, 0, 1));
        assert_eq!((record.unanswered, record.updates.len()), (1, 1));
        recorder.answered(1500, 1400, Operation::Read, Outcome::Hit);
        recorder.begin(1000, 2000, 1);
        let [Record { intended, answered, misses, unanswered, tx_bytes, reads, depths, .. }] = &recorder.end()[..]
        else {
            panic!("one piece")
        };
        assert_eq!([*intended, *answered, *misses, *unanswered, *tx_bytes, reads.len()], [0; 6]);
        assert_eq!(depths[..], [0; 5]);
    }

    #[test]
    fn a_request_counts_in_the_piece_that_it_was_intended_for() {
        let mut recorder = Recorder::new(Clock::calibrate(), 1);
        recorder.begin(1000, 2001, 3);
        for (now, intended) in [(1001, 999), (1400, 1000), (2500, 1200), (1999, 1700), (2600, 2000)] {
            recorder.answered(now, intended, Operation::Read, Outcome::Hit);
        }
        recorder.turn(1500, 7, true);
        recorder.turn(1900, 5, false);
        let pieces = recorder.end();
        let counts = |count: fn(&Record) -> u64| pieces.iter().map(count).collect::<Vec<_>>();
        assert_eq!(counts(|record| record.reads.len()), [2, 0, 2]);
        assert_eq!(counts(|record| record.answered), [1, 1, 1]);
        assert_eq!(counts(|record| 10 * record.busy_cycles + record.idle_cycles), [0, 70, 5]);
    }

    #[test]
    fn records_of_several_engines_add_up() {
        let mut sum = Record::new(1);
        let mut other = Record::new(2);
        other.reads.record(1000).unwrap();
        (other.depths[2], other.misses, other.busy_cycles, other.idle_cycles) = (3, 4, 30, 10);
        sum.add(&other);
        sum.add(&other);
        assert_eq!((sum.reads.len(), sum.depths[2], sum.misses), (2, 6, 8));
        assert_eq!(sum.idle_share(), 0.25);
        assert_eq!(sum.all().len(), 2);
    }

    #[test]
    fn recording_is_cheap() {
        let mut recorder = Recorder::new(Clock::calibrate(), 1);
        recorder.begin(0, u64::MAX - 1, 21);
        let begin = Instant::now();
        for cycles in 0..1_000_000_u64 {
            recorder.answered(100_000 + cycles, 0, Operation::Read, Outcome::Hit);
        }
        // Some ten nanoseconds each where it matters; this is about orders of magnitude, in a debug build.
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        assert_eq!(recorder.end().iter().map(|record| record.reads.len()).sum::<u64>(), 1_000_000);
    }
}
