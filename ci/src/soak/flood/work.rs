//! Connections that work: each asks for its value at fixed times, whatever the answers, and every answer must be right.
//!
//! A latency counts from the time at which the request was due, so that a stall is seen by all that it held up.

use std::collections::VecDeque;
use std::fmt::{self, Display, Formatter};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use hdrhistogram::Histogram;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::client::Client;
use crate::soak::{check_interrupted, wait_for};

/// Between two requests of a connection.
const INTERVAL: Duration = Duration::from_millis(20);
const VALUE_BYTES: usize = 100;
const PATIENCE: Duration = Duration::from_secs(10);

/// The connections.
pub(super) struct Work {
    epoll: Epoll,
    connections: Vec<Connection>,
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    reply: Vec<u8>,
    /// When the requests were due whose answers have not come.
    asked: VecDeque<Instant>,
    /// Bytes of the first of those that have come.
    matched: usize,
    next: Instant,
}

/// From when a request was due to the end of its answer.
pub(super) struct Latencies {
    us: Histogram<u64>,
    connections: usize,
    elapsed: Duration,
}

impl Work {
    /// Opens the connections and gives each a value.
    pub(super) fn begin(server: SocketAddr, count: usize, seed: u64) -> Result<Work> {
        let mut rng = Rng::with_seed(seed);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut connections = Vec::with_capacity(count);
        for number in 0..count {
            let value: String = (0..VALUE_BYTES).map(|_| rng.alphanumeric()).collect();
            let set = format!("set flood{number} 0 0 {VALUE_BYTES}\r\n{value}\r\n");
            Client::connect(server)?.exchange(set.as_bytes(), b"STORED\r\n")?;
            let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
            connections.push(Connection {
                stream,
                request: format!("get flood{number}\r\n").into_bytes(),
                reply: format!("VALUE flood{number} 0 {VALUE_BYTES}\r\n{value}\r\nEND\r\n").into_bytes(),
                asked: VecDeque::new(),
                matched: 0,
                next: Instant::now(),
            });
        }
        Ok(Work { epoll, connections })
    }

    /// Works for `time`, and until every request is answered. An error if a connection breaks or an answer is wrong or missing.
    pub(super) fn run(&mut self, time: Duration) -> Result<Latencies> {
        let began = Instant::now();
        let end = began + time;
        let mut us = Histogram::new_with_bounds(1, 60_000_000, 3)?;
        let count = self.connections.len() as u32;
        for (number, connection) in self.connections.iter_mut().enumerate() {
            connection.next = began + INTERVAL * number as u32 / count;
        }
        let mut events = [EpollEvent::empty(); 128];
        loop {
            check_interrupted()?;
            let now = Instant::now();
            for connection in self.connections.iter_mut().filter(|_| now < end) {
                connection.ask(now)?;
            }
            let unanswered: usize = self.connections.iter().map(|connection| connection.asked.len()).sum();
            if now >= end && unanswered == 0 {
                return Ok(Latencies { us, connections: self.connections.len(), elapsed: began.elapsed() });
            }
            ensure!(now < end + PATIENCE, "{unanswered} requests were never answered");
            let ready = wait_for(&self.epoll, &mut events, 1_u8)?;
            for event in &events[..ready] {
                let number = event.data() as usize;
                self.connections[number].answers(&mut us).with_context(|| format!("connection {number}"))?;
            }
        }
    }
}

impl Connection {
    /// Sends the requests that are due.
    fn ask(&mut self, now: Instant) -> Result<()> {
        while self.next <= now {
            // A few bytes, for which the socket has room unless nothing was taken for long.
            self.stream.write_all(&self.request).context("cannot send a request")?;
            self.asked.push_back(self.next);
            self.next += INTERVAL;
        }
        Ok(())
    }

    /// Takes what has come.
    fn answers(&mut self, us: &mut Histogram<u64>) -> Result<()> {
        let mut buffer = [0; 4096];
        loop {
            let mut bytes = match self.stream.read(&mut buffer) {
                Ok(0) => anyhow::bail!("closed by the appliance"),
                Ok(length) => &buffer[..length],
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            while !bytes.is_empty() {
                let rest = &self.reply[self.matched..];
                let length = rest.len().min(bytes.len());
                ensure!(bytes[..length] == rest[..length], "a wrong answer");
                let asked = *self.asked.front().context("an answer that nobody asked for")?;
                bytes = &bytes[length..];
                self.matched += length;
                if self.matched == self.reply.len() {
                    us.saturating_record(asked.elapsed().as_micros() as u64);
                    self.asked.pop_front();
                    self.matched = 0;
                }
            }
        }
    }
}

impl Latencies {
    pub(super) fn p99_us(&self) -> u64 {
        self.us.value_at_quantile(0.99)
    }
}

impl Display for Latencies {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let at = |quantile| self.us.value_at_quantile(quantile);
        let (count, seconds) = (self.us.len(), self.elapsed.as_secs_f64());
        write!(f, "work: {} connections, {count} requests in {seconds:.1} s, all answered; ", self.connections)?;
        write!(f, "us: p50 {}, p90 {}, p99 {}, p99.9 {}, max {}", at(0.5), at(0.9), at(0.99), at(0.999), self.us.max())
    }
}
