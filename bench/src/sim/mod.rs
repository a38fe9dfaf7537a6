//! Two hosts back to back over a bad link, on a virtual clock: every byte arrives once and in order, every connection ends,
//! and everything that was lent comes back, whatever the link does.
//!
//! ```text
//! scenario      what a seed stands for          conversation  one end of a connection, and what it must see
//! stream        bytes from a seed               board         what the hosts of a run have in common
//! talker        conversations as an app         memstorm, smoltcp  hosts
//! capture       frames into a file              peers_own     failures that are proven to be the peer's
//! ```
//!
//! A run is a function of its seed and its peer: the same frames at the same times, each time.

mod board;
mod capture;
mod conversation;
mod host;
mod memstorm;
mod peers_own;
mod scenario;
mod smoltcp;
mod stream;
mod talker;

use std::cell::{Cell, RefCell};
use std::fmt::{self, Display, Formatter};
use std::path::Path;
use std::rc::Rc;

use netdrv::testkit::link::{Link, LinkCounters};
use netdrv::testkit::random::mix;

use board::Board;
use host::Host;
pub use memstorm::Pools;
use memstorm::{LINGER, Memstorm};
pub use peers_own::peers_own;
pub use scenario::{Role, Scenario};
use smoltcp::Smoltcp;

/// Largest IP packet of the link, in bytes.
const MTU: u16 = 1500;
/// The server's port.
const PORT: u16 = 11211;
/// Connections that a host's app may have.
const CONNECTIONS: usize = 16;
/// Nothing takes longer than this, in virtual time.
const LIMIT_NS: u64 = 3_600_000_000_000;
/// Nor does it take more turns.
const TURNS: u64 = 5_000_000;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// Our own stack, at both ends.
    Memstorm,
    /// smoltcp is the client, we are the server.
    SmoltcpClient,
    /// smoltcp is the server, we are the client.
    SmoltcpServer,
}

impl Peer {
    /// All of them.
    pub const ALL: [Peer; 3] = [Peer::Memstorm, Peer::SmoltcpClient, Peer::SmoltcpServer];
}

impl Display for Peer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Peer::Memstorm => "memstorm",
            Peer::SmoltcpClient => "smoltcp-client",
            Peer::SmoltcpServer => "smoltcp-server",
        })
    }
}

/// A run that went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Payload received, in bytes, at both ends.
    pub bytes: u64,
    /// When all connections had ended, in nanoseconds of virtual time.
    pub ended_ns: u64,
    /// What the link did.
    pub link: LinkCounters,
    /// Of all frames at both ends, and their times.
    pub digest: u64,
}

/// A run that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong.
    pub fault: String,
    /// When, in nanoseconds of virtual time.
    pub at_ns: u64,
    /// Of all frames until then.
    pub digest: u64,
    /// What both hosts have done.
    pub hosts: String,
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "at {:.6} s: {}", self.at_ns as f64 / 1e9, self.fault)
    }
}

/// Runs a seed. `pcap` names a file for all frames as they pass the server's end.
pub fn run(seed: u64, peer: Peer, pools: &Pools, pcap: Option<&Path>) -> Result<Report, Failure> {
    let scenario = Scenario::of(seed);
    let link = Link::new([scenario.conditions; 2], scenario.link_random.clone());
    let digest = Rc::new(Cell::new(0));
    link.observe(capture::observer(Rc::clone(&digest), pcap));
    let board = Rc::new(RefCell::new(Board::new(scenario.plans.clone())));
    let ours = |role: Role| -> Box<dyn Host> {
        Box::new(Memstorm::new(role, &scenario, &link, pools.0[role as usize], &board))
    };
    let theirs = |role: Role| -> Box<dyn Host> { Box::new(Smoltcp::new(role, &scenario, &link, &board)) };
    let hosts = match peer {
        Peer::Memstorm => [ours(Role::Client), ours(Role::Server)],
        Peer::SmoltcpClient => [theirs(Role::Client), ours(Role::Server)],
        Peer::SmoltcpServer => [ours(Role::Client), theirs(Role::Server)],
    };
    let mut world = World { now_ns: 0, turns: 0, link, hosts, board, digest };
    world.run()
}

/// A run under way.
struct World {
    now_ns: u64,
    turns: u64,
    link: Link,
    hosts: [Box<dyn Host>; 2],
    board: Rc<RefCell<Board>>,
    digest: Rc<Cell<u64>>,
}

impl World {
    fn run(&mut self) -> Result<Report, Failure> {
        self.turns()?;
        while !self.board.borrow().is_done() {
            self.advance(LIMIT_NS)?;
            self.turns()?;
        }
        let ended_ns = self.now_ns;
        let until_ns = ended_ns + LINGER.as_nanos() as u64;
        while !self.hosts.iter().all(|host| host.is_idle()) || self.link.next_arrival().is_some() {
            self.advance(until_ns)?;
            self.turns()?;
        }
        if let Err(fault) = self.hosts.iter().try_for_each(|host| host.check()) {
            return Err(self.failure(fault));
        }
        let bytes = self.board.borrow().bytes;
        Ok(Report { bytes, ended_ns, link: self.link.counters(), digest: self.digest.get() })
    }

    /// Lets the hosts do what there is to do now.
    fn turns(&mut self) -> Result<(), Failure> {
        loop {
            self.turns += 1;
            let work = self.hosts[0].turn(self.now_ns) + self.hosts[1].turn(self.now_ns);
            if let Some(fault) = self.board.borrow_mut().take_fault() {
                return Err(self.failure(fault));
            }
            if self.turns > TURNS {
                return Err(self.failure(format!("{TURNS} turns, and no end")));
            }
            if work == 0 {
                return Ok(());
            }
        }
    }

    /// Goes to when something happens next.
    fn advance(&mut self, until_ns: u64) -> Result<(), Failure> {
        let now_ns = self.now_ns;
        let deadlines = self.hosts.each_mut().map(|host| host.deadline_ns(now_ns));
        let next = deadlines.into_iter().chain([self.link.next_arrival()]).flatten().min();
        let Some(next) = next.filter(|next| *next <= until_ns) else {
            let why = if next.is_none() { "nothing would ever happen again" } else { "it takes too long" };
            let open: Vec<String> = self.board.borrow().open().collect();
            let whose = if open.is_empty() { "a host lingers".to_owned() } else { open.join(", ") };
            return Err(self.failure(format!("{why}: {whose}")));
        };
        // A deadline may be early by less than the finest timer.
        self.now_ns = next.max(now_ns + 1);
        self.link.advance(self.now_ns);
        Ok(())
    }

    fn failure(&self, fault: String) -> Failure {
        let mut hosts = format!("link: {:?}\n", self.link.counters());
        self.hosts.iter().for_each(|host| host.report(&mut hosts));
        Failure { fault, at_ns: self.now_ns, digest: self.digest.get(), hosts }
    }
}

/// Adds a number to a digest.
fn digest(before: u64, value: u64) -> u64 {
    mix(before.rotate_left(7) ^ value)
}

#[cfg(test)]
mod tests;
