//! Segments of the peer, aimed at where a connection stands.

use crate::app::Stream;
use crate::host::Host;
use crate::input::Input;
use crate::peer::Port;
use crate::wire::{ACK, SYN, Segment};

/// Payload of a segment at most.
const MOST_PAYLOAD: u16 = 1460;

/// Kinds of options, bits of a byte of the input.
const TIMESTAMP: u8 = 1;
const SACK: u8 = 2;
const FOR_SYN: u8 = 4;
const RAW: u8 = 8;

/// A segment, all of it from the input: flags, how far off its numbers are, window, options, payload.
pub(crate) fn any(host: &mut Host, input: &mut Input<'_>) {
    let clock = host.clock_ms();
    let choice = input.u8();
    let port = host.peer.port(choice).clone();
    let flags = input.u8();
    let seq = port.expected.wrapping_add(input.distance());
    let ack = port.reached.wrapping_add(input.distance());
    let window = input.u16();
    let options = options(&port, clock, input);
    let len = usize::from(input.u16() % (MOST_PAYLOAD + 1));
    let (stream, payload) = if choice & 0x80 == 0 {
        (Stream::Pattern, port.payload(seq, len))
    } else {
        (Stream::Anything, [input.bytes(len), &[0xa5][..]].concat())
    };
    let segment =
        Segment { port: port.number, to: port.remote, seq, ack, flags, window, options: &options, payload: &payload };
    host.segment_arrives(&segment, stream);
}

/// A handshake.
pub(crate) fn open(host: &mut Host, input: &mut Input<'_>) {
    let clock = host.clock_ms();
    let choice = input.u8();
    let port = host.peer.port(choice).clone();
    // Beyond all that the port has reached, so that what lingers of the last connection is no hindrance.
    let seq = port.expected.wrapping_add(100_000);
    let window = input.u16();
    let options = options(&port, clock, input);
    let syn = Segment {
        port: port.number,
        to: port.remote,
        seq,
        ack: 0,
        flags: SYN,
        window,
        options: &options,
        payload: &[],
    };
    host.segment_arrives(&syn, Stream::Pattern);
    acknowledge(host, choice, window);
}

/// An ACK of all that the stack has sent.
pub(crate) fn acknowledge(host: &mut Host, choice: u8, window: u16) {
    let clock = host.clock_ms();
    let port = host.peer.port(choice).clone();
    let options = port.timestamp.map(|value| timestamp(clock, value)).unwrap_or_default();
    let (seq, ack) = (port.expected, port.reached);
    let segment =
        Segment { port: port.number, to: port.remote, seq, ack, flags: ACK, window, options: &options, payload: &[] };
    host.segment_arrives(&segment, Stream::Pattern);
}

/// In-order payload of the pattern, `len` bytes, with an ACK of all that the stack has sent.
pub(crate) fn data(host: &mut Host, choice: u8, len: u16) {
    let clock = host.clock_ms();
    let port = host.peer.port(choice).clone();
    let options = port.timestamp.map(|value| timestamp(clock, value)).unwrap_or_default();
    let (seq, ack, window) = (port.expected, port.reached, u16::MAX);
    let payload = port.payload(seq, usize::from(len % (MOST_PAYLOAD + 1)));
    let segment = Segment {
        port: port.number,
        to: port.remote,
        seq,
        ack,
        flags: ACK,
        window,
        options: &options,
        payload: &payload,
    };
    host.segment_arrives(&segment, Stream::Pattern);
}

/// Options, at most 40 bytes: those that can be aimed, or bytes of the input.
fn options(port: &Port, clock: u32, input: &mut Input<'_>) -> Vec<u8> {
    let kinds = input.u8();
    let mut options = Vec::new();
    if kinds & TIMESTAMP != 0 {
        let value = clock.wrapping_add(input.distance());
        let echoed = port.timestamp.unwrap_or(0).wrapping_add(input.distance());
        options.extend(timestamp(value, echoed));
    }
    if kinds & FOR_SYN != 0 {
        let mss = input.u16().to_be_bytes();
        options.extend([2, 4, mss[0], mss[1], 1, 1, 4, 2, 1, 3, 3, input.u8()]);
    }
    if kinds & SACK != 0 {
        let blocks = 1 + (kinds >> 6);
        options.extend([1, 1, 5, 2 + 8 * blocks]);
        for _ in 0..blocks {
            let left = port.reached.wrapping_add(input.distance());
            let right = left.wrapping_add(input.distance());
            options.extend([left.to_be_bytes(), right.to_be_bytes()].concat());
        }
    }
    if kinds & RAW != 0 {
        let len = usize::from(input.u8() % 41);
        options.extend(input.bytes(len));
    }
    options.truncate(40);
    options
}

fn timestamp(value: u32, echoed: u32) -> Vec<u8> {
    [&[1, 1, 8, 10][..], &value.to_be_bytes(), &echoed.to_be_bytes()].concat()
}
