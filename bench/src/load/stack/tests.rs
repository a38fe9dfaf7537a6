//! The wire against an echo on our own stack, over a wire of frames, in real time.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;
use std::time::{Duration, Instant};

use app_echo::Echo;
use netdrv::nic::{BATCH, TxChecksum};
use netdrv::pktbuf::{Pool, PoolMemory};
use netstack::app::{App, Call, Calls, Event, Events, Progress, Turn};
use netstack::stack::{Addressing, Config, CongestionControl, Stack, TcpSettings};

use super::{StackWire, StackWireConfig, StackWireError, TapWire};
use crate::load::wire::{Client, Closed, ConnId, Transport, Wire as _};
use crate::tap::{FrameRx, FrameTx, queue_pair, wire};
use crate::turn::Core;

const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 7);
const PATIENCE: Duration = Duration::from_secs(20);

/// The client's notes.
#[derive(Default)]
struct Notes {
    opened: Vec<ConnId>,
    received: HashMap<ConnId, Vec<u8>>,
    closed: Vec<(ConnId, Closed)>,
}

impl Client for Notes {
    fn opened(&mut self, conn: ConnId) {
        self.opened.push(conn);
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8]) {
        self.received.entry(conn).or_default().extend_from_slice(bytes);
    }

    fn closed(&mut self, conn: ConnId, reason: Closed) {
        self.closed.push((conn, reason));
    }
}

/// The wire, and the server at its other end.
struct Testbed<A> {
    wire: StackWire<FrameRx, FrameTx>,
    server: Core<FrameRx, FrameTx, A>,
    notes: Notes,
    origin: Instant,
}

fn config(connections: usize, transport: Transport) -> StackWireConfig {
    StackWireConfig {
        server: SERVER,
        transport,
        ip: Ipv4Addr::new(10, 0, 1, 1),
        prefix: 8,
        mac: [2, 0, 0, 0, 0, 9],
        mtu: 1500,
        connections,
        seed: 1,
    }
}

impl<A: App> Testbed<A> {
    fn new(config: &StackWireConfig, app: impl FnOnce(&'static Pool) -> A) -> Testbed<A> {
        let [client, server] = wire().unwrap().map(Rc::new);
        let pool = Pool::leak(PoolMemory::leak(8192));
        let stack = Config {
            mac: [2, 0, 0, 0, 0, 1],
            vlan: None,
            mtu: 1500,
            tx_checksum: TxChecksum::Software,
            tso: None,
            address: Addressing::Static { ip: *SERVER.ip(), prefix: 8, gateway: None },
            listen: &[SERVER.port()],
            udp: &[SERVER.port()],
            conn_limit: 100,
            congestion_control: CongestionControl::default(),
            tcp: TcpSettings::default(),
            seed: [3; 16],
        };
        let stack = Stack::new(stack, pool, netstack::time::Instant::ZERO);
        Testbed {
            wire: StackWire::new(queue_pair(&client), TxChecksum::Software, config).unwrap(),
            server: Core::new(queue_pair(&server), pool, stack, app(pool), BATCH),
            notes: Notes::default(),
            origin: Instant::now(),
        }
    }

    /// Takes turns on both sides until `done`.
    fn run_until(&mut self, what: &str, done: impl Fn(&Notes) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(&self.notes) {
            self.wire.poll(&mut self.notes).unwrap();
            self.wire.flush().unwrap();
            self.server.turn(netstack::time::Instant::ZERO + self.origin.elapsed());
            assert!(Instant::now() < end, "{what}: {:?} {:?}", self.notes.opened, self.notes.closed);
        }
    }

    fn open(&mut self, conns: &[u32]) {
        let before = self.notes.opened.len();
        conns.iter().for_each(|conn| self.wire.open(ConnId(*conn)).unwrap());
        self.run_until("opening", |notes| notes.opened.len() == before + conns.len());
    }
}

fn echo(pool: &'static Pool) -> Echo {
    Echo::new(100, pool)
}

fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251 + seed) as u8).collect()
}

#[test]
fn requests_of_many_connections_come_back_on_each_its_own() {
    let mut testbed = Testbed::new(&config(60, Transport::Tcp), echo);
    testbed.open(&(0..60).collect::<Vec<_>>());
    for round in 0..20 {
        for conn in 0..60 {
            // Two in one turn: they are one stream.
            testbed.wire.send(ConnId(conn), &pattern(40, conn as usize + round)).unwrap();
            testbed.wire.send(ConnId(conn), &pattern(11, round)).unwrap();
        }
        testbed.run_until("echoes", |notes| notes.received.values().filter(|bytes| bytes.len() == 51).count() == 60);
        for (conn, bytes) in testbed.notes.received.drain() {
            assert_eq!(bytes, [pattern(40, conn.index() + round), pattern(11, round)].concat());
        }
    }
    let mut segments = 0;
    testbed.wire.visit_counters(|name, value| segments += if name == "tcp_segments_out" { value } else { 0 });
    assert!(segments < 60 * 25, "{segments} segments: what is sent in one turn leaves in one");
}

#[test]
fn what_the_window_has_no_room_for_is_sent_later_and_in_order() {
    let mut testbed = Testbed::new(&config(2, Transport::Tcp), echo);
    testbed.open(&[0, 1]);
    let long = pattern(900_000, 1);
    long.chunks(33_333).for_each(|part| testbed.wire.send(ConnId(0), part).unwrap());
    testbed.wire.send(ConnId(1), b"short").unwrap();
    testbed.run_until("the long one", |notes| notes.received.get(&ConnId(0)).is_some_and(|got| got.len() == 900_000));
    assert!(testbed.notes.received[&ConnId(0)] == long);
    assert_eq!(testbed.notes.received[&ConnId(1)], b"short");
}

#[test]
fn a_connection_that_was_closed_is_opened_again() {
    let mut testbed = Testbed::new(&config(3, Transport::Tcp), echo);
    testbed.open(&[0, 1]);
    for _ in 0..5 {
        testbed.wire.send(ConnId(1), b"lost").unwrap();
        testbed.wire.close(ConnId(1));
        testbed.open(&[1]);
        testbed.wire.send(ConnId(1), b"kept").unwrap();
        testbed.run_until("an echo", |notes| notes.received.get(&ConnId(1)).is_some_and(|bytes| bytes.len() >= 4));
        assert_eq!(testbed.notes.received.remove(&ConnId(1)).unwrap(), b"kept", "nothing of the life before");
    }
    // One that is closed while it is opened is not heard of.
    testbed.wire.open(ConnId(2)).unwrap();
    testbed.wire.flush().unwrap();
    testbed.wire.close(ConnId(2));
    testbed.wire.send(ConnId(0), b"still there").unwrap();
    testbed.run_until("an echo", |notes| notes.received.contains_key(&ConnId(0)));
    assert!(!testbed.notes.opened.contains(&ConnId(2)) && testbed.notes.closed.is_empty());
    testbed.open(&[2]);
}

#[test]
fn a_port_that_nobody_listens_on_refuses() {
    let server = SocketAddrV4::new(*SERVER.ip(), 8);
    let mut testbed = Testbed::new(&StackWireConfig { server, ..config(1, Transport::Tcp) }, echo);
    testbed.wire.open(ConnId(0)).unwrap();
    testbed.run_until("a refusal", |notes| !notes.closed.is_empty());
    assert_eq!(testbed.notes.closed, [(ConnId(0), Closed::Refused)]);
}

/// Hangs up on whoever says something, and sends datagrams back.
struct HangsUp;

impl App for HangsUp {
    fn run(&mut self, _: Turn<'_>, events: &mut Events, calls: &mut Calls) -> Progress {
        while let Some(event) = events.pop_front() {
            let call = match event {
                Event::Knock { flow, .. } => Call::Accept { flow, cookie: flow.index },
                Event::Recv { cookie, .. } => {
                    Call::Close { flow: netstack::app::Flow { index: cookie, generation: 0 } }
                }
                Event::UdpRecv { local_port, remote, mut payload } => {
                    // As it is, behind headers of its own.
                    payload.bytes_mut().into_iter().for_each(|bytes| bytes.reverse());
                    Call::UdpSend { local_port, remote, payload }
                }
                _ => continue,
            };
            let _ = calls.push_back(call);
        }
        Progress::Done
    }
}

#[test]
fn a_server_that_hangs_up_has_finished() {
    let mut testbed = Testbed::new(&config(1, Transport::Tcp), |_| HangsUp);
    testbed.open(&[0]);
    testbed.wire.send(ConnId(0), b"hello").unwrap();
    testbed.run_until("the end", |notes| !notes.closed.is_empty());
    assert_eq!(testbed.notes.closed, [(ConnId(0), Closed::Finished)]);
}

#[test]
fn datagrams_come_back_to_the_port_that_sent_them() {
    let mut testbed = Testbed::new(&config(100, Transport::Udp), |_| HangsUp);
    testbed.open(&(0..100).collect::<Vec<_>>());
    // The first ones wait for the server's address, of which the stack keeps only a few.
    testbed.wire.send(ConnId(0), b"0").unwrap();
    testbed.wire.send(ConnId(99), b"0").unwrap();
    testbed.run_until("the first echoes", |notes| notes.received.len() == 2);
    testbed.notes.received.clear();
    for conn in 0..100 {
        testbed.wire.send(ConnId(conn), &pattern(1 + conn as usize, 0)).unwrap();
    }
    testbed.run_until("echoes", |notes| notes.received.len() == 100);
    for (conn, bytes) in &testbed.notes.received {
        let expected: Vec<u8> = pattern(1 + conn.index(), 0).into_iter().rev().collect();
        assert_eq!(*bytes, expected);
    }
}

#[test]
fn many_connections_have_several_addresses() {
    let mut testbed = Testbed::new(&config(60_001, Transport::Tcp), echo);
    testbed.open(&[0, 20_001, 40_002, 60_000]);
    for conn in [0, 20_001, 40_002, 60_000] {
        testbed.wire.send(ConnId(conn), &conn.to_le_bytes()).unwrap();
    }
    testbed.run_until("echoes", |notes| notes.received.len() == 4);
    for (conn, bytes) in &testbed.notes.received {
        assert_eq!(*bytes, conn.0.to_le_bytes());
    }
}

#[test]
fn a_network_that_is_too_small_is_refused() {
    let new = |config: &StackWireConfig| {
        let [client, _server] = wire().unwrap();
        TapWire::over_tap(client, config).err()
    };
    let small = StackWireConfig { ip: Ipv4Addr::new(10, 0, 0, 5), prefix: 29, ..config(60_001, Transport::Tcp) };
    let error = new(&small);
    assert!(matches!(error, Some(StackWireError::TooFewAddresses { addresses: 3, .. })), "{error:?}");
    let own = StackWireConfig { ip: *SERVER.ip(), ..config(1, Transport::Tcp) };
    assert!(new(&own).is_some(), "the server's own address");
}
