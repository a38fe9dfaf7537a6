//! A load that checks every reply: each connection owns its keys and knows what they hold.
//!
//! ```text
//! model         what a connection's keys hold, the next request, and the reply it must get
//! connection    a nonblocking connection that sends requests and compares replies
//! report        what came of it, and the promises
//! ```

mod connection;
mod model;
mod report;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use self::connection::Connection;
pub use self::report::Report;
use super::{check_interrupted, wait_for};

/// How long the replies that are under way at the end may take.
const DRAIN: Duration = Duration::from_secs(10);

/// Loads `server` over `connections` connections for `time`, then reads every key once more.
pub fn run(server: SocketAddr, time: Duration, connections: usize, seed: u64) -> Result<Report> {
    raise_file_limit(connections)?;
    let mut report = Report::new(connections);
    let mut load = Load::connect(server, connections, seed, &mut report)?;
    let began = Instant::now();
    load.drive(began + time, &mut report)?;
    report.elapsed = began.elapsed();
    load.start_final_reads(&mut report);
    load.drive(Instant::now(), &mut report)?;
    Ok(report)
}

struct Load {
    epoll: Epoll,
    connections: Vec<Connection>,
}

impl Load {
    fn connect(server: SocketAddr, count: usize, seed: u64, report: &mut Report) -> Result<Load> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut connections = Vec::with_capacity(count);
        for number in 0..count {
            check_interrupted()?;
            let began = Instant::now();
            let connection = Connection::connect(server, number, seed)
                .with_context(|| format!("connection {number} of {count} to {server}"))?;
            report.connected(began.elapsed());
            let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
            epoll.add(connection.stream(), EpollEvent::new(flags, number as u64))?;
            connections.push(connection);
        }
        Ok(Load { epoll, connections })
    }

    /// Exchanges requests and replies until `end`, then waits for the replies that are under way.
    fn drive(&mut self, end: Instant, report: &mut Report) -> Result<()> {
        for connection in &mut self.connections {
            connection.advance(end, report);
        }
        let mut events = [EpollEvent::empty(); 256];
        while Instant::now() < end + DRAIN && self.connections.iter().any(|c| c.is_busy() || Instant::now() < end) {
            check_interrupted()?;
            let ready = wait_for(&self.epoll, &mut events, 100_u16)?;
            for event in &events[..ready] {
                self.connections[event.data() as usize].advance(end, report);
            }
        }
        for connection in &self.connections {
            connection.count_unanswered(report);
        }
        Ok(())
    }

    fn start_final_reads(&mut self, report: &mut Report) {
        for connection in &mut self.connections {
            connection.read_all_keys(report);
        }
    }
}

/// Lets the process hold a file descriptor per connection, and some.
fn raise_file_limit(connections: usize) -> Result<()> {
    let wanted = connections as u64 + 100;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure!(wanted <= hard, "{connections} connections need {wanted} file descriptors, the limit is {hard}");
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    }
    Ok(())
}
