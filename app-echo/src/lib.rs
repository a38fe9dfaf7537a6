//! An application that sends back what it receives, over TCP and UDP: what a server costs that does nothing else.
//!
//! One request is answered otherwise: `stats\r\n`, alone in its segment, by the statistics of the layers below, in memcached's
//! form. So whoever measures can ask for the cycles that the server was busy.
//!
//! Called by the appliance's runtime through [`App`]; calls nothing but the packet buffers of `netdrv`.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod statistics;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use netdrv::pktbuf::{PktBuf, Pool};
use netstack::app::{App, Call, Calls, Cookie, Event, Events, Flow, Movable, Progress, Turn};
use netstack::reserves;

/// The request for statistics.
const STATS: &[u8] = b"stats\r\n";

/// The application of one core.
pub struct Echo {
    pool: &'static Pool,
    /// By cookie.
    connections: Box<[Connection]>,
    /// By cookie.
    backlogs: Box<[Backlog]>,
    free: Vec<Cookie>,
    /// What credit or buffers do not allow to send yet, in order.
    waiting: VecDeque<(Cookie, Reply)>,
    /// How often was gone through those that wait.
    passes: u32,
    /// Whether something may be sent that was not tried: credit has come for it, or buffers were short.
    retry: Option<Progress>,
    /// Buffers that are left to the receive ring. An answer frees the buffer of what it answers, so few will do.
    kept: usize,
    requests: u64,
}

/// What waits of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Backlog {
    replies: u32,
    /// The pass in which one could not be sent: those behind it stay behind it.
    stuck_in: u32,
}

/// A connection, as another core takes it over.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    flow: Flow,
    credit: u32,
}

/// What is to be sent.
enum Reply {
    /// What was received.
    Echo(PktBuf),
    /// Text of ours.
    Text(PktBuf),
}

impl Reply {
    fn bytes(&self) -> &[u8] {
        match self {
            Reply::Echo(payload) | Reply::Text(payload) => payload.bytes(),
        }
    }
}

const NO_CONNECTION: Connection = Connection { flow: Flow { index: 0, generation: 0 }, credit: 0 };

impl Echo {
    /// For at most so many connections.
    pub fn new(connections: usize, pool: &'static Pool) -> Echo {
        let free = (0..connections as u32).rev().collect();
        let backlogs = alloc::vec![Backlog::default(); connections].into();
        let connections = alloc::vec![NO_CONNECTION; connections].into();
        let kept = reserves::buffers(pool, reserves::ANSWERS);
        let waiting = VecDeque::new();
        Echo { pool, connections, backlogs, free, waiting, passes: 0, retry: None, kept, requests: 0 }
    }

    /// Sends a reply, if that is possible now; else it is returned.
    #[inline(always)] // what an app takes beside its work is to be small
    fn send(&mut self, cookie: Cookie, reply: Reply, calls: &mut Calls) -> Option<Reply> {
        let connection = self.connections.get(cookie as usize)?;
        let (flow, len) = (connection.flow, reply.bytes().len() as u32);
        if connection.credit < len || calls.is_full() {
            return Some(reply);
        }
        let Some(mut payload) = self.alloc() else {
            self.retry = Some(Progress::Starved);
            return Some(reply);
        };
        let connection = self.connections.get_mut(cookie as usize)?;
        payload.extend_from_slice(reply.bytes())?; // what came in one buffer leaves in one
        connection.credit -= len;
        let done = match reply {
            Reply::Echo(_) => len,
            Reply::Text(_) => 0,
        };
        let _ = calls.push_back(Call::Send { flow, payload, done });
        None
    }

    /// A buffer, if some are left to the receive ring.
    #[inline]
    fn alloc(&self) -> Option<PktBuf> {
        if self.pool.available() > self.kept { self.pool.alloc() } else { None }
    }

    fn reply(&mut self, cookie: Cookie, reply: Reply, calls: &mut Calls) {
        let is_next = self.waiting.is_empty() || self.backlog(cookie).replies == 0;
        let later = if is_next { self.send(cookie, reply, calls) } else { Some(reply) };
        if let Some(reply) = later {
            self.wait(cookie, reply);
        }
    }

    fn backlog(&mut self, cookie: Cookie) -> &mut Backlog {
        &mut self.backlogs[cookie as usize]
    }

    fn wait(&mut self, cookie: Cookie, reply: Reply) {
        self.backlog(cookie).replies += 1;
        self.waiting.push_back((cookie, reply));
    }

    /// Tries all that wait once. What is not sent keeps its place among those of its connection.
    fn send_waiting(&mut self, calls: &mut Calls) {
        self.passes = self.passes.wrapping_add(1);
        for _ in 0..self.waiting.len() {
            let Some((cookie, reply)) = self.waiting.pop_front() else { break };
            let is_stuck = self.backlog(cookie).stuck_in == self.passes;
            let later = if is_stuck { Some(reply) } else { self.send(cookie, reply, calls) };
            let passes = self.passes;
            let backlog = self.backlog(cookie);
            match later {
                None => backlog.replies -= 1,
                Some(reply) => {
                    backlog.stuck_in = passes;
                    self.waiting.push_back((cookie, reply));
                }
            }
        }
    }

    fn received(&mut self, cookie: Cookie, payload: PktBuf, turn: &Turn<'_>, calls: &mut Calls) {
        if payload.bytes() != STATS {
            self.requests += 1;
            return self.reply(cookie, Reply::Echo(payload), calls);
        }
        if let Some(connection) = self.connections.get(cookie as usize) {
            let _ = calls.push_back(Call::RecvDone { flow: connection.flow, bytes: payload.len() as u32 });
        }
        statistics::collect_pages(turn.statistics, self.pool, |page| {
            self.backlogs[cookie as usize].replies += 1;
            self.waiting.push_back((cookie, Reply::Text(page)));
        });
        self.retry = Some(Progress::More);
    }

    fn handle(&mut self, event: Event, turn: &Turn<'_>, calls: &mut Calls) {
        match event {
            Event::Knock { flow, .. } => {
                let _ = calls.push_back(match self.admit(Connection { flow, credit: 0 }) {
                    Some(cookie) => Call::Accept { flow, cookie },
                    None => Call::Reject { flow },
                });
            }
            Event::Connected { cookie, credit, .. } | Event::Sent { cookie, credit, .. } => {
                if let Some(connection) = self.connections.get_mut(cookie as usize) {
                    connection.credit += credit;
                    if self.backlog(cookie).replies > 0 {
                        self.retry = Some(Progress::More);
                    }
                }
            }
            Event::Recv { cookie, payload } => self.received(cookie, payload, turn, calls),
            Event::PeerClosed { cookie } => {
                if let Some(connection) = self.connections.get(cookie as usize) {
                    let _ = calls.push_back(Call::Close { flow: connection.flow });
                }
            }
            Event::Dead { cookie, .. } => {
                self.waiting.retain(|(waiting, _)| *waiting != cookie);
                *self.backlog(cookie) = Backlog::default();
                self.free.push(cookie);
            }
            Event::UdpRecv { local_port, remote, payload: received } => {
                self.requests += 1;
                let reply = self.pool.alloc().and_then(|mut payload| {
                    payload.extend_from_slice(received.bytes())?;
                    Some(Call::UdpSend { local_port, remote, payload })
                });
                // Without a buffer it is lost, as datagrams are.
                reply.into_iter().for_each(|call| {
                    let _ = calls.push_back(call);
                });
            }
        }
    }

    fn admit(&mut self, connection: Connection) -> Option<Cookie> {
        let cookie = self.free.pop()?;
        *self.connections.get_mut(cookie as usize)? = connection;
        Some(cookie)
    }
}

impl App for Echo {
    fn run(&mut self, turn: Turn<'_>, events: &mut Events, calls: &mut Calls) -> Progress {
        self.retry = None;
        if !self.waiting.is_empty() {
            self.send_waiting(calls);
        }
        while !calls.is_full() {
            // Buffers raise no event when they come back; credit does.
            let Some(event) = events.pop_front() else { return self.retry.unwrap_or(Progress::Done) };
            self.handle(event, &turn, calls);
        }
        Progress::More
    }

    fn requests(&self) -> u64 {
        self.requests
    }
}

impl Movable for Echo {
    type State = Connection;

    /// What waits to be sent back goes along as input: it is received again, on the other core.
    fn export(&mut self, cookie: Cookie, input: &mut Vec<PktBuf>) -> Option<Connection> {
        let connection = *self.connections.get(cookie as usize)?;
        let (moved, kept): (VecDeque<_>, VecDeque<_>) =
            core::mem::take(&mut self.waiting).into_iter().partition(|(of, _)| *of == cookie);
        self.waiting = kept;
        *self.backlog(cookie) = Backlog::default();
        input.extend(moved.into_iter().filter_map(|(_, reply)| match reply {
            Reply::Echo(payload) => Some(payload),
            Reply::Text(_) => None,
        }));
        self.free.push(cookie);
        Some(connection)
    }

    fn import(&mut self, flow: Flow, state: Connection, input: &mut Vec<PktBuf>) -> Option<Cookie> {
        let cookie = self.admit(Connection { flow, ..state })?;
        input.drain(..).for_each(|payload| self.wait(cookie, Reply::Echo(payload)));
        Some(cookie)
    }
}

#[cfg(test)]
mod tests;
