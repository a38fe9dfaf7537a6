//! Network drivers: packet buffers, the queue contract, and the drivers that fulfil it.
//!
//! ```text
//! pktbuf/      packet buffers and the pools they come from
//! nic/         the contract between a driver and the runtime: queue pairs, batches, offloads
//! virtio_net/  virtio-net (virtio 1.2, section 5.1), over PCI and MMIO transports
//! testkit/     what tests need: device models, pcap
//! ```
//!
//! Called by `unikernel`, which finds the devices and drives the queues; `netstack` uses only [`pktbuf`]. Time, memory
//! and register access are passed in, so that all of it also runs on the host.

#![cfg_attr(not(any(test, feature = "std")), no_std)]

extern crate alloc;

pub mod nic;
pub mod pktbuf;
