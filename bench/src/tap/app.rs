//! The exchange as an application of our stack.

use netdrv::pktbuf::Pool;
use netstack::app::{App, Call, Calls, Cookie, Event, Events, FULL_SEGMENT, Flow, Progress, Turn};

use super::exchange::Exchange;

/// Buffers left for the stack and the receive ring.
const RESERVE: usize = 2048;

/// Serves exchanges.
pub(super) struct Bulk {
    connections: Vec<Option<Connection>>,
    pool: &'static Pool,
}

struct Connection {
    flow: Flow,
    exchange: Exchange,
    credit: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// It was closed; its end is on the way.
    Closed,
}

impl Bulk {
    pub(super) fn new(pool: &'static Pool) -> Bulk {
        Bulk { connections: Vec::new(), pool }
    }

    fn admit(&mut self, flow: Flow) -> Cookie {
        let free = self.connections.iter().position(Option::is_none).unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        self.connections[free] = Some(Connection { flow, exchange: Exchange::new(), credit: 0, state: State::Open });
        free as Cookie
    }

    fn of(&mut self, cookie: Cookie) -> Option<&mut Connection> {
        self.connections.get_mut(cookie as usize)?.as_mut()
    }

    fn takes(&mut self, event: Event, calls: &mut Calls) {
        let call = match event {
            Event::Knock { flow, .. } => Some(Call::Accept { flow, cookie: self.admit(flow) }),
            Event::Connected { cookie, credit, .. } | Event::Sent { cookie, credit, .. } => {
                self.of(cookie).into_iter().for_each(|connection| connection.credit += credit);
                None
            }
            Event::Recv { cookie, payload } => self.of(cookie).map(|connection| {
                connection.exchange.take(payload.bytes());
                Call::RecvDone { flow: connection.flow, bytes: payload.len() as u32 }
            }),
            // A client that is gone wants no more.
            Event::PeerClosed { cookie } => {
                self.of(cookie).filter(|connection| connection.exchange.ready() == 0).map(Connection::close)
            }
            Event::Dead { cookie, .. } => {
                if let Some(connection) = self.connections.get_mut(cookie as usize) {
                    *connection = None;
                }
                None
            }
            _ => None,
        };
        call.into_iter().for_each(|call| {
            let _ = calls.push_back(call); // room: checked by `run`
        });
    }
}

impl Connection {
    fn close(&mut self) -> Call {
        self.state = State::Closed;
        Call::Close { flow: self.flow }
    }

    /// Sends what the credit allows, then closes.
    fn sends(&mut self, pool: &'static Pool, calls: &mut Calls) -> Progress {
        while self.state == State::Open {
            let len = self.exchange.ready().min(self.credit.into()).min(FULL_SEGMENT as u64) as usize;
            if len == 0 && !self.exchange.is_over() {
                break;
            }
            if calls.is_full() {
                return Progress::More;
            }
            let call = if len == 0 {
                self.close()
            } else {
                if pool.available() < RESERVE {
                    return Progress::Starved;
                }
                let Some(mut payload) = pool.alloc() else { return Progress::Starved };
                let filled = payload.append(len).map_or(0, |room| self.exchange.give(room));
                self.credit -= filled as u32;
                Call::Send { flow: self.flow, payload, done: 0 }
            };
            let _ = calls.push_back(call); // room: checked above
        }
        Progress::Done
    }
}

impl App for Bulk {
    fn run(&mut self, _: Turn<'_>, events: &mut Events, calls: &mut Calls) -> Progress {
        while !calls.is_full()
            && let Some(event) = events.pop_front()
        {
            self.takes(event, calls);
        }
        let mut progress = Progress::Done;
        for connection in self.connections.iter_mut().flatten() {
            match connection.sends(self.pool, calls) {
                Progress::Done => {}
                unfinished => progress = unfinished,
            }
        }
        progress
    }
}
