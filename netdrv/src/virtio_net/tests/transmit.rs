//! The transmit path.

use super::*;
use crate::nic::TxCounters;
use crate::pktbuf::Checksum;
use crate::testkit::virtio::TX;

fn tag(frame: &[u8]) -> u32 {
    u32::from_le_bytes(frame[..4].try_into().unwrap())
}

#[test]
fn a_frame_goes_out_behind_an_empty_header() {
    let mut setup = Setup::new(Offer::default(), 4);
    setup.send(setup.frame(7, 60));
    let sent = setup.device.transmit();
    assert_eq!((sent[0].header, tag(&sent[0].frame), sent[0].frame.len()), ([0; 12], 7, 60));
    assert_eq!(setup.pool.available(), 3, "in flight until reclaimed");
    assert_eq!(setup.pair.tx.reclaim(), 1);
    assert_eq!(setup.pool.available(), 4);
    assert_eq!(*setup.pair.tx.counters(), TxCounters { frames: 1, bytes: 60, doorbells: 1, ..TxCounters::default() });
    setup.finish();
}

/// The retransmission queue keeps a handle of every segment.
#[test]
fn a_shared_buffer_is_sent_as_it_is() {
    let mut setup = Setup::new(Offer::default(), 4);
    let kept = setup.frame(9, 1514);
    let mut sent = kept.clone();
    sent.set_checksum(Checksum::Partial { start: 34, field: 16 });
    setup.send(sent);
    let seen = setup.device.transmit();
    assert_eq!(seen[0].header, [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0]);
    assert_eq!(seen[0].frame, kept.bytes());
    setup.pair.tx.reclaim();
    assert!(kept.is_unique());
    drop(kept);
    setup.finish();
}

#[test]
fn a_slot_forgets_the_header_of_its_last_frame() {
    let mut setup = Setup::new(Offer { queue_sizes: [2; 2], ..Offer::default() }, 4);
    for checksum in
        [Checksum::Partial { start: 34, field: 16 }, Checksum::None, Checksum::Partial { start: 34, field: 6 }]
    {
        let mut frame = setup.frame(0, 60);
        frame.set_checksum(checksum);
        setup.send(frame);
        let expected = match checksum {
            Checksum::Partial { field, .. } => [1, 0, 0, 0, 0, 0, 34, 0, field, 0, 0, 0],
            _ => [0; 12],
        };
        assert_eq!(setup.device.transmit()[0].header, expected);
        setup.pair.tx.reclaim();
    }
    setup.finish();
}

#[test]
fn a_full_ring_takes_no_more() {
    let mut setup = Setup::new(Offer::default(), 200);
    assert_eq!(setup.pair.tx.room(), 128, "two descriptors a frame");
    let mut batch = Batch::new();
    for i in 0..150 {
        if batch.is_full() {
            setup.pair.tx.submit(&mut batch);
        }
        batch.push_back(setup.frame(i, 60)).unwrap();
    }
    setup.pair.tx.submit(&mut batch);
    assert_eq!((setup.pair.tx.room(), batch.len()), (0, 22), "the caller keeps what did not fit");
    assert_eq!(setup.device.transmit().len(), 128);
    setup.pair.tx.reclaim();
    assert_eq!(setup.pair.tx.submit(&mut batch), 22);
    assert_eq!(tag(&setup.device.transmit()[0].frame), 128);
    setup.finish();
}

#[test]
fn indices_wrap() {
    for offer in [Offer::default(), without(Features::EVENT_IDX)] {
        let mut setup = Setup::new(offer, 4);
        for round in 0..70_000 {
            setup.send(setup.frame(round, 60));
            assert_eq!(tag(&setup.device.transmit()[0].frame), round);
            assert_eq!(setup.pair.tx.reclaim(), 1);
        }
        assert!(setup.device.interrupts() <= 2, "completions interrupt at a wrap at most");
        setup.finish();
    }
}

#[test]
fn completions_come_in_any_order() {
    let mut setup = Setup::new(Offer::default(), 16);
    for i in 0..8 {
        setup.send(setup.frame(i, 60));
    }
    let sent = setup.device.fetch();
    for i in [3, 0, 7, 1] {
        setup.device.complete(&sent[i]);
    }
    assert_eq!(setup.pair.tx.reclaim(), 4);
    for i in 8..12 {
        setup.send(setup.frame(i, 60));
    }
    let tags: Vec<u32> = setup.device.transmit().iter().map(|sent| tag(&sent.frame)).collect();
    assert_eq!(tags, [8, 9, 10, 11], "slots still in flight are left alone");
    setup.finish();
}

#[test]
fn one_doorbell_for_many_frames_and_none_for_a_polling_device() {
    for offer in [Offer::default(), without(Features::EVENT_IDX)] {
        let mut setup = Setup::new(offer, 16);
        let mut batch = Batch::new();
        for i in 0..8 {
            batch.push_back(setup.frame(i, 60)).unwrap();
        }
        setup.pair.tx.submit(&mut batch);
        setup.pair.tx.doorbell();
        setup.pair.tx.doorbell();
        assert_eq!(setup.device.kicks(TX), 1);
        setup.device.transmit();
        setup.pair.tx.reclaim();
        setup.device.with_queue(TX, |queue| queue.disable_notification());
        setup.send(setup.frame(9, 60));
        assert_eq!(setup.device.kicks(TX), 1);
        assert_eq!(setup.pair.tx.counters().doorbells, 1);
        setup.finish();
    }
}

#[test]
fn what_the_device_cannot_send_is_dropped_and_counted() {
    let mut setup = Setup::new(without(Features::NET_CSUM), 4);
    setup.send(setup.frame(0, 13));
    let mut partial = setup.frame(0, 60);
    partial.set_checksum(Checksum::Partial { start: 34, field: 16 });
    assert_eq!(setup.send(partial), 1, "taken, if only to be dropped");
    let counters = *setup.pair.tx.counters();
    assert_eq!((counters.bad_length, counters.bad_checksum, counters.frames), (1, 1, 0));
    assert_eq!(setup.device.transmit().len(), 0);
    setup.finish();

    let mut setup = Setup::new(Offer::default(), 4);
    let mut beyond = setup.frame(0, 51);
    beyond.set_checksum(Checksum::Partial { start: 34, field: 16 });
    setup.send(beyond);
    assert_eq!(setup.pair.tx.counters().bad_checksum, 1);
    setup.finish();
}

#[test]
fn names_of_nothing_in_flight_are_counted() {
    let mut setup = Setup::new(Offer::default(), 4);
    setup.send(setup.frame(0, 60));
    let sent = setup.device.transmit();
    setup.device.complete(&sent[0]);
    for id in [1, 2, 256, u32::MAX] {
        setup.device.inject_used(TX, id, 0);
    }
    assert_eq!(setup.pair.tx.reclaim(), 1);
    assert_eq!(setup.pair.tx.counters().bad_descriptor, 5, "a repeated name, a tail, a free slot, two beyond");
    setup.finish();
}

#[test]
fn an_index_that_jumps_is_walked_in_bounded_steps() {
    let mut setup = Setup::new(Offer::default(), 4);
    setup.send(setup.frame(0, 60));
    setup.device.with_queue(TX, |queue| queue.set_used_idx(1000));
    assert_eq!(setup.pair.tx.reclaim(), 1);
    assert_eq!(setup.pair.tx.counters().bad_descriptor, 255);
    setup.pair.tx.reclaim();
    assert_eq!(setup.pair.tx.counters().bad_descriptor, 511);
    setup.finish();
}
