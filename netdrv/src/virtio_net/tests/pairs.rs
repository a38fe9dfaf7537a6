//! Several queue pairs, and which of them a frame arrives in.

use super::*;
use crate::nic::steering::{Progress, SteeringControl, SubmitError, flow_group};
use crate::nic::toeplitz::Toeplitz;
use crate::nic::{Armed, Watch};
use crate::testkit::virtio::{Commands, Flavour, PciWindow, RX};
use crate::virtio::transport::PciTransport;

type Pci = PciTransport<PciWindow>;

/// The entries of the MSI-X table that a test has set up.
const FOUR: Interrupts = Interrupts::MsiX { first: 1, entries: 4 };

fn nic(device: &NetDevice, interrupts: Interrupts) -> Result<VirtioNet<Pci>, Error> {
    VirtioNet::new(PciTransport::new(&device.pci(Flavour::Qemu)).unwrap(), interrupts)
}

/// A key of no particular shape, and the groups spread over so many pairs.
fn spread(pairs: u8) -> RssConfig {
    RssConfig {
        key: std::array::from_fn(|i| (i * i + 7 * i + 3) as u8),
        table: std::array::from_fn(|i| i as u8 % pairs),
    }
}

fn started(offer: Offer, pairs: u8) -> Result<Started<VirtioNet<Pci>>, Error> {
    nic(&NetDevice::new(offer), FOUR)?.into_queue_pairs(pairs.into(), &spread(pairs))
}

fn failing(commands: Commands) -> Option<Error> {
    started(Offer { commands, ..Offer::default() }, 2).err()
}

/// An IPv4 packet of a flow, in an Ethernet frame.
fn frame(protocol: u8, addresses: [u32; 2], ports: [u16; 2]) -> Vec<u8> {
    let mut frame = vec![0; 54];
    frame[12] = 8;
    frame[14] = 0x45;
    frame[23] = protocol;
    frame[26..30].copy_from_slice(&addresses[0].to_be_bytes());
    frame[30..34].copy_from_slice(&addresses[1].to_be_bytes());
    frame[34..36].copy_from_slice(&ports[0].to_be_bytes());
    frame[36..38].copy_from_slice(&ports[1].to_be_bytes());
    frame
}

#[test]
fn each_pair_receives_sends_and_interrupts_for_itself() {
    let device = NetDevice::new(Offer::default());
    let started = nic(&device, FOUR).unwrap().into_queue_pairs(3, &spread(3)).unwrap();
    assert_eq!((started.pairs.len(), device.pairs_in_use(), device.commands()), (3, 3, 1));
    let pool = Pool::leak(PoolMemory::leak(1000));
    let mut pairs: Vec<_> = started.pairs.into_iter().map(ClosedPair::open).collect();
    let mut batch = Batch::new();
    for (index, QueuePair { rx, tx }) in (0..).zip(&mut pairs) {
        rx.refill(pool);
        rx.arm();
        assert!(device.deliver_to(index, [0; 10], &[index as u8; 60]));
        assert_eq!(device.interrupts_of(2 * usize::from(index) + RX), 1);
        rx.disarm();
        assert_eq!(rx.poll(&mut batch, 64), 1);
        assert_eq!(tx.submit(&mut batch), 1);
        tx.doorbell();
        assert_eq!(device.transmit_from(index)[0].frame, [index as u8; 60]);
        tx.reclaim();
    }
    drop(pairs);
    assert_eq!(pool.available(), pool.capacity());
}

/// On MMIO there is one line: it reaches the first core, which looks after the queues of those that halt.
#[test]
fn pairs_on_one_line_are_watched() {
    let device = NetDevice::new(Offer::default());
    let nic = VirtioNet::new(MmioTransport::new(device.mmio()).unwrap(), Interrupts::SharedLine).unwrap();
    assert_eq!((nic.info().queue_pairs, nic.info().steering), (4, Steering::Rss));
    let Started { pairs, mut watches, .. } = nic.into_queue_pairs(3, &spread(3)).unwrap();
    assert_eq!((watches.len(), device.pairs_in_use()), (2, 3));
    let pool = Pool::leak(PoolMemory::leak(1000));
    let mut pairs: Vec<_> = pairs.into_iter().map(ClosedPair::open).collect();
    pairs.iter_mut().for_each(|pair| assert!(pair.rx.refill(pool) > 0));
    let mut work = move || [watches[0].take_work(), watches[1].take_work()];

    device.deliver_to(2, [0; 10], &[0; 60]);
    assert_eq!(work(), [false, false], "its core does not halt");
    assert_eq!(pairs[2].rx.arm(), Armed::Pending);
    assert_eq!(work(), [false, true], "though it will not");
    pairs[2].rx.disarm();
    let mut batch = Batch::new();
    pairs[2].rx.poll(&mut batch, 64);
    assert_eq!(pairs[2].rx.arm(), Armed::Idle);
    assert_eq!(work(), [false, false]);
    device.deliver_to(2, [0; 10], &[0; 60]);
    assert_eq!((work(), work()), ([false, true], [false, false]), "once");
    assert!(device.interrupt_raised(), "for the first core, if it halts");
    pairs[2].rx.disarm();
    assert!(device.interrupt_raised());
    pairs[0].rx.arm();
    pairs[0].rx.disarm();
    assert!(!device.interrupt_raised(), "which acknowledges it");
    device.deliver_to(1, [0; 10], &[0; 60]);
    pairs[1].rx.disarm();
    assert_eq!(work(), [false, false]);
}

#[test]
fn there_are_no_more_pairs_than_device_interrupts_and_caller_have() {
    let info = |offer, interrupts| nic(&NetDevice::new(offer), interrupts).unwrap().info();
    let offer = Offer::default;
    assert_eq!(info(offer(), FOUR).queue_pairs, 4);
    assert_eq!(info(offer(), FOUR).steering, Steering::Rss);
    assert_eq!(info(offer(), Interrupts::MsiX { first: 0, entries: 2 }).queue_pairs, 2);
    assert_eq!(info(offer(), Interrupts::Line).queue_pairs, 1, "a line interrupts one core");
    assert_eq!(info(Offer { queue_pairs: 3, ..offer() }, FOUR).queue_pairs, 3);
    assert_eq!(info(without(Features::NET_MQ | Features::NET_RSS), FOUR).queue_pairs, 1);
    assert_eq!(info(without(Features::NET_CTRL_VQ), FOUR).queue_pairs, 1);

    assert_eq!(started(offer(), 8).err(), Some(Error::NoSuchPair { pair: 4 }));
    let single = started(offer(), 1).unwrap();
    assert!(single.pairs.len() == 1 && single.control.is_none());
}

#[test]
fn one_pair_needs_no_command() {
    let device = NetDevice::new(Offer { commands: Commands::Ignored, ..Offer::default() });
    assert_eq!(nic(&device, FOUR).unwrap().into_queue_pairs(1, &TO_THE_FIRST).unwrap().pairs.len(), 1);
    assert_eq!(device.commands(), 0);
}

#[test]
fn device_and_software_steer_alike() {
    let device = NetDevice::new(Offer::default());
    let rss = spread(4);
    let started = nic(&device, FOUR).unwrap().into_queue_pairs(4, &rss).unwrap();
    let pool = Pool::leak(PoolMemory::leak(1100));
    let mut pairs: Vec<_> = started.pairs.into_iter().map(ClosedPair::open).collect();
    for pair in &mut pairs {
        pair.rx.refill(pool);
    }
    let hash = Toeplitz::new(&rss.key);
    for i in 0..100_u32 {
        let (addresses, ports) = ([i.wrapping_mul(0x9e37_79b9), 0x0a00_0001], [i as u16 * 37, 11211]);
        let by_ports = hash.with_ports(addresses[0], addresses[1], ports[0], ports[1]);
        let by_addresses = hash.addresses(addresses[0], addresses[1]);
        for (protocol, hash) in [(6, by_ports), (17, by_ports), (1, by_addresses)] {
            let pair = device.steer(&frame(protocol, addresses, ports)).unwrap();
            assert_eq!(pair, rss.table[flow_group(hash)].into());
        }
    }
    assert_eq!(device.steer(&[0xff; 60]), Some(0), "ARP and the like");
}

#[test]
fn a_group_moves_while_the_device_runs() {
    let device = NetDevice::new(Offer::default());
    let rss = spread(2);
    let started = nic(&device, FOUR).unwrap().into_queue_pairs(2, &rss).unwrap();
    let pool = Pool::leak(PoolMemory::leak(600));
    let mut pairs: Vec<_> = started.pairs.into_iter().map(ClosedPair::open).collect();
    for pair in &mut pairs {
        pair.rx.refill(pool);
    }
    let mut control = started.control.unwrap();
    assert_eq!(control.poll(), Progress::Idle);

    let flow = frame(6, [0x0a00_0002, 0x0a00_0001], [40_000, 11_211]);
    let group = flow_group(Toeplitz::new(&rss.key).with_ports(0x0a00_0002, 0x0a00_0001, 40_000, 11_211));
    let before = rss.table[group];
    assert_eq!(device.steer(&flow), Some(before.into()));
    let mut table = rss.table;
    table[group] = 1 - before;
    device.set_commands(Commands::Delayed);
    assert_eq!(control.submit(&table), Ok(()));
    assert_eq!((control.poll(), control.submit(&table)), (Progress::Pending, Err(SubmitError::Busy)));
    assert_eq!(device.steer(&flow), Some(before.into()));
    device.answer_commands();
    assert_eq!(device.steer(&flow), Some((1 - before).into()));
    assert_eq!((control.poll(), control.poll()), (Progress::Done, Progress::Idle));

    table[0] = 2;
    assert_eq!(control.submit(&table), Err(SubmitError::NoSuchPair));
    table[0] = 0;
    for (commands, answer) in [
        (Commands::Refused, Progress::Refused),
        (Commands::Garbled, Progress::Garbled),
        (Commands::Misnamed, Progress::Garbled),
        (Commands::Obeyed, Progress::Done),
    ] {
        device.set_commands(commands);
        assert_eq!((control.submit(&table), control.poll()), (Ok(()), answer));
    }
}

#[test]
fn answers_out_of_turn_answer_nothing() {
    let device = NetDevice::new(Offer::default());
    let started = nic(&device, FOUR).unwrap().into_queue_pairs(2, &spread(2)).unwrap();
    let mut control = started.control.unwrap();
    for _ in 0..3 {
        device.inject_used(8, 0, 1);
    }
    assert_eq!(control.poll(), Progress::Idle);
    device.set_commands(Commands::Delayed);
    control.submit(&spread(2).table).unwrap();
    assert_eq!(control.poll(), Progress::Pending);
    device.answer_commands();
    assert_eq!(control.poll(), Progress::Done);
}

#[test]
fn a_device_without_our_steering_uses_its_own() {
    let limited = |offer: Offer| {
        assert_eq!(nic(&NetDevice::new(offer.clone()), FOUR).unwrap().info().steering, Steering::None);
        let started = started(offer, 2).unwrap();
        assert!(started.pairs.len() == 2 && started.control.is_none());
    };
    limited(without(Features::NET_RSS));
    limited(Offer { rss_key: 39, ..Offer::default() });
    limited(Offer { rss_table: 64, ..Offer::default() });
    limited(Offer { hash_types: 0b011, ..Offer::default() });
    let refuses = started(Offer { commands: Commands::RssRefused, ..Offer::default() }, 2).unwrap();
    assert!(refuses.pairs.len() == 2 && refuses.control.is_none());
}

#[test]
fn a_device_that_does_not_answer_well_is_refused_by_name() {
    let command = "VIRTIO_NET_CTRL_MQ_RSS_CONFIG";
    assert_eq!(failing(Commands::Ignored), Some(Error::NoAnswer { command }));
    assert_eq!(failing(Commands::Garbled), Some(Error::BadAnswer { command }));
    assert_eq!(failing(Commands::Misnamed), Some(Error::BadAnswer { command }));
    let pairs = "VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET";
    assert_eq!(failing(Commands::Refused), Some(Error::CommandRefused { command: pairs }));
    let only_rss = Offer { commands: Commands::RssRefused, ..without(Features::NET_MQ) };
    assert_eq!(started(only_rss, 2).err(), Some(Error::CommandRefused { command }));
}

#[test]
fn impossible_numbers_of_pairs_are_refused_by_name() {
    let refused = |queue_pairs| nic(&NetDevice::new(Offer { queue_pairs, ..Offer::default() }), FOUR).err();
    for value in [0, 0x8000, 65_535] {
        let field = "max_virtqueue_pairs";
        assert_eq!(refused(value), Some(Error::BadConfig { field, value: value.into() }));
    }
    let lying = Offer { queue_pairs: 1000, ..Offer::default() };
    assert_eq!(started(lying, 4).err(), Some(Error::MissingQueue { queue: 2000 }), "there is no control queue");
}
