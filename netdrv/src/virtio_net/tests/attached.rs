//! Frames with a body elsewhere, and frames that the device cuts: against segments made by software, one by one.

#![allow(unsafe_code)] // lends memory to frames

use std::num::NonZeroU16;

use proptest::prelude::*;

use super::*;
use crate::nic::TxCounters;
use crate::pktbuf::{Attachment, Checksum, Fragment, Segmentation};
use crate::testkit::virtio::TX;

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const CWR: u8 = 0x80;

const ETHERNET: usize = 14;
const IP: usize = 20;
const TCP: usize = 32;
const HEADERS: usize = ETHERNET + IP + TCP;
const CHECKSUM: Checksum = Checksum::Partial { start: (ETHERNET + IP) as u8, field: 16 };

/// What the pieces of a segment differ in.
#[derive(Clone, Copy)]
struct Fields {
    identification: u16,
    sequence: u32,
    flags: u8,
}

/// Whether TCP's checksum is complete.
#[derive(Clone, Copy, PartialEq)]
enum Sum {
    OfPseudoHeader,
    Complete,
}

/// The ones' complement sum of big-endian words (RFC 1071).
fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for word in parts.concat().chunks(2) {
        sum += u32::from(u16::from_be_bytes([word[0], *word.get(1).unwrap_or(&0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// A TCP segment in a frame, as a stack makes it.
fn segment(fields: Fields, payload: &[u8], checksum: Sum) -> Vec<u8> {
    let Fields { identification, sequence, flags } = fields;
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    let mut ip = vec![0x45, 0];
    ip.extend(((IP + TCP + payload.len()) as u16).to_be_bytes());
    ip.extend(identification.to_be_bytes());
    ip.extend([0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    let ip_checksum = !sum(&[&ip]);
    ip[10..12].copy_from_slice(&ip_checksum.to_be_bytes());
    let mut tcp = vec![0x2b, 0xcb, 0x9c, 0x40];
    tcp.extend(sequence.to_be_bytes());
    tcp.extend([1, 2, 3, 4, 0x80, flags, 0xff, 0xff, 0, 0, 0, 0, 1, 1, 8, 10, 9, 9, 9, 9, 7, 7, 7, 7]);
    let len = ((TCP + payload.len()) as u16).to_be_bytes();
    let pseudo = [&ip[12..20], &[0, 6], &len].concat();
    let field = if checksum == Sum::Complete { !sum(&[&pseudo, &tcp, payload]) } else { sum(&[&pseudo]) };
    tcp[16..18].copy_from_slice(&field.to_be_bytes());
    frame.extend([&ip, &tcp, payload].concat());
    frame
}

/// What software would send instead of one large segment.
fn by_software(fields: Fields, payload: &[u8], payload_bytes: usize) -> Vec<Vec<u8>> {
    let count = payload.chunks(payload_bytes).len();
    let pieces = payload.chunks(payload_bytes).enumerate().map(|(i, part)| {
        let mut flags = fields.flags;
        flags &= if i + 1 < count { !(FIN | PSH) } else { 0xff };
        flags &= if i > 0 { !CWR } else { 0xff };
        let identification = fields.identification.wrapping_add(i as u16);
        let sequence = fields.sequence.wrapping_add((i * payload_bytes) as u32);
        segment(Fields { identification, sequence, flags }, part, Sum::Complete)
    });
    pieces.collect()
}

/// `frame` with its first `head` bytes in a buffer and the rest where it is.
fn split(pool: &'static Pool, frame: &[u8], head: usize, segmentation: Option<Segmentation>) -> PktBuf {
    let mut buf = pool.alloc().unwrap();
    buf.reset(0);
    buf.extend_from_slice(&frame[..head]).unwrap();
    buf.set_checksum(CHECKSUM);
    let rest: &'static [u8] = frame[head..].to_vec().leak();
    buf.attach(Attachment { body: Some(Fragment::permanent(rest)), segmentation }).unwrap();
    buf
}

fn cut(payload_bytes: usize) -> Option<Segmentation> {
    let payload_bytes = NonZeroU16::new(payload_bytes as u16).unwrap();
    Some(Segmentation { header_bytes: HEADERS as u16, payload_bytes })
}

const SOME: Fields = Fields { identification: 0xfffe, sequence: 0xffff_f000, flags: ACK | PSH | FIN | CWR };

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_device_cuts_as_software_would(
        payload in prop::collection::vec(any::<u8>(), 1..40_000),
        payload_bytes in 1..4000_usize,
        in_head in 0..1900_usize,
        flags: u8,
        identification: u16,
        sequence: u32,
    ) {
        // As much as a ring of the host's pool and patience take.
        let payload_bytes = payload_bytes.max(payload.len() / 200 + 1);
        let fields = Fields { identification, sequence, flags };
        let whole = segment(fields, &payload, Sum::OfPseudoHeader);
        let mut setup = Setup::new(Offer::default(), 4);
        let head = HEADERS + in_head.min(payload.len());
        let frame = split(setup.pool, &whole, head, cut(payload_bytes));
        prop_assert_eq!(setup.send(frame), 1);
        let sent = setup.device.transmit();
        prop_assert_eq!(sent.len(), 1);
        prop_assert_eq!(sent[0].on_the_wire(), by_software(fields, &payload, payload_bytes));
        prop_assert_eq!(setup.pair.tx.reclaim(), 1);
        setup.finish();
    }
}

#[test]
fn a_body_is_sent_from_where_it_lies() {
    let mut setup = Setup::new(without(Features::NET_HOST_TSO4), 4);
    let whole = segment(SOME, &[7; 1000], Sum::OfPseudoHeader);
    let frame = split(setup.pool, &whole, HEADERS + 10, None);
    let kept = frame.clone();
    setup.send(frame);
    let pieces = setup.device.with_queue(TX, |queue| {
        let chain = queue.pop().unwrap();
        queue.stage_used(chain.head.into(), 0);
        queue.flush_used();
        chain.pieces
    });
    assert_eq!(pieces.iter().map(|piece| piece.len).collect::<Vec<_>>(), [12, HEADERS as u32 + 10, 990]);
    assert_eq!(
        (pieces[1].addr, pieces[2].addr),
        (kept.dma_addr(), kept.attachment().unwrap().body.unwrap().dma_addr())
    );
    assert!(!kept.is_unique(), "the body is lent until the frame is reclaimed");
    assert_eq!(setup.pair.tx.reclaim(), 1);
    assert!(kept.is_unique());
    let expected = TxCounters { frames: 1, bytes: whole.len() as u64, doorbells: 1, ..TxCounters::default() };
    assert_eq!(*setup.pair.tx.counters(), expected);
    drop(kept);
    setup.finish();
}

#[test]
fn what_fits_one_piece_is_not_cut() {
    let mut setup = Setup::new(Offer::default(), 4);
    for (payload, gso_type) in [(1448, 0), (1449, 0x81)] {
        let whole = segment(SOME, &vec![3; payload], Sum::OfPseudoHeader);
        setup.send(split(setup.pool, &whole, HEADERS, cut(1448)));
        let sent = setup.device.transmit();
        assert_eq!(sent[0].header[1], gso_type);
        assert_eq!(sent[0].on_the_wire(), by_software(SOME, &vec![3; payload], 1448));
        setup.pair.tx.reclaim();
    }
    setup.finish();
}

/// A device that was not told of CWR repeats it.
#[test]
fn without_ecn_a_segment_is_cut_all_the_same() {
    let mut setup = Setup::new(without(Features::NET_HOST_ECN), 4);
    let whole = segment(SOME, &[3; 3000], Sum::OfPseudoHeader);
    setup.send(split(setup.pool, &whole, HEADERS, cut(1448)));
    let sent = setup.device.transmit();
    assert_eq!(sent[0].header[1], 1);
    assert!(sent[0].on_the_wire().iter().all(|piece| piece[ETHERNET + IP + 13] & CWR != 0));
    setup.finish();
}

#[test]
fn an_empty_body_is_none() {
    let mut setup = Setup::new(Offer::default(), 4);
    let whole = segment(SOME, &[], Sum::OfPseudoHeader);
    setup.send(split(setup.pool, &whole, HEADERS, cut(1448)));
    assert_eq!(setup.device.transmit()[0].on_the_wire(), [segment(SOME, &[], Sum::Complete)]);
    setup.finish();
}

#[test]
fn plain_frames_and_bodies_share_a_ring() {
    let mut setup = Setup::new(Offer { queue_sizes: [256, 16], ..Offer::default() }, 20);
    let whole = segment(SOME, &[9; 2000], Sum::OfPseudoHeader);
    let mut batch = Batch::new();
    for round in 0..200 {
        let (room, mut expected) = (setup.pair.tx.room(), Vec::new());
        assert_eq!(room, 8);
        for slot in 0..8 {
            if (round + slot) % 3 == 0 {
                batch.push_back(split(setup.pool, &whole, HEADERS, cut(1000))).unwrap();
                expected.push(by_software(SOME, &[9; 2000], 1000));
            } else {
                let frame = setup.frame(slot, 60);
                expected.push(vec![frame.bytes().to_vec()]);
                batch.push_back(frame).unwrap();
            }
        }
        let taken = setup.pair.tx.submit(&mut batch);
        assert!(taken + setup.pair.tx.room() < 8, "a body takes a slot of its own");
        let mut sent = setup.device.transmit();
        setup.pair.tx.reclaim();
        setup.pair.tx.submit(&mut batch);
        sent.extend(setup.device.transmit());
        setup.pair.tx.reclaim();
        assert_eq!(sent.iter().map(|sent| sent.on_the_wire()).collect::<Vec<_>>(), expected);
    }
    setup.finish();
}

#[test]
fn what_the_device_cannot_cut_is_dropped_and_counted() {
    let whole = segment(SOME, &vec![3; 70_000], Sum::OfPseudoHeader);
    let mut dropped = 0;
    let mut refuse = |offer: Offer, len: usize, segmentation, checksum| {
        let mut setup = Setup::new(offer, 4);
        let mut frame = split(setup.pool, &whole[..len], HEADERS, segmentation);
        frame.set_checksum(checksum);
        assert_eq!(setup.send(frame), 1, "taken, if only to be dropped");
        let counters = *setup.pair.tx.counters();
        assert_eq!((counters.bad_attachment, counters.frames), (1, 0));
        assert_eq!((setup.device.transmit().len(), setup.pool.available()), (0, 4));
        setup.finish();
        dropped += 1;
    };
    let reaching = |header_bytes: usize| Some(Segmentation { header_bytes: header_bytes as u16, ..cut(1448).unwrap() });
    refuse(without(Features::NET_HOST_TSO4), 5000, cut(1448), CHECKSUM);
    refuse(Offer::default(), 5000, cut(1448), Checksum::None);
    refuse(Offer::default(), 5000, cut(1448), Checksum::Partial { start: 34, field: 6 });
    refuse(Offer::default(), 5000, reaching(HEADERS + 1), CHECKSUM);
    refuse(Offer::default(), 5000, reaching(ETHERNET + IP + 19), CHECKSUM);
    refuse(Offer::default(), 70_000, cut(1448), CHECKSUM);
    refuse(Offer::default(), 70_000, None, CHECKSUM);
    refuse(Offer { queue_sizes: [256, 2], ..Offer::default() }, 5000, cut(1448), CHECKSUM);
    assert_eq!(dropped, 8);
}

#[test]
fn a_slot_that_is_lent_is_no_frame() {
    let mut setup = Setup::new(Offer::default(), 4);
    let whole = segment(SOME, &[9; 2000], Sum::OfPseudoHeader);
    setup.send(split(setup.pool, &whole, HEADERS, cut(1000)));
    for id in [2, 1, 3] {
        setup.device.inject_used(TX, id, 0); // the slot of the body, and both tails
    }
    assert_eq!(setup.pair.tx.reclaim(), 0);
    assert_eq!(setup.pair.tx.counters().bad_descriptor, 3);
    setup.device.transmit();
    assert_eq!((setup.pair.tx.reclaim(), setup.pair.tx.room()), (1, 128));
    setup.finish();
}
