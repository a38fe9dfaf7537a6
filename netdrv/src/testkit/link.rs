//! A link with everything that a network does to frames: delay, rate, loss, reordering, duplication, corruption. It runs on
//! a virtual clock and draws from a seeded generator, so that a seed replays a run exactly.
//!
//! ```text
//! TxQueue or Port -> rate (a queue of frames) -> loss, duplication, corruption -> delay -> arrival -> RxQueue or Port
//! ```
//!
//! Nothing happens by ticks: [`Link::next_arrival`] says when to look again, and [`Link::advance`] moves the clock there.

mod queues;

use std::cell::{RefCell, RefMut};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::rc::Rc;

pub use queues::{LinkRx, LinkTx};

use super::random::Random;
use crate::nic::QueuePair;

/// Frames that wait at an end to be received at most; the rest is dropped, as by a NIC without buffers.
const INBOX: usize = 1024;
/// Bytes of an Ethernet header, and the ethertype of IPv4 at its end.
const ETHERNET_HEADER: usize = 14;
const IPV4: [u8; 2] = [0x08, 0x00];

/// An end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// One.
    Left,
    /// The other.
    Right,
}

impl Side {
    /// The other end.
    pub fn other(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }
}

/// What one direction does to frames. Chances are in parts per million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// One-way delay, in nanoseconds.
    pub delay_ns: u64,
    /// Bits per second; 0 for no limit.
    pub bits_per_s: u64,
    /// Frames wait for the rate at most so long, in nanoseconds; the rest is dropped.
    pub queue_ns: u64,
    /// Chance that a frame is lost.
    pub loss_ppm: u32,
    /// Chance that a frame is held back.
    pub reorder_ppm: u32,
    /// The most that one is held back by, in nanoseconds.
    pub reorder_ns: u64,
    /// Chance that a frame arrives twice.
    pub duplicate_ppm: u32,
    /// Chance that one bit of a frame is flipped. Where no checksum of IPv4 or TCP covers it (Ethernet's header, ARP), only
    /// the frame check sequence would tell, so the frame is dropped, as a NIC does.
    pub corrupt_ppm: u32,
}

/// What a link has done, both directions together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Frames sent.
    pub sent: u64,
    /// Frames that arrived, duplicates included.
    pub arrived: u64,
    /// Frames lost by chance.
    pub lost: u64,
    /// Frames held back.
    pub reordered: u64,
    /// Frames that arrived twice.
    pub duplicated: u64,
    /// Frames with a bit flipped, and those of them that were dropped.
    pub corrupted: u64,
    /// Frames dropped because a bit flipped that no checksum covers.
    pub bad_check_sequence: u64,
    /// Frames dropped because the rate's queue, or the receiver's, was full.
    pub overflowed: u64,
}

/// A frame passes an end of the link.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// When, in nanoseconds.
    pub at_ns: u64,
    /// At which end.
    pub side: Side,
    /// Which way.
    pub passage: Passage,
    /// The frame.
    pub frame: &'a [u8],
}

/// Which way a frame passes an end of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// Into the link, whole.
    Sent,
    /// Out of the link, as it left it.
    Arrived,
}

/// Is shown every frame.
pub type Observer = Box<dyn FnMut(Sighting<'_>)>;

/// A handle of the link.
#[derive(Clone)]
pub struct Link(Rc<RefCell<State>>);

struct State {
    now_ns: u64,
    ways: [Way; 2],
    random: Random,
    under_way: BinaryHeap<Reverse<Flight>>,
    serial: u64,
    counters: LinkCounters,
    observer: Option<Observer>,
    /// Memory of frames that are gone.
    spare: Vec<Vec<u8>>,
}

/// One direction, named by the end that sends.
struct Way {
    conditions: Conditions,
    busy_until_ns: u64,
    /// At the other end.
    inbox: VecDeque<Vec<u8>>,
}

/// A frame under way, ordered by arrival and then by departure.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    arrival_ns: u64,
    serial: u64,
    to: Side,
    frame: Vec<u8>,
}

impl Link {
    /// A link, at time 0; `conditions` are those of what the left and the right end send.
    pub fn new(conditions: [Conditions; 2], random: Random) -> Link {
        let ways = conditions.map(|conditions| Way { conditions, busy_until_ns: 0, inbox: VecDeque::new() });
        Link(Rc::new(RefCell::new(State {
            now_ns: 0,
            ways,
            random,
            under_way: BinaryHeap::new(),
            serial: 0,
            counters: LinkCounters::default(),
            observer: None,
            spare: Vec::new(),
        })))
    }

    /// Shows every frame to `observer` from now on.
    pub fn observe(&self, observer: Observer) {
        self.state().observer = Some(observer);
    }

    /// An end, for bare frames.
    pub fn port(&self, side: Side) -> Port {
        Port { link: self.clone(), side }
    }

    /// An end, as a NIC's queues.
    pub fn queue_pair(&self, side: Side) -> QueuePair<LinkRx, LinkTx> {
        QueuePair { rx: LinkRx::new(self.port(side)), tx: LinkTx::new(self.port(side)) }
    }

    /// What it has done.
    pub fn counters(&self) -> LinkCounters {
        self.0.borrow().counters
    }

    /// When the next frame arrives, in nanoseconds.
    pub fn next_arrival(&self) -> Option<u64> {
        self.0.borrow().under_way.peek().map(|Reverse(flight)| flight.arrival_ns)
    }

    /// Moves the clock, never back, and hands all frames over that arrive until then.
    pub fn advance(&self, now_ns: u64) {
        let mut state = self.state();
        while let Some(Reverse(flight)) = state.under_way.pop() {
            if flight.arrival_ns > now_ns {
                state.under_way.push(Reverse(flight));
                break;
            }
            state.now_ns = flight.arrival_ns.max(state.now_ns);
            state.arrive(flight.to, flight.frame);
        }
        state.now_ns = now_ns.max(state.now_ns);
    }

    fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }
}

/// An end of a link, for bare frames.
#[derive(Clone)]
pub struct Port {
    link: Link,
    side: Side,
}

impl Port {
    /// Sends a frame.
    pub fn send(&self, frame: &[u8]) {
        self.link.state().send(self.side, frame);
    }

    /// Whether a frame waits.
    pub fn has_received(&self) -> bool {
        !self.link.state().ways[self.side.other() as usize].inbox.is_empty()
    }

    /// Takes the next frame that arrived, and shows it to `take`.
    pub fn receive<A>(&self, take: impl FnOnce(&[u8]) -> A) -> Option<A> {
        let frame = self.link.state().ways[self.side.other() as usize].inbox.pop_front()?;
        let taken = take(&frame);
        self.link.state().spare.push(frame);
        Some(taken)
    }
}

impl State {
    fn send(&mut self, from: Side, frame: &[u8]) {
        self.counters.sent += 1;
        self.show(from, Passage::Sent, frame);
        let Conditions { delay_ns, loss_ppm, duplicate_ppm, .. } = self.ways[from as usize].conditions;
        let Some(departure_ns) = self.ways[from as usize].depart(self.now_ns, frame.len()) else {
            self.counters.overflowed += 1;
            return;
        };
        if self.random.chance(loss_ppm) {
            self.counters.lost += 1;
            return;
        }
        let twice = self.random.chance(duplicate_ppm);
        self.counters.duplicated += u64::from(twice);
        for _ in 0..=u32::from(twice) {
            self.launch(from, departure_ns + delay_ns, frame);
        }
    }

    /// Puts a copy of a frame on its way, perhaps held back, perhaps with a bit flipped.
    fn launch(&mut self, from: Side, arrival_ns: u64, frame: &[u8]) {
        let Conditions { reorder_ppm, reorder_ns, corrupt_ppm, .. } = self.ways[from as usize].conditions;
        let held_back = self.random.chance(reorder_ppm);
        self.counters.reordered += u64::from(held_back);
        let arrival_ns = arrival_ns + if held_back { self.random.below(reorder_ns) } else { 0 };
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(frame);
        if self.random.chance(corrupt_ppm) {
            let bit = self.random.below(8 * frame.len() as u64) as usize;
            self.counters.corrupted += 1;
            if bit / 8 < ETHERNET_HEADER || frame[12..14] != IPV4 {
                self.counters.bad_check_sequence += 1;
                return;
            }
            copy[bit / 8] ^= 1 << (bit % 8);
        }
        self.serial += 1;
        self.under_way.push(Reverse(Flight { arrival_ns, serial: self.serial, to: from.other(), frame: copy }));
    }

    fn arrive(&mut self, to: Side, frame: Vec<u8>) {
        if self.ways[to.other() as usize].inbox.len() >= INBOX {
            self.counters.overflowed += 1;
            self.spare.push(frame);
            return;
        }
        self.counters.arrived += 1;
        self.show(to, Passage::Arrived, &frame);
        self.ways[to.other() as usize].inbox.push_back(frame);
    }

    fn show(&mut self, side: Side, passage: Passage, frame: &[u8]) {
        if let Some(observer) = &mut self.observer {
            observer(Sighting { at_ns: self.now_ns, side, passage, frame });
        }
    }
}

impl Way {
    /// When a frame of `len` bytes has left for good; `None` if too much waits before it.
    fn depart(&mut self, now_ns: u64, len: usize) -> Option<u64> {
        let Conditions { bits_per_s, queue_ns, .. } = self.conditions;
        if bits_per_s == 0 {
            return Some(now_ns);
        }
        let begin_ns = self.busy_until_ns.max(now_ns);
        if begin_ns - now_ns > queue_ns {
            return None;
        }
        self.busy_until_ns = begin_ns + 8_000_000_000 * len as u64 / bits_per_s;
        Some(self.busy_until_ns)
    }
}

#[cfg(test)]
mod tests;
