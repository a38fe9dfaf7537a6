//! Bodies: item memory that is sent from where it lies.

use core::time::Duration;

use netdrv::nic::TxChecksum;
use netdrv::pktbuf::{Attachment, Fragment};

use crate::app::Call;
use crate::testkit::*;

const MSS: u16 = 1000;
const SECOND: Duration = Duration::from_secs(1);

/// A connection with SACK to a peer that offers a large window; `tso` as in the stack's configuration.
fn connected(tso: Option<u32>) -> Kit {
    let mut kit = Kit::of(|config| {
        config.tso = tso;
        config.tx_checksum = if tso.is_some() { TxChecksum::Device } else { TxChecksum::Software };
    });
    kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
    kit.frames();
    kit.recv(Seg { mss: Some(MSS), sack_permitted: true, shift: Some(4), ..seg(SYN, 0, 0) });
    kit.out();
    kit.wait(Duration::from_millis(10));
    kit.recv(seg(ACK, 1, 1));
    kit.saw();
    kit.call(Call::Accept { flow: kit.flow, cookie: 7 });
    kit.saw();
    kit
}

/// An item of `len` bytes, none like its neighbours.
fn item(len: usize) -> &'static [u8] {
    (0..len).map(|n| (n * 7 + n / 251) as u8).collect::<Vec<_>>().leak()
}

/// Sends `head`, and `body` where it lies.
fn send(kit: &mut Kit, head: &[u8], body: &'static [u8]) {
    let mut payload = kit.buffer(head);
    payload.attach(Attachment { body: Some(Fragment::lent_for_ever(body)), segmentation: None }).unwrap();
    kit.call(Call::Send { flow: kit.flow, payload, done: 0 });
}

/// Bytes of bodies that came back.
fn taken_back(kit: &Kit) -> usize {
    core::iter::from_fn(|| kit.pool.take_back()).map(|part| part.len()).sum()
}

#[test]
fn head_and_body_are_one_stream() {
    for tso in [None, Some(60_000)] {
        for (head, len) in [(&b"VALUE k 0 5\r\n"[..], 5000), (b"odd", 777), (b"", 4001), (&[9; 1400], 3000)] {
            let mut kit = connected(tso);
            let body = item(len);
            send(&mut kit, head, body);
            let out = kit.out();
            assert!(out.iter().all(|seg| seg.data.len() <= MSS.into()));
            let sent: Vec<u8> = out.iter().flat_map(|seg| seg.data.clone()).collect();
            assert_eq!(sent, [head, body].concat());
            assert_eq!(taken_back(&kit), 0);
            kit.recv(seg(ACK, 1, 1 + sent.len() as u32));
            assert_eq!((kit.credited().0 as usize, taken_back(&kit)), (sent.len(), len));
        }
    }
}

#[test]
fn what_the_device_cuts_leaves_as_one_frame() {
    let mut kit = connected(Some(60_000));
    send(&mut kit, b"head", item(2496));
    let frames = kit.frames_held();
    assert_eq!(frames.iter().map(|frame| frame.frame_len() - 54).collect::<Vec<_>>(), [2000, 500]);
    let told = super::super::header::pseudo_header(IP, PEER_IP, 20 + 2000).partial();
    assert_eq!(frames[0].bytes()[50..52], told, "the sum of the pseudo-header, with the length of the whole");
    drop(frames);
    kit.recv(seg(ACK, 1, 2501));
    kit.credited();
    assert_eq!(taken_back(&kit), 2496);
}

#[test]
fn a_frame_in_the_ring_keeps_its_body() {
    let mut kit = connected(None);
    send(&mut kit, b"", item(800));
    let ring = kit.frames_held();
    kit.recv(seg(ACK, 1, 801));
    kit.credited();
    assert_eq!(taken_back(&kit), 0, "the device may still read it");
    drop(ring);
    assert_eq!(taken_back(&kit), 800);
}

#[test]
fn holes_in_a_body_are_filled_by_segments() {
    for tso in [None, Some(60_000)] {
        let mut kit = connected(tso);
        send(&mut kit, b"", item(9000));
        let first: Vec<Seg> = kit.out();
        assert_eq!(first.iter().map(|seg| seg.data.len()).sum::<usize>(), 9000);
        kit.wait(Duration::from_millis(10));
        // The third and the sixth segment are lost, the second is acknowledged in part.
        kit.recv(seg(ACK, 1, 1501).sack(&[(6001, 9001), (3001, 5001)]));
        let again = kit.out();
        let lost: Vec<u32> = again.iter().map(|seg| seg.seq).collect();
        assert!(lost.contains(&2001) || lost.contains(&1501), "{lost:?}");
        assert!(again.iter().all(|seg| seg.data.len() <= MSS.into()));
        kit.recv(seg(ACK, 1, 5001).sack(&[(6001, 9001)]));
        let again: Vec<u32> = again.iter().chain(&kit.out()).map(|seg| seg.seq).collect();
        assert!(again.contains(&5001), "{again:?}");
        kit.recv(seg(ACK, 1, 9001));
        kit.saw();
        assert_eq!((taken_back(&kit), kit.wait(SECOND)), (9000, vec![]));
        assert_eq!(kit.counters().tcp_timeouts, 0);
    }
}

#[test]
fn a_silent_peer_gets_a_segment_at_a_time() {
    let mut kit = connected(Some(60_000));
    send(&mut kit, b"", item(8000));
    assert_eq!(kit.out().len(), 8);
    let sent = kit.wait(Duration::from_millis(900));
    assert!(!sent.is_empty() && sent.iter().all(|(_, seg)| seg.data.len() == 1000), "{sent:?}");
    kit.call(Call::Abort { flow: kit.flow });
    kit.frames();
    assert_eq!(taken_back(&kit), 8000, "an abort gives everything back");
    kit.saw();
}
