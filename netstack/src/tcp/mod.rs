//! TCP (RFC 9293), server side: passive open, data both ways, orderly and disorderly ends.
//!
//! ```text
//! wire         segments as bytes             listen       LISTEN, SYN-RECEIVED
//! options      MSS, window scale             time_wait    TIME-WAIT
//! seq          sequence numbers              tcb          all other states
//! flow_table   which connection              input        what is acceptable       close     FIN, RST
//! segments     queues of buffers             ack          the established sender   timeout   RTO, persist
//! age_slab     bounded tables of records     deliver      the receiver             output    what leaves
//! context      what connections share        window       windows and credit       calls, notify  the app
//! rto, congestion, isn: RFC 6298, RFC 5681 and 6582, RFC 6528
//! ```
//!
//! Called by [`Stack`](crate::Stack) with checked IPv4 packets. Connections, half-open connections and TIME-WAIT records
//! share one range of indices, by which the flow table, the timers and the list of the dirty know them.
//!
//! Not yet: active open, SACK, timestamps, limited transmit and RACK, CUBIC, SYN cookies, keepalive, ECN, urgent data
//! (which is delivered as ordinary data), path MTU discovery.

mod ack;
mod age_slab;
mod calls;
mod close;
mod congestion;
mod context;
mod deliver;
mod flow_table;
mod input;
#[cfg(test)]
mod invariants;
mod isn;
mod listen;
mod notify;
mod options;
mod output;
mod rto;
mod segments;
mod seq;
mod tcb;
mod time_wait;
mod timeout;
mod window;
mod wire;

use alloc::boxed::Box;
use alloc::vec::Vec;

use netdrv::pktbuf::PktBuf;

use crate::counters::DropReason;
use crate::ethernet::Mac;
use crate::index_queue::IndexQueue;
use crate::interface::Interface;
use crate::ipv4;
use crate::keys::Keys;
use crate::neighbor::ASK_EVERY;
use crate::rate_limit::RateLimit;
use crate::time::Instant;
use crate::timer::TimerWheel;
use age_slab::AgeSlab;
use context::{Context, Shared, TIMERS, Timer};
use flow_table::{FlowKey, FlowTable};
use isn::IsnGenerator;
use listen::{HalfOpen, HalfOpenResult};
use output::Output;
use segments::SegmentSlab;
use tcb::{State, Tcb};
use time_wait::TimeWait;
use wire::{Control, Header, Segment};

/// Half-open connections, unless the connection limit is lower.
const HALF_OPEN: usize = 1024;
/// Challenge ACKs a second (RFC 5961, section 7).
const CHALLENGES_PER_SECOND: u32 = 1000;
/// Resets a second in answer to segments of no connection.
const RESETS_PER_SECOND: u32 = 1000;

/// All connections of a core.
pub(crate) struct Tcp {
    listen: Box<[u16]>,
    tcbs: Box<[Tcb]>,
    free: Vec<u32>,
    half_open: AgeSlab<HalfOpen>,
    time_wait: AgeSlab<TimeWait>,
    /// The first index of each.
    half_open_base: u32,
    time_wait_base: u32,
    isn: IsnGenerator,
    shared: Shared,
    /// When those that wait for their neighbor try again.
    retry_parked: Option<Instant>,
}

/// What an index names.
enum Slot {
    Connection(u32),
    HalfOpen(u32),
    TimeWait(u32),
}

impl Tcp {
    /// Makes all tables, for `conn_limit` connections and the segments that `buffers` packet buffers can hold.
    pub(crate) fn new(listen: &[u16], conn_limit: usize, buffers: usize, keys: &mut Keys, now: Instant) -> Tcp {
        let half_open = conn_limit.min(HALF_OPEN);
        let indices = conn_limit + half_open + conn_limit;
        let tcbs: Vec<Tcb> = (0..conn_limit as u32).map(Tcb::free).collect();
        Tcp {
            listen: listen.into(),
            tcbs: tcbs.into_boxed_slice(),
            free: (0..conn_limit as u32).rev().collect(),
            half_open: AgeSlab::new(half_open),
            time_wait: AgeSlab::new(conn_limit),
            half_open_base: conn_limit as u32,
            time_wait_base: (conn_limit + half_open) as u32,
            isn: IsnGenerator::new(keys.strong_hasher()),
            shared: Shared {
                flows: FlowTable::new(indices, keys.table_hasher()),
                segments: SegmentSlab::new(buffers),
                timers: TimerWheel::new((conn_limit + half_open) * TIMERS, now),
                dirty: IndexQueue::new(indices),
                parked: IndexQueue::new(indices),
                notify: IndexQueue::new(conn_limit),
                challenges: RateLimit::new(CHALLENGES_PER_SECOND),
                resets: RateLimit::new(RESETS_PER_SECOND),
                out_of_order: 0,
                out_of_order_limit: (buffers / 4) as u32,
            },
            retry_parked: None,
        }
    }

    /// Takes a packet's payload, from the station `from`.
    pub(crate) fn receive(
        &mut self,
        header: &ipv4::Header,
        mut buf: PktBuf,
        from: Mac,
        iface: &mut Interface,
        now: Instant,
    ) -> Result<(), DropReason> {
        let segment = wire::parse(header, &mut buf)?;
        let Some(index) = self.shared.flows.get(segment.key) else {
            return self.no_connection(&segment, buf, from, None, iface, now);
        };
        iface.counters.tcp_segments_in += 1;
        match self.slot(index) {
            Slot::Connection(index) => self.connection_segment(index, &segment, buf, iface, now),
            Slot::HalfOpen(slot) => match self.half_open_segment(slot, &segment, iface, now)? {
                HalfOpenResult::Taken => {}
                HalfOpenResult::Promoted(index) => self.connection_segment(index, &segment, buf, iface, now),
                HalfOpenResult::Reset => self.reset(&segment, buf, from, iface, now),
            },
            Slot::TimeWait(slot) => {
                if let Some(floor) = self.time_wait_segment(slot, &segment, iface, now)? {
                    self.no_connection(&segment, buf, from, Some(floor), iface, now)?;
                }
            }
        }
        Ok(())
    }

    fn connection_segment(&mut self, index: u32, segment: &Segment, buf: PktBuf, iface: &mut Interface, now: Instant) {
        let cx = &mut Context { iface, shared: &mut self.shared, now };
        self.tcbs[index as usize].segment_arrives(segment, buf, cx);
        self.settle(index, iface, now);
    }

    /// A segment that belongs to no connection: it begins one, or is answered by a reset (RFC 9293, section 3.10.7.1).
    fn no_connection(
        &mut self,
        segment: &Segment,
        buf: PktBuf,
        from: Mac,
        floor: Option<seq::SeqNum>,
        iface: &mut Interface,
        now: Instant,
    ) -> Result<(), DropReason> {
        if segment.has(Control::RST) {
            return Err(|c| &mut c.drop_tcp_no_connection);
        }
        let syn = segment.control & (Control::SYN | Control::ACK) == Control::SYN;
        if syn && self.listen.contains(&segment.key.local_port) {
            return self.syn_arrives(segment, floor, iface, now);
        }
        self.reset(segment, buf, from, iface, now);
        if syn { Err(|c| &mut c.drop_tcp_port_closed) } else { Err(|c| &mut c.drop_tcp_no_connection) }
    }

    /// Answers a segment by a reset that its sender will believe, in the segment's own buffer.
    fn reset(&mut self, segment: &Segment, buf: PktBuf, from: Mac, iface: &mut Interface, now: Instant) {
        if !self.shared.resets.allow(now) {
            iface.counters.tcp_resets_suppressed += 1;
            return;
        }
        let (seq, ack, control) = if segment.has(Control::ACK) {
            (segment.ack, seq::SeqNum(0), Control::RST)
        } else {
            (seq::SeqNum(0), segment.seq + segment.len(), Control::RST | Control::ACK)
        };
        let header = Header { seq, ack, control, window: 0, options: Default::default() };
        let mut frame = Interface::recycle(buf);
        if wire::emit(iface, &mut frame, from, segment.key, header).is_some() {
            iface.counters.tcp_resets_out += 1;
            iface.reply(frame);
        }
    }

    /// Fires the timers that are due.
    pub(crate) fn expire(&mut self, iface: &mut Interface, now: Instant) {
        while let Some(id) = self.shared.timers.expire(now) {
            let (index, timer) = Timer::from_id(id);
            if let Slot::HalfOpen(slot) = self.slot(index) {
                self.half_open_timeout(slot, iface);
                continue;
            }
            self.tcbs[index as usize].timer_fires(timer, &mut Context { iface, shared: &mut self.shared, now });
            self.settle(index, iface, now);
        }
        self.expire_time_wait(now);
        if self.retry_parked.is_some_and(|at| at <= now) {
            self.unpark();
        }
    }

    /// When [`expire`](Tcp::expire) next has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        [self.shared.timers.next_deadline(), self.time_wait_deadline(), self.retry_parked].into_iter().flatten().min()
    }

    /// A neighbor has answered: those that wait for theirs try again.
    pub(crate) fn unpark(&mut self) {
        self.retry_parked = None;
        while let Some(index) = self.shared.parked.pop() {
            self.shared.dirty.push(index);
        }
    }

    /// The next frame that a connection has to send. `None` if there is none, or no buffer for it.
    pub(crate) fn emit(&mut self, iface: &mut Interface, now: Instant) -> Option<PktBuf> {
        while let Some(index) = self.shared.dirty.front() {
            let output = match self.slot(index) {
                Slot::Connection(index) => {
                    self.tcbs[index as usize].emit(&mut Context { iface, shared: &mut self.shared, now })
                }
                Slot::HalfOpen(slot) => self.emit_syn_ack(slot, iface, now),
                Slot::TimeWait(slot) => self.emit_time_wait(slot, iface, now),
            };
            match output {
                Output::Frame(frame) => return Some(frame),
                Output::NoBuffer => return None,
                Output::Idle => {}
                Output::Unresolved => {
                    self.shared.parked.push(index);
                    self.retry_parked.get_or_insert(now + ASK_EVERY);
                }
            }
            self.shared.dirty.pop();
            self.settle(index, iface, now);
        }
        None
    }

    /// Whether connections wait for egress.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.shared.dirty.is_empty()
    }

    /// Puts a connection that has changed where it belongs: into a TIME-WAIT record, or back among the free.
    fn settle(&mut self, index: u32, iface: &mut Interface, now: Instant) {
        let Some(tcb) = self.tcbs.get_mut(index as usize) else { return };
        if tcb.state == State::TimeWait {
            tcb.state = State::Closed;
            self.enter_time_wait(index, iface, now);
        }
        let tcb = &mut self.tcbs[index as usize];
        if tcb.is_spent() && tcb.key != FlowKey::NONE {
            let generation = tcb.generation.wrapping_add(1);
            *tcb = Tcb { generation, ..Tcb::free(index) };
            self.free.push(index);
        }
    }

    fn slot(&self, index: u32) -> Slot {
        if index < self.half_open_base {
            Slot::Connection(index)
        } else if index < self.time_wait_base {
            Slot::HalfOpen(index - self.half_open_base)
        } else {
            Slot::TimeWait(index - self.time_wait_base)
        }
    }

    /// Connections that have a TCB.
    pub(crate) fn connections(&self) -> usize {
        self.tcbs.len() - self.free.len()
    }
}
