//! What cores tell each other.

use alloc::boxed::Box;
use core::any::Any;

use netdrv::pktbuf::{Fragment, Parcel};
use netstack::stack::{Identity, Place};
use netstack::time::Instant;

/// A message from one core to another.
pub enum Message {
    /// A frame for the receiver's stack.
    Frame(Parcel),
    /// A frame that the receiver is to transmit: the sender has no queue of its own.
    Transmit(Parcel),
    /// Who the appliance is, from the first core.
    Identity(Identity),
    /// The sender has taken it over: an answer to [`Message::Identity`].
    Following,
    /// A step of a migration.
    Step(Step),
    /// A connection of the group that is migrating; what it holds follows, and then [`Step::Settle`].
    Connection(Crate),
    /// The body of the payload that comes next.
    Body(Fragment),
    /// Payload of that connection.
    Payload(Owner, Parcel),
    /// A crate comes back empty.
    Crate(Crate),
    /// The receiver serves no more until it is told otherwise, or again.
    Power(Power),
}

/// Room for what a connection is on its way: the heads of migrations are large and few, and so travel in boxes that are made
/// at start-up. The content is the sender's and the receiver's to know.
pub type Crate = Box<dyn Any + Send>;

/// Whose payload it is.
#[derive(Clone, Copy, Debug)]
pub enum Owner {
    /// The stack's, which knows its place.
    Stack(Place),
    /// The application's input.
    App,
}

/// A step of the migration of a flow group (see [`migrate`](super::migrate)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The receiver has the group, and is to give it to this core.
    Begin(u8, u8),
    /// The receiver will get the group: until then it keeps what comes for it.
    Expect(u8),
    /// The sender does.
    Expecting(u8),
    /// The group's frames go to this core from now on.
    Steer(u8, u8),
    /// The sender has sent its last frame of the group to the receiver.
    Steered(u8),
    /// The NIC is to steer the group to this core.
    SetNic(u8, u8),
    /// It does.
    NicSet(u8),
    /// All that the NIC has brought to the sender of a group that moved to the receiver was passed on.
    Drained(u8),
    /// All of a connection was sent.
    Settle,
    /// All of the group was sent; frames may have waited since then.
    Arrived(u8, Instant),
}

/// Whether a core serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// It has no flows, and halts.
    Parked,
    /// It polls.
    Serving,
}

const _: () = assert!(size_of::<Message>() <= 48);
