//! Anything that a link can carry and an application can do, against live connections: an input is a list of operations.

use std::net::SocketAddrV4;

use netstack::stack::CongestionControl;
use smoltcp::wire::IpProtocol;

use super::{address, segment};
use crate::app::{Admission, App, Reading, Sending};
use crate::host::{Host, Neighbor, Ring};
use crate::input::Input;
use crate::peer::CALLED_PORT;
use crate::wire::{IP, MAX_FRAME, PEER_IP, ip_frame};

/// Operations of an input at most: a longer one finds nothing that a shorter one does not.
const MOST_OPERATIONS: usize = 200;

/// Runs an input.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut host = Host::new(CongestionControl::Cubic);
    for _ in 0..MOST_OPERATIONS {
        if input.is_empty() {
            break;
        }
        operation(&mut host, &mut input);
    }
    host.finish();
}

fn operation(host: &mut Host, input: &mut Input<'_>) {
    match input.u8() % 12 {
        0 | 1 => segment::any(host, input),
        2 => segment::open(host, input),
        3 => {
            let (choice, len) = (input.u8(), input.u16());
            segment::data(host, choice, len);
        }
        4 => {
            let (choice, window) = (input.u8(), input.u16());
            segment::acknowledge(host, choice, window);
        }
        5 => host.wait(input.span()),
        6 => application(host, input),
        7 => {
            host.mode = match input.u8() {
                0..128 => Ring::Drains,
                frames => Ring::Holds(usize::from(frames - 128)),
            };
        }
        8 => {
            let len = usize::from(input.u16()) % (MAX_FRAME + 1);
            host.anything_arrives(input.bytes(len));
        }
        9 => {
            let (protocol, src, dst) = (input.u8(), address(input), address(input));
            let len = usize::from(input.u16()) % 1481;
            let frame = ip_frame((src, dst), IpProtocol::from(protocol), input.bytes(len).to_vec());
            host.anything_arrives(&frame);
        }
        10 => about_a_connection(host, input),
        _ => host.neighbor = if input.u8() & 1 == 0 { Neighbor::Answers } else { Neighbor::Silent },
    }
}

/// What the application does.
fn application(host: &mut Host, input: &mut Input<'_>) {
    let kind = input.u8();
    let choice = input.u8();
    let port = host.peer.port(choice).number;
    let app: &mut App = &mut host.app;
    match kind % 8 {
        0 => app.send(port, u32::from(input.u16())),
        1 => app.close(port),
        2 => app.abort(port),
        3 => app.reading = if choice & 1 == 0 { Reading::Yes } else { Reading::No },
        4 => app.admission = [Admission::AtOnce, Admission::Later, Admission::Refused][usize::from(choice % 3)],
        5 => app.greeting = u32::from(input.u16()),
        6 => app.sending = if choice & 1 == 0 { Sending::Copied } else { Sending::Lent },
        _ => app.connect(SocketAddrV4::new(PEER_IP, CALLED_PORT)),
    }
    host.acts();
}

/// An ICMP message that quotes a segment of a connection, such as "fragmentation needed" (RFC 1191).
fn about_a_connection(host: &mut Host, input: &mut Input<'_>) {
    let (kind, code, choice) = (input.u8(), input.u8(), input.u8());
    let port = host.peer.port(choice).clone();
    let src = address(input);
    let seq = port.reached.wrapping_add(input.distance());
    let rest = input.array::<4>();
    let mut quoted = vec![0x45, 0, 5, 0xdc, 0, 0, 0x40, 0, 64, 6, 0, 0];
    quoted.extend([IP.octets(), PEER_IP.octets()].concat());
    quoted.extend([port.remote.to_be_bytes(), port.number.to_be_bytes()].concat());
    quoted.extend(seq.to_be_bytes());
    let message = [&[kind, code, 0, 0][..], &rest, &quoted].concat();
    host.anything_arrives(&ip_frame((src, IP), IpProtocol::Icmp, message));
}
