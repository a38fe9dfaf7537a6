//! What cores tell each other.

use netdrv::pktbuf::Parcel;
use netstack::stack::Identity;

/// A message from one core to another.
#[derive(Debug)]
pub enum Message {
    /// A frame for the receiver's stack.
    Frame(Parcel),
    /// A frame that the receiver is to transmit: the sender has no queue of its own.
    Transmit(Parcel),
    /// Who the appliance is, from the first core.
    Identity(Identity),
    /// The sender has taken it over: an answer to [`Message::Identity`].
    Following,
}

const _: () = assert!(size_of::<Message>() <= 24);
