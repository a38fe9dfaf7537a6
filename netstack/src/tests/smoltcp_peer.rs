//! Bulk both ways with smoltcp's TCP, an implementation that shares nothing with ours, over a link that loses, reorders,
//! duplicates and corrupts. With `MEMSTORM_PCAP=DIR` each exchange leaves a capture of our end of the link there.

use core::cell::Cell;
use core::net::SocketAddrV4;
use core::time::Duration;
use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;

use netdrv::testkit::pcap::Pcap;
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant as Time;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use crate::app::{Call, Event, Flow};
use crate::keys::Keys;
use crate::testkit::*;

const BYTES: usize = 60_000;

/// smoltcp's end of the link.
#[derive(Default)]
struct End {
    received: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

struct Rx(Vec<u8>);
struct Tx<'a>(&'a mut Vec<Vec<u8>>);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push(frame);
        result
    }
}

impl Device for End {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: Time) -> Option<(Rx, Tx<'_>)> {
        Some((Rx(self.received.pop_front()?), Tx(&mut self.sent)))
    }

    fn transmit(&mut self, _: Time) -> Option<Tx<'_>> {
        Some(Tx(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

/// What the link does to a frame, in percent each.
fn damaged(frame: Vec<u8>, random: &mut Keys, percent: u64, out: &mut Vec<Vec<u8>>) {
    let mut chance = || random.next_u64() % 100 < percent;
    let (lost, twice, early, corrupt) = (chance(), chance(), chance(), chance());
    if lost {
        return;
    }
    let mut copy = frame.clone();
    if corrupt {
        let bit = random.next_u64() as usize % (copy.len() * 8 - 14 * 8) + 14 * 8;
        copy[bit / 8] ^= 1 << (bit % 8);
    }
    if twice {
        out.push(frame);
    }
    let at = if early { out.len().saturating_sub(3) } else { out.len() };
    out.insert(at, copy);
}

/// An app that returns every byte, within its credit.
#[derive(Default)]
struct Echo {
    flow: Option<Flow>,
    credit: usize,
    waiting: VecDeque<u8>,
    peer_closed: bool,
    dead: u32,
}

impl Echo {
    fn run(&mut self, kit: &mut Kit) {
        while let Some(event) = kit.events.pop_front() {
            match event {
                Event::Knock { flow, .. } => {
                    self.flow = Some(flow);
                    kit.call(Call::Accept { flow, cookie: 0 });
                }
                Event::Connected { flow, credit, .. } => {
                    self.flow = Some(flow);
                    self.credit += credit as usize;
                }
                Event::Sent { credit, .. } => self.credit += credit as usize,
                Event::Recv { payload, .. } => self.waiting.extend(payload.bytes()),
                Event::PeerClosed { .. } => self.peer_closed = true,
                Event::Dead { .. } => self.dead += 1,
                Event::UdpRecv { .. } => panic!("nobody sends datagrams"),
            }
        }
        let Some(flow) = self.flow.filter(|_| self.dead == 0) else { return };
        while self.credit > 0 && !self.waiting.is_empty() && kit.pool.available() > 256 {
            let n = self.credit.min(self.waiting.len()).min(1460);
            let bytes: Vec<u8> = self.waiting.drain(..n).collect();
            let payload = kit.buffer(&bytes);
            self.credit -= n;
            kit.call(Call::Send { flow, payload, done: 0 });
            kit.call(Call::RecvDone { flow, bytes: n as u32 });
        }
        if self.peer_closed && self.waiting.is_empty() {
            kit.call(Call::Close { flow });
        }
    }
}

/// Where frames are recorded, if captures are wanted.
struct Capture(Option<Pcap<File>>);

impl Capture {
    fn of(seed: u64, percent: u64) -> Capture {
        let file = std::env::var_os("MEMSTORM_PCAP").map(|dir| {
            let path = Path::new(&dir).join(format!("smoltcp-{percent}-percent-seed-{seed}.pcap"));
            File::create(path).and_then(Pcap::new).expect("MEMSTORM_PCAP names a folder that can be written to")
        });
        Capture(file)
    }

    fn record(&mut self, kit: &Kit, frame: &[u8]) {
        if let Some(pcap) = &mut self.0 {
            pcap.record(kit.now.as_nanos(), frame).expect("the capture can be written");
        }
    }
}

/// Who opens the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opener {
    Smoltcp,
    We,
}

thread_local! {
    /// smoltcp asks nobody in particular for the value of its timestamps.
    static CLOCK_MS: Cell<u32> = const { Cell::new(0) };
}

/// Everything comes back exactly, and the connection ends. Every other seed has timestamps. Returns how many segments we sent
/// again.
fn exchange(opener: Opener, seed: u64, percent: u64) -> u64 {
    let mut kit = Kit::new();
    kit.is_deaf = true;
    let mut capture = Capture::of(seed, percent);
    let mut random = Keys::new(&(u128::from(seed) + 1).to_le_bytes());
    let (mut end, mut app) = (End::default(), Echo::default());
    let time = |kit: &Kit| Time::from_micros(kit.now.as_micros() as i64);
    let mut config = Config::new(EthernetAddress(PEER_MAC).into());
    config.random_seed = seed;
    let mut interface = Interface::new(config, &mut end, time(&kit));
    interface.update_ip_addrs(|addresses| addresses.push(IpCidr::new(IpAddress::Ipv4(PEER_IP), 24)).unwrap());
    let buffer = || SocketBuffer::new(vec![0; 8192]);
    let mut sockets = SocketSet::new(vec![]);
    let handle = sockets.add(Socket::new(buffer(), buffer()));
    let socket = sockets.get_mut::<Socket<'_>>(handle);
    if seed % 2 == 1 {
        socket.set_tsval_generator(Some(|| CLOCK_MS.get()));
    }
    match opener {
        Opener::Smoltcp => socket.connect(interface.context(), (IpAddress::Ipv4(IP), PORT), 40_000).unwrap(),
        Opener::We => {
            socket.listen(PORT).unwrap();
            kit.call(Call::Connect { cookie: 0, remote: SocketAddrV4::new(PEER_IP, PORT) });
        }
    }
    let byte = |n: usize| (n * 7 + n / 251) as u8;
    let (mut sent, mut received) = (0, 0);
    for _ in 0..200_000 {
        CLOCK_MS.set((u64::from(u32::MAX) - 1000 + kit.now.as_nanos() / 1_000_000) as u32); // it wraps early
        interface.poll(time(&kit), &mut end, &mut sockets);
        let socket = sockets.get_mut::<Socket<'_>>(handle);
        while sent < BYTES && socket.can_send() {
            let bytes: Vec<u8> = (sent..BYTES.min(sent + 1000)).map(byte).collect();
            sent += socket.send_slice(&bytes).unwrap();
        }
        if sent == BYTES && socket.state() == State::Established {
            socket.close();
        }
        while socket.can_recv() {
            let bytes = socket.recv(|bytes| (bytes.len(), bytes.to_vec())).unwrap();
            assert!(bytes.iter().enumerate().all(|(n, b)| *b == byte(received + n)), "seed {seed}");
            received += bytes.len();
        }
        interface.poll(time(&kit), &mut end, &mut sockets);
        let mut arriving = Vec::new();
        end.sent.drain(..).for_each(|frame| damaged(frame, &mut random, percent, &mut arriving));
        for frame in arriving {
            capture.record(&kit, &frame);
            kit.frame(&frame);
            app.run(&mut kit);
        }
        kit.expire();
        app.run(&mut kit);
        let mut leaving = Vec::new();
        for frame in kit.frames() {
            capture.record(&kit, &frame);
            damaged(frame, &mut random, percent, &mut leaving);
        }
        end.received.extend(leaving);
        if received == BYTES && app.dead == 1 {
            break;
        }
        kit.now = kit.now + Duration::from_millis(1);
    }
    assert_eq!((received, app.dead, app.waiting.len()), (BYTES, 1, 0), "{opener:?}, seed {seed}, {percent} %");
    kit.flow = app.flow.unwrap();
    kit.counters().tcp_retransmits
}

#[test]
fn a_perfect_link() {
    assert_eq!((0..10).map(|seed| exchange(Opener::Smoltcp, seed, 0) + exchange(Opener::We, seed, 0)).sum::<u64>(), 0);
}

#[test]
fn one_percent_of_everything() {
    assert!((0..100).map(|seed| exchange(Opener::Smoltcp, seed, 1)).sum::<u64>() > 100);
}

#[test]
fn five_percent_of_everything() {
    assert!((0..100).map(|seed| exchange(Opener::Smoltcp, seed, 5)).sum::<u64>() > 500);
}

#[test]
fn five_percent_of_everything_when_we_open() {
    assert!((0..100).map(|seed| exchange(Opener::We, seed, 5)).sum::<u64>() > 500);
}
