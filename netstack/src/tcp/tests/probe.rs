//! Shut and shrinking windows: RFC 9293, section 3.8.6.

use core::time::Duration;

use crate::app::Reason;
use crate::testkit::*;

const SECOND: Duration = Duration::from_secs(1);

/// A connection whose window is shut, with payload waiting.
fn shut() -> Kit {
    let mut kit = Kit::connected(1000, 1000);
    kit.send([1; 1000]);
    kit.out();
    kit.recv(seg(ACK, 1, 1001).window(0));
    kit.saw();
    kit.send([2; 500]);
    assert_eq!(kit.out(), []);
    kit
}

#[test]
fn a_shut_window_is_probed_and_opens() {
    let mut kit = shut();
    let sent = kit.wait(SECOND * 2);
    assert_eq!(sent.iter().map(|(at, _)| at / 100).collect::<Vec<_>>(), [2, 6, 14]);
    assert!(sent.iter().all(|(_, probe)| *probe == seg(ACK, 1000, 1)));
    kit.recv(seg(ACK, 1, 1001).window(1000));
    let out = kit.out();
    assert_eq!((out.len(), &out[0].data), (1, &vec![2; 500]));
    // Its own timeout counts from here, not from the probes.
    let again = kit.wait(Duration::from_millis(250));
    assert_eq!((again.len(), again[0].1.seq), (1, 1001));
    kit.recv(seg(ACK, 1, 1501).window(1000));
    assert_eq!(kit.wait(SECOND * 100), []);
}

#[test]
fn a_peer_that_answers_probes_is_kept_for_ever() {
    let mut kit = shut();
    for _ in 0..100 {
        let probes = kit.wait(SECOND * 61);
        assert!(!probes.is_empty());
        kit.recv(seg(ACK, 1, 1001).window(0));
    }
    assert_eq!(kit.saw(), []);
    kit.recv(seg(ACK, 1, 1001).window(1000));
    assert_eq!(kit.out()[0].data.len(), 500);
}

#[test]
fn a_peer_that_answers_no_probe_is_given_up() {
    let mut kit = shut();
    kit.wait(SECOND * 1000);
    assert_eq!(kit.saw(), [Saw::Dead(Reason::TimedOut)]);
}

#[test]
fn a_closed_connection_does_not_wait_for_a_window_for_ever() {
    let mut kit = shut();
    kit.close();
    for _ in 0..30 {
        kit.wait(SECOND * 61);
        if kit.stack().tcp().connections() > 0 {
            kit.recv(seg(ACK, 1, 1001).window(0));
        }
    }
    assert_eq!(kit.saw(), [Saw::Dead(Reason::TimedOut)]);
}

#[test]
fn close_with_unsent_payload_sends_it_first() {
    let mut kit = shut();
    kit.close();
    assert_eq!(kit.out(), []);
    kit.recv(seg(ACK, 1, 1001).window(1000));
    let out = kit.out();
    assert_eq!(out.iter().map(|seg| (seg.data.len(), seg.has(FIN))).collect::<Vec<_>>(), [(500, false), (0, true)]);
}

#[test]
fn a_window_that_shrinks_below_what_is_in_flight() {
    let mut kit = Kit::connected(4000, 1000);
    for byte in 0..4 {
        kit.send([byte; 1000]);
    }
    kit.out();
    kit.recv(seg(ACK, 1, 1001).window(0));
    kit.credited();
    // It stays shut for long, and the peer says so.
    for _ in 0..30 {
        let sent = kit.wait(SECOND * 61);
        assert!(sent.iter().all(|(_, sent)| sent.seq == 1001 && sent.data == [1; 1000]));
        assert!(!sent.is_empty(), "the peer must be asked");
        kit.recv(seg(ACK, 1, 1001).window(0));
    }
    assert_eq!(kit.saw(), []);
    kit.recv(seg(ACK, 1, 1001).window(4000));
    let mut acked = 1001;
    for _ in 0..20 {
        for out in kit.out().into_iter().chain(kit.wait(SECOND).into_iter().map(|(_, seg)| seg)) {
            acked = acked.max(out.seq + out.data.len() as u32);
        }
        kit.recv(seg(ACK, 1, acked).window(4000));
    }
    assert_eq!(kit.credited().0, 3000);
}

#[test]
fn a_tiny_window_is_filled_by_the_probe_only() {
    let mut kit = Kit::connected(4000, 1000);
    kit.send([1; 1000]);
    kit.out();
    kit.recv(seg(ACK, 1, 1001).window(100));
    kit.saw();
    kit.send([2; 400]);
    assert_eq!(kit.out(), [], "silly");
    let sent = kit.wait(Duration::from_millis(300));
    assert_eq!((sent.len(), &sent[0].1.data), (1, &vec![2; 100]));
    kit.recv(seg(ACK, 1, 1101).window(4000));
    assert_eq!(kit.out()[0].data, [2; 300]);
}
