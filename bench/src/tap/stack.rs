//! Our stack with the bulk application, in real time, on a descriptor that carries frames.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netdrv::nic::{BATCH, TxChecksum};
use netdrv::pktbuf::{Pool, PoolMemory};
use netstack::app::Statistics;
use netstack::stack::{Addressing, Config, CongestionControl, Stack, TcpSettings};
use netstack::time::Instant;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::PORT;
use super::app::Bulk;
use super::queue::queue_pair;
use crate::turn::Core;

/// Packet buffers: 64 MiB, what the appliance has at most.
const BUFFERS: usize = 32 << 10;
const CONNECTIONS: usize = 1000;
/// How long to wait with nothing to do, before the order to stop is looked for.
const IDLE: Duration = Duration::from_millis(50);
/// How soon buffers, or room in the descriptor, are looked for again.
const RETRY: Duration = Duration::from_micros(200);

/// What the stack is made with.
#[derive(Clone, Copy, Debug)]
pub struct StackOptions {
    /// Its address, in a network of 24 bits.
    pub ip: Ipv4Addr,
    /// Seed of its keys.
    pub seed: u64,
}

/// Runs the stack until `stop` is set. Returns what it counted, by name, without zeros.
pub fn run_stack(fd: OwnedFd, options: &StackOptions, stop: &AtomicBool) -> io::Result<Vec<(String, u64)>> {
    let fd = Rc::new(fd);
    let pool = Pool::leak(PoolMemory::leak(BUFFERS));
    let origin = std::time::Instant::now();
    let now = || Instant::ZERO + origin.elapsed() + Duration::from_secs(1);
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&options.seed.to_le_bytes());
    let config = Config {
        mac: [2, 0, 0, 0, 0, 1],
        vlan: None,
        mtu: 1500,
        tx_checksum: TxChecksum::Software,
        tso: None,
        address: Addressing::Static { ip: options.ip, prefix: 24, gateway: None },
        listen: &[PORT],
        udp: &[],
        conn_limit: CONNECTIONS,
        congestion_control: CongestionControl::Cubic,
        tcp: TcpSettings::default(),
        seed,
    };
    let stack = Stack::new(config, pool, now());
    let mut core = Core::new(queue_pair(&fd), pool, stack, Bulk::new(pool), BATCH);
    while !stop.load(Ordering::Relaxed) {
        let turn = now();
        if core.turn(turn) > 0 {
            continue;
        }
        let deadline = core.stack.next_deadline(turn).map_or(IDLE, |deadline| deadline.since(turn)).min(IDLE);
        wait(&fd, if core.is_starved() { RETRY } else { deadline })?;
    }
    let mut counters = Vec::new();
    core.stack.counters().visit(&mut |name, value| {
        if value > 0 {
            counters.push((name.to_owned(), value));
        }
    });
    Ok(counters)
}

/// Sleeps until a frame comes.
fn wait(fd: &OwnedFd, span: Duration) -> io::Result<()> {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    match ppoll(&mut fds, Some(TimeSpec::from_duration(span)), None) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
