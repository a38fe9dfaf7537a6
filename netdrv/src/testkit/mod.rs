//! What tests need, of this crate and of those above: the other side of a driver.
//!
//! ```text
//! virtio/  a virtio-net device: rings, registers over MMIO and PCI, and misbehaviour on request
//! wire     two NICs joined back to back, without any device
//! link     the same with delay, rate, loss, reordering, duplication and corruption, on a virtual clock
//! posted   the empty buffers of these
//! random   a seeded generator
//! offload  what a device does to a frame on its way to the wire
//! pcap     a capture file writer
//! ```
//!
//! Models are strict where a driver must be correct: they panic at a register access that a device need not bear.

pub mod link;
pub mod offload;
pub mod pcap;
pub mod posted;
pub mod random;
pub mod virtio;
pub mod wire;
