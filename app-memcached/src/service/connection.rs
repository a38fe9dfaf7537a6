//! One connection.

use netstack::app::Flow;

use super::input::{Chain, Inputs};
use crate::protocol::{Doing, Server, Session};

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Requests are served.
    Open,
    /// What it has begun is gone on with in the next turn.
    Paused,
    /// Closed or aborted by us: what still comes in is dropped.
    Closing,
    /// No more; its place is free.
    Gone,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Input.
    Input,
    /// Room for its replies.
    Room,
    /// The next turn.
    Turn,
    /// Something to be told of.
    News,
}

impl Waiting {
    /// As others see it.
    pub(super) fn doing(self) -> Doing {
        match self {
            Waiting::Input => Doing::Reading,
            Waiting::Room | Waiting::Turn => Doing::Writing,
            Waiting::News => Doing::Watching,
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) flow: Flow,
    /// Bytes that may be sent.
    pub(super) room: u32,
    pub(super) phase: Phase,
    pub(super) waiting: Waiting,
    /// Whether the peer will send no more.
    pub(super) peer_closed: bool,
    /// Whether the ready queue holds it.
    pub(super) is_ready: bool,
    /// Received and not done with.
    pub(super) input: Chain,
    pub(super) session: Session,
}

impl Connection {
    /// A connection that is about to be accepted.
    pub(super) fn new(flow: Flow) -> Connection {
        Connection {
            flow,
            room: 0,
            phase: Phase::Open,
            waiting: Waiting::Input,
            peer_closed: false,
            is_ready: false,
            input: Chain::default(),
            session: Session::default(),
        }
    }

    /// Whether its replies wait for its peer to take earlier ones.
    pub(super) fn waits_for_peer(&self) -> bool {
        self.waiting == Waiting::Room && !self.is_ready
    }

    /// Whether it has begun to be answered, and waits to go on.
    pub(super) fn owes_answers(&self) -> bool {
        // Who watches is never told all.
        !self.session.is_watching()
            && (self.phase == Phase::Paused || (self.phase == Phase::Open && self.waiting == Waiting::Room))
    }

    /// Stops serving it and gives back all that it holds. Returns the bytes of its input.
    pub(super) fn close(&mut self, inputs: &mut Inputs, server: &mut Server) -> u32 {
        self.phase = Phase::Closing;
        self.session.close(server);
        inputs.clear(&mut self.input)
    }
}

/// There is one for each connection of the limit, used or not.
const _: () = assert!(size_of::<Connection>() <= 64);
