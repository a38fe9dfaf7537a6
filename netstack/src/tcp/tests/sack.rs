//! What a receiver tells of payload that is out of order, or comes twice: RFC 2018, RFC 2883.

use core::time::Duration;

use crate::testkit::*;

fn open() -> Kit {
    Kit::opened(Seg { mss: Some(1460), sack_permitted: true, ..seg(SYN, 0, 0) })
}

/// The one ACK that answers a segment: what it acknowledges, and its blocks.
fn answer(kit: &mut Kit, segment: Seg) -> (u32, Vec<(u32, u32)>) {
    kit.recv(segment);
    let out = kit.out();
    let [Seg { ack, sack, data, .. }] = &out[..] else { panic!("{out:?}") };
    assert!(data.is_empty());
    (*ack, sack.clone())
}

#[test]
fn the_latest_block_comes_first_and_four_fit() {
    let mut kit = open();
    assert_eq!(answer(&mut kit, data(11, 1, [1; 10])), (1, vec![(11, 21)]));
    assert_eq!(answer(&mut kit, data(31, 1, [2; 10])), (1, vec![(31, 41), (11, 21)]));
    assert_eq!(answer(&mut kit, data(21, 1, [3; 5])), (1, vec![(11, 26), (31, 41)]), "one that grows is the latest");
    assert_eq!(answer(&mut kit, data(51, 1, [4; 10])), (1, vec![(51, 61), (11, 26), (31, 41)]));
    assert_eq!(answer(&mut kit, data(71, 1, [5; 10])), (1, vec![(71, 81), (51, 61), (11, 26), (31, 41)]));
    assert_eq!(answer(&mut kit, data(91, 1, [6; 10])), (1, vec![(91, 101), (71, 81), (51, 61), (11, 26)]));
    assert_eq!(answer(&mut kit, data(26, 1, [7; 5])).1[0], (11, 31), "two that meet are one, as far as remembered");
    // A part of the first gap, then all of it.
    assert_eq!(answer(&mut kit, data(1, 1, [8; 5])), (6, vec![(11, 31), (91, 101), (71, 81), (51, 61)]));
    assert_eq!(answer(&mut kit, data(6, 1, [9; 5])), (41, vec![(91, 101), (71, 81), (51, 61)]));
    assert_eq!(answer(&mut kit, data(41, 1, [0; 100])).0, 61, "up to what is held: the rest comes again");
    assert_eq!(kit.wait(Duration::from_secs(1)), []);
}

#[test]
fn three_blocks_fit_beside_timestamps() {
    let syn = Seg { mss: Some(1460), sack_permitted: true, ..seg(SYN, 0, 0) };
    let mut kit = Kit::opened(syn.stamps(1, 0));
    for n in 1..5 {
        kit.recv(data(1 + 10 * n, 1, "x").stamps(2, 0));
    }
    assert_eq!(kit.out()[0].sack, [(41, 42), (31, 32), (21, 22)]);
}

#[test]
fn without_agreement_there_are_no_blocks() {
    let mut kit = Kit::connected(65_535, 1460);
    assert_eq!(answer(&mut kit, data(11, 1, "x")), (1, vec![]));
    assert_eq!(answer(&mut kit, data(11, 1, "x")), (1, vec![]));
}

#[test]
fn duplicates_are_told_once() {
    let mut kit = open();
    kit.recv(data(1, 1, [1; 100]));
    kit.wait(Duration::from_millis(100));
    assert_eq!(answer(&mut kit, data(1, 1, [1; 100])), (101, vec![(1, 101)]), "RFC 2883, 4.1");
    assert_eq!(answer(&mut kit, data(51, 1, [1; 100])), (151, vec![(51, 101)]), "partly new");
    assert_eq!(answer(&mut kit, data(200, 1, [1; 10])), (151, vec![(200, 210)]));
    assert_eq!(answer(&mut kit, data(200, 1, [1; 10])), (151, vec![(200, 210), (200, 210)]), "4.2: and its block");
    assert_eq!(answer(&mut kit, data(205, 1, [1; 10])), (151, vec![(205, 210), (200, 215)]));
    assert_eq!(answer(&mut kit, data(190, 1, [1; 30])), (151, vec![(200, 210), (190, 215)]), "around what is held");
    kit.recv(seg(ACK, 151, 1));
    assert_eq!(kit.out(), []);
    assert_eq!(answer(&mut kit, data(300, 1, "x")), (151, vec![(300, 301), (190, 215)]));
}

#[test]
fn an_ack_for_a_gap_leaves_beside_a_reply() {
    let mut kit = open();
    kit.recv(data(2, 1, "b"));
    kit.send("reply");
    let out = kit.out();
    assert_eq!(out.iter().map(|seg| (seg.data.len(), seg.sack.len())).collect::<Vec<_>>(), [(5, 0), (0, 1)]);
}

#[test]
fn while_there_is_a_gap_every_segment_is_acknowledged_at_once() {
    let mut kit = open();
    kit.recv(data(100, 1, "z"));
    kit.out();
    for n in 0..10 {
        assert_eq!(answer(&mut kit, data(1 + n, 1, "a")), (2 + n, vec![(100, 101)]));
    }
}

#[test]
fn a_long_run_is_delivered_over_several_turns_in_order() {
    let mut kit = open();
    let bytes: Vec<u8> = (0..300u32).map(|n| (n / 5) as u8).collect();
    for (n, chunk) in bytes.chunks(5).enumerate().skip(1) {
        kit.recv(data(1 + 5 * n as u32, 1, chunk));
    }
    assert_eq!(kit.counters().tcp_out_of_order, 59);
    kit.out();
    // The array of events has room for some only.
    let now = kit.now;
    let mut batch = netdrv::nic::Batch::new();
    let first = kit.build(&data(1, 1, &bytes[..5]));
    assert!(batch.push_back(kit.buffer(&first)).is_ok());
    let mut delivered = Vec::new();
    while delivered.len() < bytes.len() {
        while kit.events.len() < 200 {
            kit.events.push_back(crate::app::Event::PeerClosed { cookie: 0 }).unwrap();
        }
        kit.stack.as_mut().unwrap().ingress(&mut batch, now, &mut kit.events);
        delivered.extend(kit.received());
        assert!(kit.next_deadline().is_some());
    }
    assert_eq!(delivered, bytes);
    assert_eq!(kit.out().last().map(|seg| (seg.ack, seg.sack.len())), Some((301, 0)));
}

#[test]
fn what_lies_behind_the_fin_is_none_of_ours() {
    let mut kit = open();
    kit.recv(data(4, 1, "xx"));
    kit.recv(data(3, 1, "c").flags(ACK | FIN)); // a peer that lies: its FIN is at 4
    kit.recv(data(1, 1, "ab"));
    let saw = kit.saw();
    assert_eq!(saw.last(), Some(&Saw::PeerClosed));
    assert_eq!(kit.out().last().unwrap().ack, 5);
    let bytes: Vec<u8> =
        saw.into_iter().flat_map(|saw| if let Saw::Recv(bytes) = saw { bytes } else { vec![] }).collect();
    assert_eq!(bytes, b"abc");
}
