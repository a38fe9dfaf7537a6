//! The receive path.

use super::*;
use crate::nic::{Armed, RxCounters};
use crate::pktbuf::Checksum;
use crate::testkit::virtio::RX;

/// A header with these flags.
fn flags(flags: u8) -> [u8; 10] {
    [flags, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

fn running(buffers: usize) -> Setup {
    let mut setup = Setup::new(Offer::default(), buffers);
    setup.pair.rx.refill(setup.pool);
    setup
}

#[test]
fn frames_arrive_in_order_and_whole() {
    let mut setup = running(300);
    setup.device.deliver(b"the first frame");
    setup.device.deliver(&[7; 2036]);
    let frames = setup.poll();
    assert_eq!(frames[0].bytes(), b"the first frame");
    assert_eq!(frames[1].bytes(), [7; 2036], "a buffer takes all but the header");
    assert_eq!(setup.poll().len(), 0);
    let counters = *setup.pair.rx.counters();
    assert_eq!(counters, RxCounters { frames: 2, bytes: 15 + 2036, ..RxCounters::default() });
    drop(frames);
    setup.finish();
}

#[test]
fn a_batch_is_bounded_by_its_limit_and_its_room() {
    let mut setup = running(300);
    for _ in 0..100 {
        setup.device.deliver(&[0; 60]);
    }
    let mut batch = Batch::new();
    assert_eq!(setup.pair.rx.poll(&mut batch, 10), 10);
    assert_eq!(setup.pair.rx.poll(&mut batch, 1000), 54);
    assert_eq!(setup.pair.rx.poll(&mut batch, 1000), 0);
    batch.clear();
    assert_eq!(setup.pair.rx.poll(&mut batch, 1000), 36);
    batch.clear();
    setup.finish();
}

#[test]
fn indices_wrap() {
    for offer in [Offer::default(), without(Features::EVENT_IDX)] {
        let mut setup = Setup::new(offer, 256);
        for round in 0..70_000_u32 {
            setup.pair.rx.refill(setup.pool);
            assert!(setup.device.deliver(&round.to_le_bytes()));
            assert_eq!(setup.poll()[0].bytes(), round.to_le_bytes());
        }
        assert_eq!(setup.pair.rx.counters().frames, 70_000);
        setup.finish();
    }
}

#[test]
fn an_empty_pool_ends_a_refill_and_is_counted() {
    let mut setup = Setup::new(Offer::default(), 3);
    assert_eq!(setup.pair.rx.refill(setup.pool), 3);
    assert_eq!(setup.pair.rx.counters().pool_empty, 1);
    for _ in 0..3 {
        assert!(setup.device.deliver(&[0; 60]));
    }
    assert!(!setup.device.deliver(&[0; 60]), "the device has no buffers left");
    let frames = setup.poll();
    assert_eq!(setup.pair.rx.refill(setup.pool), 0);
    drop(frames);
    assert_eq!(setup.pair.rx.refill(setup.pool), 3);
    assert!(setup.device.deliver(&[0; 60]));
    setup.finish();
}

#[test]
fn a_full_ring_takes_no_more() {
    let mut setup = running(300);
    assert_eq!(setup.pair.rx.refill(setup.pool), 0);
    assert_eq!(setup.pool.available(), 300 - 256);
    setup.finish();
}

#[test]
fn checksums_are_vouched_for_by_either_flag() {
    let mut setup = running(300);
    for flag in 0..4 {
        setup.device.deliver_with(flags(flag), &[0; 60]);
    }
    let states: Vec<Checksum> = setup.poll().iter().map(PktBuf::checksum).collect();
    assert_eq!(states, [Checksum::None, Checksum::Verified, Checksum::Verified, Checksum::Verified]);
    setup.finish();

    let mut distrusting = Setup::new(without(Features::NET_GUEST_CSUM), 300);
    distrusting.pair.rx.refill(distrusting.pool);
    distrusting.device.deliver_with(flags(3), &[0; 60]);
    assert_eq!(distrusting.poll()[0].checksum(), Checksum::None, "nobody negotiated it");
    distrusting.finish();
}

#[test]
fn a_frame_of_several_buffers_is_dropped_whole() {
    let mut setup = running(300);
    setup.device.deliver(&[1; 60]);
    setup.device.deliver(&[2; 5000]);
    setup.device.deliver(&[3; 60]);
    let frames = setup.poll();
    assert_eq!((frames[0].bytes(), frames[1].bytes()), (&[1; 60][..], &[3; 60][..]));
    assert_eq!(setup.pair.rx.counters().oversized, 1);
    drop(frames);
    assert_eq!(setup.pool.available(), 300 - 256 + 5, "its three buffers came back");
    setup.finish();
}

#[test]
fn a_frame_of_several_buffers_may_span_polls() {
    let mut setup = running(300);
    setup.device.deliver(&[2; 5000]);
    setup.device.deliver(&[3; 60]);
    let mut batch = Batch::new();
    for expected in [0, 0, 0, 1] {
        assert_eq!(setup.pair.rx.poll(&mut batch, 1), expected);
    }
    assert_eq!(batch.pop_front().unwrap().bytes(), [3; 60]);
    setup.finish();
}

#[test]
fn without_merging_the_number_of_buffers_means_nothing() {
    let mut setup = Setup::new(without(Features::NET_MRG_RXBUF), 300);
    setup.pair.rx.refill(setup.pool);
    let mut frame = vec![0; 72];
    frame[10] = 9;
    setup.device.with_queue(RX, |queue| {
        let chain = queue.pop().unwrap();
        chain.write(&frame);
        queue.stage_used(chain.head.into(), 72);
        queue.flush_used();
    });
    assert_eq!(setup.poll().len(), 1);
    setup.finish();
}

#[test]
fn lengths_are_checked_and_their_buffers_recovered() {
    let mut setup = running(256);
    for (id, len) in (0..).zip([0, 11, 12, 2049, u32::MAX]) {
        setup.device.inject_used(RX, id, len);
    }
    assert_eq!(setup.poll().len(), 0);
    assert_eq!(setup.pair.rx.counters().bad_length, 5);
    assert_eq!(setup.pool.available(), 5);
    setup.finish();
}

#[test]
fn names_of_nothing_in_flight_are_counted() {
    let mut setup = running(300);
    setup.device.deliver(&[1; 60]);
    for id in [0, 256, 65_536, u32::MAX] {
        setup.device.inject_used(RX, id, 72);
    }
    assert_eq!(setup.poll().len(), 1);
    assert_eq!(setup.pair.rx.counters().bad_descriptor, 4, "one repeats, three are out of range");
    setup.device.deliver(&[2; 60]);
    assert_eq!(setup.poll()[0].bytes(), [2; 60], "and it goes on");
    setup.finish();
}

#[test]
fn an_index_that_jumps_loses_no_buffer() {
    let mut setup = running(300);
    setup.device.with_queue(RX, |queue| queue.set_used_idx(40_000));
    for _ in 0..40_000 / 64 {
        setup.poll();
    }
    assert_eq!(setup.pair.rx.counters().bad_length, 1, "the zeroed ring names descriptor 0, once");
    assert_eq!(setup.pair.rx.counters().bad_descriptor, 39_999);
    assert_eq!(setup.pool.available(), 300 - 256 + 1);
    assert!(setup.device.deliver(&[5; 60]));
    setup.finish();
}

#[test]
fn an_armed_queue_interrupts_once_and_is_acknowledged() {
    for offer in [Offer::default(), without(Features::EVENT_IDX)] {
        let mut setup = Setup::new(offer, 300);
        setup.pair.rx.refill(setup.pool);
        setup.device.deliver(&[0; 60]);
        assert_eq!(setup.device.interrupts(), 0, "quiet while polling");
        assert_eq!(setup.pair.rx.arm(), Armed::Pending);
        setup.pair.rx.disarm();
        setup.poll();
        assert_eq!(setup.pair.rx.arm(), Armed::Idle);
        setup.device.deliver(&[0; 60]);
        assert_eq!((setup.device.interrupts(), setup.device.interrupt_raised()), (1, true));
        setup.pair.rx.disarm();
        assert!(!setup.device.interrupt_raised());
        setup.device.deliver(&[0; 60]);
        assert_eq!(setup.device.interrupts(), 1);
        setup.finish();
    }
}

#[test]
fn a_ring_is_refilled_once_a_part_of_it_is_empty() {
    let mut setup = running(300);
    for (delivered, posted) in [(15, 0), (1, 16), (16, 16), (100, 100), (0, 0)] {
        for _ in 0..delivered {
            setup.device.deliver(&[0; 60]);
        }
        while !setup.poll().is_empty() {}
        assert_eq!(setup.pair.rx.refill(setup.pool), posted);
    }
    setup.finish();
}

#[test]
fn the_device_is_told_of_new_buffers_when_it_ran_dry() {
    for offer in [Offer::default(), without(Features::EVENT_IDX)] {
        let mut setup = Setup::new(Offer { queue_sizes: [16; 2], ..offer }, 16);
        setup.pair.rx.refill(setup.pool);
        assert_eq!(setup.device.kicks(RX), 1, "it starts without any");
        setup.device.with_queue(RX, |queue| queue.disable_notification());
        for _ in 0..16 {
            setup.device.deliver(&[0; 60]);
        }
        while !setup.poll().is_empty() {}
        setup.pair.rx.refill(setup.pool);
        assert_eq!(setup.device.kicks(RX), 1, "it does not want to know");
        setup.device.with_queue(RX, |queue| while queue.pop().is_some() {});
        setup.device.with_queue(RX, |queue| queue.enable_notification());
        setup.device.inject_used(RX, 0, 72);
        setup.poll();
        setup.pair.rx.refill(setup.pool);
        assert_eq!(setup.device.kicks(RX), 2);
        setup.finish();
    }
}
