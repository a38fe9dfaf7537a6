//! Old duplicates, by their timestamps: RFC 7323, sections 3.2, 5 and 5.5.

use core::time::Duration;

use crate::app::Reason;
use crate::testkit::*;

/// A connection whose peer's clock stands at `clock`.
fn open(clock: u32) -> Kit {
    Kit::opened(Seg { mss: Some(1460), ..seg(SYN, 0, 0) }.stamps(clock, 0))
}

#[test]
fn an_old_timestamp_is_answered_and_dropped() {
    let mut kit = open(1000);
    kit.recv(data(1, 1, "a").stamps(1010, 0));
    assert_eq!(kit.received(), b"a");
    kit.recv(data(2, 1, "x").stamps(1009, 0));
    assert_eq!((kit.received(), kit.out()), (vec![], vec![seg(ACK, 1, 2).window(65_534).stamps(0, 1010)]));
    kit.recv(seg(ACK | FIN, 2, 1).stamps(1000, 0));
    assert_eq!((kit.saw(), kit.out().len()), (vec![], 1));
    kit.recv(seg(ACK, 2, 1).stamps(1009, 0)); // overtaken
    assert_eq!((kit.saw(), kit.out()), (vec![], vec![]));
    assert_eq!(kit.counters().drop_tcp_old_timestamp, 3);
    kit.recv(data(2, 1, "b").stamps(1010, 0));
    assert_eq!(kit.received(), b"b", "the same is not older");
}

#[test]
fn the_peers_clock_wraps() {
    let mut kit = open(u32::MAX - 1);
    for (n, value) in [u32::MAX, 0, 1, 0x7fff_ffff, 0x8000_0000].into_iter().enumerate() {
        kit.recv(data(1 + n as u32, 1, "x").stamps(value, 0));
        kit.wait(Duration::from_millis(50)); // acknowledged
    }
    assert_eq!(kit.received(), b"xxxxx");
    kit.recv(data(6, 1, "y").stamps(0x7fff_ffff, 0));
    kit.recv(data(6, 1, "y").stamps(1, 0));
    assert_eq!((kit.received(), kit.counters().drop_tcp_old_timestamp), (vec![], 2));
    kit.recv(data(6, 1, "y").stamps(u32::MAX, 0)); // less than half round: later
    assert_eq!(kit.received(), b"y");
}

#[test]
fn after_24_days_of_silence_the_clock_may_have_come_round() {
    let mut kit = open(1000);
    kit.now = kit.now + Duration::from_secs(25 * 86_400);
    kit.expire();
    kit.is_deaf = true;
    kit.recv(data(1, 1, "a").stamps(999, 0));
    assert_eq!(kit.received(), b"a");
    kit.recv(data(2, 1, "b").stamps(998, 0));
    assert_eq!((kit.received(), kit.counters().drop_tcp_old_timestamp), (vec![], 1));
}

#[test]
fn a_segment_without_timestamp_is_dropped_in_silence_but_a_reset_counts() {
    let mut kit = open(1000);
    kit.recv(data(1, 1, "a"));
    kit.recv(seg(ACK | FIN, 1, 1));
    kit.recv(data(1, 1, "a").raw_options(&[8, 9, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!((kit.saw(), kit.out(), kit.counters().drop_tcp_no_timestamp), (vec![], vec![], 3));
    kit.recv(seg(RST, 1, 0));
    assert_eq!(kit.saw(), [Saw::Dead(Reason::Reset)]);
}

#[test]
fn an_old_reset_is_judged_by_its_number_alone() {
    let mut kit = open(1000);
    kit.recv(seg(RST, 1, 0).stamps(1, 0));
    assert_eq!(kit.saw(), [Saw::Dead(Reason::Reset)]);
}

#[test]
fn timestamps_nobody_agreed_on_mean_nothing() {
    let mut kit = Kit::connected(65_535, 1460);
    kit.recv(data(1, 1, "a").stamps(1000, 0));
    kit.recv(data(2, 1, "b").stamps(1, 0));
    assert_eq!(kit.received(), b"ab");
    kit.send("c");
    assert_eq!(kit.out()[0].stamps, None);
}
