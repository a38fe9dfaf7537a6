//! ARP packets of any content, while connections need neighbors.

use netstack::stack::CongestionControl;
use smoltcp::wire::{EthernetProtocol, IpProtocol};

use super::{address, segment};
use crate::host::{Host, Neighbor};
use crate::input::Input;
use crate::wire::{IP, MAC, PEER_MAC, PORT, SYN, arp, ethernet, ip_frame};

const MOST_OPERATIONS: usize = 150;

/// Runs an input.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut host = Host::new(CongestionControl::NewReno);
    for _ in 0..MOST_OPERATIONS {
        if input.is_empty() {
            break;
        }
        operation(&mut host, &mut input);
    }
    host.finish();
}

fn operation(host: &mut Host, input: &mut Input<'_>) {
    match input.u8() % 10 {
        0..3 => {
            let operation = u16::from(input.u8() % 3);
            let (sender, target) = ((mac(input), address(input)), (mac(input), address(input)));
            host.anything_arrives(&arp(operation, sender, target));
        }
        3 => {
            let len = usize::from(input.u8() % 64);
            let to = mac(input);
            host.anything_arrives(&ethernet(to, PEER_MAC, EthernetProtocol::Arp, input.bytes(len)));
        }
        4 => stranger(host, input),
        5 => segment::open(host, input),
        6 => {
            let (choice, window) = (input.u8(), input.u16());
            segment::acknowledge(host, choice, window);
        }
        7 => {
            let choice = input.u8();
            let number = host.peer.port(choice).number;
            host.app.send(number, u32::from(input.u16()));
            host.acts();
        }
        8 => host.wait(input.span()),
        _ => host.neighbor = if input.u8() & 1 == 0 { Neighbor::Answers } else { Neighbor::Silent },
    }
}

/// A SYN from some address: its SYN-ACK needs a neighbor.
fn stranger(host: &mut Host, input: &mut Input<'_>) {
    let src = address(input);
    let mut segment = vec![0; 20];
    segment[..2].copy_from_slice(&input.array::<2>());
    segment[2..4].copy_from_slice(&PORT.to_be_bytes());
    segment[12] = 5 << 4;
    segment[13] = SYN;
    host.anything_arrives(&ip_frame((src, IP), IpProtocol::Tcp, segment));
}

/// An Ethernet address: mostly one that matters.
fn mac(input: &mut Input<'_>) -> [u8; 6] {
    match input.u8() {
        0..64 => PEER_MAC,
        64..128 => MAC,
        128..160 => [255; 6],
        choice @ 160..192 => [2, 0, 0, 0, 1, choice],
        192 => [0; 6],
        193 => [1, 0, 0x5e, 0, 0, 1],
        _ => input.array(),
    }
}
