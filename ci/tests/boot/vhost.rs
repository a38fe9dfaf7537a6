//! The appliance and a client in shared memory: its virtio-net is ours, over vhost-user.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bench::load::stack::{GuestWire, StackWireConfig};
use bench::load::wire::{Client, Closed, ConnId, Transport, Wire as _};
use bench::vhost::BackEnd;
use ci::appliance::{Machine, Memstorm, Net};
use ci::host::{self, Missing};
use ci::namespace::{GUEST, PREFIX};
use libtest_mimic::Trial;

/// Connections: enough for some to be on each core.
const CONNECTIONS: u32 = 32;
/// Bytes of the values: more than one segment.
const VALUE_BYTES: usize = 5000;
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn trials() -> Vec<Trial> {
    let accelerators: [(&str, Missing, &str); 2] =
        [("microvm, KVM", host::missing_kvm(), "kvm"), ("microvm, TCG", None, "tcg")];
    let mut trials = Vec::new();
    for (name, missing, accel) in accelerators {
        for cores in [1, 2] {
            let machine = Machine { accel, cores, ..Machine::default() };
            let missing = missing.or(host::missing_program("qemu-system-x86_64", "qemu-system-x86"));
            trials.push(crate::trial(&format!("{name}, vhost-user, {cores} cores"), missing, || serves(machine)));
        }
    }
    trials
}

fn serves(machine: Machine) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("net.sock");
    let pairs = machine.cores as usize;
    let (back_end, queues) = BackEnd::listen(&socket, pairs)?;
    let memstorm = Memstorm::new()?;
    let appliance = memstorm.start(&Machine { net: Net::VhostUser(socket), ..machine })?;
    let config = StackWireConfig {
        server: SocketAddrV4::new(GUEST, 11211),
        transport: Transport::Tcp,
        ip: Ipv4Addr::from(u32::from(GUEST) + 1),
        prefix: PREFIX,
        mac: [2, 0, 0, 0, 0, 9],
        mtu: 1500,
        connections: CONNECTIONS as usize,
        seed: 1,
    };
    let mut conversation = Conversation { wire: GuestWire::over_guest(queues, &config)?, heard: Heard::default() };
    let held = conversation.hold(&back_end);
    ensure!(back_end.running_pairs() == pairs, "{} of {pairs} queue pairs run", back_end.running_pairs());
    // The queues are given back before the VMM asks for them.
    drop(conversation);
    held.with_context(|| format!("fault: {:?}, refused: {:?}", back_end.fault(), back_end.refused()))?;
    appliance.stop()?;
    let end = Instant::now() + PATIENCE;
    while back_end.is_connected() {
        ensure!(Instant::now() < end, "the VMM is gone, and its connection is not");
        std::thread::sleep(Duration::from_millis(5));
    }
    ensure!(
        back_end.fault().is_none() && back_end.refused().is_none(),
        "{:?} {:?}",
        back_end.fault(),
        back_end.refused()
    );
    memstorm.finish()
}

/// A client of all connections.
struct Conversation {
    wire: GuestWire,
    heard: Heard,
}

#[derive(Default)]
struct Heard {
    opened: u32,
    answers: HashMap<ConnId, Vec<u8>>,
    closed: Vec<(ConnId, Closed)>,
}

impl Client for Heard {
    fn opened(&mut self, _: ConnId) {
        self.opened += 1;
    }

    fn received(&mut self, conn: ConnId, bytes: &[u8]) {
        self.answers.entry(conn).or_default().extend_from_slice(bytes);
    }

    fn closed(&mut self, conn: ConnId, reason: Closed) {
        self.closed.push((conn, reason));
    }
}

impl Conversation {
    /// Stores a value through each connection, and reads it back through the next.
    fn hold(&mut self, back_end: &BackEnd) -> Result<()> {
        (0..CONNECTIONS).try_for_each(|conn| self.wire.open(ConnId(conn)))?;
        self.until(back_end, |heard| heard.opened == CONNECTIONS)?;
        let value = |conn: u32| vec![b'a' + (conn % 26) as u8; VALUE_BYTES];
        for conn in 0..CONNECTIONS {
            let request = [format!("set k{conn} 0 0 {VALUE_BYTES}\r\n").as_bytes(), &value(conn), b"\r\n"].concat();
            self.wire.send(ConnId(conn), &request)?;
        }
        self.until(back_end, |heard| heard.all_end_with(b"STORED\r\n"))?;
        self.heard.answers.clear();
        // Rests long enough for its cores to halt: the next frame has to wake them.
        std::thread::sleep(Duration::from_millis(50));
        for conn in 0..CONNECTIONS {
            let other = (conn + 1) % CONNECTIONS;
            self.wire.send(ConnId(conn), format!("get k{other}\r\n").as_bytes())?;
        }
        self.until(back_end, |heard| heard.all_end_with(b"END\r\n"))?;
        for (conn, answer) in &self.heard.answers {
            let other = (conn.0 + 1) % CONNECTIONS;
            let head = format!("VALUE k{other} 0 {VALUE_BYTES}\r\n");
            let expected = [head.as_bytes(), &value(other), b"\r\nEND\r\n"].concat();
            ensure!(*answer == expected, "{conn:?} got {}", String::from_utf8_lossy(answer));
        }
        Ok(())
    }

    fn until(&mut self, back_end: &BackEnd, done: impl Fn(&Heard) -> bool) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while !done(&self.heard) {
            let came = self.wire.poll(&mut self.heard)?;
            self.wire.flush()?;
            if !came {
                std::thread::yield_now(); // the guest may need this core
            }
            let lost = !self.heard.closed.is_empty() || !back_end.is_connected() || back_end.fault().is_some();
            if lost || Instant::now() > end {
                bail!(
                    "{} open, {:?} closed, answers: {}",
                    self.heard.opened,
                    self.heard.closed,
                    self.heard.answers.len()
                );
            }
        }
        Ok(())
    }
}

impl Heard {
    fn all_end_with(&self, end: &[u8]) -> bool {
        self.answers.len() == CONNECTIONS as usize && self.answers.values().all(|answer| answer.ends_with(end))
    }
}
