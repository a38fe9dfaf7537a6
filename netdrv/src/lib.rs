//! Network drivers: packet buffers, the queue contract, and the drivers that fulfil it.
//!
//! ```text
//! pktbuf/      packet buffers and the pools they come from
//! cache        asking for memory before it is needed
//! fifo         rings that hand batches from stage to stage
//! nic/         the contract between a driver and the runtime: queue pairs, batches, offloads
//! registers    windows of device registers;  pci: what a driver needs of a PCI function
//! dma          memory that a device reads and writes
//! virtio/      split virtqueues, initialisation, and the transports: PCI and MMIO (virtio 1.2, chapters 2 to 4)
//! virtio_net/  virtio-net (virtio 1.2, section 5.1), over either transport
//! testkit/     what tests need: device models, a wire, pcap
//! ```
//!
//! Called by `unikernel`, which finds the devices and drives the queues; `netstack` uses only [`pktbuf`] and [`fifo`]. Time, memory
//! and register access are passed in, so that all of it also runs on the host.
//!
//! Devices are not trusted to be correct: whatever one writes into a ring or a header leads to a counted drop, never to
//! a panic and never to a lost buffer. Against malice there is no defence: a device can write anywhere by DMA.

#![cfg_attr(not(any(test, feature = "std")), no_std)]

extern crate alloc;

pub mod cache;
mod dma;
mod error;
pub mod fifo;
pub mod nic;
pub mod pci;
pub mod pktbuf;
pub mod registers;
#[cfg(any(test, feature = "std"))]
pub mod testkit;
pub mod virtio;
pub mod virtio_net;

pub use error::Error;
