//! Options on the segments of a connection: RFC 7323, RFC 2018.

use core::time::Duration;

use crate::app::Call;
use crate::testkit::*;

fn syn() -> Seg {
    Seg { mss: Some(1460), shift: Some(7), sack_permitted: true, ..seg(SYN, 0, 0) }
}

#[test]
fn timestamps_and_sack_are_answered_if_they_came() {
    let mut kit = Kit::new();
    kit.recv(syn().stamps(77, 0));
    let expected = Seg { mss: Some(1460), shift: Some(5), sack_permitted: true, ..seg(SYN | ACK, 0, 1) };
    assert_eq!(kit.out(), [expected.stamps(0, 77)]);
}

#[test]
fn every_segment_carries_timestamps_once_negotiated() {
    let mut kit = Kit::opened(syn().stamps(77, 0));
    kit.now = kit.now + Duration::from_nanos(100 << 20);
    kit.recv(data(1, 1, "ping").stamps(99, 0));
    kit.send("pong");
    assert_eq!(kit.out(), [data(1, 5, "pong").window(2048).flags(ACK | PSH).stamps(100, 99)]);
    kit.recv(seg(ACK, 5, 5).stamps(101, 100));
    kit.recv(data(5, 5, "x").stamps(102, 100));
    let sent = kit.wait(Duration::from_millis(60));
    assert_eq!(sent, [(40, seg(ACK, 5, 6).window(2048).stamps(138, 102))]);
    kit.close();
    assert_eq!(kit.out()[0].stamps.unwrap().1, 102);
    kit.call(Call::Abort { flow: kit.flow });
    assert_eq!(kit.out()[0].stamps.unwrap().1, 102, "resets too");
}

#[test]
fn timestamps_make_segments_smaller() {
    let mut kit = Kit::opened(syn().stamps(77, 0));
    kit.send([0; 1460]);
    assert_eq!(kit.out().iter().map(|seg| seg.data.len()).collect::<Vec<_>>(), [1448, 12]);
    let mut kit = Kit::opened(syn());
    kit.send([0; 1460]);
    assert_eq!(kit.out().iter().map(|seg| seg.data.len()).collect::<Vec<_>>(), [1460]);
}

#[test]
fn the_value_returned_is_that_of_the_segment_acknowledged() {
    let mut kit = Kit::opened(syn().stamps(77, 0));
    kit.recv(data(1, 1, "a").stamps(80, 0));
    kit.recv(data(2, 1, "b").stamps(85, 0));
    kit.send("x");
    // RFC 7323, section 4.2, (A): of delayed acknowledgements the first counts.
    assert_eq!(kit.out()[0].stamps.unwrap().1, 80);
    // (B): a segment behind a gap does not count, (C) the one that fills it does.
    kit.recv(data(4, 1, "d").stamps(90, 0));
    assert_eq!(kit.out()[0].stamps.unwrap().1, 80);
    kit.recv(data(3, 1, "c").stamps(91, 0));
    assert_eq!(kit.out()[0].stamps.unwrap().1, 91);
}

#[test]
fn garbage_in_options_is_skipped() {
    let mut kit = Kit::new();
    for (n, garbage) in
        [&[2, 255, 9][..], &[8, 1], &[3, 0, 0, 0], &[255; 12], &[5, 2, 5, 3, 1, 8, 10, 1]].iter().enumerate()
    {
        kit.port = 1000 + n as u16;
        kit.recv(syn().stamps(77, 0).raw_options(garbage));
        let out = kit.out();
        assert_eq!((out.len(), out[0].mss, out[0].stamps), (1, Some(1460), Some((0, 77))));
        kit.recv(seg(RST, 1, 0));
    }
}

#[test]
fn blocks_nobody_negotiated_mean_nothing() {
    let mut kit = Kit::connected(65_535, 1460);
    kit.send([1; 100]);
    kit.out();
    kit.recv(seg(ACK, 1, 1).sack(&[(50, 101)]).raw_options(&[5, 10, 0, 0, 0, 0, 0, 0, 0, 0]));
    kit.recv(seg(ACK, 1, 101).sack(&[(1, 50)]));
    assert_eq!((kit.credited().0, kit.wait(Duration::from_secs(10))), (100, vec![]));
}
