//! The targets: what each reads from an input, and what it has the stack see.

pub(crate) mod arp;
pub(crate) mod binary;
pub(crate) mod dhcp;
pub(crate) mod frame;
pub(crate) mod meta;
pub(crate) mod segment;
pub(crate) mod tcp_options;
pub(crate) mod text;
pub(crate) mod udp;

use std::net::Ipv4Addr;

use crate::input::Input;
use crate::wire::{IP, PEER_IP};

/// An address: mostly one that matters.
fn address(input: &mut Input<'_>) -> Ipv4Addr {
    match input.u8() {
        0..64 => PEER_IP,
        64..128 => IP,
        choice @ 128..192 => Ipv4Addr::new(10, 0, 0, choice - 128),
        192 => Ipv4Addr::UNSPECIFIED,
        193 => Ipv4Addr::BROADCAST,
        194 => Ipv4Addr::new(10, 0, 0, 255),
        195 => Ipv4Addr::new(224, 0, 0, 1),
        196 => Ipv4Addr::LOCALHOST,
        _ => Ipv4Addr::from_bits(input.u32()),
    }
}
