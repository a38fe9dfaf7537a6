//! What is measured: the appliance's driver, the stack and an application, on a device model.

use std::cell::Cell;

use app_echo::Echo;
use app_memcached::protocol::{Dialect, Permissions, Settings};
use app_memcached::service::{Service, Shared};
use app_memcached::store::{StoreMemory, WhenFull};
use netdrv::nic::{ClosedPair as _, Nic as _, RssConfig, RxQueue as _};
use netdrv::pktbuf::Pool;
use netdrv::registers::Registers;
use netdrv::testkit::virtio::{MmioRegisters, NetDevice, Offer, RX, TX};
use netdrv::virtio::transport::MmioTransport;
use netdrv::virtio_net::{Interrupts, ReceiveQueue, TransmitQueue, VirtioNet};
use netstack::app::App;
use netstack::stack::{Addressing, Config, CongestionControl, Stack, TcpSettings};
use netstack::time::Instant;

use super::client::{SERVER_IP, SERVER_MAC};
use super::dialogue::STORE_BYTES;
use super::{Error, PORT};
use crate::turn::Core;

/// Header flag: the device has checked the frame's checksums, as the host's side of a virtio link does.
const DATA_VALID: u8 = 2;
/// Descriptors of a queue, as QEMU's default.
const QUEUE: u16 = 256;

type Transport = MmioTransport<Direct>;

/// The server: its core and its device.
pub(super) struct Server<A> {
    pub(super) core: Core<ReceiveQueue<Transport>, TransmitQueue<Transport>, A>,
    pub(super) device: NetDevice,
    delivered: Cell<u64>,
    /// Frames that there was no buffer for: the client offers no more than there is room for, so none.
    pub(super) refused: Cell<u64>,
}

/// The application that sends back what it gets.
pub(super) fn echo(connections: usize, pool: &'static Pool) -> Result<Echo, Error> {
    Ok(Echo::new(connections, pool))
}

/// The appliance's.
pub(super) fn memcached(connections: usize, pool: &'static Pool) -> Result<Service, Error> {
    let settings = Settings {
        udp_port: 0,
        http_port: 0,
        permissions: Permissions::default(),
        auth: None,
        cluster: None,
        conn_limit: connections as u32,
        max_item_size: 1 << 20,
        when_full: WhenFull::Evict,
        port: PORT,
        dialect: Dialect::DEFAULT,
        threads: 1,
    };
    Shared::new(settings, 1, StoreMemory::leak(STORE_BYTES))
        .and_then(|mut shared| shared.service(pool))
        .map_err(Error::Service)
}

impl<A: App> Server<A> {
    pub(super) fn new(connections: usize, pool: &'static Pool, batch_limit: usize, app: A) -> Result<Server<A>, Error> {
        let offer = Offer { mac: SERVER_MAC, queue_sizes: [QUEUE; 2], ..Offer::default() };
        let device = NetDevice::new(offer);
        let registers = Direct { model: device.mmio(), doorbell: Cell::new(0) };
        let nic = VirtioNet::new(MmioTransport::new(registers).map_err(Error::Driver)?, Interrupts::Line);
        let nic = nic.map_err(Error::Driver)?;
        let info = nic.info();
        let steering = RssConfig { key: [0; 40], table: [0; 128] };
        let pair = nic.into_queue_pairs(1, &steering).map_err(Error::Driver)?.pairs.pop().ok_or(Error::NoQueues)?;
        let config = Config {
            mac: info.mac,
            vlan: None,
            mtu: info.mtu,
            tx_checksum: info.tx_checksum,
            tso: info.tso,
            address: Addressing::Static { ip: SERVER_IP, prefix: 8, gateway: None },
            listen: &[PORT],
            udp: &[],
            conn_limit: connections,
            congestion_control: CongestionControl::default(),
            tcp: TcpSettings::default(),
            seed: *b"a seed of no one",
        };
        let stack = Stack::new(config, pool, Instant::ZERO);
        let core = Core::new(pair.open(), pool, stack, app, batch_limit);
        Ok(Server { core, device, delivered: Cell::new(0), refused: Cell::new(0) })
    }

    /// The device receives a frame, or refuses it, as it has no buffer.
    pub(super) fn deliver(&self, frame: &[u8]) {
        let mut header = [0; 10];
        header[0] = DATA_VALID;
        let taken = self.device.deliver_with(header, frame);
        let counter = if taken { &self.delivered } else { &self.refused };
        counter.set(counter.get() + 1);
    }

    /// Frames that wait to be taken.
    pub(super) fn waiting(&self) -> usize {
        let counters = self.core.queues.rx.counters();
        let taken = counters.frames + counters.bad_length + counters.oversized + counters.bad_descriptor;
        self.delivered.get().saturating_sub(taken) as usize
    }

    /// Buffers that the device has for frames.
    pub(super) fn buffers(&self) -> usize {
        self.device.with_queue(RX, |queue| queue.available()).into()
    }

    /// The device sends what it was given, and wants a doorbell for the next frame.
    pub(super) fn transmitted(&self) -> Vec<Vec<u8>> {
        let frames = self.device.transmit();
        self.device.with_queue(TX, |queue| queue.enable_notification());
        frames.into_iter().map(|sent| sent.frame).collect()
    }
}

/// The model's registers, but for the doorbell: as in hardware it costs the driver a write, whatever the device makes of it.
pub(super) struct Direct {
    model: MmioRegisters,
    doorbell: Cell<u32>,
}

/// The register that notifies (virtio 1.2, section 4.2.2).
const QUEUE_NOTIFY: usize = 0x50;

impl Registers for Direct {
    fn read8(&self, offset: usize) -> u8 {
        self.model.read8(offset)
    }

    fn read16(&self, offset: usize) -> u16 {
        self.model.read16(offset)
    }

    fn read32(&self, offset: usize) -> u32 {
        self.model.read32(offset)
    }

    fn write8(&self, offset: usize, value: u8) {
        self.model.write8(offset, value);
    }

    fn write16(&self, offset: usize, value: u16) {
        self.model.write16(offset, value);
    }

    fn write32(&self, offset: usize, value: u32) {
        if offset == QUEUE_NOTIFY {
            return self.doorbell.set(value);
        }
        self.model.write32(offset, value);
    }
}
