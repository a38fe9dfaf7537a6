//! Connections that change cores: out of one core's tables, and into another's.
//!
//! ```text
//! depart(group) -> Departure: the control block, then segment by segment what it holds        (the slot is free)
//! arrive(connection) -> a slot;  take_segment each;  settle: timers, and a place among those with something to send
//! ```
//!
//! All that a peer can see stays: sequence numbers, windows, timers (the cores share a clock). What only a core has changes: the
//! flow's name, and where its payload lies. Nothing is sent and no event is lost, as both happen between two turns of
//! the application.

use netdrv::pktbuf::{PktBuf, Pool};

use super::scoreboard::{Fate, Transmission};
use super::segments::{List, NONE, Record};
use super::seq::SeqNum;
use super::tcb::{Owner, State, Tcb};
use super::{Tcp, Work, timers};
use crate::app::{Cookie, Event, Flow, MAX_SEND};
use crate::link::Hop;
use crate::steering::GroupSet;
use crate::time::Instant;

/// Buffers that a departure leaves in the pool.
const KEPT_BUFFERS: usize = 64;

/// A connection between two cores, without its payload.
pub struct Connection {
    tcb: Tcb,
    main: Option<Instant>,
    delayed_ack: Option<Instant>,
}

/// Where a segment belongs, and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    seq: SeqNum,
    half: Half,
    transmission: Transmission,
}

/// One of a connection's two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    /// To be sent, or sent and not acknowledged.
    Send,
    /// Received out of order.
    Receive,
}

/// A connection that has left its slot, and the segments that it still holds.
pub struct Departure {
    queue: List,
    out_of_order: List,
    /// A segment that is being copied, and how much of it was.
    rest: Option<(Place, PktBuf, usize)>,
    /// To go before the segments.
    pub connection: Option<Connection>,
}

/// What a departure holds next.
pub enum Held {
    /// A segment, in a buffer of which this is the only handle, and the body that is attached to it.
    Segment(Place, PktBuf),
    /// A segment that has to be copied, for which there is no buffer: try again.
    NoBuffer,
    /// Nothing more.
    Nothing,
}

/// Why no connection departs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDeparture {
    /// The group has none.
    None,
    /// What has to be copied finds no packet buffers: try again.
    NoBuffers,
}

impl Connection {
    /// The app's name for it on the core that it leaves, if the app has it.
    pub fn cookie(&self) -> Option<Cookie> {
        match self.tcb.owner {
            Owner::App(cookie) => Some(cookie),
            _ => None,
        }
    }
}

impl Tcp {
    /// The flow groups that this core has.
    pub(crate) fn groups(&mut self) -> Option<&mut GroupSet> {
        self.flows.groups.as_mut().map(|groups| &mut groups.owned)
    }

    /// Takes a connection of a group out.
    pub(crate) fn depart(&mut self, group: u8) -> Result<Departure, NoDeparture> {
        let first = self.flows.groups.as_ref().and_then(|groups| groups.first(group));
        let index = first.ok_or(NoDeparture::None)?;
        let tcb = self.tcbs[index as usize].as_ref().ok_or(NoDeparture::None)?;
        let needed = self.copies(tcb.send.queue.head()) + self.copies(tcb.receive.out_of_order.head());
        if needed + KEPT_BUFFERS > self.pool.available() {
            return Err(NoDeparture::NoBuffers);
        }
        let main = self.wheel.deadline(timers::main(index));
        let delayed_ack = self.wheel.deadline(timers::delayed_ack(index));
        let mut tcb = self.take_out(index).ok_or(NoDeparture::None)?;
        let queue = core::mem::replace(&mut tcb.send.queue, List::EMPTY);
        let out_of_order = core::mem::replace(&mut tcb.receive.out_of_order, List::EMPTY);
        self.held -= out_of_order.len() as usize;
        tcb.send.cursor = NONE;
        tcb.send.scoreboard = tcb.send.scoreboard.without_records();
        let connection = Some(Connection { tcb, main, delayed_ack });
        Ok(Departure { queue, out_of_order, rest: None, connection })
    }

    /// Takes the next segment of a departure.
    pub(crate) fn next_segment(&mut self, departure: &mut Departure) -> Held {
        let (place, payload, copied) = match departure.rest.take() {
            Some(rest) => rest,
            None => {
                let (half, list) = match departure.queue.len() == 0 {
                    false => (Half::Send, &mut departure.queue),
                    true => (Half::Receive, &mut departure.out_of_order),
                };
                let Some(Record { seq, payload, transmission, .. }) = self.segments.pop(list) else {
                    return Held::Nothing;
                };
                let place = Place { seq, half, transmission };
                if payload.is_unique() {
                    return Held::Segment(place, payload);
                }
                (place, payload, 0)
            }
        };
        // The transmit ring still holds it.
        let Some(piece) = copy(&payload, copied, self.pool) else {
            departure.rest = Some((place, payload, copied));
            return Held::NoBuffer;
        };
        let end = copied + piece.len();
        let seq = place.seq + copied as u32;
        if end < payload.frame_len() {
            departure.rest = Some((place, payload, end));
        }
        Held::Segment(Place { seq, ..place }, piece)
    }

    /// Gives a connection a slot. `None` if all are in use.
    pub(crate) fn arrive(&mut self, connection: Connection, work: &mut Work<'_>) -> Option<Flow> {
        let index = self.take_slot(work)?;
        let Connection { mut tcb, main, delayed_ack } = connection;
        tcb.at_rest = false;
        tcb.generation = self.generations[index as usize];
        tcb.hop = Hop::UNKNOWN; // of another core's link
        if matches!(tcb.owner, Owner::App(_)) {
            tcb.owner = Owner::None; // until it has its name here
        }
        self.windows.take_over(&mut tcb.receive.limit);
        self.half_open_count += usize::from(tcb.state == State::SynReceived);
        if tcb.state == State::TimeWait {
            self.time_wait.push(index);
        }
        self.flows.insert(tcb.key, index);
        let flow = tcb.flow(index);
        self.tcbs[index as usize] = Some(tcb);
        if let Some(at) = main {
            self.wheel.arm(timers::main(index), at);
        }
        if let Some(at) = delayed_ack {
            self.wheel.arm(timers::delayed_ack(index), at);
        }
        Some(flow)
    }

    /// The app has given a connection that has arrived its name.
    pub(crate) fn name(&mut self, index: u32, cookie: Cookie) {
        if let Some(tcb) = self.tcb(index) {
            tcb.owner = Owner::App(cookie);
        }
    }

    /// Adds a segment to a connection that has arrived, behind those before it.
    pub(crate) fn take_segment(&mut self, index: u32, place: Place, payload: PktBuf) {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return };
        tcb.at_rest = false;
        let list = match place.half {
            Half::Send => &mut tcb.send.queue,
            Half::Receive => &mut tcb.receive.out_of_order,
        };
        let Ok(at) = self.segments.push(list, place.seq, payload) else { return };
        self.held += usize::from(place.half == Half::Receive);
        if place.half == Half::Send
            && let Some(record) = self.segments.get_mut(at)
        {
            record.transmission = place.transmission;
            tcb.send.scoreboard.add(record);
            if tcb.send.cursor == NONE && place.transmission.fate == Fate::Unsent {
                tcb.send.cursor = at;
            }
        }
    }

    /// A connection has arrived with all that it holds.
    pub(crate) fn settle(&mut self, index: u32, work: &mut Work<'_>) {
        let Some(tcb) = self.tcb(index) else { return };
        if tcb.owner == Owner::Knocked {
            let (flow, local_port, remote) = (tcb.flow(index), tcb.key.local_port(), Tcp::remote(tcb.key));
            let _ = work.events.push_back(Event::Knock { flow, local_port, remote }); // room: MOST_EVENTS
        }
        self.deliverable.push(index);
        self.dirty.push(index);
    }

    /// Frees the slot of a connection whose app is to hear nothing of it.
    pub(crate) fn forget(&mut self, index: u32) {
        self.free_slot(index);
    }

    /// Buffers that the records of a list from `at` on have to be copied to.
    fn copies(&self, mut at: u32) -> usize {
        let mut copies = 0;
        while let Some(record) = self.segments.get(at) {
            if !record.payload.is_unique() {
                copies += record.payload.frame_len().div_ceil(MAX_SEND);
            }
            at = self.segments.next(at);
        }
        copies
    }
}

/// A copy of what a buffer and its body hold from byte `from` on, as much as one segment takes.
fn copy(payload: &PktBuf, from: usize, pool: &'static Pool) -> Option<PktBuf> {
    let body = payload.attachment().and_then(|attachment| attachment.body);
    let own = payload.bytes().get(from..).unwrap_or(&[]);
    let own = &own[..own.len().min(MAX_SEND)];
    let behind = body.as_ref().and_then(|body| body.bytes().get(from.saturating_sub(payload.len())..)).unwrap_or(&[]);
    let behind = &behind[..behind.len().min(MAX_SEND - own.len())];
    let mut copy = pool.alloc()?;
    copy.extend_from_slice(own)?;
    copy.extend_from_slice(behind)?;
    Some(copy)
}
