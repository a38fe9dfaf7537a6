//! A host with our stack.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use netdrv::nic::{RxQueue as _, TxQueue as _};
use netdrv::pktbuf::Pool;
use netdrv::testkit::link::{Link, LinkRx, LinkTx};
use netstack::app::Statistics as _;
use netstack::stack::{Addressing, Config, Stack, TcpSettings};
use netstack::time::Instant;

use super::board::Board;
use super::host::{Host, Place};
use super::scenario::{Role, Scenario};
use super::talker::Talker;
use super::{CONNECTIONS, MTU, PORT};
use crate::turn::Core;

/// How soon a starved app looks for buffers again, as the appliance's shard has it.
const BUFFER_WAIT_NS: u64 = 1_000_000;

/// The host.
pub(super) struct Memstorm {
    core: Core<LinkRx, LinkTx, Talker>,
    pool: &'static Pool,
    role: Role,
}

impl Memstorm {
    pub(super) fn new(
        role: Role,
        scenario: &Scenario,
        link: &Link,
        pool: &'static Pool,
        board: &Rc<RefCell<Board>>,
    ) -> Memstorm {
        let place = Place::of(role);
        let seed = scenario.host_seeds[role as usize];
        let config = Config {
            mac: place.mac,
            mtu: MTU,
            tx_checksum: scenario.tx_checksum,
            tso: scenario.tso,
            address: Addressing::Static { ip: place.ip, prefix: 24, gateway: None },
            listen: &[PORT],
            udp: &[],
            conn_limit: CONNECTIONS,
            congestion_control: scenario.congestion_control,
            tcp: TcpSettings { receive_window: scenario.receive_window, ..TcpSettings::default() },
            vlan: None,
            seed: (u128::from(seed) << 64 | u128::from(!seed)).to_le_bytes(),
        };
        let stack = Stack::new(config, pool, Instant::ZERO);
        let talker = Talker::new(role, Rc::clone(board), pool);
        let core = Core::new(link.queue_pair(place.side), pool, stack, talker, scenario.batch_limit);
        Memstorm { core, pool, role }
    }
}

impl Host for Memstorm {
    fn turn(&mut self, now_ns: u64) -> usize {
        self.core.turn(Instant::from_nanos(now_ns))
    }

    fn deadline_ns(&mut self, now_ns: u64) -> Option<u64> {
        let stack = self.core.stack.next_deadline(Instant::from_nanos(now_ns)).map(Instant::as_nanos);
        let starved = self.core.is_starved().then_some(now_ns + BUFFER_WAIT_NS);
        [stack, self.core.app.deadline_ns(now_ns), starved].into_iter().flatten().min()
    }

    fn is_idle(&self) -> bool {
        self.core.stack.connections() == 0
    }

    fn check(&self) -> Result<(), String> {
        let (free, posted) = (self.pool.available(), self.core.queues.rx.posted());
        if free + posted != self.pool.capacity() {
            let lost = self.pool.capacity() - free - posted;
            return Err(format!("{:?}: {lost} packet buffers did not come back", self.role));
        }
        let tx = self.core.queues.tx.counters();
        let refused = tx.bad_length + tx.bad_checksum + tx.bad_attachment;
        if refused > 0 {
            return Err(format!("{:?}: the NIC refused {refused} frames of ours", self.role));
        }
        let violations = self.core.stack.counters().app_violations;
        if violations > 0 {
            return Err(format!("{:?}: the stack says that its app broke the contract {violations} times", self.role));
        }
        Ok(())
    }

    fn report(&self, out: &mut String) {
        let rx = self.core.queues.rx.counters();
        out.push_str(&format!(
            "{:?}: memstorm, {} connections, {} frames in\n",
            self.role,
            self.core.stack.connections(),
            rx.frames
        ));
        self.core.stack.counters().visit(&mut |name, value| {
            if value > 0 {
                out.push_str(&format!("  {name} {value}\n"));
            }
        });
    }
}

/// The pools of both hosts: memory for packet buffers is never given back, so runs share it.
pub struct Pools(pub(super) [&'static Pool; 2]);

/// Packet buffers of a host.
const BUFFERS: usize = 1024;

impl Pools {
    /// Takes memory for ever.
    pub fn leak() -> Pools {
        Pools([(); 2].map(|()| Pool::leak(netdrv::pktbuf::PoolMemory::leak(BUFFERS))))
    }
}

/// Longer than a connection lingers after its end.
pub(super) const LINGER: Duration = Duration::from_secs(300);
