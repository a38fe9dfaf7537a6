//! What a request costs the generator, in instructions: the client of one process against the server's driver, stack and
//! application in the same, of which Callgrind is shown all but the server. By hand:
//!
//! ```text
//! valgrind --tool=callgrind --instr-atstart=no --collect-atstart=no PROGRAM --ignored --exact load::tests::cost::NAME
//! ```
//!
//! where PROGRAM is what `cargo test --release -p bench --lib --no-run` names, prints the requests that were counted; the
//! profile has the sum. Nothing is counted twice, and nothing of the generator is left out.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use app_echo::Echo;
use app_memcached::protocol::{Dialect, Permissions, Settings};
use app_memcached::service::Shared;
use app_memcached::store::{StoreMemory, WhenFull};
use netdrv::nic::BATCH;
use netdrv::pktbuf::{Pool, PoolMemory};
use netdrv::testkit::virtio::NetDevice;
use netstack::app::App;
use netstack::stack::{Addressing, Config, CongestionControl, Stack, TcpSettings};

use crate::load::plan::{Loading, Plan};
use crate::load::protocol::Protocol;
use crate::load::stack::{GuestWire, StackWireConfig};
use crate::load::wire::{Client, ConnId, Wire, WireError};
use crate::load::workload::{Mix, Preset};
use crate::load::{Rate, with_generator};
use crate::processor::{Request, callgrind};
use crate::turn::Core;
use crate::vhost::testbed::{Guest, GuestPair};

const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 11211);
const RECORDS: u64 = 20_000;
/// Requests that are sent before any are counted, records included; and requests that are.
const WARM: u64 = RECORDS + 20_000;
const COUNTED: u64 = 40_000;
/// How the count ends.
const COUNTED_ALL: &str = "all requests are counted";

type ServerQueues = GuestPair;

/// The wire, with the server at its other end.
struct Rig<R, T, A> {
    wire: GuestWire,
    server: Core<R, T, A>,
    origin: Instant,
    _device: NetDevice,
    sent: u64,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Counts {
    NotYet,
    Since(u64),
    Over,
}

impl<R: netdrv::nic::RxQueue, T: netdrv::nic::TxQueue, A: App> Wire for Rig<R, T, A> {
    fn open(&mut self, conn: ConnId) -> Result<(), WireError> {
        self.wire.open(conn)
    }

    #[inline]
    fn send(&mut self, conn: ConnId, bytes: &[u8]) -> Result<(), WireError> {
        self.sent += 1;
        self.wire.send(conn, bytes)
    }

    fn close(&mut self, conn: ConnId) {
        self.wire.close(conn);
    }

    #[inline]
    fn poll(&mut self, client: &mut impl Client) -> Result<bool, WireError> {
        if let Counts::Since(begun) = self.counts {
            callgrind(Request::ToggleCollect);
            if self.sent - begun >= COUNTED {
                callgrind(Request::StopInstrumentation);
                self.counts = Counts::Over;
                println!("{} requests counted", self.sent - begun);
                return Err(WireError::Broken(COUNTED_ALL.into()));
            }
        }
        self.server.turn(netstack::time::Instant::ZERO + self.origin.elapsed());
        if self.counts == Counts::NotYet && self.sent >= WARM {
            self.counts = Counts::Since(self.sent);
            callgrind(Request::StartInstrumentation);
        }
        if let Counts::Since(_) = self.counts {
            callgrind(Request::ToggleCollect);
        }
        self.wire.poll(client)
    }

    #[inline]
    fn flush(&mut self) -> Result<(), WireError> {
        self.wire.flush()
    }
}

fn rig<A: App>(
    plan: &Plan,
    app: impl FnOnce(&'static Pool) -> A,
) -> Rig<impl netdrv::nic::RxQueue, impl netdrv::nic::TxQueue, A> {
    let mut guest = Guest::new(1);
    let config = StackWireConfig {
        server: SERVER,
        transport: plan.transport,
        ip: Ipv4Addr::new(10, 0, 1, 1),
        prefix: 8,
        mac: [2, 0, 0, 0, 1, 1],
        mtu: 1500,
        connections: plan.connections + 1,
        seed: 1,
    };
    let wire = GuestWire::over_guest(guest.back_end(), &config).unwrap();
    let pool = Pool::leak(PoolMemory::leak(16_384));
    let config = Config {
        mac: guest.info.mac,
        vlan: None,
        mtu: guest.info.mtu,
        tx_checksum: guest.info.tx_checksum,
        tso: None,
        address: Addressing::Static { ip: *SERVER.ip(), prefix: 8, gateway: None },
        listen: &[SERVER.port()],
        udp: &[],
        conn_limit: plan.connections + 1,
        congestion_control: CongestionControl::default(),
        tcp: TcpSettings::default(),
        seed: [3; 16],
    };
    let stack = Stack::new(config, pool, netstack::time::Instant::ZERO);
    let queues: ServerQueues = guest.pairs.pop().unwrap();
    let server = Core::new(queues, pool, stack, app(pool), BATCH / 2);
    Rig { wire, server, origin: Instant::now(), _device: guest.device, sent: 0, counts: Counts::NotYet }
}

fn count<A: App>(
    protocol: Protocol,
    (connections, depth): (usize, usize),
    rate: Rate,
    app: impl Fn(&'static Pool) -> A + Sync,
) {
    let (keys, values, updates) = Preset::Usr.parameters();
    let plan = Plan {
        protocol,
        connections,
        depth,
        mix: Mix { records: RECORDS, keys, values, updates, seed: 1 },
        loading: Loading::First,
        // The end of the count ends it.
        time: Duration::from_secs(3600),
        // A machine may stop for a while.
        patience: Duration::from_secs(600),
        ..Plan::default()
    };
    let make_wire = |_| Ok(rig(&plan, &app));
    let measured = with_generator(&plan, make_wire, |generator| {
        generator.connect()?;
        generator.load()?;
        generator.measure(rate)
    });
    let ended = measured.unwrap_err().to_string();
    assert!(ended.contains(COUNTED_ALL), "{ended}");
}

fn memcached(pool: &'static Pool) -> impl App {
    let settings = Settings {
        conn_limit: 2000,
        max_item_size: 1 << 20,
        when_full: WhenFull::Evict,
        port: SERVER.port(),
        udp_port: 0,
        http_port: 0,
        permissions: Permissions::default(),
        auth: None,
        cluster: None,
        dialect: Dialect::DEFAULT,
        threads: 1,
    };
    Shared::new(settings, 1, StoreMemory::leak(64 << 20)).and_then(|mut shared| shared.service(pool)).unwrap()
}

fn echo(pool: &'static Pool) -> Echo {
    Echo::new(2000, pool)
}

#[test]
#[ignore = "counted by Callgrind"]
fn text() {
    count(Protocol::Text, (64, 4), Rate::Peak, memcached);
}

#[test]
#[ignore = "counted by Callgrind"]
fn text_one() {
    count(Protocol::Text, (256, 1), Rate::Peak, memcached);
}

#[test]
#[ignore = "counted by Callgrind"]
fn text_open() {
    count(Protocol::Text, (256, 4), Rate::PerSecond(20_000.0), memcached);
}

#[test]
#[ignore = "counted by Callgrind"]
fn echo_four() {
    count(Protocol::Echo, (64, 4), Rate::Peak, echo);
}

#[test]
#[ignore = "counted by Callgrind"]
fn echo_one() {
    count(Protocol::Echo, (256, 1), Rate::Peak, echo);
}
