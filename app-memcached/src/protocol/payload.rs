//! The value of an item that is to be stored, on its way in.

use super::binary;
use super::line::Reply;
use super::meta;
use super::output::Output;
use super::server::Server;
use super::session::State;
use super::step::{Next, REPLY_ROOM, Status, Step};
use super::storing::{self, Framing};
use super::verb::storage;
use crate::store::{Condition, Reservation};

/// A storage command whose value is on its way.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) reservation: Reservation,
    pub(super) asked: Asked,
}

/// What was asked for, and how the answer is to look.
#[derive(Debug)]
pub(super) enum Asked {
    /// One of the classic commands.
    Text(Condition, Reply),
    /// `ms`.
    Meta(meta::set::Asked),
    /// A binary frame.
    Binary(Condition, binary::storage::Frame),
}

impl Payload {
    /// Takes more of the value. Returns whether it is complete and there is room to answer.
    pub(super) fn take(&mut self, input: &[u8], server: &mut Server, out: &impl Output) -> (Step, bool) {
        let framing = match self.asked {
            Asked::Text(..) | Asked::Meta(_) => Framing::LineEnd,
            Asked::Binary(..) => Framing::Length,
        };
        let consumed = storing::fill(&mut self.reservation, framing, input, server);
        if server.store.missing(&self.reservation) > 0 {
            (Step { consumed, next: Next::Stop(Status::NeedInput) }, false)
        } else if out.room() < REPLY_ROOM {
            (Step { consumed, next: Next::Stop(Status::NeedRoom) }, false)
        } else {
            (Step::go_on(consumed), true)
        }
    }

    /// Publishes the complete item and answers. Returns the state after that.
    pub(super) fn publish(self, server: &mut Server, out: &mut impl Output) -> State {
        match self.asked {
            Asked::Text(condition, reply) => {
                storage::answer(storing::publish(self.reservation, condition, server), reply).write(out);
                State::Line
            }
            Asked::Meta(asked) => {
                asked.publish(self.reservation, server, out);
                State::Line
            }
            Asked::Binary(condition, frame) => {
                frame.publish(self.reservation, condition, server, out);
                State::Frame
            }
        }
    }

    /// Gives up.
    pub(super) fn close(self, server: &mut Server) {
        server.store.abandon(self.reservation);
        if let Asked::Meta(asked) = self.asked {
            asked.close(server);
        }
    }
}
