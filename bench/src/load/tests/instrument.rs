//! The instrument itself: what it sends, and what it measures where the truth is known.

use std::sync::Mutex;
use std::time::Duration;

use crate::load::clock::Clock;
use crate::load::goodness::{FACEBOOK_KEY, FACEBOOK_VALUE, assert_counts_follow};
use crate::load::plan::{Loading, Plan};
use crate::load::protocol::{Outcome, Progress, Protocol, Step};
use crate::load::selftest::{self, Ceiling};
use crate::load::wire::{Client, ConnId, Wire, WireError};
use crate::load::wires::null::Null;
use crate::load::workload::{Mix, Preset};
use crate::load::{Limit, Rate, with_generator};

/// A wire that notes the lengths of keys and values.
struct Noting<'a> {
    inner: Null<'a>,
    notes: &'a Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    keys: Vec<usize>,
    values: Vec<usize>,
}

impl Wire for Noting<'_> {
    fn open(&mut self, conn: ConnId) -> Result<(), WireError> {
        self.inner.open(conn)
    }

    fn send(&mut self, conn: ConnId, bytes: &[u8]) -> Result<(), WireError> {
        let mut words = bytes.split(|byte| b" \r".contains(byte));
        if let (Some(b"get" | b"set"), Some(key)) = (words.next(), words.next()) {
            let mut notes = self.notes.lock().unwrap();
            notes.keys.push(key.len());
            if bytes.starts_with(b"set") {
                // Head, value and end.
                let head = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
                notes.values.push(bytes.len() - head - 2);
            }
        }
        self.inner.send(conn, bytes)
    }

    fn close(&mut self, conn: ConnId) {
        self.inner.close(conn);
    }

    fn poll(&mut self, client: &mut impl Client) -> Result<bool, WireError> {
        self.inner.poll(client)
    }

    fn flush(&mut self) -> Result<(), WireError> {
        self.inner.flush()
    }
}

#[test]
fn what_is_sent_follows_the_definitions() {
    let (keys, values, _) = Preset::Etc.parameters();
    let plan = Plan {
        connections: 8,
        depth: 4,
        mix: Mix { records: 300_000, keys, values, updates: 0.0, seed: 7 },
        loading: Loading::First,
        time: Duration::from_millis(100),
        ..Plan::default()
    };
    let (workload, notes) = (plan.workload().unwrap(), Mutex::new(Notes::default()));
    let make_wire = |_| Ok(Noting { inner: Null::new(Protocol::Text, &workload), notes: &notes });
    with_generator(&plan, make_wire, |generator| {
        generator.connect()?;
        generator.load()?;
        generator.measure(Rate::Peak)
    })
    .unwrap();
    let notes = notes.into_inner().unwrap();
    assert_eq!(notes.values.len(), 300_000, "every record is stored once");
    assert!(notes.keys.len() > 300_000, "and some are read");
    let at_most = |length: usize| if length < 6 { 0.0 } else { FACEBOOK_KEY(length as f64 + 0.5) };
    assert_counts_follow("keys", &notes.keys[..300_000], at_most);
    let at_most = |length: usize| FACEBOOK_VALUE(if length < 15 { length as f64 } else { length as f64 + 1.0 });
    assert_counts_follow("values", &notes.values, at_most);
}

#[test]
fn a_known_delay_is_what_is_measured() {
    for micros in [50, 1000] {
        let delay = selftest::delay(Duration::from_micros(micros), 2000.0, Duration::from_secs(1)).unwrap();
        let reads = &delay.measured.record.reads;
        assert!(reads.len() > 1500, "{}", reads.len());
        let [least, early, median] = [0.0, 0.05, 0.5].map(|share| reads.value_at_quantile(share) as f64 / 1e3);
        let injected = micros as f64;
        // Three digits; a turn of a debug build comes on top.
        assert!(least > injected * 0.998, "{least} instead of {injected}");
        assert!(early < injected + 100.0, "{early} instead of {injected}");
        // A busy machine stops the generator now and then: it knows, or the figure is right.
        let is_late = delay.measured.limit() == Limit::Generator;
        assert!(is_late || median < injected + 100.0, "{median} instead of {injected}");
    }
}

#[test]
fn a_server_that_takes_no_time_leaves_the_generator_as_the_limit() {
    let (keys, values, updates) = Preset::Usr.parameters();
    let plan = Plan {
        connections: 8,
        depth: 4,
        mix: Mix { records: 1000, keys, values, updates, seed: 7 },
        loading: Loading::Skipped,
        time: Duration::from_millis(200),
        ..Plan::default()
    };
    let workload = plan.workload().unwrap();
    let measure = |rate| {
        let make_wire = |_| Ok(Null::new(Protocol::Text, &workload));
        with_generator(&plan, make_wire, |generator| {
            generator.connect()?;
            generator.measure(rate)
        })
        .unwrap()
    };
    let peak = measure(Rate::Peak);
    assert_eq!((peak.limit(), peak.record.misses, peak.record.unanswered), (Limit::Generator, 0, 0));
    let beyond = measure(Rate::PerSecond(1e9));
    assert_eq!(beyond.limit(), Limit::Generator, "{beyond:?}");
    assert!(!beyond.is_reached());
}

#[test]
fn every_dialect_has_a_ceiling() {
    for preset in [Preset::Usr, Preset::Etc] {
        for protocol in Protocol::ALL {
            // How high it is, is for `bench load --self-test` to say: here, that every answer is understood and none is owed.
            let ceiling = selftest::ceiling(preset, protocol, Duration::from_millis(5)).unwrap();
            assert_eq!((ceiling.preset, ceiling.protocol), (preset, protocol));
        }
    }
}

#[test]
fn what_is_measured_alone_is_what_the_generator_is_answered() {
    const ANSWERS: u64 = 500;
    let clock = Clock::calibrate();
    for preset in [Preset::Usr, Preset::Etc] {
        for protocol in Protocol::ALL {
            let workload = selftest::plan(preset, protocol, Duration::from_secs(1)).workload().unwrap();
            let mut answers = 0;
            let cycles = selftest::answer_alone(protocol, &workload, clock, ANSWERS, |request, answer| {
                let taken = protocol.take(request, &mut Progress::Head, &mut Vec::new(), answer);
                assert_eq!(taken, Ok(Step::Answered(answer.len(), Outcome::Hit)), "{preset:?}, {protocol:?}");
                answers += 1;
            });
            assert!(answers == ANSWERS && cycles > 0, "{preset:?}, {protocol:?}");
        }
    }
}

#[test]
fn a_ceiling_is_in_cycles_of_a_request() {
    let ceiling = Ceiling::of(Preset::Usr, Protocol::Text, 2e6, 3e9, 600.0);
    assert_eq!((ceiling.per_second, ceiling.cycles, ceiling.answer_cycles), (2e6, 1500.0, 600.0));
}
