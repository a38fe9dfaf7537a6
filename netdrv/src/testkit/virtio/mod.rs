//! A virtio-net device (virtio 1.2, section 5.1) to run the driver against.
//!
//! ```text
//! NetDevice  what the device is and does        ring  its side of a virtqueue
//! mmio, pci  its registers, as drivers see them
//! ```
//!
//! A [`NetDevice`] is a handle: the test keeps one and gives the driver registers made from it.

#![allow(unsafe_code)] // plays DMA

mod mmio;
mod pci;
mod ring;

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

pub use mmio::MmioRegisters;
pub use pci::{Flavour, PciModel, PciWindow};
pub use ring::{Chain, DeviceQueue, Piece};

use crate::virtio::transport::RingAddresses;
use crate::virtio::{Features, Status, Suppression};

/// Index of the receive queue.
pub const RX: usize = 0;
/// Index of the transmit queue.
pub const TX: usize = 1;

/// Bytes of the header before each frame.
const HEADER_BYTES: usize = 12;

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
    /// Descriptors of each queue at most; 0 for a queue that is missing.
    pub queue_sizes: [u16; 2],
    /// Whether a reset has no effect.
    pub resets: Behaviour,
    /// Whether FEATURES_OK is taken.
    pub agrees: Behaviour,
    /// Whether the configuration stays the same between two looks at its generation.
    pub rests: Behaviour,
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
            queue_sizes: [256; 2],
            resets: Behaviour::Correct,
            agrees: Behaviour::Correct,
            rests: Behaviour::Correct,
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

/// A handle of the device.
#[derive(Clone, Debug)]
pub struct NetDevice(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    offer: Offer,
    status: Status,
    driver_features: u64,
    queues: [Option<DeviceQueue>; 2],
    kicks: [usize; 2],
    interrupt_raised: bool,
    interrupts: usize,
    generation: u32,
}

impl NetDevice {
    /// A device that has not been reset yet.
    pub fn new(offer: Offer) -> NetDevice {
        NetDevice(Rc::new(RefCell::new(State {
            offer,
            status: Status::DEVICE_NEEDS_RESET,
            driver_features: 0,
            queues: [None, None],
            kicks: [0; 2],
            interrupt_raised: false,
            interrupts: 0,
            generation: 0,
        })))
    }

    /// Delivers a frame, over as many buffers as it takes and the features allow. Returns whether there was room.
    pub fn deliver(&self, frame: &[u8]) -> bool {
        self.deliver_with([0; HEADER_BYTES - 2], frame)
    }

    /// Delivers a frame with this header, whose number of buffers is filled in.
    pub fn deliver_with(&self, header: [u8; HEADER_BYTES - 2], frame: &[u8]) -> bool {
        let mut state = self.running();
        let merges = state.negotiated(Features::NET_MRG_RXBUF);
        let total = HEADER_BYTES + frame.len();
        let queue = state.queue(RX);
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
        state.flush(RX);
        true
    }

    /// Takes all frames that the driver has sent, and keeps their buffers.
    pub fn fetch(&self) -> Vec<Transmitted> {
        let mut state = self.running();
        let mut frames = Vec::new();
        while let Some(chain) = state.queue(TX).pop() {
            let bytes = chain.read();
            let (header, frame) = bytes.split_first_chunk().expect("a frame has a header");
            frames.push(Transmitted { head: chain.head, header: *header, frame: frame.to_vec() });
        }
        frames
    }

    /// Gives the buffers of a frame back.
    pub fn complete(&self, sent: &Transmitted) {
        let mut state = self.running();
        state.queue(TX).stage_used(sent.head.into(), 0);
        state.flush(TX);
    }

    /// Takes all frames that the driver has sent and gives their buffers back, in order.
    pub fn transmit(&self) -> Vec<Transmitted> {
        let frames = self.fetch();
        let mut state = self.running();
        for sent in &frames {
            state.queue(TX).stage_used(sent.head.into(), 0);
        }
        state.flush(TX);
        frames
    }

    /// Writes a used entry that names anything and any length.
    pub fn inject_used(&self, queue: usize, id: u32, len: u32) {
        let mut state = self.running();
        let wanted = state.queue(queue).inject_used(id, len);
        state.interrupt(wanted);
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
        self.0.borrow().interrupts
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
        self.interrupt(wanted);
    }

    fn interrupt(&mut self, wanted: bool) {
        self.interrupt_raised |= wanted;
        self.interrupts += usize::from(wanted);
    }

    /// The driver writes the status, in the order of section 3.1.1 and in separate steps.
    fn write_status(&mut self, status: u8) {
        let status = Status::from_bits_retain(status);
        if status.is_empty() {
            if self.offer.resets == Behaviour::Correct {
                self.status = status;
                self.driver_features = 0;
                self.queues = [None, None];
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
        assert!(rings.size <= self.offer.queue_sizes[queue]);
        let event_idx = self.negotiated(Features::EVENT_IDX);
        let suppression = if event_idx { Suppression::EventIdx } else { Suppression::Flags };
        // SAFETY: a driver's rings are never freed, and it lends what it publishes, until it has reset the device, which
        // drops the queue here. A device has no other assurance.
        self.queues[queue] = Some(unsafe { DeviceQueue::new(rings, suppression) });
    }

    fn kick(&mut self, queue: usize) {
        assert!(self.status.contains(Status::DRIVER_OK), "a notification before DRIVER_OK");
        self.kicks[queue] += 1;
    }

    /// A byte of the configuration space, if the features promise it.
    fn config_byte(&self, offset: usize) -> u8 {
        let offered = |feature: Features| self.offer.features & feature.bits() != 0;
        match offset {
            0..6 if offered(Features::NET_MAC) => self.offer.mac[offset],
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
