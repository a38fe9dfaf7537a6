//! A nonblocking connection that sends requests and compares the replies, byte by byte, with what they must be.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::model::{Exchange, Model, Verb};
use super::report::Report;
use crate::client::abridged;

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection of the load.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    model: Model,
    /// Requests that the socket has not taken yet.
    unsent: VecDeque<u8>,
    /// Replies that have not come, in order.
    awaited: VecDeque<Awaited>,
    /// Bytes of the first awaited reply that have come.
    matched: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Working,
    /// The connection broke, or a reply was wrong: nothing more can be said about its bytes.
    Failed,
}

#[derive(Debug)]
struct Awaited {
    verb: Verb,
    reply: Vec<u8>,
    asked: Instant,
}

impl Connection {
    pub(super) fn connect(server: SocketAddr, number: usize, seed: u64) -> Result<Connection> {
        let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let model = Model::new(number, seed);
        let (unsent, awaited) = (VecDeque::new(), VecDeque::new());
        Ok(Connection { stream, model, unsent, awaited, matched: 0, state: State::Working })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether replies are under way.
    pub(super) fn is_busy(&self) -> bool {
        self.state == State::Working && !self.awaited.is_empty()
    }

    /// Sends and receives until the socket would block. Asks for more, before `end`, whenever all is answered.
    pub(super) fn advance(&mut self, end: Instant, report: &mut Report) {
        while self.state == State::Working {
            if self.awaited.is_empty() {
                if Instant::now() >= end {
                    return;
                }
                let batch = self.model.batch();
                self.ask(batch);
            }
            let sent = self.write(report);
            if !self.read(report) && !sent {
                return;
            }
        }
    }

    /// Asks for every key, to be answered by later calls of [`advance`](Connection::advance).
    pub(super) fn read_all_keys(&mut self, report: &mut Report) {
        if self.state == State::Working {
            let reads = self.model.read_all();
            self.ask(reads);
            self.write(report);
        }
    }

    /// Counts the replies that never came as stalls.
    pub(super) fn count_unanswered(&self, report: &mut Report) {
        if self.is_busy() {
            report.unanswered(self.awaited.len());
        }
    }

    fn ask(&mut self, exchanges: Vec<Exchange>) {
        let asked = Instant::now();
        for Exchange { verb, request, reply } in exchanges {
            self.unsent.extend(request);
            self.awaited.push_back(Awaited { verb, reply, asked });
        }
    }

    /// Whether the socket took anything.
    fn write(&mut self, report: &mut Report) -> bool {
        let mut progress = false;
        while !self.unsent.is_empty() {
            match self.stream.write(self.unsent.make_contiguous()) {
                Ok(length) => {
                    self.unsent.drain(..length);
                    progress = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.fail(report, error.to_string());
                    break;
                }
            }
        }
        progress
    }

    /// Whether the socket had anything.
    fn read(&mut self, report: &mut Report) -> bool {
        let mut buffer = [0; 16 << 10];
        let mut progress = false;
        while self.state == State::Working {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.fail(report, "closed by the appliance".to_owned()),
                Ok(length) => {
                    progress = true;
                    self.compare(&buffer[..length], report);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.fail(report, error.to_string()),
            }
        }
        progress
    }

    fn compare(&mut self, mut bytes: &[u8], report: &mut Report) {
        while !bytes.is_empty() {
            let Some(first) = self.awaited.front() else {
                report.wrong(format!("unasked: {}", abridged(bytes)));
                self.state = State::Failed;
                return;
            };
            let rest = &first.reply[self.matched..];
            let length = rest.len().min(bytes.len());
            if bytes[..length] != rest[..length] {
                self.mismatch(bytes, report);
                return;
            }
            bytes = &bytes[length..];
            self.matched += length;
            if length == rest.len() {
                report.answered(first.verb, first.asked.elapsed());
                self.awaited.pop_front();
                self.matched = 0;
            }
        }
    }

    fn mismatch(&mut self, bytes: &[u8], report: &mut Report) {
        self.state = State::Failed;
        let Some(first) = self.awaited.front() else { return };
        if first.verb == Verb::Hit && self.matched == 0 && bytes.starts_with(b"END\r\n") {
            report.missed();
        } else {
            let expected = abridged(&first.reply[self.matched..]);
            report.wrong(format!("{}: expected {expected}, got {}", first.verb.name(), abridged(bytes)));
        }
    }

    fn fail(&mut self, report: &mut Report, reason: String) {
        self.state = State::Failed;
        report.broken(reason);
    }
}
