//! The end of a connection: RFC 9293, section 3.6.

use core::time::Duration;

use crate::app::{Call, Reason};
use crate::testkit::*;

const CLOSED: [Saw; 1] = [Saw::Dead(Reason::Closed)];

fn open() -> Kit {
    Kit::connected(65_535, 1460)
}

#[test]
fn the_peer_closes_first() {
    let mut kit = open();
    kit.recv(seg(ACK | FIN, 1, 1));
    assert_eq!((kit.saw(), kit.out()), (vec![Saw::PeerClosed], vec![seg(ACK, 1, 2)]));
    kit.send("last");
    kit.close();
    assert_eq!(kit.out(), [data(1, 2, "last").flags(ACK | PSH), seg(ACK | FIN, 5, 2)]);
    kit.recv(seg(ACK, 2, 5));
    assert_eq!(kit.credited().0, 4);
    kit.recv(seg(ACK, 2, 6));
    assert_eq!(kit.saw().last(), Some(&Saw::Dead(Reason::Closed)));
    assert_eq!(kit.stack().tcp().connections(), 0);
}

#[test]
fn we_close_first_and_linger() {
    let mut kit = open();
    kit.close();
    assert_eq!(kit.out(), [seg(ACK | FIN, 1, 1)]);
    kit.recv(seg(ACK, 1, 2));
    kit.recv(data(1, 2, "still"));
    kit.recv(seg(ACK | FIN, 6, 2));
    let saw = kit.saw();
    assert_eq!(saw[saw.len() - 3..], [Saw::Recv(b"still".into()), Saw::PeerClosed, Saw::Dead(Reason::Closed)]);
    assert_eq!(kit.out(), [seg(ACK, 2, 7).window(65_530)]);
    // The last ACK was lost; the lingering starts again.
    kit.wait(Duration::from_secs(15));
    kit.recv(seg(ACK | FIN, 6, 2));
    assert_eq!(kit.out(), [seg(ACK, 2, 7).window(65_530)]);
    kit.recv(seg(RST, 7, 0));
    assert_eq!(kit.counters().drop_tcp_time_wait, 1, "RFC 1337");
    kit.wait(Duration::from_secs(15));
    assert_eq!(kit.stack().tcp().connections(), 1);
    kit.wait(Duration::from_secs(6));
    assert_eq!((kit.stack().tcp().connections(), kit.saw()), (0, vec![]));
}

#[test]
fn fin_and_its_ack_in_one_segment() {
    let mut kit = open();
    kit.close();
    kit.out();
    kit.recv(seg(ACK | FIN, 1, 2));
    let saw = kit.saw();
    assert_eq!(saw[saw.len() - 2..], [Saw::PeerClosed, Saw::Dead(Reason::Closed)]);
    assert_eq!(kit.out(), [seg(ACK, 2, 2)]);
}

#[test]
fn both_close_at_once() {
    let mut kit = open();
    kit.close();
    kit.out();
    kit.recv(seg(ACK | FIN, 1, 1));
    assert_eq!((kit.saw(), kit.out()), (vec![Saw::PeerClosed], vec![seg(ACK, 2, 2)]));
    kit.recv(seg(ACK, 2, 2));
    assert_eq!(kit.saw().last(), CLOSED.last());
    kit.wait(Duration::from_secs(30));
    assert_eq!(kit.stack().tcp().connections(), 0);
}

#[test]
fn a_fin_is_sent_again_with_what_was_lost_before_it() {
    let mut kit = open();
    kit.send("abc");
    kit.close();
    assert_eq!(kit.out().len(), 2);
    let again: Vec<Seg> = kit.wait(Duration::from_millis(300)).into_iter().map(|(_, seg)| seg).collect();
    assert_eq!(again, [data(1, 1, "abc").flags(ACK | PSH), seg(ACK | FIN, 4, 1)]);
    kit.recv(seg(ACK, 1, 4));
    assert_eq!(kit.credited().0, 3);
    let again = kit.wait(Duration::from_millis(300));
    assert_eq!((again.len(), &again[0].1), (1, &seg(ACK | FIN, 4, 1)));
    kit.recv(seg(ACK | FIN, 1, 5));
    assert_eq!(kit.saw().last(), CLOSED.last());
}

#[test]
fn a_fin_that_nobody_acknowledges_is_given_up() {
    let mut kit = open();
    kit.close();
    kit.out();
    kit.wait(Duration::from_secs(1000));
    assert_eq!((kit.saw(), kit.stack().tcp().connections()), (vec![Saw::Dead(Reason::TimedOut)], 0));
}

#[test]
fn a_peer_that_never_closes_is_given_up() {
    let mut kit = open();
    kit.close();
    kit.out();
    kit.recv(seg(ACK, 1, 2));
    kit.saw();
    kit.wait(Duration::from_secs(59));
    assert_eq!(kit.saw(), []);
    kit.wait(Duration::from_secs(2));
    assert_eq!(kit.saw(), CLOSED);
}

#[test]
fn a_peer_that_still_sends_may_close_late() {
    let mut kit = open();
    kit.close();
    kit.out();
    kit.recv(seg(ACK, 1, 2));
    kit.saw();
    for n in 0..5 {
        kit.wait(Duration::from_secs(50));
        kit.recv(data(1 + n, 2, "x"));
        assert_eq!(kit.saw(), [Saw::Recv(b"x".to_vec())]);
    }
    kit.wait(Duration::from_secs(59));
    assert_eq!(kit.saw(), []);
    kit.wait(Duration::from_secs(2));
    assert_eq!(kit.saw(), CLOSED);
}

#[test]
fn out_of_order_fin_waits_and_nothing_follows_it() {
    let mut kit = open();
    kit.recv(data(3, 1, "c").flags(ACK | FIN));
    assert_eq!(kit.saw(), []);
    kit.recv(data(1, 1, "ab"));
    assert_eq!(kit.saw().last(), Some(&Saw::PeerClosed));
    kit.recv(data(5, 1, "after"));
    assert_eq!((kit.saw(), kit.counters().drop_tcp_after_fin), (vec![], 1));
    kit.recv(data(1, 1, "abc").flags(ACK | FIN));
    assert_eq!(kit.saw(), []);
}

#[test]
fn a_new_syn_ends_the_lingering() {
    let mut kit = open();
    kit.close();
    kit.out();
    kit.recv(seg(ACK | FIN, 1, 2));
    kit.out();
    kit.recv(seg(SYN, 1, 0));
    assert_eq!(kit.out(), [seg(ACK, 2, 2)], "not beyond what was received");
    kit.saw();
    kit.recv(seg(SYN, 3, 0));
    let out = kit.out();
    assert_eq!((out[0].flags, out[0].ack), (SYN | ACK, 4));
    kit.recv(seg(ACK, 4, 1));
    assert_eq!((kit.saw(), kit.counters().tcp_time_wait_reused), (vec![Saw::Knock], 1));
    kit.wait(Duration::from_secs(100));
    assert_eq!(kit.stack().tcp().connections(), 1, "the old timer is gone");
}

/// A connection with timestamps in TIME-WAIT; the peer's clock stands at 510.
fn lingering() -> Kit {
    let mut kit = Kit::opened(Seg { mss: Some(1460), ..seg(SYN, 0, 0) }.stamps(500, 0));
    kit.close();
    kit.out();
    kit.recv(seg(ACK | FIN, 1, 2).stamps(510, 0));
    kit.out();
    kit.saw();
    kit
}

#[test]
fn a_later_timestamp_ends_the_lingering_whatever_the_number() {
    let mut kit = lingering();
    kit.recv(seg(SYN, 0, 0).stamps(510, 0));
    kit.recv(seg(SYN, 5, 0).stamps(509, 0));
    assert!(kit.out().iter().all(|seg| seg.flags == ACK), "RFC 6191, section 2");
    assert_eq!(kit.counters().tcp_time_wait_reused, 0);
    kit.recv(seg(SYN, 0, 0).stamps(511, 0));
    let out = kit.out();
    assert_eq!((out.len(), out[0].flags, kit.counters().tcp_time_wait_reused), (1, SYN | ACK, 1));
}

#[test]
fn the_same_timestamp_and_a_later_number_end_the_lingering_too() {
    let mut kit = lingering();
    kit.recv(seg(SYN, 5, 0).stamps(510, 0));
    assert_eq!(kit.out()[0].flags, SYN | ACK);
}

#[test]
fn a_new_connection_begins_behind_the_old_ones_numbers() {
    let mut kit = lingering();
    // Our clock stands still, so that the old connection's end is ahead of it.
    let old = kit.iss;
    kit.recv(seg(SYN, 5, 0).stamps(511, 0));
    kit.out();
    assert!((2..1 << 30).contains(&kit.iss.wrapping_sub(old)), "{}", kit.iss.wrapping_sub(old));
}

#[test]
fn lingering_makes_room_when_it_must() {
    let mut kit = open();
    let slots = 8 + 8 / 4 + 64;
    for port in 1..=2 * slots {
        kit.port = port;
        kit.connect(1000, 1460);
        kit.close();
        kit.out();
        kit.recv(seg(ACK | FIN, 1, 2));
        kit.out();
        kit.saw();
    }
    assert!(kit.counters().tcp_time_wait_recycled >= u64::from(slots));
    kit.port = 40_000; // the one before them all still lives
    kit.wait(Duration::from_secs(30));
    assert_eq!(kit.stack().tcp().connections(), 1);
    kit.flow.index = 0;
    kit.flow.generation = 0;
    kit.call(Call::Abort { flow: kit.flow });
}
