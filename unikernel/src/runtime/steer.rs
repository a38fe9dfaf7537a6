//! Frames to the cores that their flow groups point to.
//!
//! ```text
//! the NIC steers by our hash and table:   what it brings is ours; what the stack does not know is passed on
//! it does not:                            the core that receives a frame hashes it, and passes it on
//! ```
//!
//! Either way ARP is for every core, and DHCP for the first.

use netdrv::nic::steering::Table;
use netdrv::nic::toeplitz::Toeplitz;
use netdrv::nic::{Batch, Steering as NicSteering};
use netdrv::pktbuf::{PktBuf, Pool};
use netstack::app::Statistics;
use netstack::steering::{Destination, destination, is_tcp};

use super::mesh::{NotSent, Port, cores_of};
use super::message::Message;

/// Whether frames have to be looked at when they are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sorting {
    /// One core has all flows.
    None,
    /// The NIC has sorted flows.
    WithoutFlows,
    /// Any queue may receive any flow.
    All,
}

/// One core's part in the steering.
pub struct Steering {
    hash: &'static Toeplitz,
    sorting: Sorting,
    /// The core of each flow group, as far as this core knows.
    table: Table,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    passed_on: u64,
    ring_full: u64,
    no_buffer: u64,
    no_core: u64,
}

impl Steering {
    /// The part of one of `cores` cores, by the hash that the NIC was given.
    pub fn new(hash: &'static Toeplitz, table: Table, nic: NicSteering, cores: usize) -> Steering {
        let sorting = match nic {
            _ if cores == 1 => Sorting::None,
            NicSteering::Rss => Sorting::WithoutFlows,
            NicSteering::None => Sorting::All,
        };
        Steering { hash, sorting, table, counters: Counters::default() }
    }

    /// Sorts frames that this core has received: those for others are passed on, the rest stays in order.
    pub fn sort(&mut self, received: &mut Batch, port: &mut Port<Message>, pool: &'static Pool) {
        let is_flow = |frame: &PktBuf| is_tcp(frame.bytes());
        match self.sorting {
            Sorting::None => return,
            // As a rule, and cheaper than to move every frame.
            Sorting::WithoutFlows if received.iter().all(is_flow) => return,
            Sorting::WithoutFlows | Sorting::All => {}
        }
        for _ in 0..received.len() {
            let Some(frame) = received.pop_front() else { return };
            if let Some(own) = self.keep(frame, port, pool) {
                let _ = received.push_back(own); // its place is free
            }
        }
    }

    /// The frames of a group go to this core from now on.
    pub fn set(&mut self, group: u8, core: usize) {
        self.table[usize::from(group)] = core as u8;
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn be_steered_by_nic(&mut self) {
        self.sorting = Sorting::WithoutFlows;
    }

    /// Whether the NIC steers by our table.
    pub fn is_by_nic(&self) -> bool {
        self.sorting == Sorting::WithoutFlows
    }

    /// The flow group of a frame, if it is of one.
    pub fn group_of(&self, frame: &PktBuf) -> Option<u8> {
        match destination(frame.bytes(), self.hash) {
            Destination::Group(group) => Some(group),
            _ => None,
        }
    }

    /// Passes a segment on that the stack found to be of another core's group.
    pub fn pass_stray(&mut self, frame: PktBuf, port: &mut Port<Message>, pool: &'static Pool) {
        if let Destination::Group(group) = destination(frame.bytes(), self.hash) {
            let core = usize::from(self.table[usize::from(group)]);
            if core != port.own() {
                return self.pass(core, frame, port, pool);
            }
        }
        self.counters.no_core += 1;
    }

    /// Keeps a frame if it is for this core too.
    fn keep(&mut self, frame: PktBuf, port: &mut Port<Message>, pool: &'static Pool) -> Option<PktBuf> {
        if self.sorting == Sorting::WithoutFlows && is_tcp(frame.bytes()) {
            return Some(frame);
        }
        let core = match destination(frame.bytes(), self.hash) {
            Destination::Here => return Some(frame),
            Destination::First => 0,
            Destination::Group(group) => usize::from(self.table[usize::from(group)]),
            Destination::All => {
                for other in cores_of(port.others()) {
                    self.pass(other, frame.clone(), port, pool);
                }
                return Some(frame);
            }
        };
        if core == port.own() {
            return Some(frame);
        }
        self.pass(core, frame, port, pool);
        None
    }

    fn pass(&mut self, core: usize, frame: PktBuf, port: &mut Port<Message>, pool: &'static Pool) {
        match port.send_buffer(core, frame, pool, Message::Frame) {
            Ok(()) => self.counters.passed_on += 1,
            Err(NotSent::Full) => self.counters.ring_full += 1,
            Err(NotSent::NoBuffer) => self.counters.no_buffer += 1,
        }
    }
}

impl Statistics for Steering {
    fn visit(&self, visit: &mut dyn FnMut(&str, u64)) {
        visit("steer_passed_on", self.counters.passed_on);
        visit("drop_steer_ring_full", self.counters.ring_full);
        visit("drop_steer_no_buffer", self.counters.no_buffer);
        visit("drop_steer_no_core", self.counters.no_core);
    }
}
