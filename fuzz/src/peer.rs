//! The other end of the connections, as far as it must be known to aim: which numbers each of its ports has reached.

use std::net::SocketAddrV4;

use smoltcp::wire::TcpOption;

use crate::app::{Stream, pattern_from};
use crate::wire::{ACK, PEER_IP, PORT, SYN, Segment};

/// The ports of the connections that an input can have at a time.
const FIRST_PORT: u16 = 40_000;
const PORTS: u16 = 5;
/// The last of them is one that the stack connects to; the others connect to the stack.
pub(crate) const CALLED_PORT: u16 = FIRST_PORT + PORTS - 1;

/// What the stack has said on a connection: where its SYN-ACK stands, and the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handshake {
    /// Initial sequence numbers of the stack and of the peer.
    pub(crate) iss: u32,
    pub(crate) isn: u32,
}

/// One port of the peer.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    /// The stack's port: where it listens, or where it calls from.
    pub(crate) remote: u16,
    /// The SYN-ACKs that were seen, the newest last.
    offered: Vec<Handshake>,
    /// The one that a connection came of, once that is known.
    pub(crate) established: Option<Handshake>,
    /// Next byte that the stack expects, and the last that it has sent.
    pub(crate) expected: u32,
    pub(crate) reached: u32,
    /// The window that the stack offers, unshifted.
    pub(crate) window: u16,
    /// The last timestamp of the stack (RFC 7323).
    pub(crate) timestamp: Option<u32>,
    /// A SYN was sent that has not been answered: which numbers count is not known.
    syn_sent: bool,
    /// Payload was sent meanwhile.
    payload_unplaced: bool,
    /// Payload was sent, or may have been, that is not the pattern.
    stream: Stream,
}

/// The peer.
pub(crate) struct Peer {
    ports: Vec<Port>,
    /// The last segment injected, until something else is: what completes a handshake.
    last: Option<(u16, u32)>,
}

impl Peer {
    pub(crate) fn new() -> Peer {
        let port = |number| Port {
            number,
            remote: if number == CALLED_PORT { 0 } else { PORT },
            offered: Vec::new(),
            established: None,
            expected: 0xffff_ff00,
            reached: 0,
            window: 0,
            timestamp: None,
            syn_sent: false,
            payload_unplaced: false,
            stream: Stream::Pattern,
        };
        Peer { ports: (FIRST_PORT..FIRST_PORT + PORTS).map(port).collect(), last: None }
    }

    /// One of the ports, whatever `choice` is.
    pub(crate) fn port(&mut self, choice: u8) -> &mut Port {
        let index = usize::from(choice) % self.ports.len();
        &mut self.ports[index]
    }

    pub(crate) fn find(&mut self, number: u16) -> Option<&mut Port> {
        self.ports.iter_mut().find(|port| port.number == number)
    }

    /// Something goes to the stack that is not one of our segments: it may be anything.
    pub(crate) fn injects_anything(&mut self) {
        self.last = None;
        for port in &mut self.ports {
            port.stream = Stream::Anything;
        }
    }

    /// A segment goes to the stack.
    pub(crate) fn injects(&mut self, segment: &Segment<'_>, stream: Stream) {
        self.last = (segment.flags & ACK != 0).then_some((segment.port, segment.ack));
        if let Some(port) = self.find(segment.port) {
            port.syn_sent |= segment.flags & SYN != 0;
            if !segment.payload.is_empty() {
                port.payload_unplaced |= port.syn_sent;
                if stream == Stream::Anything {
                    port.stream = Stream::Anything;
                }
            }
        }
    }

    /// A connection knocked: which handshake completed, and what it will carry.
    pub(crate) fn knocks(&mut self, remote: SocketAddrV4) -> Stream {
        let last = self.last;
        let Some(port) = self.find(remote.port()).filter(|_| *remote.ip() == PEER_IP) else { return Stream::Anything };
        let acked = last.filter(|(number, _)| *number == port.number).map(|(_, ack)| ack.wrapping_sub(1));
        port.established = acked.and_then(|iss| port.offered.iter().rev().find(|seen| seen.iss == iss)).copied();
        if port.established.is_none() { Stream::Anything } else { port.stream }
    }
}

impl Port {
    /// Payload of the pattern for a segment that begins at `seq`.
    pub(crate) fn payload(&self, seq: u32, len: usize) -> Vec<u8> {
        let isn = self.established.or(self.offered.last().copied()).map_or(0, |handshake| handshake.isn);
        pattern_from(seq.wrapping_sub(isn).wrapping_sub(1), len)
    }

    /// The stack has sent a SYN-ACK.
    pub(crate) fn is_offered(&mut self, handshake: Handshake, options: &[u8]) {
        if !self.offered.contains(&handshake) {
            // A connection of its own, unless payload went ahead of it or something else of the kind.
            self.stream = if self.payload_unplaced { Stream::Anything } else { Stream::Pattern };
            self.offered.push(handshake);
            self.established = None;
        }
        self.syn_sent = false;
        self.payload_unplaced = false;
        self.timestamp = None;
        self.sees_timestamp(options);
    }

    /// The stack calls, from a port of its own: what it sends counts from there.
    pub(crate) fn is_called(&mut self, from: u16, iss: u32) {
        self.remote = from;
        self.established = Some(Handshake { iss, isn: self.expected });
        self.reached = iss.wrapping_add(1);
        self.timestamp = None;
    }

    /// The stack has sent a segment that ends before `end` and expects `ack`.
    pub(crate) fn sees(&mut self, end: u32, ack: u32, window: u16) {
        self.reached = end;
        self.expected = ack;
        self.window = window;
    }

    pub(crate) fn sees_timestamp(&mut self, mut options: &[u8]) {
        while !options.is_empty() {
            let (rest, option) = TcpOption::parse(options).expect("our options can be read");
            if let TcpOption::TimeStamp { tsval, .. } = option {
                self.timestamp = Some(tsval);
            }
            options = rest;
        }
    }
}
