//! The exchange over Linux's sockets: a server like our stack's, and the client that checks and measures.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::socket::{setsockopt, sockopt};
use sha2::{Digest, Sha256};

pub use super::exchange::Verb;
use super::exchange::{DIGEST_LEN, Exchange, Stream, request};

/// Bytes read or written at once.
const CHUNK: usize = 64 << 10;
/// How long to wait before the clock and the order to stop are looked at.
const TICK_MS: u8 = 20;
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves exchanges at `address` until `stop` is set.
pub fn serve(address: SocketAddrV4, stop: &AtomicBool) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    use_cubic(&listener)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let mut served: HashMap<u64, Served> = HashMap::new();
    let mut next = 0;
    let mut events = [EpollEvent::empty(); 128];
    let mut buffer = vec![0; CHUNK];
    while !stop.load(Ordering::Relaxed) {
        let ready = epoll.wait(&mut events, TICK_MS)?;
        for event in &events[..ready] {
            if event.data() == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    watch(&epoll, &stream, next)?;
                    served.insert(next, Served { stream, exchange: Exchange::new(), unsent: Vec::new() });
                    next += 1;
                }
            } else if served.get_mut(&event.data()).is_some_and(|connection| connection.work(&mut buffer).is_err()) {
                served.remove(&event.data());
            }
        }
    }
    Ok(())
}

/// The listener's name among the events.
const LISTENER: u64 = u64::MAX;

/// Linux's default may be another algorithm. Set on the socket, as the default of a network namespace can only be one that
/// this machine allows everybody. Connections inherit it from their listener.
fn use_cubic(socket: &impl AsFd) -> io::Result<()> {
    Ok(setsockopt(socket, sockopt::TcpCongestion, &OsString::from("cubic"))?)
}

fn watch(epoll: &Epoll, stream: &impl AsFd, name: u64) -> io::Result<()> {
    let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
    Ok(epoll.add(stream, EpollEvent::new(flags, name))?)
}

/// A connection of the server.
struct Served {
    stream: TcpStream,
    exchange: Exchange,
    /// What the socket has not taken yet.
    unsent: Vec<u8>,
}

impl Served {
    /// Reads and writes until the socket would block. An error ends the connection, as does the end of the exchange.
    fn work(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        while let Some(len) = unless_blocked(self.stream.read(buffer))? {
            if len == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.exchange.take(&buffer[..len]);
        }
        loop {
            if self.unsent.is_empty() {
                if self.exchange.is_over() {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                let len = self.exchange.give(buffer);
                self.unsent.extend_from_slice(&buffer[..len]);
            }
            if self.unsent.is_empty() {
                return Ok(());
            }
            let Some(len) = unless_blocked(self.stream.write(&self.unsent))? else { return Ok(()) };
            self.unsent.drain(..len);
        }
    }
}

fn unless_blocked(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        other => other.map(Some),
    }
}

/// What a client does.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// The server.
    pub server: SocketAddrV4,
    /// Which way the streams go.
    pub verb: Verb,
    /// Connections, one stream each.
    pub connections: usize,
    /// Bytes of each stream.
    pub stream_bytes: u64,
    /// Seed of the first stream; each further one has the next.
    pub seed: u64,
    /// How long it may take. For [`measure`], how long it does take.
    pub time: Duration,
}

/// What came of checked streams.
#[derive(Clone, Copy, Debug)]
pub struct Checked {
    /// Bytes in all.
    pub bytes: u64,
    /// From the first connect to the last byte.
    pub took: Duration,
}

/// Moves the streams and compares each one's SHA-256. An error names the connection that failed.
pub fn check(transfer: &Transfer) -> io::Result<Checked> {
    let began = Instant::now();
    let mut client = Client::connect(transfer, Payload::Hashed)?;
    client.drive(began + transfer.time, |client| client.is_over())?;
    let took = began.elapsed();
    for (number, connection) in client.connections.iter().enumerate() {
        let problem = connection.problem(transfer.seed + number as u64, transfer);
        if let Some(problem) = problem {
            return Err(io::Error::other(format!("connection {number} of {}: {problem}", transfer.connections)));
        }
    }
    Ok(Checked { bytes: transfer.stream_bytes * transfer.connections as u64, took })
}

/// Moves streams without end and returns the bytes a second, from `warm_up` on. Only [`Verb::Give`] can be measured: what the
/// client's end has sent the peer need not have.
pub fn measure(transfer: &Transfer, warm_up: Duration) -> io::Result<f64> {
    let endless = Transfer { stream_bytes: u64::MAX, ..*transfer };
    let mut client = Client::connect(&endless, Payload::Counted)?;
    client.drive(Instant::now() + warm_up, |_| false)?;
    let (before, began) = (client.moved(), Instant::now());
    client.drive(began + transfer.time, |_| false)?;
    Ok((client.moved() - before) as f64 / began.elapsed().as_secs_f64())
}

/// What becomes of received payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Payload {
    Hashed,
    Counted,
}

struct Client {
    epoll: Epoll,
    connections: Vec<Connection>,
}

struct Connection {
    stream: TcpStream,
    verb: Verb,
    payload: Payload,
    unsent: Vec<u8>,
    source: Stream,
    hash: Sha256,
    /// The answer to a stream that was taken.
    answer: Vec<u8>,
    received: u64,
    end: Option<io::Error>,
    is_over: bool,
}

impl Client {
    fn connect(transfer: &Transfer, payload: Payload) -> io::Result<Client> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut connections = Vec::new();
        for number in 0..transfer.connections {
            let stream = TcpStream::connect_timeout(&SocketAddr::V4(transfer.server), PATIENCE)?;
            stream.set_nonblocking(true)?;
            use_cubic(&stream)?;
            watch(&epoll, &stream, number as u64)?;
            let seed = transfer.seed + number as u64;
            let len = if transfer.verb == Verb::Take { transfer.stream_bytes } else { 0 };
            connections.push(Connection {
                stream,
                verb: transfer.verb,
                payload,
                unsent: request(transfer.verb, seed, transfer.stream_bytes),
                source: Stream::new(seed, len),
                hash: Sha256::new(),
                answer: Vec::new(),
                received: 0,
                end: None,
                is_over: false,
            });
        }
        Ok(Client { epoll, connections })
    }

    /// Works until `end`, or until `is_done`.
    fn drive(&mut self, end: Instant, is_done: impl Fn(&Client) -> bool) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 128];
        let mut buffer = vec![0; CHUNK];
        for connection in &mut self.connections {
            connection.work(&mut buffer);
        }
        while Instant::now() < end && !is_done(self) {
            let ready = self.epoll.wait(&mut events, TICK_MS)?;
            for event in &events[..ready] {
                self.connections[event.data() as usize].work(&mut buffer);
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.connections.iter().all(|connection| connection.is_over)
    }

    fn moved(&self) -> u64 {
        self.connections.iter().map(|connection| connection.received).sum()
    }
}

impl Connection {
    /// Reads and writes until the socket would block.
    fn work(&mut self, buffer: &mut [u8]) {
        if !self.is_over
            && let Err(error) = self.write(buffer).and_then(|()| self.read(buffer))
        {
            self.is_over = true;
            self.end = Some(error);
        }
    }

    fn write(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            if self.unsent.is_empty() {
                let len = self.source.fill(buffer);
                self.unsent.extend_from_slice(&buffer[..len]);
            }
            if self.unsent.is_empty() {
                return Ok(());
            }
            let Some(len) = unless_blocked(self.stream.write(&self.unsent))? else { return Ok(()) };
            self.unsent.drain(..len);
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        while let Some(len) = unless_blocked(self.stream.read(buffer))? {
            if len == 0 {
                self.is_over = true;
                break;
            }
            self.received += len as u64;
            match (self.verb, self.payload) {
                (Verb::Take, _) => self.answer.extend_from_slice(&buffer[..len]),
                (Verb::Give, Payload::Hashed) => self.hash.update(&buffer[..len]),
                (Verb::Give, Payload::Counted) => {}
            }
        }
        Ok(())
    }

    /// What is wrong with a stream that should be over.
    fn problem(&self, seed: u64, transfer: &Transfer) -> Option<String> {
        if let Some(error) = &self.end {
            return Some(format!("{error}, after {} bytes", self.received));
        }
        let expected = Stream::new(seed, transfer.stream_bytes).digest();
        let (got, len): (&[u8], u64) = match self.verb {
            Verb::Take => (&self.answer, DIGEST_LEN as u64),
            Verb::Give => (&self.hash.clone().finalize(), transfer.stream_bytes),
        };
        if !self.is_over || self.received != len {
            return Some(format!("{} of {len} bytes within {:?}", self.received, transfer.time));
        }
        (got != expected).then(|| "another SHA-256".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::thread;

    #[test]
    fn linux_with_itself_over_loopback() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| serve(server, &stop).unwrap());
            while TcpStream::connect(server).is_err() {
                thread::sleep(Duration::from_millis(5));
            }
            let time = Duration::from_secs(20);
            let transfer =
                Transfer { server, verb: Verb::Give, connections: 3, stream_bytes: 1_000_001, seed: 5, time };
            assert_eq!(check(&transfer).unwrap().bytes, 3_000_003);
            check(&Transfer { verb: Verb::Take, ..transfer }).unwrap();
            let short = Transfer { time: Duration::from_millis(200), ..transfer };
            assert!(measure(&short, Duration::from_millis(50)).unwrap() > 0.0);
            stop.store(true, Ordering::Relaxed);
        });
    }
}
