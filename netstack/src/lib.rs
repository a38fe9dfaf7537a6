//! The TCP/IP dataplane of one core.
//!
//! ```text
//! ingress(batch) -> ethernet -> arp | ipv4 -> icmp | udp (dhcp) | tcp -> flow table -> TCB -> events -> app
//! app -> calls -> execute() -> TCB -> egress(batch) -> ipv4 -> ethernet
//! ```
//!
//! Called by `unikernel`'s shard, once a turn and stage by stage (see [`Stack`]); calls nothing but `netdrv`'s packet
//! buffers. Wire formats come from `smoltcp::wire`, but for the headers of each TCP segment, which are written in place.
//! Time and randomness are arguments, so that a test can replay anything.
//!
//! The transmit ring is the only output queue: a connection has its retransmission queue and a place in the list of
//! those that egress has to visit, and makes its segments there, when there is room for them. Frames that belong to no
//! connection (ARP, ICMP, DHCP, resets) wait in a short bounded queue.
//!
//! Not yet: UDP for the app, active open, SACK, timestamps, CUBIC, RACK, SYN cookies, keepalive, 802.1Q, IPv4 fragments
//! (refused), ICMP errors (ignored, path MTU included), IPv6, flow groups.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod address;
pub mod app;
mod arp;
mod checksum;
mod counters;
mod dhcp;
mod ethernet;
mod icmp;
mod index_queue;
mod interface;
mod ipv4;
mod keys;
mod neighbor;
mod rate_limit;
mod stack;
mod tcp;
pub mod time;
mod timer;
mod udp;

pub use address::Address;
pub use counters::Counters;
pub use stack::{Addressing, Config, Stack};
