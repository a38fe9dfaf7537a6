//! The appliance's driver on the one side, and the back end on the other, in the memory of one process.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use netdrv::nic::{Armed, Batch, ClosedPair as _, QueuePair, RxQueue as _, TxChecksum, TxQueue as _};
use netdrv::pktbuf::{Attachment, Checksum, Fragment, PktBuf, Pool, PoolMemory};
use netdrv::testkit::random::Random;
use netdrv::testkit::virtio::NetDevice;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::seat::Seat;
use super::testbed::{Guest, GuestPair, ring_of};
use super::{FromGuests, Pairs, ToGuests};

/// A guest with its driver, and the queues of its back end.
struct Link {
    guest: Vec<GuestPair>,
    host: QueuePair<FromGuests, ToGuests>,
    seats: Arc<[Arc<Seat>]>,
    device: NetDevice,
    guest_pool: &'static Pool,
    host_pool: &'static Pool,
}

impl Link {
    fn new(pairs: u16) -> Link {
        let Guest { info, pairs: mut guest, device, seats } = Guest::new(pairs);
        assert_eq!(info.tx_checksum, TxChecksum::Device);
        let [guest_pool, host_pool] = [(); 2].map(|()| Pool::leak(PoolMemory::leak(4096)));
        guest.iter_mut().for_each(|pair| assert!(pair.rx.refill(guest_pool) > 0));
        let mut host = Pairs(seats.clone()).open();
        host.rx.refill(host_pool);
        Link { guest, host, seats, device, guest_pool, host_pool }
    }

    /// Has the guest send a frame by a pair.
    fn guest_sends(&mut self, pair: usize, frame: PktBuf) {
        let tx = &mut self.guest[pair].tx;
        tx.reclaim();
        assert_eq!(tx.submit(&mut batch([frame])), 1);
        tx.doorbell();
    }

    /// Sends a frame to the guest.
    fn host_sends(&mut self, frame: PktBuf) {
        self.host.tx.reclaim();
        assert_eq!(self.host.tx.submit(&mut batch([frame])), 1);
        self.host.tx.doorbell();
    }

    fn host_receives(&mut self) -> Batch {
        let mut batch = Batch::new();
        self.host.rx.poll(&mut batch, 64);
        batch
    }

    fn guest_receives(&mut self, pair: usize) -> Batch {
        let mut batch = Batch::new();
        self.guest[pair].rx.poll(&mut batch, 64);
        self.guest[pair].rx.refill(self.guest_pool);
        batch
    }
}

fn batch(frames: impl IntoIterator<Item = PktBuf>) -> Batch {
    let mut batch = Batch::new();
    frames.into_iter().for_each(|frame| batch.push_back(frame).unwrap());
    batch
}

fn frame(pool: &'static Pool, bytes: &[u8]) -> PktBuf {
    let mut frame = pool.alloc().unwrap();
    frame.extend_from_slice(bytes).unwrap();
    frame
}

#[test]
fn frames_of_all_lengths_cross_both_ways_many_times_around_the_rings() {
    let mut link = Link::new(1);
    let first_kicks = link.device.kicks(0); // its driver was there first
    let mut random = Random::new(5);
    for round in 0..3000_u32 {
        let count = 1 + random.next_u64() as usize % 64;
        let expected: Vec<Vec<u8>> =
            (0..count).map(|n| vec![(round as usize + n) as u8; 14 + random.next_u64() as usize % 1500]).collect();
        for bytes in &expected {
            link.guest_sends(0, frame(link.guest_pool, bytes));
        }
        let received: Vec<Vec<u8>> = link.host_receives().iter().map(|frame| frame.bytes().to_vec()).collect();
        assert_eq!(received, expected, "round {round}");
        link.host.tx.reclaim();
        let mut out = batch(expected.iter().map(|bytes| frame(link.host_pool, bytes)));
        assert_eq!(link.host.tx.submit(&mut out), count);
        assert!(link.guest_receives(0).is_empty(), "nothing is shown before the doorbell");
        link.host.tx.doorbell();
        let received: Vec<Vec<u8>> = link.guest_receives(0).iter().map(|frame| frame.bytes().to_vec()).collect();
        assert_eq!(received, expected, "round {round}");
    }
    link.guest[0].tx.reclaim();
    assert_eq!(link.host_pool.available(), link.host_pool.capacity());
    assert_eq!((link.device.kicks(0), link.device.kicks(1)), (first_kicks, 0), "nobody is notified");
    assert!(link.seats.iter().all(|seat| seat.fault().is_none() && seat.is_polled()));
}

#[test]
fn checksums_are_vouched_for_both_ways() {
    let mut link = Link::new(1);
    let mut partial = frame(link.guest_pool, &[1; 80]);
    partial.set_checksum(Checksum::Partial { start: 34, field: 16 });
    link.guest_sends(0, partial);
    link.guest_sends(0, frame(link.guest_pool, &[2; 80]));
    let received: Vec<Checksum> = link.host_receives().iter().map(PktBuf::checksum).collect();
    assert_eq!(received, [Checksum::Verified, Checksum::None]);
    let mut partial = frame(link.host_pool, &[1; 80]);
    partial.set_checksum(Checksum::Partial { start: 34, field: 16 });
    link.host_sends(partial);
    link.host_sends(frame(link.host_pool, &[2; 80]));
    let received: Vec<Checksum> = link.guest_receives(0).iter().map(PktBuf::checksum).collect();
    assert_eq!(received, [Checksum::Verified, Checksum::None]);
}

#[test]
fn bodies_are_put_behind_their_headers() {
    static BODY: [u8; 700] = [7; 700];
    let expected = [&[3; 60][..], &BODY].concat();
    let body = Attachment { body: Some(Fragment::permanent(&BODY)), segmentation: None };
    let mut link = Link::new(1);
    let mut attached = frame(link.guest_pool, &[3; 60]);
    attached.attach(body).unwrap();
    link.guest_sends(0, attached);
    assert_eq!(link.host_receives().front().unwrap().bytes(), expected);
    let mut attached = frame(link.host_pool, &[3; 60]);
    attached.attach(body).unwrap();
    link.host_sends(attached);
    assert_eq!(link.guest_receives(0).front().unwrap().bytes(), expected);
}

#[test]
fn a_full_guest_and_an_empty_pool_hold_frames_back() {
    let mut link = Link::new(1);
    let mut sent = 0;
    loop {
        link.host.tx.reclaim();
        if link.host.tx.room() == 0 {
            break;
        }
        link.host_sends(frame(link.host_pool, &[sent as u8; 60]));
        sent += 1;
    }
    assert_eq!(sent, 256);
    let mut waiting = batch([frame(link.host_pool, &[9; 60])]);
    assert_eq!((link.host.tx.submit(&mut waiting), waiting.len()), (0, 1));
    assert_eq!(link.guest_receives(0).len(), 64);
    link.host.tx.reclaim();
    assert_eq!(link.host.tx.submit(&mut waiting), 1);

    let all: Vec<PktBuf> = std::iter::from_fn(|| link.host_pool.alloc()).collect();
    link.guest_sends(0, frame(link.guest_pool, &[1; 60]));
    assert!(link.host_receives().is_empty());
    assert_eq!(link.host.rx.counters().pool_empty, 1);
    drop(all);
    assert_eq!(link.host_receives().len(), 1, "it has waited");
}

#[test]
fn a_guest_that_halts_is_interrupted() {
    let mut link = Link::new(1);
    let event = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK).unwrap();
    let mut ours = File::from(OwnedFd::from(event));
    link.seats[0].set_call(Some(ours.try_clone().unwrap()));
    let mut count = [0; 8];
    link.host_sends(frame(link.host_pool, &[1; 60]));
    assert!(ours.read(&mut count).is_err(), "a guest that polls is not");
    assert_eq!(link.guest_receives(0).len(), 1);
    assert_eq!(link.guest[0].rx.arm(), Armed::Idle);
    link.host_sends(frame(link.host_pool, &[2; 60]));
    ours.read_exact(&mut count).unwrap();
    assert_eq!(u64::from_ne_bytes(count), 1);
}

#[test]
fn a_flow_comes_back_to_the_core_that_sent_it() {
    let mut link = Link::new(4);
    let segment = |to: [u8; 2], from: [u8; 2]| {
        let mut bytes = [0; 60];
        (bytes[12], bytes[14], bytes[23]) = (8, 0x45, 6);
        bytes[34..36].copy_from_slice(&from);
        bytes[36..38].copy_from_slice(&to);
        bytes
    };
    let (server, client) = ([0x2b, 0xcb], |n: u8| [0x90, n]);
    for n in 0..40 {
        link.guest_sends(usize::from(n % 4), frame(link.guest_pool, &segment(client(n), server)));
    }
    let mut seen = 0;
    while seen < 40 {
        let came = link.host_receives().len();
        assert!(came > 0);
        seen += came;
    }
    for n in 0..40 {
        link.host_sends(frame(link.host_pool, &segment(server, client(n))));
    }
    for pair in 0..4 {
        let ports: Vec<u8> = link.guest_receives(pair).iter().map(|frame| frame.bytes()[35]).collect();
        assert_eq!(ports, (0..40).filter(|n| usize::from(n % 4) == pair).collect::<Vec<u8>>());
    }
    assert_eq!((link.host.rx.counters().frames, link.host.tx.counters().frames), (40, 40));
}

#[test]
fn a_queue_that_is_taken_back_goes_on_where_it_was() {
    let mut link = Link::new(1);
    for n in 0..10 {
        link.guest_sends(0, frame(link.guest_pool, &[n; 60]));
    }
    assert_eq!(link.host_receives().len(), 10);
    link.guest_sends(0, frame(link.guest_pool, &[10; 60]));
    let seat = link.seats[1].clone();
    let stopper = std::thread::spawn(move || seat.stop());
    while !stopper.is_finished() {
        link.host_receives();
    }
    let position = stopper.join().unwrap().unwrap();
    assert!((10..=11).contains(&position) && !link.seats[1].is_polled());
    link.guest_sends(0, frame(link.guest_pool, &[11; 60]));
    assert!(link.host_receives().is_empty(), "it has no queue");
    link.seats[1].start(ring_of(&link.device, 1, position));
    let rest: Vec<u8> = link.host_receives().iter().map(|frame| frame.bytes()[0]).collect();
    assert_eq!(rest, (position as u8..12).collect::<Vec<u8>>());
}
