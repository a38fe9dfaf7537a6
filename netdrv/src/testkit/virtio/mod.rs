//! A virtio-net device (virtio 1.2, section 5.1) to run the driver against.
//!
//! ```text
//! NetDevice  what the device is and does           ring      its side of a virtqueue
//! mmio, pci  its registers, as drivers see them    control   the commands it takes;  steering  its RSS
//! ```
//!
//! A [`NetDevice`] is a handle: the test keeps one and gives the driver registers made from it.

#![allow(unsafe_code)] // plays DMA

mod control;
mod mmio;
mod pci;
mod ring;
mod steering;

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

pub use mmio::MmioRegisters;
pub use pci::{Flavour, PciModel, PciWindow};
pub use ring::{Chain, DeviceQueue, Piece};

use crate::testkit::offload::{Cut, Cwr, Offload, on_the_wire};
use crate::virtio::transport::RingAddresses;
use crate::virtio::{Features, Status, Suppression};
use steering::Rss;

/// Index of the first receive queue.
pub const RX: usize = 0;
/// Index of the first transmit queue.
pub const TX: usize = 1;
/// Queue pairs that there are memory and registers for, whatever a device says that it has.
const MOST_PAIRS: u16 = 8;
/// Descriptors of the control queue.
const CONTROL_DESCRIPTORS: u16 = 64;

/// Bytes of the header before each frame.
const HEADER_BYTES: usize = 12;

/// Header: flags and kinds of segmentation (section 5.1.6).
const NEEDS_CSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_ECN: u8 = 0x80;

/// What a device offers, and how it misbehaves before it runs.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Feature bits.
    pub features: u64,
    /// Ethernet address.
    pub mac: [u8; 6],
    /// MTU, in bytes.
    pub mtu: u16,
    /// Link status bits.
    pub link: u16,
    /// Queue pairs that it says it has.
    pub queue_pairs: u16,
    /// Descriptors of each receive and transmit queue at most; 0 for queues that are missing.
    pub queue_sizes: [u16; 2],
    /// Bytes of an RSS key at most.
    pub rss_key: u8,
    /// Entries of an RSS table at most.
    pub rss_table: u16,
    /// Hash types that it knows.
    pub hash_types: u32,
    /// What it does with commands.
    pub commands: Commands,
    /// Whether a reset has no effect.
    pub resets: Behaviour,
    /// Whether FEATURES_OK is taken.
    pub agrees: Behaviour,
    /// Whether the configuration stays the same between two looks at its generation.
    pub rests: Behaviour,
}

/// What the device does with commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commands {
    /// What they say.
    Obeyed,
    /// What they say, once [`NetDevice::answer_commands`] is called.
    Delayed,
    /// It refuses them.
    Refused,
    /// It refuses to be told how to steer.
    RssRefused,
    /// It never answers.
    Ignored,
    /// It answers with something that is no answer.
    Garbled,
    /// It answers something that it was not asked.
    Misnamed,
}

/// Whether the device behaves in some respect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// As the specification says.
    Correct,
    /// It does not do what it should.
    Broken,
}

impl Default for Offer {
    /// Everything that the driver can use.
    fn default() -> Offer {
        Offer {
            features: Features::all().bits(),
            mac: [0x52, 0x54, 0x00, 0x12, 0x34, 0x56],
            mtu: 1500,
            link: 1,
            queue_pairs: 4,
            queue_sizes: [256; 2],
            rss_key: 40,
            rss_table: 128,
            hash_types: 0x1ff,
            commands: Commands::Obeyed,
            resets: Behaviour::Correct,
            agrees: Behaviour::Correct,
            rests: Behaviour::Correct,
        }
    }
}

impl Offer {
    fn offers(&self, feature: Features) -> bool {
        self.features & feature.bits() != 0
    }

    /// Queue pairs that there are.
    fn pairs(&self) -> u16 {
        let several = self.offers(Features::NET_MQ) || self.offers(Features::NET_RSS);
        if several { self.queue_pairs.min(MOST_PAIRS) } else { 1 }
    }

    /// Queues that there are.
    fn num_queues(&self) -> u16 {
        2 * self.pairs() + u16::from(self.offers(Features::NET_CTRL_VQ))
    }

    /// Descriptors of a queue at most; 0 if there is no such queue.
    fn queue_size(&self, queue: usize) -> u16 {
        match queue {
            _ if queue >= self.num_queues().into() => 0,
            _ if queue == 2 * usize::from(self.pairs()) => CONTROL_DESCRIPTORS,
            _ => self.queue_sizes[queue % 2],
        }
    }
}

/// A frame that the driver sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmitted {
    /// Names it in [`NetDevice::complete`].
    pub head: u16,
    /// The virtio header.
    pub header: [u8; HEADER_BYTES],
    /// The frame.
    pub frame: Vec<u8>,
}

impl Transmitted {
    /// The frames that it is on the wire. What makes no sense panics: a driver is not to ask for it.
    pub fn on_the_wire(&self) -> Vec<Vec<u8>> {
        let word = |at: usize| usize::from(u16::from_le_bytes([self.header[at], self.header[at + 1]]));
        let (flags, gso_type) = (self.header[0], self.header[1]);
        assert!(flags & !NEEDS_CSUM == 0 && matches!(gso_type & !GSO_ECN, GSO_NONE | GSO_TCPV4), "{:?}", self.header);
        assert!(gso_type != GSO_ECN, "nothing is cut");
        let cut = Cut {
            header_bytes: word(2),
            payload_bytes: word(4),
            cwr: if gso_type & GSO_ECN != 0 { Cwr::First } else { Cwr::Repeated },
        };
        let offload = Offload {
            checksum: (flags == NEEDS_CSUM).then_some((word(6), word(8))),
            cut: (gso_type != GSO_NONE).then_some(cut),
        };
        on_the_wire(self.frame.clone(), offload).unwrap_or_else(|| panic!("{:?} makes no sense", self.header))
    }
}

/// A handle of the device.
#[derive(Clone, Debug)]
pub struct NetDevice(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    offer: Offer,
    status: Status,
    driver_features: u64,
    queues: Vec<Option<DeviceQueue>>,
    kicks: Vec<usize>,
    interrupt_raised: bool,
    /// By queue.
    interrupts: Vec<usize>,
    generation: u32,
    pairs_in_use: u16,
    rss: Option<Rss>,
    /// Commands so far.
    commands: usize,
    delayed: Vec<(Chain, Vec<u8>)>,
}

impl NetDevice {
    /// A device that has not been reset yet.
    pub fn new(offer: Offer) -> NetDevice {
        let queues = offer.num_queues().into();
        NetDevice(Rc::new(RefCell::new(State {
            offer,
            status: Status::DEVICE_NEEDS_RESET,
            driver_features: 0,
            queues: (0..queues).map(|_| None).collect(),
            kicks: vec![0; queues],
            interrupt_raised: false,
            interrupts: vec![0; queues],
            generation: 0,
            pairs_in_use: 1,
            rss: None,
            commands: 0,
            delayed: Vec::new(),
        })))
    }

    /// Delivers a frame to the queue pair that the driver's steering sends it to, or to the first. Returns which, if there
    /// was room.
    pub fn steer(&self, frame: &[u8]) -> Option<u16> {
        let pair = self.running().rss.as_ref().map_or(0, |rss| rss.steer(frame));
        self.deliver_to(pair, [0; HEADER_BYTES - 2], frame).then_some(pair)
    }

    /// Delivers a frame, over as many buffers as it takes and the features allow. Returns whether there was room.
    pub fn deliver(&self, frame: &[u8]) -> bool {
        self.deliver_with([0; HEADER_BYTES - 2], frame)
    }

    /// Delivers a frame with this header, whose number of buffers is filled in.
    pub fn deliver_with(&self, header: [u8; HEADER_BYTES - 2], frame: &[u8]) -> bool {
        self.deliver_to(0, header, frame)
    }

    /// Delivers a frame to a queue pair, as [`deliver_with`](NetDevice::deliver_with) does to the first.
    pub fn deliver_to(&self, pair: u16, header: [u8; HEADER_BYTES - 2], frame: &[u8]) -> bool {
        let mut state = self.running();
        assert!(pair < state.pairs_in_use, "pair {pair} is not in use");
        let merges = state.negotiated(Features::NET_MRG_RXBUF);
        let total = HEADER_BYTES + frame.len();
        let index = 2 * usize::from(pair) + RX;
        let queue = state.queue(index);
        let (mut chains, mut room) = (Vec::new(), 0);
        while room < total && (merges || chains.is_empty()) {
            let Some(chain) = queue.pop() else { return false };
            room += chain.capacity();
            chains.push(chain);
        }
        let mut bytes = header.to_vec();
        bytes.extend((chains.len() as u16).to_le_bytes());
        bytes.extend(frame);
        let mut rest = &bytes[..];
        for chain in &chains {
            let written = chain.write(rest);
            queue.stage_used(chain.head.into(), written as u32);
            rest = &rest[written..];
        }
        state.flush(index);
        true
    }

    /// Takes all frames that the driver has sent through the first pair, and keeps their buffers.
    pub fn fetch(&self) -> Vec<Transmitted> {
        self.running().fetch(0)
    }

    /// Gives the buffers of a frame back.
    pub fn complete(&self, sent: &Transmitted) {
        let mut state = self.running();
        state.queue(TX).stage_used(sent.head.into(), 0);
        state.flush(TX);
    }

    /// Takes all frames that the driver has sent through the first pair and gives their buffers back, in order.
    pub fn transmit(&self) -> Vec<Transmitted> {
        self.transmit_from(0)
    }

    /// Takes all frames that the driver has sent through a pair and gives their buffers back, in order.
    pub fn transmit_from(&self, pair: u16) -> Vec<Transmitted> {
        let mut state = self.running();
        let frames = state.fetch(pair);
        let queue = 2 * usize::from(pair) + TX;
        for sent in &frames {
            state.queue(queue).stage_used(sent.head.into(), 0);
        }
        state.flush(queue);
        frames
    }

    /// Answers the commands that the device put off.
    pub fn answer_commands(&self) {
        self.running().answer_delayed();
    }

    /// Makes the device do something else with commands.
    pub fn set_commands(&self, commands: Commands) {
        self.state().offer.commands = commands;
    }

    /// Commands that the driver has sent so far.
    pub fn commands(&self) -> usize {
        self.state().commands
    }

    /// Queue pairs that the driver has the device use.
    pub fn pairs_in_use(&self) -> u16 {
        self.running().pairs_in_use
    }

    /// Writes a used entry that names anything and any length.
    pub fn inject_used(&self, queue: usize, id: u32, len: u32) {
        let mut state = self.running();
        let wanted = state.queue(queue).inject_used(id, len);
        state.interrupt(queue, wanted);
    }

    /// Where the rings of a queue are, for another device to work on them.
    pub fn rings(&self, queue: usize) -> RingAddresses {
        self.running().queue(queue).addresses()
    }

    /// Does something to a queue.
    pub fn with_queue<A>(&self, queue: usize, act: impl FnOnce(&mut DeviceQueue) -> A) -> A {
        act(self.running().queue(queue))
    }

    /// Whether the driver lets the device run.
    pub fn is_running(&self) -> bool {
        self.0.borrow().status.contains(Status::DRIVER_OK)
    }

    /// Notifications of a queue so far.
    pub fn kicks(&self, queue: usize) -> usize {
        self.0.borrow().kicks[queue]
    }

    /// Interrupts raised so far.
    pub fn interrupts(&self) -> usize {
        self.0.borrow().interrupts.iter().sum()
    }

    /// Interrupts raised so far for a queue.
    pub fn interrupts_of(&self, queue: usize) -> usize {
        self.0.borrow().interrupts[queue]
    }

    /// Whether an interrupt waits to be acknowledged.
    pub fn interrupt_raised(&self) -> bool {
        self.0.borrow().interrupt_raised
    }

    /// The features that the driver accepted.
    pub fn driver_features(&self) -> Features {
        Features::from_bits_retain(self.0.borrow().driver_features)
    }

    /// Makes resets work, or not.
    pub fn set_resets(&self, resets: Behaviour) {
        self.0.borrow_mut().offer.resets = resets;
    }

    /// The device's registers over MMIO.
    pub fn mmio(&self) -> MmioRegisters {
        MmioRegisters::new(self.clone())
    }

    /// The device as a PCI function.
    pub fn pci(&self, flavour: Flavour) -> PciModel {
        PciModel::new(self.clone(), flavour)
    }

    fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }

    fn running(&self) -> RefMut<'_, State> {
        let state = self.state();
        assert!(state.status.contains(Status::DRIVER_OK), "the device does not run");
        state
    }
}

impl State {
    fn negotiated(&self, feature: Features) -> bool {
        self.driver_features & feature.bits() == feature.bits()
    }

    fn queue(&mut self, queue: usize) -> &mut DeviceQueue {
        self.queues[queue].as_mut().expect("the driver enabled the queue")
    }

    fn flush(&mut self, queue: usize) {
        let wanted = self.queue(queue).flush_used();
        self.interrupt(queue, wanted);
    }

    fn interrupt(&mut self, queue: usize, wanted: bool) {
        self.interrupt_raised |= wanted;
        self.interrupts[queue] += usize::from(wanted);
    }

    fn fetch(&mut self, pair: u16) -> Vec<Transmitted> {
        let queue = self.queue(2 * usize::from(pair) + TX);
        let mut frames = Vec::new();
        while let Some(chain) = queue.pop() {
            let bytes = chain.read();
            let (header, frame) = bytes.split_first_chunk().expect("a frame has a header");
            frames.push(Transmitted { head: chain.head, header: *header, frame: frame.to_vec() });
        }
        frames
    }

    /// Index of the control queue (section 5.1.2).
    fn control_queue(&self) -> usize {
        2 * usize::from(self.offer.pairs())
    }

    /// The driver writes the status, in the order of section 3.1.1 and in separate steps.
    fn write_status(&mut self, status: u8) {
        let status = Status::from_bits_retain(status);
        if status.is_empty() {
            if self.offer.resets == Behaviour::Correct {
                self.status = status;
                self.driver_features = 0;
                self.queues.iter_mut().for_each(|queue| *queue = None);
                self.pairs_in_use = 1;
                self.rss = None;
                self.delayed.clear();
                self.interrupt_raised = false;
            }
            return;
        }
        let step = status.difference(self.status);
        let order = [Status::ACKNOWLEDGE, Status::DRIVER, Status::FEATURES_OK, Status::DRIVER_OK];
        assert!(status.contains(self.status) && order.contains(&step), "status {:?} -> {status:?}", self.status);
        let before = order.iter().take_while(|earlier| **earlier != step).fold(Status::empty(), |a, b| a | *b);
        assert_eq!(self.status, before, "a step of the initialisation is missing before {step:?}");
        if step != Status::FEATURES_OK || self.offer.agrees == Behaviour::Correct {
            self.status = status;
        }
    }

    /// The driver accepts one half of the features.
    fn write_features(&mut self, selector: u32, half: u32) {
        assert_eq!(self.status, Status::ACKNOWLEDGE | Status::DRIVER, "features are negotiated between the two");
        let shift = 32 * selector;
        self.driver_features = self.driver_features & !(0xffff_ffff << shift) | u64::from(half) << shift;
        assert_eq!(self.driver_features & !self.offer.features, 0, "the driver accepts what was not offered");
    }

    /// The driver enables a queue.
    fn enable_queue(&mut self, queue: usize, rings: RingAddresses) {
        assert!(self.status.contains(Status::FEATURES_OK) && !self.status.contains(Status::DRIVER_OK));
        assert!(rings.size <= self.offer.queue_size(queue));
        let event_idx = self.negotiated(Features::EVENT_IDX);
        let suppression = if event_idx { Suppression::EventIdx } else { Suppression::Flags };
        // SAFETY: a driver's rings are never freed, and it lends what it publishes, until it has reset the device, which
        // drops the queue here. A device has no other assurance.
        self.queues[queue] = Some(unsafe { DeviceQueue::new(rings, suppression) });
    }

    fn kick(&mut self, queue: usize) {
        assert!(self.status.contains(Status::DRIVER_OK), "a notification before DRIVER_OK");
        self.kicks[queue] += 1;
        if queue == self.control_queue() {
            self.serve_commands();
        }
    }

    /// A byte of the configuration space, if the features promise it.
    fn config_byte(&self, offset: usize) -> u8 {
        let offered = |feature: Features| self.offer.features & feature.bits() != 0;
        match offset {
            0..6 if offered(Features::NET_MAC) => self.offer.mac[offset],
            8..10 if offered(Features::NET_MQ) || offered(Features::NET_RSS) => {
                self.offer.queue_pairs.to_le_bytes()[offset - 8]
            }
            17 if offered(Features::NET_RSS) => self.offer.rss_key,
            18..20 if offered(Features::NET_RSS) => self.offer.rss_table.to_le_bytes()[offset - 18],
            20..24 if offered(Features::NET_RSS) => self.offer.hash_types.to_le_bytes()[offset - 20],
            6..8 if offered(Features::NET_STATUS) => self.offer.link.to_le_bytes()[offset - 6],
            10..12 if offered(Features::NET_MTU) => self.offer.mtu.to_le_bytes()[offset - 10],
            _ => panic!("the driver reads byte {offset} of the configuration, which no feature promises"),
        }
    }

    fn read_generation(&mut self) -> u32 {
        if self.offer.rests == Behaviour::Broken {
            self.generation += 1;
        }
        self.generation
    }
}
