//! TCP options: any bytes in the options of a SYN, of the ACK that follows it, of payload and of what comes after.

use super::segment;
use crate::app::Stream;
use crate::host::Host;
use crate::input::Input;
use crate::wire::{ACK, FIN, RST, SYN, Segment};
use netstack::stack::CongestionControl;

const MOST_OPERATIONS: usize = 100;

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
    let kind = input.u8();
    let choice = kind >> 4;
    match kind & 15 {
        0 => segment::open(host, input),
        1 => segment::any(host, input),
        2 => {
            let number = host.peer.port(choice).number;
            host.app.send(number, u32::from(input.u16()));
            host.acts();
        }
        3 => host.wait(input.span()),
        4 => segment::acknowledge(host, choice, input.u16()),
        flags => optioned(host, choice, [SYN, ACK, ACK | SYN, ACK | FIN, RST][usize::from(flags % 5)], input),
    }
}

/// A segment where the connection stands, with options from the input.
fn optioned(host: &mut Host, choice: u8, flags: u8, input: &mut Input<'_>) {
    let port = host.peer.port(choice).clone();
    let len = usize::from(input.u8() % 41);
    let options = input.bytes(len);
    let payload = port.payload(port.expected, if flags & SYN == 0 { usize::from(input.u8()) } else { 0 });
    let (seq, ack, window) = (port.expected, port.reached, 60_000);
    let segment = Segment { port: port.number, to: port.remote, seq, ack, flags, window, options, payload: &payload };
    host.segment_arrives(&segment, Stream::Pattern);
}
