//! The back end of a guest's virtio-net, over vhost-user: guest core and ours share memory, and nothing lies between. It is a
//! virtual wire, and a reliable one: no checksum is computed on it.
//!
//! ```text
//! VMM -> socket -> back_end -> control -> seat -> the thread that polls:  from_guest (receive), to_guest (transmit)
//!
//! memory  what the VMM shares, checked at each access     ring    the device's side of a split virtqueue
//! early   a request that QEMU makes before its time
//! header  what precedes each frame                        fault   what a guest must not do
//! reflected  what the wire carries at most
//! fan     all queue pairs of a guest as one               flows   which of them a flow is on
//! ```
//!
//! Both sides poll and neither notifies the other, but for a guest that halts: it asks to be interrupted. Called by `load`'s
//! wires; calls the packet buffers and the queue contract of `netdrv`.

mod back_end;
mod control;
mod early;
mod fan;
mod fault;
mod flows;
mod from_guest;
mod header;
mod memory;
mod reflected;
mod ring;
mod seat;
mod to_guest;

pub use back_end::BackEnd;
pub use fan::{FromGuests, Pairs, ToGuests};
pub use fault::Fault;
pub use from_guest::FromGuest;
pub use reflected::{Mirror, ReflectError, Reflected, Reflection};
pub use to_guest::ToGuest;

#[cfg(test)]
mod bad_guests;
#[cfg(test)]
pub(crate) mod testbed;
#[cfg(test)]
mod tests;
