//! The contract between the stack and the application: arrays of events up, arrays of calls down (IX, section 4).
//!
//! The two sides share nothing else, so that a protection boundary can be put between them. A turn goes: the stack fills
//! [`Events`], the app takes them and fills [`Calls`], the stack takes those.
//!
//! Flow control is explicit, in both directions:
//!
//! - **Sending** works on credit. [`Event::Connected`] and [`Event::Sent`] give `credit`, bytes that the app may send on the
//!   flow beside those it may send already; it adds them up and subtracts what it sends. Credit is told in parts: not with
//!   every acknowledgement, but once there is an eighth of a window to be told, or the app has less than [`MIN_ROOM`]. The
//!   stack never takes credit back. A flow with nothing unacknowledged always has at least [`MIN_ROOM`] bytes of credit, whatever the peer's window,
//!   so an app with one small reply never has to split it. What the credit does not cover stays with the app. A flow
//!   that sends beyond its credit is aborted and counted.
//! - **Receiving** opens the window by [`Call::RecvDone`], or [`Call::Send`] on the way, and nothing else: data that the app has
//!   not done with closes it.

use alloc::vec::Vec;
use core::net::SocketAddrV4;

use netdrv::fifo::Fifo;
use netdrv::pktbuf::PktBuf;

/// The least credit of a flow with nothing unacknowledged, in bytes: one full segment over Ethernet without options.
pub const MIN_ROOM: usize = 1460;

/// The most payload in the bytes of one buffer given to [`Call::Send`]. The stack cuts it into segments of the flow's MSS
/// where that is smaller.
pub const MAX_SEND: usize = 1460;

/// How much to put into a buffer, if there is more than fits into one: a full segment over Ethernet to a peer that uses
/// timestamps, as nearly all do. Of larger ones the stack would have to cut a few bytes off.
pub const FULL_SEGMENT: usize = 1448;

/// The most payload of a datagram given to [`Call::UdpSend`] over Ethernet, in bytes; less where the link's MTU is.
pub const MAX_DATAGRAM: usize = 1472;

/// Events of one turn.
pub type Events = Fifo<Event, 256>;

/// Calls of one turn.
pub type Calls = Fifo<Call, 256>;

/// The stack's name for a connection. Never reused while an event or call that carries it is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Slot in the stack's table.
    pub index: u32,
    /// Distinguishes the connections that have used the slot.
    pub generation: u32,
}

/// The app's name for a connection, given at [`Call::Accept`] or [`Call::Connect`] and carried by every event after it.
pub type Cookie = u32;

/// Why a connection is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Both sides closed it, or the app aborted it.
    Closed,
    /// The peer reset it.
    Reset,
    /// The peer stopped answering.
    TimedOut,
    /// The peer stopped answering, and the network said that it cannot be reached.
    Unreachable,
    /// [`Call::Connect`] could not even be tried: there is no address, connection or port left for it, or nobody can be at
    /// the remote address.
    Unavailable,
}

/// What the stack tells the app.
#[derive(Debug)]
pub enum Event {
    /// A handshake with a listening port is complete: [`Call::Accept`] or [`Call::Reject`].
    Knock {
        /// The connection.
        flow: Flow,
        /// The port of [`Config::listen`](crate::stack::Config::listen) that it is with.
        local_port: u16,
        /// The peer.
        remote: SocketAddrV4,
    },
    /// The connection that was accepted or asked for is ready.
    Connected {
        /// The app's name for it.
        cookie: Cookie,
        /// The connection.
        flow: Flow,
        /// Send credit to begin with, in bytes.
        credit: u32,
    },
    /// In-order payload. The buffer is the app's to read and drop; its bytes count against the receive window until
    /// [`Call::RecvDone`].
    Recv {
        /// The app's name for the connection.
        cookie: Cookie,
        /// The payload, at least one byte.
        payload: PktBuf,
    },
    /// Payload was acknowledged, or the window opened, by so much that it is worth telling.
    Sent {
        /// The app's name for the connection.
        cookie: Cookie,
        /// Bytes acknowledged since the last such event.
        acked: u32,
        /// Further send credit, in bytes.
        credit: u32,
    },
    /// The peer will send no more (FIN). The app may still send; it ends with [`Call::Close`].
    PeerClosed {
        /// The app's name for the connection.
        cookie: Cookie,
    },
    /// The connection is no more, and the cookie is free. Always the last event of a connection, except after
    /// [`Call::Reject`], which has none.
    Dead {
        /// The app's name for the connection.
        cookie: Cookie,
        /// Why.
        reason: Reason,
    },
    /// A datagram to a port of [`Config::udp`](crate::stack::Config::udp). Nothing is owed for it: the buffer is the app's to
    /// read and drop. Its sender's address may be a lie.
    UdpRecv {
        /// The port it came to.
        local_port: u16,
        /// Who sent it.
        remote: SocketAddrV4,
        /// The payload, perhaps empty.
        payload: PktBuf,
    },
}

/// What the app asks of the stack. Calls on a flow that is no more are ignored: its [`Event::Dead`] is on the way.
#[derive(Debug)]
pub enum Call {
    /// Takes a connection that knocked; answered by [`Event::Connected`].
    Accept {
        /// The connection.
        flow: Flow,
        /// The app's name for it from now on.
        cookie: Cookie,
    },
    /// Opens a connection; answered by [`Event::Connected`], or by [`Event::Dead`] if the peer refuses it
    /// ([`Reason::Reset`]) or does not answer.
    Connect {
        /// The app's name for the connection.
        cookie: Cookie,
        /// The peer.
        remote: SocketAddrV4,
    },
    /// Refuses a connection that knocked: the peer gets a reset.
    Reject {
        /// The connection.
        flow: Flow,
    },
    /// Sends a buffer of at most [`MAX_SEND`] bytes, and the body attached to it, of any length that the credit covers: what is
    /// large is sent from where it lies ([`Fragment`](netdrv::pktbuf::Fragment)). The stack owns the buffer until it is
    /// acknowledged; it must be unshared and keep the pool's headroom. Consecutive calls on one flow are one vector, and
    /// leave in their order.
    Send {
        /// The connection.
        flow: Flow,
        /// The payload, at least one byte.
        payload: PktBuf,
        /// Received bytes that the app is done with, as by [`Call::RecvDone`]: a reply tells of its request. None, if that is told
        /// otherwise.
        done: u32,
    },
    /// The app is done with this many received bytes: opens the window.
    RecvDone {
        /// The connection.
        flow: Flow,
        /// Bytes.
        bytes: u32,
    },
    /// Sends FIN after everything sent so far. [`Event::Dead`] follows once the peer has closed too, or given up.
    Close {
        /// The connection.
        flow: Flow,
    },
    /// Resets the connection. [`Event::Dead`] follows.
    Abort {
        /// The connection.
        flow: Flow,
    },
    /// Sends a datagram from a port of [`Config::udp`](crate::stack::Config::udp) to a host. The buffer must be unshared, keep
    /// the pool's headroom, and carry at most [`MAX_DATAGRAM`] bytes. It leaves once, or is dropped and counted: the app
    /// hears of neither.
    UdpSend {
        /// The port to send it from.
        local_port: u16,
        /// Whom to.
        remote: SocketAddrV4,
        /// The payload, perhaps empty.
        payload: PktBuf,
    },
}

/// What the app is told with each run.
#[derive(Clone, Copy)]
pub struct Turn<'a> {
    /// Monotonic time at the start of the turn.
    pub now: crate::time::Instant,
    /// Wall-clock time, in seconds since 1970-01-01 00:00 UTC.
    pub unix_seconds: u64,
    /// What the layers below count, for an app that reports it.
    pub statistics: &'a dyn Statistics,
}

/// Named counters. Names are `snake_case`; those of dropped frames and segments begin with `drop_`.
pub trait Statistics {
    /// Calls `visit` with each name and value.
    fn visit(&self, visit: &mut dyn FnMut(&str, u64));
}

/// An application on one core.
pub trait App {
    /// Takes events from the front of `events` and adds calls to the back of `calls`, until there are no events or no room
    /// for more calls; also continues work that waited for credit. Returns whether there is work left that needs
    /// another run in this turn, with calls drained.
    fn run(&mut self, turn: Turn<'_>, events: &mut Events, calls: &mut Calls) -> Progress;

    /// The core is about to halt or park: until the next run, it may be long, no other core may have to wait for it. Called
    /// between two runs, as often as the core halts.
    fn rest(&mut self) {}

    /// Whether the machine is to be powered off at the end of this turn.
    fn is_over(&self, now: crate::time::Instant) -> bool {
        let _ = now;
        false
    }

    /// Requests answered so far, for the runtime's accounts.
    fn requests(&self) -> u64 {
        0
    }
}

/// An application whose connections can change cores, while it does not run.
pub trait Movable: App {
    /// What it knows of a connection, but for received payload.
    type State: Send + 'static;

    /// Forgets a connection. What it knew of it goes to its counterpart on another core; received payload that it is not done
    /// with is added to `input`. `None` if it knows no such connection.
    fn export(&mut self, cookie: Cookie, input: &mut Vec<PktBuf>) -> Option<Self::State>;

    /// Goes on with a connection of another core, by the name that it has here. Takes all of `input`. Gives it a cookie; `None`
    /// if there is no room for it, and then it is reset.
    fn import(&mut self, flow: Flow, state: Self::State, input: &mut Vec<PktBuf>) -> Option<Cookie>;
}

/// Whether a run of the app finished its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is left until the next event.
    Done,
    /// Out of room in the call array: run again once it is drained.
    More,
    /// There is more to do, in the next turn, after what has come meanwhile: run again soon, even without events.
    Later,
    /// Out of packet buffers: run again when some may have come back, even without events.
    Starved,
    /// Nothing is left, but something may happen on other cores that raises no event: run again in a few milliseconds.
    Alert,
}
