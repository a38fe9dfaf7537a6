//! The TCP/IP dataplane of one core.
//!
//! ```text
//! ingress(batch) -> ethernet -> arp | ipv4 -> icmp | udp (dhcp) | tcp -> flow table -> TCB -> events -> app
//!                  `-> plain -> tcp::expected: in one look, where all is as usual
//! app -> calls -> execute() -> TCB -> egress(batch) -> ipv4 -> ethernet
//! ```
//!
//! Called by `unikernel`'s shard, once a turn and stage by stage; calls nothing but `netdrv::pktbuf`. Wire formats come
//! from `smoltcp::wire`. Time and randomness are arguments, so that a test can replay anything.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod address;
pub mod app;
mod checksum;
pub mod counters;
mod dhcp;
mod ethernet;
mod icmp;
mod index_queue;
mod ipv4;
mod keys;
mod link;
mod neighbor;
mod plain;
mod rate_limit;
pub mod reserves;
pub mod stack;
pub mod steering;
mod tcp;
pub mod time;
mod timer;
mod udp;

#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
