//! A device that does anything: no panic, no buffer handed up twice, none lost.

#![allow(unsafe_code)] // lends memory to frames

use proptest::prelude::*;

use super::*;
use crate::pktbuf::{Attachment, Fragment};
use crate::testkit::virtio::{RX, TX};

/// What frames have as their bodies.
static BODY: [u8; 4000] = [1; 4000];

/// One step of the driver's user or of the device.
#[derive(Clone, Debug)]
enum Step {
    Poll(usize),
    Refill,
    Submit(u8, usize),
    SubmitWithBody(u8, usize),
    Reclaim,
    Arm,
    Disarm,
    KeepFrames,
    DropFrames,
    Deliver(usize),
    DeliverWith([u8; 10], usize),
    Transmit,
    Use(usize, u32, u32),
    UseAsFragment(u16),
    Jump(usize, u16),
    Scribble(usize, u16, u16),
}

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    let queue = || prop_oneof![Just(RX), Just(TX)];
    let id = || prop_oneof![4 => 0..16_u32, 1 => any::<u32>()];
    let len = || prop_oneof![2 => 12..2100_u32, 1 => 0..20_u32, 1 => any::<u32>()];
    prop_oneof![
        6 => (0..100_usize).prop_map(Poll),
        4 => Just(Refill),
        4 => (1..8_u8, 0..1600_usize).prop_map(|(n, len)| Submit(n, len)),
        2 => (1..8_u8, 0..4000_usize).prop_map(|(n, len)| SubmitWithBody(n, len)),
        3 => Just(Reclaim),
        1 => Just(Arm),
        1 => Just(Disarm),
        1 => Just(KeepFrames),
        1 => Just(DropFrames),
        4 => (1..6000_usize).prop_map(Deliver),
        2 => (any::<[u8; 10]>(), 1..2000_usize).prop_map(|(header, len)| DeliverWith(header, len)),
        3 => Just(Transmit),
        4 => (queue(), id(), len()).prop_map(|(queue, id, len)| Use(queue, id, len)),
        2 => any::<u16>().prop_map(UseAsFragment),
        1 => (queue(), any::<u16>()).prop_map(|(queue, idx)| Jump(queue, idx)),
        2 => (queue(), any::<u16>(), any::<u16>()).prop_map(|(queue, at, value)| Scribble(queue, at, value)),
    ]
}

struct World {
    setup: Setup,
    batch: Batch,
    kept: Vec<PktBuf>,
}

impl World {
    fn act(&mut self, step: Step) {
        let World { setup, batch, kept } = self;
        match step {
            Step::Poll(limit) => {
                let polled = setup.pair.rx.poll(batch, limit);
                assert!(polled <= limit);
            }
            Step::Refill => drop(setup.pair.rx.refill(setup.pool)),
            Step::Submit(frames, len) => {
                for _ in 0..frames {
                    let Some(mut frame) = setup.pool.alloc() else { break };
                    frame.append(len).unwrap();
                    setup.send(frame);
                }
            }
            Step::SubmitWithBody(frames, len) => {
                for _ in 0..frames {
                    let Some(mut frame) = setup.pool.alloc() else { break };
                    frame.append(60).unwrap();
                    let body = Fragment::permanent(&BODY).part(0, len as u32);
                    frame.attach(Attachment { body, segmentation: None }).unwrap();
                    setup.send(frame);
                }
            }
            Step::Reclaim => drop(setup.pair.tx.reclaim()),
            Step::Arm => drop(setup.pair.rx.arm()),
            Step::Disarm => setup.pair.rx.disarm(),
            Step::KeepFrames => kept.extend(std::iter::from_fn(|| batch.pop_front())),
            Step::DropFrames => kept.clear(),
            Step::Deliver(len) => drop(setup.device.deliver(&vec![1; len])),
            Step::DeliverWith(header, len) => drop(setup.device.deliver_with(header, &vec![1; len])),
            Step::Transmit => drop(setup.device.transmit()),
            Step::Use(queue, id, len) => setup.device.inject_used(queue, id, len),
            Step::UseAsFragment(buffers) => setup.device.with_queue(RX, |queue| {
                let Some(chain) = queue.pop() else { return };
                let [low, high] = buffers.to_le_bytes();
                chain.write(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, low, high, 1]);
                queue.stage_used(chain.head.into(), 13);
                queue.flush_used();
            }),
            Step::Jump(queue, idx) => setup.device.with_queue(queue, |queue| queue.set_used_idx(idx)),
            Step::Scribble(queue, at, value) => setup.device.with_queue(queue, |queue| queue.scribble(at, value)),
        }
        for frame in batch.iter().chain(kept.iter()) {
            assert!(frame.is_unique() && !frame.is_empty(), "{frame:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_device_does(
        steps in prop::collection::vec(step(), 1..200),
        merging: bool,
        event_idx: bool,
        size in prop_oneof![Just(2_u16), Just(8), Just(16)],
    ) {
        let mut missing = Features::empty();
        missing.set(Features::NET_MRG_RXBUF, !merging);
        missing.set(Features::EVENT_IDX, !event_idx);
        let setup = Setup::new(Offer { queue_sizes: [size; 2], ..without(missing) }, 40);
        let mut world = World { setup, batch: Batch::new(), kept: Vec::new() };
        for step in steps {
            world.act(step);
        }
        world.batch.clear();
        world.kept.clear();
        world.setup.finish();
    }
}
