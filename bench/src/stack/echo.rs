//! The application: it sends back what it receives.

use std::collections::VecDeque;

use netdrv::pktbuf::{PktBuf, Pool};
use netstack::app::{App, Call, Calls, Cookie, Event, Events, Flow, Progress, Turn};

/// The application.
pub(crate) struct Echo {
    pool: &'static Pool,
    /// By cookie.
    connections: Box<[Connection]>,
    free: Vec<Cookie>,
    /// What credit or buffers do not allow to send yet, in order.
    waiting: VecDeque<(Cookie, PktBuf)>,
}

#[derive(Clone, Copy)]
struct Connection {
    flow: Flow,
    credit: u32,
}

impl Echo {
    /// For at most so many connections.
    pub(crate) fn new(connections: usize, pool: &'static Pool) -> Echo {
        let none = Connection { flow: Flow { index: 0, generation: 0 }, credit: 0 };
        let free = (0..connections as u32).rev().collect();
        Echo { pool, connections: vec![none; connections].into(), free, waiting: VecDeque::new() }
    }

    /// Sends a buffer back, if that is possible now; else it is returned.
    #[inline(always)] // what an app takes beside its work is to be small
    fn echo(&mut self, cookie: Cookie, received: PktBuf, calls: &mut Calls) -> Option<PktBuf> {
        let connection = self.connections.get_mut(cookie as usize)?;
        let (flow, len) = (connection.flow, received.len());
        if connection.credit < len as u32 || calls.is_full() {
            return Some(received);
        }
        let Some(mut payload) = self.pool.alloc() else { return Some(received) };
        payload.extend_from_slice(received.bytes())?; // what came in one buffer leaves in one
        connection.credit -= len as u32;
        let _ = calls.push_back(Call::Send { flow, payload, done: len as u32 });
        None
    }

    fn handle(&mut self, event: Event, calls: &mut Calls) {
        match event {
            Event::Knock { flow, .. } => {
                let _ = calls.push_back(match self.free.pop() {
                    Some(cookie) => {
                        self.connections[cookie as usize] = Connection { flow, credit: 0 };
                        Call::Accept { flow, cookie }
                    }
                    None => Call::Reject { flow },
                });
            }
            Event::Connected { cookie, credit, .. } | Event::Sent { cookie, credit, .. } => {
                if let Some(connection) = self.connections.get_mut(cookie as usize) {
                    connection.credit += credit;
                }
            }
            Event::Recv { cookie, payload } => {
                let later = if self.waiting.is_empty() { self.echo(cookie, payload, calls) } else { Some(payload) };
                if let Some(payload) = later {
                    self.waiting.push_back((cookie, payload));
                }
            }
            Event::PeerClosed { cookie } => {
                if let Some(connection) = self.connections.get(cookie as usize) {
                    let _ = calls.push_back(Call::Close { flow: connection.flow });
                }
            }
            Event::Dead { cookie, .. } => {
                self.waiting.retain(|(waiting, _)| *waiting != cookie);
                self.free.push(cookie);
            }
            Event::UdpRecv { .. } => {}
        }
    }
}

impl App for Echo {
    fn run(&mut self, _: Turn<'_>, events: &mut Events, calls: &mut Calls) -> Progress {
        for _ in 0..self.waiting.len() {
            let Some((cookie, payload)) = self.waiting.pop_front() else { break };
            let later = self.echo(cookie, payload, calls);
            self.waiting.extend(later.map(|payload| (cookie, payload)));
        }
        while !calls.is_full() {
            let Some(event) = events.pop_front() else { return Progress::Done };
            self.handle(event, calls);
        }
        Progress::More
    }
}
