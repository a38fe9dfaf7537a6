//! The TCP/IP dataplane of one core.
//!
//! ```text
//! ingress(batch) -> ethernet -> arp | ipv4 -> icmp | udp (dhcp) | tcp -> flow table -> TCB -> events -> app
//! app -> calls -> execute() -> TCB -> egress(batch) -> ipv4 -> ethernet
//! ```
//!
//! Called by `unikernel`'s shard, once a turn and stage by stage; calls nothing but `netdrv::pktbuf`. Wire formats come
//! from `smoltcp::wire`. Time and randomness are arguments, so that a test can replay anything.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod app;
pub mod time;
