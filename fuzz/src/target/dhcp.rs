//! A DHCP server of any kind, and time for the client to ask again, to extend its lease and to lose it.

use std::net::Ipv4Addr;

use netstack::stack::{Addressing, CongestionControl};
use smoltcp::wire::IpProtocol;

use super::address;
use crate::host::Host;
use crate::input::Input;
use crate::wire::{IP, MAC, PEER_IP, PEER_MAC, arp, ip_frame};

const MOST_OPERATIONS: usize = 60;
/// Where the options begin, behind the magic number.
const OPTIONS: usize = 240;

/// Runs an input.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut host = Host::with(Addressing::Dhcp, CongestionControl::Cubic);
    host.acts();
    for _ in 0..MOST_OPERATIONS {
        if input.is_empty() {
            break;
        }
        operation(&mut host, &mut input);
        if let Some(address) = host.address() {
            let ip = address.ip;
            let usable = !ip.is_unspecified() && !ip.is_broadcast() && !ip.is_multicast() && !ip.is_loopback();
            assert!(usable && address.prefix <= 32, "an address that no host can have: {address:?}");
        }
    }
    host.finish();
}

fn operation(host: &mut Host, input: &mut Input<'_>) {
    match input.u8() % 8 {
        0 => host.wait(input.span()),
        // Long enough for leases to end.
        1 => host.wait(input.span() * 100),
        2 | 3 => grant(host, input),
        4 | 5 => any(host, input),
        6 => {
            let len = usize::from(input.u16() % 600);
            arrives(host, PEER_IP, input.bytes(len).to_vec());
        }
        _ => {
            let operation = 1 + u16::from(input.u8() & 1);
            host.anything_arrives(&arp(operation, (PEER_MAC, address(input)), (MAC, address(input))));
        }
    }
}

/// An answer to the last message of the client, such as a server gives.
fn grant(host: &mut Host, input: &mut Input<'_>) {
    let mut message = answer(host, IP);
    let kind = [2, 5, 6, input.u8()][usize::from(input.u8() & 3)];
    message.extend([53, 1, kind, 54, 4]);
    message.extend(PEER_IP.octets());
    message.extend([51, 4]);
    message.extend(input.array::<4>());
    message.extend([1, 4, 255, 255, 255, 0, 255]);
    arrives(host, PEER_IP, message);
}

/// An answer to the last message of the client, any fields and options.
fn any(host: &mut Host, input: &mut Input<'_>) {
    let yours = address(input);
    let mut message = answer(host, yours);
    for _ in 0..input.u8() % 4 {
        let at = usize::from(input.u8());
        message[at % OPTIONS] = input.u8();
    }
    let len = usize::from(input.u16() % 400);
    message.extend(input.bytes(len));
    let src = address(input);
    arrives(host, src, message);
}

/// The fixed part of an answer.
fn answer(host: &Host, yours: Ipv4Addr) -> Vec<u8> {
    let transaction = host.asked.get(4..8).unwrap_or(&[0; 4]).to_vec();
    let mut message = [&[2, 1, 6, 0][..], &transaction, &[0; 8], &yours.octets(), &[0; 8], &MAC].concat();
    message.resize(OPTIONS - 4, 0);
    message.extend([99, 130, 83, 99]);
    message
}

fn arrives(host: &mut Host, src: Ipv4Addr, message: Vec<u8>) {
    let datagram = [&67_u16.to_be_bytes()[..], &68_u16.to_be_bytes(), &[0; 4], &message].concat();
    host.anything_arrives(&ip_frame((src, Ipv4Addr::BROADCAST), IpProtocol::Udp, datagram));
}
