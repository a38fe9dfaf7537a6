//! What carries requests and answers: the seam between the client engine and kernel sockets, our own stack on a tap
//! device, or a guest's shared memory.
//!
//! An engine owns its wire and its connections; nothing is shared between threads. A turn of the engine is
//!
//! ```text
//! poll (opened, received, closed: the client takes notes)  ->  open, close, send  ->  flush
//! ```
//!
//! The client never sends from within a callback, so a wire may lend it what it received without a copy.

use std::io;

/// A connection (TCP), or a local port (UDP), of one engine: an index from zero, below what the wire was made for.
///
/// The engine chooses it and opens it again when the connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u32);

impl ConnId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Whether a wire carries streams or datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// A stream for each connection.
    #[default]
    Tcp,
    /// Datagrams, each sent whole and received whole.
    Udp,
}

impl Transport {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        }
    }
}

/// What carries bytes between an engine and the server.
///
/// Which server, and by which transport, a wire knows from its making.
pub trait Wire {
    /// Begins to connect. [`Client::opened`] or [`Client::closed`] follows in a later [`poll`](Wire::poll), over UDP too.
    fn open(&mut self, conn: ConnId) -> Result<(), WireError>;

    /// Sends on a connection that is open: the next bytes of the stream, or one datagram. All of them are taken; what the
    /// window has no room for, the wire keeps and sends later, in order. Nothing has to leave before
    /// [`flush`](Wire::flush).
    fn send(&mut self, conn: ConnId, bytes: &[u8]) -> Result<(), WireError>;

    /// Ends a connection at once, by a reset, so that no port of ours waits out its time (IX measures so, too). Nothing
    /// more is heard of it, and it may be opened again.
    fn close(&mut self, conn: ConnId);

    /// Does what there is to do (frames, timers), and tells the client what came. Never waits. Returns whether
    /// anything came.
    fn poll(&mut self, client: &mut impl Client) -> Result<bool, WireError>;

    /// Lets go of everything that was sent in this turn, and of what the wire itself has to send. Called in every turn.
    fn flush(&mut self) -> Result<(), WireError>;
}

/// Who is told what came.
pub trait Client {
    /// The connection is open.
    fn opened(&mut self, conn: ConnId);

    /// The next bytes of the stream, split anywhere; or one datagram.
    fn received(&mut self, conn: ConnId, bytes: &[u8]);

    /// The connection has ended, or could not be opened; nothing more is heard of it. It may be opened again after
    /// this poll.
    fn closed(&mut self, conn: ConnId, reason: Closed);
}

/// Why a connection ended, other than by our doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Nobody listens there.
    Refused,
    /// The server reset it.
    Reset,
    /// The server closed it in order.
    Finished,
    /// Nothing was heard for too long.
    TimedOut,
    /// There is no way to the server.
    Unreachable,
    /// Something else, by the number that the operating system gives it.
    Failed(i32),
}

/// Why a wire as a whole is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// A system call failed.
    #[error("{call}: {error}")]
    System {
        /// The call, and what it was asked for.
        call: String,
        /// What was wrong.
        error: io::Error,
    },
    /// Its other end is gone, or does not keep to the rules.
    #[error("{0}")]
    Broken(String),
}
