//! SYNs in numbers, from whoever: RFC 4987.

use core::time::Duration;

use crate::app::Call;
use crate::testkit::*;

const BACKLOG: usize = 4;

/// A stack whose backlog is full of SYNs that nobody follows up.
fn flooded() -> Kit {
    let mut kit = Kit::of(|config| config.tcp.syn_backlog = BACKLOG);
    kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
    kit.frames();
    for port in 1..=BACKLOG as u16 {
        kit.port = port;
        kit.recv(seg(SYN, 0, 0));
        kit.out();
    }
    kit.port = 40_000;
    assert_eq!(kit.stack().tcp().connections(), BACKLOG);
    kit
}

fn syn() -> Seg {
    Seg { mss: Some(1460), shift: Some(7), sack_permitted: true, ..seg(SYN, 0, 0) }
}

#[test]
fn a_client_with_timestamps_gets_all_that_it_asked_for() {
    let mut kit = flooded();
    kit.recv(syn().stamps(500, 0));
    let out = kit.out();
    let expected = Seg { mss: Some(1460), shift: Some(5), sack_permitted: true, ..seg(SYN | ACK, 0, 1) };
    assert_eq!(out, [expected.stamps(0, 500)]);
    assert_eq!(kit.stack().tcp().connections(), BACKLOG, "nothing is kept");
    kit.now = kit.now + Duration::from_millis(500);
    kit.recv(data(1, 1, "get a\r\n").stamps(501, 0).window(200));
    assert_eq!(kit.saw(), [Saw::Knock]);
    kit.call(Call::Accept { flow: kit.flow, cookie: 7 });
    let saw = kit.saw();
    assert_eq!(saw[1], Saw::Recv(b"get a\r\n".into()));
    for _ in 0..9 {
        kit.send([1; 1448]);
    }
    let out = kit.out();
    assert_eq!((out.len(), out[0].data.len()), (9, 1448), "a scaled window, a full MSS");
    assert!(out[0].stamps.unwrap().0 >= 476 && out[0].stamps.unwrap().1 == 501, "{:?}", out[0].stamps);
    kit.recv(data(20, 1, "x").stamps(502, 0));
    assert_eq!(kit.out()[0].sack, [(20, 21)]);
    let counters = kit.counters();
    assert_eq!((counters.tcp_cookies_sent, counters.tcp_cookies_returned, counters.tcp_established), (1, 1, 1));
}

#[test]
fn a_client_without_timestamps_gets_a_plain_connection() {
    let mut kit = flooded();
    kit.recv(syn());
    assert_eq!(kit.out(), [Seg { mss: Some(1460), ..seg(SYN | ACK, 0, 1) }]);
    kit.recv(seg(ACK, 1, 1).window(3000));
    assert_eq!(kit.saw(), [Saw::Knock]);
    kit.call(Call::Accept { flow: kit.flow, cookie: 7 });
    assert_eq!(kit.saw(), [Saw::Connected { credit: 3000 }], "not scaled");
}

#[test]
fn every_class_of_mss_is_remembered() {
    for (mss, remembered) in [(Some(1), 88), (None, 536), (Some(1000), 536), (Some(1459), 1452), (Some(9000), 1460)] {
        let mut kit = flooded();
        kit.recv(Seg { mss, ..seg(SYN, 0, 0) });
        kit.out();
        kit.recv(seg(ACK, 1, 1));
        kit.saw();
        kit.call(Call::Accept { flow: kit.flow, cookie: 7 });
        kit.send([0; 1460]);
        assert_eq!(kit.out()[0].data.len(), remembered, "{mss:?}");
        kit.saw();
    }
}

#[test]
fn forged_and_stale_cookies_open_nothing() {
    let mut kit = flooded();
    kit.recv(syn().stamps(500, 0));
    kit.out();
    for wrong in 0..32 {
        kit.recv(seg(ACK, 1, 1 ^ (1 << wrong)).stamps(501, 0));
        kit.recv(seg(ACK, 1 ^ (1 << wrong), 1).stamps(501, 0));
    }
    kit.recv(seg(ACK, 1, 1).stamps(501, 1)); // other options
    kit.recv(seg(ACK, 1, 1)); // none
    kit.port += 1;
    kit.recv(seg(ACK, 1, 1).stamps(501, 0));
    kit.port -= 1;
    assert!(kit.out().iter().all(|seg| seg.flags == RST));
    kit.recv(data(1, 2, "x").stamps(501, 0));
    assert_eq!((kit.out(), kit.counters().drop_tcp_bad_cookie), (vec![], 1), "its ACK may still come");
    let connections = kit.stack().tcp().connections();
    kit.now = kit.now + Duration::from_secs(140);
    kit.recv(seg(ACK, 1, 1).stamps(501, 0));
    assert_eq!((kit.saw(), kit.stack().tcp().connections()), (vec![], connections));
}

#[test]
fn payload_that_overtakes_the_cookie_does_not_end_it() {
    let mut kit = flooded();
    kit.recv(syn().stamps(500, 0));
    kit.out();
    kit.recv(data(2, 1, "b").stamps(501, 0));
    assert_eq!((kit.out(), kit.saw()), (vec![], vec![]));
    kit.recv(data(1, 1, "a").stamps(501, 0));
    kit.saw();
    kit.call(Call::Accept { flow: kit.flow, cookie: 7 });
    kit.recv(data(2, 1, "b").stamps(501, 0));
    assert_eq!(kit.received(), b"ab");
}

#[test]
fn a_cookie_without_room_may_come_again() {
    let mut kit = Kit::of(|config| (config.tcp.syn_backlog, config.conn_limit) = (0, 0));
    kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
    kit.frames();
    let slots = 64;
    let mut flows = Vec::new();
    for port in 1..=slots {
        kit.port = port;
        kit.connect(1000, 1460);
        flows.push(kit.flow);
    }
    kit.port = 1000;
    kit.recv(seg(SYN, 0, 0));
    kit.out();
    kit.recv(data(1, 1, "x"));
    assert_eq!((kit.out(), kit.saw(), kit.counters().drop_tcp_conn_limit), (vec![], vec![], 1));
    let iss = kit.iss;
    kit.port = 1;
    kit.call(Call::Abort { flow: flows[0] });
    kit.out();
    kit.saw();
    (kit.port, kit.iss) = (1000, iss);
    kit.recv(data(1, 1, "x"));
    assert_eq!(kit.saw(), [Saw::Knock]);
    flows[0] = kit.flow;
    for (port, flow) in [1000].into_iter().chain(2..).zip(flows) {
        kit.port = port;
        kit.call(Call::Abort { flow });
        kit.out();
    }
}

#[test]
fn a_flood_keeps_nobody_out_and_takes_no_memory() {
    let mut kit = flooded();
    let buffers = kit.pool.available();
    for n in 0..5000u32 {
        let from = [172, 16, (n >> 8) as u8, n as u8].into();
        kit.frame(&build_from(from, &syn().stamps(n, 0), 1024 + (n % 50_000) as u16, 0));
        kit.frames();
        assert_eq!(kit.stack().tcp().connections(), BACKLOG);
        if n % 1000 == 0 {
            kit.connect(1000, 1460);
            kit.recv(seg(RST, 1, 0));
            kit.saw();
        }
    }
    assert_eq!((kit.counters().tcp_cookies_returned, kit.pool.available()), (5, buffers));
    // The half-open ones are given up, and the backlog serves again.
    for _ in 0..100 {
        kit.now = kit.now + Duration::from_secs(1);
        kit.expire();
        kit.frames();
    }
    kit.recv(syn());
    assert_eq!(kit.stack().tcp().connections(), 1);
    kit.out();
    kit.recv(seg(RST, 1, 0));
}

#[test]
fn floods_of_fins_acks_and_resets_are_answered_within_limits() {
    let mut kit = Kit::connected(65_535, 1460);
    for n in 0..3000u32 {
        for flags in [FIN, FIN | ACK, ACK, RST, RST | ACK, PSH] {
            let from = [172, 16, (n >> 8) as u8, n as u8].into();
            kit.frame(&build_from(from, &seg(flags, n, n), 5, 0));
        }
        kit.frames();
    }
    let counters = kit.counters();
    assert_eq!((counters.tcp_resets_out, counters.tcp_resets_suppressed), (1000, 11_000));
    assert_eq!(counters.drop_tcp_no_connection, 18_000);
    kit.recv(data(1, 1, "x"));
    assert_eq!((kit.received(), kit.stack().tcp().connections()), (b"x".to_vec(), 1));
}
