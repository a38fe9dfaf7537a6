//! Guests that lie: each ends the device, is named, and reaches nothing.

use std::sync::Arc;

use netdrv::nic::{BATCH, Batch, RxQueue as _, TxQueue as _};
use netdrv::pktbuf::{Pool, PoolMemory};

use super::memory::{Memory, Place};
use super::ring::{Addresses, Ring};
use super::seat::Seat;
use super::{Fault, FromGuest, ToGuest};

/// The guest's memory: rings, then buffers.
const MEMORY: u64 = 64 << 10;
const USER: u64 = 0x7f00_0000_0000;
const DESCRIPTORS: u64 = 0;
const AVAILABLE: u64 = 0x1000;
const USED: u64 = 0x2000;
const BUFFERS: u64 = 0x4000;
const SIZE: u16 = 8;

const NEXT: u16 = 1;
const WRITE: u16 = 2;

/// A guest whose rings are written by hand.
struct Guest(Arc<Memory>);

impl Guest {
    fn new() -> Guest {
        let file = tempfile::tempfile().unwrap();
        file.set_len(MEMORY).unwrap();
        let place = Place { guest: 0, user: USER, len: MEMORY };
        Guest(Arc::new(Memory::map(vec![(place, file, 0)]).unwrap()))
    }

    /// A descriptor: address, length, flags, next.
    fn describe(&self, id: u16, (address, len, flags, next): (u64, u32, u16, u16)) -> &Guest {
        let rest = u64::from(len) | u64::from(flags) << 32 | u64::from(next) << 48;
        let at = DESCRIPTORS + 16 * u64::from(id);
        self.0.write(at, &[address.to_le_bytes(), rest.to_le_bytes()].concat()).unwrap();
        self
    }

    /// Publishes chains, and says that there are `index`.
    fn publish(&self, heads: &[u16], index: u16) -> &Guest {
        let words: Vec<u16> = [0, index].into_iter().chain(heads.iter().copied()).collect();
        self.0.write(AVAILABLE, &words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
        self
    }

    fn ring(&self) -> Ring {
        let [descriptors, available, used] = [DESCRIPTORS, AVAILABLE, USED].map(|at| USER + at);
        Ring::new(&self.0, Addresses { descriptors, available, used }, SIZE.into(), 0).unwrap()
    }

    /// What becomes of its transmit queue: frames that came, and the fault.
    fn sends(&self) -> (Vec<Vec<u8>>, Option<Fault>) {
        let seat = Arc::new(Seat::default());
        seat.start(self.ring());
        let mut queue = FromGuest::new(seat.clone());
        queue.refill(Pool::leak(PoolMemory::leak(16)));
        let mut batch = Batch::new();
        for _ in 0..3 {
            queue.poll(&mut batch, BATCH);
        }
        assert_eq!(queue.counters().bad_descriptor, u64::from(seat.fault().is_some()), "counted once");
        assert_ne!(seat.is_polled(), seat.fault().is_some(), "with a fault the device ends");
        (batch.iter().map(|frame| frame.bytes().to_vec()).collect(), seat.fault())
    }

    /// What becomes of its receive queue when two frames are sent to it.
    fn receives(&self) -> Option<Fault> {
        let seat = Arc::new(Seat::default());
        seat.start(self.ring());
        let mut queue = ToGuest::new(seat.clone());
        let pool = Pool::leak(PoolMemory::leak(4));
        let mut batch = Batch::new();
        for _ in 0..2 {
            let mut frame = pool.alloc().unwrap();
            frame.extend_from_slice(&[7; 100]).unwrap();
            batch.push_back(frame).unwrap();
        }
        queue.reclaim();
        queue.submit(&mut batch);
        queue.doorbell();
        assert_eq!(queue.counters().bad_descriptor, u64::from(seat.fault().is_some()));
        seat.fault()
    }
}

#[test]
fn an_honest_one_is_served() {
    let guest = Guest::new();
    guest.0.write(BUFFERS + 12, &[5; 48]).unwrap();
    guest.describe(0, (BUFFERS, 12, NEXT, 1)).describe(1, (BUFFERS + 12, 48, 0, 0)).describe(2, (BUFFERS, 60, 0, 0));
    assert_eq!(guest.publish(&[0, 2], 2).sends(), (vec![vec![5; 48]; 2], None));
    // A buffer in three pieces, and one in one.
    guest.describe(0, (BUFFERS, 5, WRITE | NEXT, 1)).describe(1, (BUFFERS + 5, 7, WRITE | NEXT, 2));
    guest.describe(2, (BUFFERS + 12, 100, WRITE, 0)).describe(3, (BUFFERS + 200, 2048, WRITE, 0));
    assert_eq!(guest.publish(&[0, 3], 2).receives(), None);
    for at in [BUFFERS, BUFFERS + 200] {
        let mut bytes = [0; 112];
        guest.0.read(at, &mut bytes).unwrap();
        assert_eq!((bytes[10], &bytes[12..]), (1, &[7; 100][..]), "one buffer, and the frame");
    }
    let mut used = [0; 20];
    guest.0.read(USED, &mut used).unwrap();
    assert_eq!(used, [1, 0, 2, 0, 0, 0, 0, 0, 112, 0, 0, 0, 3, 0, 0, 0, 112, 0, 0, 0]);
}

#[test]
fn rings_are_where_they_may_be() {
    let guest = Guest::new();
    let ring = |descriptors, available, used, size| {
        Ring::new(&guest.0, Addresses { descriptors, available, used }, size, 0).map(|_| ())
    };
    assert_eq!(ring(USER, USER + 0x1000, USER + 0x2000, 8), Ok(()));
    for size in [0, 3, 1 << 16, u32::MAX] {
        assert_eq!(ring(USER, USER + 0x1000, USER + 0x2000, size), Err(Fault::Ring), "size {size}");
    }
    let end = USER + MEMORY;
    assert_eq!(ring(end - 127, USER, USER, 8), Err(Fault::Ring), "the table ends outside");
    assert_eq!(ring(USER, end - 18, USER, 8), Err(Fault::Ring), "so does the available ring");
    assert_eq!(ring(USER, USER, end - 60, 8), Err(Fault::Ring), "and the used ring");
    assert_eq!(ring(USER + 4, USER, USER, 8), Err(Fault::Ring), "not aligned");
    assert_eq!(ring(0, AVAILABLE, USED, 8), Err(Fault::Ring), "the guest's own addresses");
}

#[test]
fn an_index_too_far_ahead() {
    for index in [SIZE + 1, 0x8000, u16::MAX] {
        assert_eq!(Guest::new().publish(&[0; 8], index).sends(), (vec![], Some(Fault::AvailableIndex)));
        assert_eq!(Guest::new().publish(&[0; 8], index).receives(), Some(Fault::AvailableIndex));
    }
}

#[test]
fn descriptors_that_there_are_not() {
    assert_eq!(Guest::new().publish(&[SIZE], 1).sends().1, Some(Fault::NoSuchDescriptor));
    assert_eq!(Guest::new().publish(&[u16::MAX, 0], 2).receives(), Some(Fault::NoSuchDescriptor));
    let guest = Guest::new();
    guest.describe(0, (BUFFERS, 12, NEXT, SIZE));
    assert_eq!(guest.publish(&[0], 1).sends().1, Some(Fault::NoSuchDescriptor));
    guest.describe(0, (BUFFERS, 12, WRITE | NEXT, 0xfff0));
    assert_eq!(guest.publish(&[0, 0], 2).receives(), Some(Fault::NoSuchDescriptor));
}

#[test]
fn loops_end() {
    let guest = Guest::new();
    guest.describe(0, (BUFFERS, 12, NEXT, 1)).describe(1, (BUFFERS, 20, NEXT, 0));
    assert_eq!(guest.publish(&[0], 1).sends(), (vec![], Some(Fault::Loop)));
    guest.describe(0, (BUFFERS, 0, WRITE | NEXT, 0));
    assert_eq!(guest.publish(&[0, 0], 2).receives(), Some(Fault::Loop));
}

#[test]
fn buffers_outside_of_memory() {
    for (address, len) in [(MEMORY, 60), (MEMORY - 59, 60), (u64::MAX - 5, 60), (1 << 40, 60), (USER, 60)] {
        let guest = Guest::new();
        guest.describe(0, (address, len, 0, 0)).describe(1, (BUFFERS, 12, NEXT, 0));
        assert_eq!(guest.publish(&[0], 1).sends(), (vec![], Some(Fault::OutsideMemory)), "{address:#x}");
        assert_eq!(
            guest.publish(&[1], 1).sends(),
            (vec![], Some(Fault::OutsideMemory)),
            "{address:#x}, behind a header"
        );
        guest.describe(0, (address, 2048, WRITE, 0));
        assert_eq!(guest.publish(&[0, 0], 2).receives(), Some(Fault::OutsideMemory), "{address:#x}");
    }
}

#[test]
fn lengths_that_lie() {
    let guest = Guest::new();
    guest.describe(0, (BUFFERS, 11, 0, 0)).describe(1, (BUFFERS, 0, 0, 0));
    assert_eq!(guest.publish(&[0], 1).sends().1, Some(Fault::Length), "no room for a header");
    assert_eq!(guest.publish(&[1], 1).sends().1, Some(Fault::Length));
    guest.describe(0, (BUFFERS, 111, WRITE, 0));
    assert_eq!(guest.publish(&[0, 0], 2).receives(), Some(Fault::Length), "a byte too short for the frame");
    // Longer than any frame is no fault: it is dropped, and the next one comes.
    guest.describe(0, (BUFFERS, 4096, 0, 0)).describe(1, (BUFFERS, 60, 0, 0));
    guest.0.write(BUFFERS, &[0; 12]).unwrap();
    let (frames, fault) = guest.publish(&[0, 1], 2).sends();
    assert_eq!((frames.len(), fault), (1, None));
}

#[test]
fn buffers_of_the_wrong_kind_and_headers_that_ask_for_more() {
    let guest = Guest::new();
    guest.describe(0, (BUFFERS, 60, WRITE, 0));
    assert_eq!(guest.publish(&[0], 1).sends().1, Some(Fault::Direction));
    guest.describe(0, (BUFFERS, 2048, 0, 0));
    assert_eq!(guest.publish(&[0, 0], 2).receives(), Some(Fault::Direction));
    guest.0.write(BUFFERS, &[1, 1]).unwrap();
    assert_eq!(guest.describe(0, (BUFFERS, 60, 0, 0)).publish(&[0], 1).sends().1, Some(Fault::Header), "TSO");
}
