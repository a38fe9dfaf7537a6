//! Silent peers: RFC 1122, section 4.2.3.6, and RFC 9293, section 3.8.3.

use core::time::Duration;

use crate::app::{Call, Reason};
use crate::stack::{Keepalive, TcpSettings};
use crate::testkit::*;

const SECOND: Duration = Duration::from_secs(1);
const KEEPALIVE: Keepalive = Keepalive { idle: Duration::from_secs(10), interval: Duration::from_secs(2), count: 3 };

fn open(settings: TcpSettings) -> Kit {
    let mut kit = Kit::of(|config| config.tcp = settings);
    kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
    kit.frames();
    kit.connect(65_535, 1460);
    kit
}

fn watched() -> Kit {
    open(TcpSettings { keepalive: Some(KEEPALIVE), ..TcpSettings::default() })
}

/// When what leaves within `span` does, in seconds.
fn seconds(kit: &mut Kit, span: Duration) -> Vec<u64> {
    kit.wait(span).into_iter().map(|(at, _)| at / 1000).collect()
}

#[test]
fn a_silent_peer_is_asked_and_given_up() {
    let mut kit = watched();
    let sent = kit.wait(SECOND * 15);
    assert_eq!(sent.iter().map(|(at, _)| at / 1000).collect::<Vec<_>>(), [10, 12, 14]);
    assert!(sent.iter().all(|(_, probe)| *probe == seg(ACK, 0, 1)), "the byte before the next, without one");
    let sent = kit.wait(SECOND * 2);
    assert_eq!((sent.len(), sent[0].1.flags), (1, RST | ACK));
    assert_eq!((kit.saw(), kit.counters().tcp_keepalives), (vec![Saw::Dead(Reason::TimedOut)], 3));
}

#[test]
fn a_peer_that_answers_is_asked_again_after_the_same_silence() {
    let mut kit = watched();
    for _ in 0..5 {
        assert_eq!(seconds(&mut kit, SECOND * 10 + SECOND / 2), [10]);
        kit.recv(seg(ACK, 1, 1));
    }
    assert_eq!(seconds(&mut kit, SECOND * 13), [10, 12], "counted anew");
    kit.recv(seg(ACK, 1, 1));
    assert_eq!((seconds(&mut kit, SECOND * 9), kit.saw()), (vec![], vec![]));
}

#[test]
fn traffic_puts_it_off() {
    let mut kit = watched();
    for n in 0..20 {
        kit.recv(data(1 + n, 1 + n, "x"));
        kit.call(Call::RecvDone { flow: kit.flow, bytes: 1 });
        kit.send("y");
        assert_eq!(kit.out().len(), 1);
        kit.recv(seg(ACK, 2 + n, 2 + n));
        kit.saw();
        assert_eq!(seconds(&mut kit, SECOND * 9), []);
    }
    assert_eq!(seconds(&mut kit, SECOND * 2), [1]);
}

#[test]
fn what_is_in_flight_is_waited_for_instead() {
    let mut kit = watched();
    kit.wait(SECOND * 9);
    kit.send("x");
    assert_eq!(kit.out().len(), 1);
    let sent = kit.wait(SECOND * 20);
    assert!(!sent.is_empty() && sent.iter().all(|(_, seg)| seg.data == b"x"));
    assert_eq!(kit.counters().tcp_keepalives, 0);
    kit.recv(seg(ACK, 1, 2));
    kit.saw();
    assert_eq!(seconds(&mut kit, SECOND * 11), [10]);
}

#[test]
fn it_goes_on_after_the_peers_fin() {
    let mut kit = watched();
    kit.recv(seg(ACK | FIN, 1, 1));
    kit.out();
    kit.saw();
    assert_eq!(seconds(&mut kit, SECOND * 15), [10, 12, 14]);
    kit.wait(SECOND * 2);
    assert_eq!(kit.saw(), [Saw::Dead(Reason::TimedOut)]);
}

#[test]
fn by_default_two_hours_may_pass_and_without_it_all_the_time() {
    let mut kit = open(TcpSettings::default());
    assert_eq!(kit.wait(SECOND * 7199), []);
    assert_eq!(kit.wait(SECOND * 2).len(), 1);
    let mut kit = open(TcpSettings { keepalive: None, ..TcpSettings::default() });
    kit.recv(data(1, 1, "x"));
    kit.send("y");
    kit.out();
    kit.recv(seg(ACK, 2, 2));
    kit.wait(SECOND);
    assert_eq!(kit.wait(SECOND * 86_400), []);
}

#[test]
fn a_user_timeout_is_shorter_than_ten_timeouts() {
    let user_timeout = Some(SECOND * 5);
    let mut kit = open(TcpSettings { user_timeout, ..TcpSettings::default() });
    kit.send("x");
    kit.out();
    kit.wait(SECOND * 4);
    assert_eq!(kit.saw(), []);
    kit.recv(seg(ACK, 1, 1)); // it is there, but has lost the payload
    kit.wait(SECOND * 4);
    assert_eq!(kit.saw(), []);
    kit.wait(SECOND * 10);
    assert_eq!(kit.saw(), [Saw::Dead(Reason::TimedOut)]);
}

#[test]
fn the_wait_for_a_fin_is_configurable() {
    let mut kit = open(TcpSettings { fin_wait_2: SECOND * 3, ..TcpSettings::default() });
    kit.close();
    kit.out();
    kit.recv(seg(ACK, 1, 2));
    kit.saw();
    kit.wait(SECOND * 2);
    kit.recv(data(1, 2, "x")); // payload puts it off
    kit.wait(SECOND * 2);
    assert_eq!(kit.received(), b"x");
    kit.recv(seg(ACK, 2, 2)); // an answer to a keepalive does not
    kit.wait(SECOND + SECOND / 2);
    assert_eq!(kit.saw(), [Saw::Dead(Reason::Closed)]);
}
