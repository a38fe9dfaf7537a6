//! The layers below TCP, and the stack as a whole.

mod arp;
mod bounds;
mod dhcp;
mod ethernet;
mod icmp;
mod ip;
mod mutated;
mod smoltcp_peer;
mod udp;
