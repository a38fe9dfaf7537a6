//! What other cores send this one.

use netdrv::nic::{RxQueue, TxQueue};
use netdrv::pktbuf::Parcel;
use netstack::app::App;
use netstack::time::Instant;

use super::Shard;
use crate::runtime::mesh::cores_of;
use crate::runtime::message::Message;

/// Messages taken in a turn, so that a turn ends whatever the others do.
const MOST_MESSAGES: usize = 256;

impl<R: RxQueue, T: TxQueue, A: App> Shard<R, T, A> {
    /// Takes the messages of the other cores, as far as there is room for their frames. Returns how many.
    pub(super) fn drain_mailbox(&mut self, now: Instant) -> usize {
        if self.port.others() == 0 {
            return 0;
        }
        self.port.collect_blanks(self.pool);
        let mut messages = 0;
        while messages < MOST_MESSAGES && self.passed.len() < self.batch_limit && !self.relayed.is_full() {
            let Some((from, message)) = self.port.receive() else { break };
            messages += 1;
            match message {
                Message::Frame(parcel) => self.admit(from, parcel, Use::Own),
                Message::Transmit(parcel) => self.admit(from, parcel, Use::Relay),
                Message::Identity(identity) => {
                    self.stack.follow(identity, now);
                    let _ = self.port.send(from, Message::Following); // the first core asks again where it must
                }
                Message::Following => self.following |= 1 << from,
            }
        }
        messages
    }

    /// The first core tells the others who the appliance is.
    pub(super) fn tell_identity(&mut self) {
        let identity = Some(self.stack.identity());
        if identity == self.told || self.port.own() != 0 {
            return;
        }
        self.told = identity;
        self.following = 0;
        for core in cores_of(self.port.others()) {
            if self.port.send(core, Message::Identity(self.stack.identity())).is_err() {
                self.told = None; // too much waits for that core: again in the next turn
            }
        }
    }

    /// Takes a frame of another core, and gives memory back for it.
    fn admit(&mut self, from: usize, parcel: Parcel, purpose: Use) {
        let (frame, blank) = match self.pool.admit(parcel) {
            Ok(admitted) => admitted,
            Err(parcel) => {
                self.drop_no_buffer += 1;
                return self.port.return_blank(from, parcel.into_blank());
            }
        };
        self.port.return_blank(from, blank);
        // There is room: it was asked for before the message was taken.
        let _ = match purpose {
            Use::Own => self.passed.push_back(frame),
            Use::Relay => self.relayed.push_back(frame),
        };
    }
}

/// What a frame of another core is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// This core's stack.
    Own,
    /// This core's transmit queue.
    Relay,
}
