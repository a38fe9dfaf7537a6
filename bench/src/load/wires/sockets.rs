//! The kernel's sockets: non-blocking, an epoll instance for each engine, and never a wait.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, connect, getsockopt, recv, send,
    setsockopt, socket, sockopt,
};

use crate::load::wire::{Client, Closed, ConnId, Transport, Wire, WireError};

/// Events taken at once, and bytes read at once.
const EVENTS: usize = 256;
const CHUNK: usize = 64 << 10;
/// Connections from one local address to one server: fewer than Linux has ephemeral ports by default.
const PER_ADDRESS: usize = 20_000;

/// One engine's sockets.
#[derive(Debug)]
pub struct Sockets {
    server: SocketAddr,
    transport: Transport,
    /// The number, over all threads, of this engine's first connection.
    first: usize,
    epoll: Epoll,
    sockets: Vec<Socket>,
    /// Connections with bytes that were not passed to the kernel.
    unsent: Vec<ConnId>,
    /// Connections of which the client has not heard yet, and how their opening ended.
    news: Vec<(ConnId, Result<(), Closed>)>,
    events: Vec<EpollEvent>,
    chunk: Box<[u8]>,
}

#[derive(Debug, Default)]
struct Socket {
    fd: Option<OwnedFd>,
    is_open: bool,
    is_unsent: bool,
    /// What the kernel has not taken.
    out: Vec<u8>,
}

/// Whether to go on with a connection.
type Going = Result<(), Closed>;

impl Sockets {
    /// Sockets for `connections` connections to a server, and one for its statistics, on the engine with a number.
    pub fn new(
        server: SocketAddr,
        transport: Transport,
        thread: usize,
        connections: usize,
    ) -> Result<Sockets, WireError> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|errno| system("epoll_create", errno))?;
        Ok(Sockets {
            server,
            transport,
            first: thread * connections,
            epoll,
            sockets: (0..=connections).map(|_| Socket::default()).collect(),
            unsent: Vec::with_capacity(connections + 1),
            news: Vec::new(),
            events: vec![EpollEvent::empty(); EVENTS],
            chunk: vec![0; CHUNK].into(),
        })
    }

    fn try_open(&mut self, conn: ConnId) -> Result<Going, Errno> {
        let family = if self.server.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = match self.transport {
            Transport::Tcp => socket(family, SockType::Stream, flags, SockProtocol::Tcp)?,
            Transport::Udp => socket(family, SockType::Datagram, flags, SockProtocol::Udp)?,
        };
        if self.transport == Transport::Tcp {
            setsockopt(&fd, sockopt::TcpNoDelay, &true)?;
        }
        if let Some(local) = self.local_address(conn) {
            setsockopt(&fd, sockopt::IpBindAddressNoPort, &true)?;
            bind(fd.as_raw_fd(), &SockaddrStorage::from(local))?;
        }
        let going = match connect(fd.as_raw_fd(), &SockaddrStorage::from(self.server)) {
            Ok(()) | Err(Errno::EINPROGRESS) => Ok(()),
            Err(errno) => Err(reason(errno)),
        };
        let interest = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        self.epoll.add(&fd, EpollEvent::new(interest, u64::from(conn.0)))?;
        self.sockets[conn.index()] = Socket { fd: Some(fd), ..Socket::default() };
        Ok(going)
    }

    /// Many connections to a server on this host come from several addresses of it, as ports are few.
    fn local_address(&self, conn: ConnId) -> Option<SocketAddr> {
        let group = (self.first + conn.index()) / PER_ADDRESS;
        match self.server.ip() {
            IpAddr::V4(server) if server.is_loopback() && group > 0 => {
                let [high, low] = (group as u16 + 1).to_be_bytes();
                Some(SocketAddr::from((Ipv4Addr::new(127, 0, high, low), 0)))
            }
            _ => None,
        }
    }

    /// Hands over what came on a connection. Returns whether anything did.
    fn receive(&mut self, conn: ConnId, client: &mut impl Client) -> Result<bool, Closed> {
        let mut came = false;
        loop {
            let Some(fd) = &self.sockets[conn.index()].fd else { return Ok(came) };
            match recv(fd.as_raw_fd(), &mut self.chunk, MsgFlags::empty()) {
                Ok(0) if self.transport == Transport::Tcp => return Err(Closed::Finished),
                Ok(len) => {
                    came = true;
                    client.received(conn, &self.chunk[..len]);
                    // A stream that gave less than there is room for is empty; its next bytes are another event.
                    if self.transport == Transport::Tcp && len < self.chunk.len() {
                        return Ok(came);
                    }
                }
                Err(Errno::EAGAIN) => return Ok(came),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(reason(errno)),
            }
        }
    }

    /// Passes on what was not sent, as far as the kernel takes it.
    fn pass_on(&mut self, conn: ConnId) -> Going {
        let Socket { fd: Some(fd), out, .. } = &mut self.sockets[conn.index()] else { return Ok(()) };
        let mut sent = 0;
        while sent < out.len() {
            match send(fd.as_raw_fd(), &out[sent..], MsgFlags::MSG_NOSIGNAL) {
                Ok(len) => sent += len,
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(reason(errno)),
            }
        }
        out.drain(..sent);
        Ok(())
    }

    /// The connection can be written to: the first time, it is open.
    fn writable(&mut self, conn: ConnId, client: &mut impl Client) -> Going {
        let socket = &mut self.sockets[conn.index()];
        if !socket.is_open {
            let Some(fd) = &socket.fd else { return Ok(()) };
            match getsockopt(fd, sockopt::SocketError) {
                Ok(0) => {}
                Ok(errno) => return Err(reason(Errno::from_raw(errno))),
                Err(errno) => return Err(reason(errno)),
            }
            socket.is_open = true;
            client.opened(conn);
        }
        self.pass_on(conn)
    }

    /// What one event means. Returns whether anything came.
    fn handle(&mut self, conn: ConnId, flags: EpollFlags, client: &mut impl Client) -> Result<bool, Closed> {
        let was_open = self.sockets[conn.index()].is_open;
        if flags.contains(EpollFlags::EPOLLOUT) || (!was_open && flags.intersects(EpollFlags::EPOLLERR)) {
            self.writable(conn, client)?;
        }
        let readable = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP;
        if flags.intersects(readable) { self.receive(conn, client) } else { Ok(!was_open) }
    }

    fn forget(&mut self, conn: ConnId) {
        let socket = &mut self.sockets[conn.index()];
        (socket.fd, socket.is_open) = (None, false);
        socket.out.clear();
    }
}

impl Wire for Sockets {
    fn open(&mut self, conn: ConnId) -> Result<(), WireError> {
        match self.try_open(conn) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => {
                self.news.push((conn, Err(reason)));
                Ok(())
            }
            Err(errno) => Err(system("a socket", errno)),
        }
    }

    fn send(&mut self, conn: ConnId, bytes: &[u8]) -> Result<(), WireError> {
        let socket = &mut self.sockets[conn.index()];
        if self.transport == Transport::Udp {
            if let Some(fd) = &socket.fd {
                // What the kernel does not take is a datagram lost, and counted as one that got no answer.
                send(fd.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL).ok();
            }
            return Ok(());
        }
        socket.out.extend_from_slice(bytes);
        if !socket.is_unsent {
            socket.is_unsent = true;
            self.unsent.push(conn);
        }
        Ok(())
    }

    fn close(&mut self, conn: ConnId) {
        if let Some(fd) = &self.sockets[conn.index()].fd
            && self.transport == Transport::Tcp
        {
            // Closing then resets. If it cannot be asked for, the connection ends in order.
            setsockopt(fd, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 }).ok();
        }
        self.forget(conn);
    }

    fn poll(&mut self, client: &mut impl Client) -> Result<bool, WireError> {
        let mut came = !self.news.is_empty();
        for (conn, news) in self.news.drain(..) {
            if let Err(reason) = news {
                client.closed(conn, reason);
            }
        }
        let mut events = std::mem::take(&mut self.events);
        let count = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(system("epoll_wait", errno)),
        };
        for event in &events[..count] {
            let conn = ConnId(event.data() as u32);
            match self.handle(conn, event.events(), client) {
                Ok(something) => came |= something,
                Err(reason) => {
                    self.forget(conn);
                    client.closed(conn, reason);
                    came = true;
                }
            }
        }
        self.events = events;
        Ok(came)
    }

    fn flush(&mut self) -> Result<(), WireError> {
        while let Some(conn) = self.unsent.pop() {
            self.sockets[conn.index()].is_unsent = false;
            if let Err(reason) = self.pass_on(conn) {
                self.forget(conn);
                self.news.push((conn, Err(reason)));
            }
        }
        Ok(())
    }
}

/// Lets this process open `count` sockets, as far as the system's limit goes.
pub fn allow_sockets(count: usize) -> Result<(), WireError> {
    /// Files beside the sockets.
    const OTHERS: u64 = 64;
    let needed = count as u64 + OTHERS;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|errno| system("getrlimit", errno))?;
    if needed <= soft {
        return Ok(());
    }
    // Beyond the hard limit only root may go.
    setrlimit(Resource::RLIMIT_NOFILE, needed, hard.max(needed))
        .map_err(|_| WireError::Broken(format!("{count} connections: only {hard} files may be open (ulimit -Hn)")))
}

fn system(call: &str, errno: Errno) -> WireError {
    WireError::System { call: call.to_owned(), error: io::Error::from(errno) }
}

fn reason(errno: Errno) -> Closed {
    match errno {
        Errno::ECONNREFUSED => Closed::Refused,
        Errno::ECONNRESET | Errno::EPIPE => Closed::Reset,
        Errno::ETIMEDOUT => Closed::TimedOut,
        Errno::EHOSTUNREACH | Errno::ENETUNREACH => Closed::Unreachable,
        errno => Closed::Failed(errno as i32),
    }
}
