//! Connections that set and get values of 1 byte to 20 KB, many requests under way on each, and know what every byte of every
//! reply must be: a value follows from its key and its version.

use std::collections::VecDeque;
use std::fmt::{self, Display, Formatter};
use std::io::{ErrorKind, Read, Write};
use std::iter::Sum;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fastrand::Rng;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::client::abridged;
use crate::soak::{check_interrupted, wait_for};

const KEYS: usize = 16;
const MOST_BYTES: usize = 20_000;
/// Requests that a connection has under way at most.
const MOST_UNDER_WAY: usize = 8;
/// A connection whose next reply takes longer stands still.
const STALL: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(10);

/// What memcached may answer instead: a value was evicted, or all memory is in use for the moment.
const NO_VALUE: [&[u8]; 2] = [b"END\r\n", b"SERVER_ERROR out of memory writing get response\r\n"];
const NOT_STORED: [&[u8]; 1] = [b"SERVER_ERROR out of memory storing object\r\n"];

/// What clients found.
#[derive(Default)]
pub(super) struct Findings {
    hits: u64,
    stored: u64,
    /// Values that were evicted, or found no memory.
    without: u64,
    bytes: u64,
    wrong: u64,
    lost: u64,
    stalls: u64,
    slowest: Duration,
    examples: Vec<String>,
}

impl Findings {
    /// The promises: every byte is right, no connection is lost, none stands still.
    pub(super) fn check(&self) -> Result<()> {
        let kept = self.wrong + self.lost + self.stalls == 0;
        ensure!(kept, "among what is wrong: {}", self.examples.join("; "));
        ensure!(self.hits > 0 && self.stored > 0, "nothing was asked for");
        Ok(())
    }
}

impl Sum for Findings {
    fn sum<I: Iterator<Item = Findings>>(all: I) -> Findings {
        all.fold(Findings::default(), |mut sum, one| {
            sum.examples.extend(one.examples);
            Findings {
                hits: sum.hits + one.hits,
                stored: sum.stored + one.stored,
                without: sum.without + one.without,
                bytes: sum.bytes + one.bytes,
                wrong: sum.wrong + one.wrong,
                lost: sum.lost + one.lost,
                stalls: sum.stalls + one.stalls,
                slowest: sum.slowest.max(one.slowest),
                examples: sum.examples,
            }
        })
    }
}

impl Display for Findings {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = [
            ("values compared", self.hits),
            ("values stored", self.stored),
            ("values evicted or refused", self.without),
            ("bytes of replies checked", self.bytes),
            ("wrong replies", self.wrong),
            ("connections lost", self.lost),
            ("stalls", self.stalls),
            ("slowest reply, us", self.slowest.as_micros() as u64),
        ];
        rows.iter().try_for_each(|(name, value)| writeln!(f, "  {name:<28}{value:>12}"))
    }
}

/// Asks on connections with these numbers, until `stop`, and then until all is answered.
pub(super) fn run(server: SocketAddr, numbers: Vec<usize>, seed: u64, stop: &AtomicBool) -> Result<Findings> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut connections = Vec::new();
    for number in numbers {
        let connection = Connection::open(server, number, seed)?;
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        epoll.add(&connection.stream, EpollEvent::new(flags, connections.len() as u64))?;
        connections.push(connection);
    }
    let mut findings = Findings::default();
    let mut events = [EpollEvent::empty(); 64];
    loop {
        check_interrupted()?;
        let goes_on = !stop.load(Ordering::Relaxed);
        for connection in &mut connections {
            connection.work(goes_on, &mut findings);
        }
        let failed = findings.wrong + findings.lost + findings.stalls > 0;
        if failed || (!goes_on && connections.iter().all(|connection| connection.awaited.is_empty())) {
            return Ok(findings);
        }
        wait_for(&epoll, &mut events, 20_u8)?;
    }
}

struct Connection {
    number: usize,
    stream: TcpStream,
    rng: Rng,
    /// The version and the length of each key's value.
    held: [Option<(u64, usize)>; KEYS],
    version: u64,
    unsent: VecDeque<u8>,
    awaited: VecDeque<Awaited>,
    received: Vec<u8>,
    /// When the last reply was complete, or the first request was sent.
    answered_at: Instant,
    has_failed: bool,
}

struct Awaited {
    reply: Vec<u8>,
    instead: &'static [&'static [u8]],
    asked: Instant,
}

impl Connection {
    fn open(server: SocketAddr, number: usize, seed: u64) -> Result<Connection> {
        let stream = TcpStream::connect_timeout(&server, CONNECT)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection {
            number,
            stream,
            rng: Rng::with_seed(seed ^ (number as u64) << 32),
            held: [None; KEYS],
            version: 0,
            unsent: VecDeque::new(),
            awaited: VecDeque::new(),
            received: Vec::new(),
            answered_at: Instant::now(),
            has_failed: false,
        })
    }

    /// Asks, sends and receives, until the socket would block.
    fn work(&mut self, goes_on: bool, findings: &mut Findings) {
        loop {
            if self.awaited.is_empty() {
                self.answered_at = Instant::now();
            }
            while goes_on && self.awaited.len() < MOST_UNDER_WAY {
                self.ask();
            }
            let sent = self.write(findings);
            let received = self.read(findings);
            if self.has_failed || !(sent || received) {
                break;
            }
        }
        if !self.awaited.is_empty() && self.answered_at.elapsed() > STALL && !self.has_failed {
            findings.stalls += 1;
            let what = format!(
                "connection {} ({:?}) stands still: {} bytes not sent, {} replies and {} bytes of the next one",
                self.number,
                self.stream.local_addr(),
                self.unsent.len(),
                self.awaited.len(),
                self.received.len()
            );
            self.fail(what, findings);
        }
    }

    fn ask(&mut self) {
        let key = self.rng.usize(..KEYS);
        let name = format!("moved:{}:{key}", self.number);
        let asked = Instant::now();
        match self.held[key] {
            Some((version, len)) if self.rng.u8(..3) > 0 => {
                self.unsent.extend(format!("get {name}\r\n").bytes());
                let head = format!("VALUE {name} 0 {len}\r\n").into_bytes();
                let reply = [&head, &value(&name, version, len)[..], b"\r\nEND\r\n"].concat();
                self.awaited.push_back(Awaited { reply, instead: &NO_VALUE, asked });
            }
            _ => {
                let len = if self.rng.bool() { self.rng.usize(1..200) } else { self.rng.usize(1..=MOST_BYTES) };
                self.version += 1;
                self.held[key] = Some((self.version, len));
                self.unsent.extend(format!("set {name} 0 0 {len}\r\n").bytes());
                self.unsent.extend(value(&name, self.version, len));
                self.unsent.extend(b"\r\n");
                self.awaited.push_back(Awaited { reply: b"STORED\r\n".to_vec(), instead: &NOT_STORED, asked });
            }
        }
    }

    fn write(&mut self, findings: &mut Findings) -> bool {
        let mut progress = false;
        while !self.unsent.is_empty() && !self.has_failed {
            match self.stream.write(self.unsent.make_contiguous()) {
                Ok(len) => {
                    self.unsent.drain(..len);
                    progress = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.is_lost(error.to_string(), findings),
            }
        }
        progress
    }

    fn read(&mut self, findings: &mut Findings) -> bool {
        let mut buffer = [0; 16 << 10];
        let mut progress = false;
        while !self.has_failed {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.is_lost("closed".to_owned(), findings),
                Ok(len) => {
                    progress = true;
                    self.received.extend(&buffer[..len]);
                    self.check(findings);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.is_lost(error.to_string(), findings),
            }
        }
        progress
    }

    /// Compares what has come with the replies that are due.
    fn check(&mut self, findings: &mut Findings) {
        let mut from = 0;
        while let Some(Awaited { reply, instead, asked }) = self.awaited.front() {
            let received = &self.received[from..];
            if received.is_empty() {
                break;
            }
            let len = received.len().min(reply.len());
            if received[..len] == reply[..len] {
                if len < reply.len() {
                    break;
                }
                findings.hits += u64::from(reply.starts_with(b"VALUE"));
                findings.stored += u64::from(reply.starts_with(b"STORED"));
                from += len;
            } else if let Some(instead) = instead.iter().find(|instead| received.starts_with(instead)) {
                findings.without += 1;
                from += instead.len();
            } else if instead.iter().any(|instead| instead.starts_with(received)) {
                break;
            } else {
                findings.wrong += 1;
                let at = received.iter().zip(reply).take_while(|(got, wanted)| got == wanted).count();
                let (got, wanted) = (abridged(&received[at..]), abridged(&reply[at..]));
                let what = format!("connection {}: byte {at} of a reply: {got} instead of {wanted}", self.number);
                return self.fail(what, findings);
            }
            findings.slowest = findings.slowest.max(asked.elapsed());
            self.answered_at = Instant::now();
            self.awaited.pop_front();
        }
        if self.awaited.is_empty() && from < self.received.len() {
            findings.wrong += 1;
            return self.fail(format!("connection {}: more than was asked for", self.number), findings);
        }
        findings.bytes += from as u64;
        self.received.drain(..from);
    }

    fn is_lost(&mut self, why: String, findings: &mut Findings) {
        findings.lost += 1;
        self.fail(format!("connection {} is lost: {why}", self.number), findings);
    }

    fn fail(&mut self, what: String, findings: &mut Findings) {
        self.has_failed = true;
        findings.examples.push(what);
    }
}

/// The value of a version of a key.
fn value(name: &str, version: u64, len: usize) -> Vec<u8> {
    let seed = name.bytes().fold(version, |seed, byte| seed.wrapping_mul(0x100_0000_01b3) ^ u64::from(byte));
    let mut bytes = vec![0; len];
    Rng::with_seed(seed).fill(&mut bytes);
    bytes
}
