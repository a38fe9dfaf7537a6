//! One address of the client: a stack, and what passes between it and the client.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use netdrv::nic::{Batch, TxChecksum};
use netdrv::pktbuf::Pool;
use netstack::app::{Call, Calls, Event, Events, MAX_DATAGRAM, Reason, Statistics as _};
use netstack::stack::{Addressing, Config, CongestionControl, Stack, TcpSettings};
use netstack::time::Instant;

use super::StackWireConfig;
use super::connection::Connection;
use crate::load::wire::{Client, Closed, ConnId, Transport};

/// The first port over UDP.
const FIRST_PORT: u16 = 20_000;
/// How long the server may take to answer a SYN: it is one hop away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a host is made with.
pub(super) struct HostConfig<'a> {
    pub(super) ip: Ipv4Addr,
    pub(super) index: usize,
    /// Connections of this host.
    pub(super) connections: usize,
    pub(super) checksum: TxChecksum,
    pub(super) wire: &'a StackWireConfig,
}

/// A host.
pub(super) struct Host {
    pub(super) ip: Ipv4Addr,
    /// Frames for it, of this turn.
    pub(super) received: Batch,
    stack: Stack,
    server: SocketAddrV4,
    transport: Transport,
    /// The first of its connections.
    first: u32,
    events: Events,
    calls: Calls,
    /// Calls for which there was no room.
    waiting: VecDeque<Call>,
    /// Connections with something to send.
    listed: Vec<ConnId>,
    /// Those that are being gone through; between flushes none.
    flushed: Vec<ConnId>,
    /// Ports over UDP that the client is to be told of.
    opened: Vec<ConnId>,
}

impl Host {
    pub(super) fn new(config: &HostConfig<'_>, pool: &'static Pool, now: Instant) -> Host {
        let HostConfig { ip, index, connections, checksum, wire } = *config;
        let ports: Vec<u16> = match wire.transport {
            Transport::Tcp => Vec::new(),
            Transport::Udp => (0..connections as u16).map(|port| FIRST_PORT + port).collect(),
        };
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&wire.seed.to_le_bytes());
        seed[8..].copy_from_slice(&index.to_le_bytes());
        let settings = TcpSettings { connect_timeout: CONNECT_TIMEOUT, keepalive: None, ..TcpSettings::default() };
        let stack = Config {
            mac: wire.mac,
            vlan: None,
            mtu: wire.mtu,
            tx_checksum: checksum,
            tso: None,
            address: Addressing::Static { ip, prefix: wire.prefix, gateway: None },
            listen: &[],
            udp: &ports,
            conn_limit: connections,
            congestion_control: CongestionControl::default(),
            tcp: settings,
            seed,
        };
        Host {
            ip,
            received: Batch::new(),
            stack: Stack::new(stack, pool, now),
            server: wire.server,
            transport: wire.transport,
            first: (index * connections) as u32,
            events: Events::new(),
            calls: Calls::new(),
            waiting: VecDeque::new(),
            listed: Vec::new(),
            flushed: Vec::new(),
            opened: Vec::new(),
        }
    }

    /// What the stack counted.
    pub(super) fn visit_counters(&self, visit: &mut dyn FnMut(&str, u64)) {
        self.stack.counters().visit(visit);
    }

    /// Timers, and what was received; the client is told. Returns how much there was.
    pub(super) fn turn(&mut self, now: Instant, connections: &mut [Connection], client: &mut impl Client) -> usize {
        let mut work = self.stack.expire(now, &mut self.events) + self.opened.len();
        self.opened.drain(..).for_each(|conn| client.opened(conn));
        loop {
            self.stack.ingress(&mut self.received, now, &mut self.events);
            work += self.events.len();
            while let Some(event) = self.events.pop_front() {
                self.tell(event, connections, client);
            }
            self.execute(now);
            if self.received.is_empty() && self.events.is_empty() && self.calls.is_empty() {
                return work;
            }
        }
    }

    /// Sends what the client has written.
    pub(super) fn flush(&mut self, now: Instant, connections: &mut [Connection], pool: &'static Pool) {
        std::mem::swap(&mut self.listed, &mut self.flushed);
        for &conn in &self.flushed {
            let connection = &mut connections[conn.index()];
            connection.is_listed = false;
            let Some(flow) = connection.flow() else { continue };
            connection.finish(pool, |payload| {
                push(&mut self.calls, &mut self.waiting, Call::Send { flow, payload, done: 0 });
            });
            if connection.is_starved() {
                connection.is_listed = true;
                self.listed.push(conn);
            }
        }
        self.flushed.clear();
        self.execute(now);
    }

    /// Adds frames to send to the batch, at most `room`.
    pub(super) fn egress(&mut self, now: Instant, room: usize, outgoing: &mut Batch) {
        self.stack.egress(now, room, outgoing, &mut self.events);
    }

    /// Begins to connect.
    pub(super) fn open(&mut self, conn: ConnId, connection: &Connection) {
        match self.transport {
            Transport::Tcp => self.call(Call::Connect { cookie: connection.cookie(conn), remote: self.server }),
            Transport::Udp => self.opened.push(conn),
        }
    }

    /// Takes bytes to send.
    pub(super) fn send(&mut self, conn: ConnId, connection: &mut Connection, bytes: &[u8], pool: &'static Pool) {
        if self.transport == Transport::Udp {
            return self.send_datagram(conn, bytes, pool);
        }
        let Some(flow) = connection.flow() else { return };
        connection.write(bytes, pool, |payload| {
            push(&mut self.calls, &mut self.waiting, Call::Send { flow, payload, done: 0 });
        });
        if !connection.is_listed {
            connection.is_listed = true;
            self.listed.push(conn);
        }
    }

    /// A datagram that does not fit, or finds no buffer, is lost, as on any wire.
    fn send_datagram(&mut self, conn: ConnId, bytes: &[u8], pool: &'static Pool) {
        let Some(mut payload) = pool.alloc().filter(|_| bytes.len() <= MAX_DATAGRAM) else { return };
        if payload.extend_from_slice(bytes).is_some() {
            let local_port = FIRST_PORT + (conn.0 - self.first) as u16;
            self.call(Call::UdpSend { local_port, remote: self.server, payload });
        }
    }

    /// Ends a connection by a reset.
    pub(super) fn close(&mut self, connection: &mut Connection) {
        if let Some(flow) = connection.end() {
            self.call(Call::Abort { flow });
        }
    }

    fn call(&mut self, call: Call) {
        push(&mut self.calls, &mut self.waiting, call);
    }

    /// Has the stack carry out the calls, as far as there is room for what follows from them.
    fn execute(&mut self, now: Instant) {
        loop {
            let before = self.calls.len() + self.waiting.len();
            self.stack.execute(&mut self.calls, now, &mut self.events);
            while !self.calls.is_full()
                && let Some(call) = self.waiting.pop_front()
            {
                let _ = self.calls.push_back(call); // there is room
            }
            if self.calls.is_empty() || self.calls.len() + self.waiting.len() == before {
                return;
            }
        }
    }

    /// Tells the client of an event, if it is of a connection that it still has.
    fn tell(&mut self, event: Event, connections: &mut [Connection], client: &mut impl Client) {
        match event {
            Event::Connected { cookie, flow, credit } => match living(connections, cookie) {
                Some((conn, connection)) => {
                    connection.opened(flow, credit);
                    client.opened(conn);
                }
                None => self.call(Call::Abort { flow }), // it was closed while it was opened
            },
            Event::Recv { cookie, payload } => {
                let Some((conn, connection)) = living(connections, cookie) else { return };
                client.received(conn, payload.bytes());
                let Some(flow) = connection.flow() else { return };
                self.call(Call::RecvDone { flow, bytes: payload.len() as u32 });
            }
            Event::Sent { cookie, credit, .. } => {
                let Some((conn, connection)) = living(connections, cookie) else { return };
                if connection.add_credit(credit) && !connection.is_listed {
                    connection.is_listed = true;
                    self.listed.push(conn);
                }
            }
            Event::PeerClosed { cookie } => {
                let Some((conn, connection)) = living(connections, cookie) else { return };
                if let Some(flow) = connection.end() {
                    self.call(Call::Abort { flow });
                }
                client.closed(conn, Closed::Finished);
            }
            Event::Dead { cookie, reason } => {
                let Some((conn, connection)) = living(connections, cookie) else { return };
                let was_open = connection.end().is_some();
                client.closed(conn, why(reason, was_open));
            }
            Event::UdpRecv { local_port, remote, payload } => {
                if remote == self.server {
                    let conn = ConnId(self.first + u32::from(local_port - FIRST_PORT));
                    client.received(conn, payload.bytes());
                }
            }
            Event::Knock { flow, .. } => self.call(Call::Reject { flow }), // nobody listens here
        }
    }
}

/// Adds a call behind those that wait.
fn push(calls: &mut Calls, waiting: &mut VecDeque<Call>, call: Call) {
    if waiting.is_empty() {
        if let Err(call) = calls.push_back(call) {
            waiting.push_back(call);
        }
    } else {
        waiting.push_back(call);
    }
}

/// The connection that a cookie names, if it is of its present life.
fn living(connections: &mut [Connection], cookie: u32) -> Option<(ConnId, &mut Connection)> {
    let conn = Connection::named(cookie);
    let connection = connections.get_mut(conn.index()).filter(|connection| connection.lives_as(cookie))?;
    Some((conn, connection))
}

fn why(reason: Reason, was_open: bool) -> Closed {
    match reason {
        Reason::Closed => Closed::Finished,
        Reason::Reset if was_open => Closed::Reset,
        Reason::Reset => Closed::Refused,
        Reason::TimedOut => Closed::TimedOut,
        Reason::Unreachable | Reason::Unavailable => Closed::Unreachable,
    }
}
