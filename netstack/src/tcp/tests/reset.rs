//! Resets and aborts: RFC 9293, section 3.5.2 and 3.5.3; RFC 5961.

use core::time::Duration;

use crate::app::{Call, Flow, Reason};
use crate::testkit::*;

#[test]
fn only_the_exact_number_resets() {
    let mut kit = Kit::connected(65_535, 1460);
    kit.recv(seg(RST, 2, 0));
    kit.recv(seg(RST, 65_535, 0));
    assert_eq!(kit.out(), [seg(ACK, 1, 1)]);
    kit.recv(seg(RST, 65_536, 0));
    kit.recv(seg(RST, 0, 0));
    assert_eq!((kit.out(), kit.saw()), (vec![], vec![]));
    let counters = kit.counters();
    assert_eq!((counters.drop_tcp_inexact_reset, counters.drop_tcp_out_of_window), (2, 2));
    kit.recv(seg(RST, 1, 0));
    assert_eq!(kit.saw(), [Saw::Dead(Reason::Reset)]);
    assert_eq!((kit.out(), kit.stack().tcp().connections()), (vec![], 0));
}

#[test]
fn a_syn_within_a_connection_is_challenged() {
    let mut kit = Kit::connected(65_535, 1460);
    kit.recv(seg(SYN, 1, 0));
    assert_eq!(kit.out(), [seg(ACK, 1, 1)]);
    kit.recv(seg(SYN | ACK, 900, 1));
    assert_eq!(kit.out(), [seg(ACK, 1, 1)]);
    kit.recv(seg(SYN, 0, 0));
    assert_eq!(kit.out(), [seg(ACK, 1, 1)]);
    assert_eq!((kit.counters().drop_tcp_syn_in_window, kit.saw()), (2, vec![]));
}

#[test]
fn a_segment_without_ack_is_dropped() {
    let mut kit = Kit::connected(65_535, 1460);
    kit.recv(data(1, 0, "x").flags(PSH));
    kit.recv(seg(FIN, 1, 0));
    assert_eq!((kit.counters().drop_tcp_no_ack, kit.saw(), kit.out()), (2, vec![], vec![]));
}

#[test]
fn aborted_by_the_app() {
    let mut kit = Kit::connected(65_535, 1460);
    kit.send("unsent");
    kit.call(Call::Abort { flow: kit.flow });
    kit.call(Call::Abort { flow: kit.flow });
    assert_eq!(kit.saw(), [Saw::Dead(Reason::Closed)]);
    assert_eq!(kit.out(), [seg(RST | ACK, 1, 1).window(0)]);
    assert_eq!(kit.counters().app_stale_calls, 1);
    kit.recv(data(1, 1, "late"));
    assert_eq!(kit.out(), [seg(RST, 1, 0).window(0)]);
}

#[test]
fn what_arrives_after_an_abort_does_not_keep_the_reset_back() {
    let mut kit = Kit::connected(65_535, 1460);
    kit.send("sent");
    kit.out();
    kit.call(Call::Abort { flow: kit.flow });
    kit.recv(data(1, 5, "late"));
    kit.recv(data(0, 5, "old"));
    kit.recv(seg(SYN, 10, 0).flags(SYN | ACK));
    kit.recv(seg(RST, 900, 0));
    let out = kit.out();
    assert_eq!((out.len(), out[0].flags), (1, RST | ACK));
    assert_eq!((kit.saw(), kit.stack().tcp().connections()), (vec![Saw::Dead(Reason::Closed)], 0));
}

#[test]
fn an_abort_with_nowhere_to_go_frees_its_slot() {
    let mut kit = Kit::connected(65_535, 1460);
    kit.is_deaf = true;
    kit.wait(Duration::from_secs(400)); // the neighbor is forgotten, and does not answer
    kit.call(Call::Abort { flow: kit.flow });
    kit.saw();
    assert_eq!(kit.out(), []);
    kit.wait(Duration::from_secs(60));
    assert_eq!(kit.stack().tcp().connections(), 0);
}

#[test]
fn more_than_the_credit_is_a_violation() {
    let mut kit = Kit::connected(1460, 1460);
    kit.send([0; 1460]);
    kit.send([0; 2]); // beside the SYN's one
    assert_eq!(kit.saw(), [Saw::Dead(Reason::Closed)]);
    assert_eq!((kit.counters().app_violations, kit.out()[0].flags), (1, RST | ACK));
}

#[test]
fn buffers_that_break_the_contract_are_violations() {
    let shared = |kit: &mut Kit| kit.buffer(b"shared");
    let no_headroom = |kit: &mut Kit| {
        let mut payload = kit.pool.alloc().unwrap();
        payload.reset(10);
        payload.extend_from_slice(b"x").unwrap();
        payload
    };
    let makers: [fn(&mut Kit) -> netdrv::pktbuf::PktBuf; 4] =
        [shared, no_headroom, |kit| kit.buffer(b""), |kit| kit.buffer(&[0; 1461])];
    for (n, make) in makers.into_iter().enumerate() {
        let mut kit = Kit::connected(65_535, 1460);
        let payload = make(&mut kit);
        let _other = (n == 0).then(|| payload.clone());
        kit.call(Call::Send { flow: kit.flow, payload, done: 0 });
        assert_eq!((kit.counters().app_violations, kit.saw()), (1, vec![Saw::Dead(Reason::Closed)]), "{n}");
    }
}

#[test]
fn sending_after_close_is_a_violation() {
    let mut kit = Kit::connected(65_535, 1460);
    kit.close();
    kit.send("x");
    assert_eq!((kit.counters().app_violations, kit.saw()), (1, vec![Saw::Dead(Reason::Closed)]));
}

#[test]
fn calls_on_what_is_no_more_are_ignored() {
    let mut kit = Kit::connected(65_535, 1460);
    let old = kit.flow;
    kit.recv(seg(RST, 1, 0));
    kit.saw();
    kit.connect(65_535, 1460);
    for flow in [old, Flow { index: u32::MAX, generation: 0 }, Flow { generation: kit.flow.generation + 1, ..kit.flow }]
    {
        let payload = kit.buffer(b"x");
        kit.call(Call::Send { flow, payload, done: 0 });
        kit.call(Call::RecvDone { flow, bytes: 1 });
        kit.call(Call::Close { flow });
        kit.call(Call::Abort { flow });
        kit.call(Call::Reject { flow });
    }
    assert_eq!((kit.counters().app_stale_calls, kit.saw(), kit.out()), (15, vec![], vec![]));
}
