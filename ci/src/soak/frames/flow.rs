//! Live connections, and the sequence numbers that they have reached: read off the wire, so that a forged segment can
//! be the very next one.

use std::collections::HashMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;

use crate::checksum::internet_checksum;
use crate::client::Client;
use crate::namespace::{GUEST, HOST, TAP};
use crate::packet::{PacketSocket, Receive};
use crate::soak::wire::{ACK, ETHERNET_HEADER, ETHERTYPE_IPV4, FIN, Mac, RST, SYN, TCP, transport_checksum};

/// Connections of a round.
const FLOWS: usize = 16;

/// A connection, as the next segment from this side sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    /// This side's port.
    pub(super) port: u16,
    /// Sequence number of the next byte from this side.
    pub(super) sequence: u32,
    /// The next byte that this side expects.
    pub(super) acknowledgement: u32,
}

/// The live connections of a round. They are reset with this value: the forged segments have confused both ends.
#[derive(Debug)]
pub(super) struct Flows {
    clients: Vec<Client>,
    flows: Vec<Flow>,
    guest_mac: Mac,
}

impl Flows {
    /// Opens connections, has an exchange on each, and reads off the wire where they are.
    pub(super) fn open(server: SocketAddr) -> Result<Flows> {
        let wire = PacketSocket::open(TAP, Receive::Everything)?;
        let mut clients = Vec::new();
        let mut seen = HashMap::new();
        let mut guest_mac = None;
        for number in 0..FLOWS {
            let mut client = Client::connect(server)?;
            client.exchange(format!("set flow{number} 0 0 4\r\nflow\r\n").as_bytes(), b"STORED\r\n")?;
            client.exchange(
                format!("get flow{number}\r\n").as_bytes(),
                format!("VALUE flow{number} 0 4\r\nflow\r\nEND\r\n").as_bytes(),
            )?;
            clients.push(client);
            let mut buffer = [0; 2048];
            while let Some(frame) = wire.receive(&mut buffer)? {
                if let Some(segment) = Segment::parse(frame) {
                    let (sequence, acknowledgement) = (segment.next_sequence(), segment.acknowledgement);
                    guest_mac = Some(segment.destination_mac);
                    seen.insert(segment.port, Flow { port: segment.port, sequence, acknowledgement });
                }
            }
        }
        let ports = clients.iter().map(Client::local_port).collect::<Result<Vec<_>>>()?;
        let flows: Vec<Flow> = ports.iter().filter_map(|port| seen.get(port).copied()).collect();
        ensure!(!flows.is_empty(), "none of our own segments was seen on {TAP}");
        Ok(Flows { clients, flows, guest_mac: guest_mac.context("no segment was seen")? })
    }

    /// The appliance's Ethernet address.
    pub(super) fn guest_mac(&self) -> Mac {
        self.guest_mac
    }

    /// One of the connections, to forge a segment for.
    pub(super) fn pick(&mut self, rng: &mut Rng) -> &mut Flow {
        let index = rng.usize(..self.flows.len());
        &mut self.flows[index]
    }
}

impl Drop for Flows {
    fn drop(&mut self) {
        for client in &self.clients {
            client.reset_on_close();
        }
    }
}

impl Flow {
    /// Moves on by a forged segment, if the appliance accepts it as the next one.
    pub(super) fn follow(&mut self, frame: &[u8], guest_mac: Mac) {
        if let Some(segment) = Segment::parse(frame)
            && segment.is_valid()
            && segment.destination_mac == guest_mac
            && (segment.port, segment.sequence) == (self.port, self.sequence)
            && segment.flags & (SYN | RST | ACK) == ACK
        {
            self.sequence = segment.next_sequence();
        }
    }
}

/// A TCP segment from this side.
#[derive(Debug)]
struct Segment<'a> {
    destination_mac: Mac,
    ip: &'a [u8],
    tcp: &'a [u8],
    port: u16,
    sequence: u32,
    acknowledgement: u32,
    flags: u8,
    payload: u32,
}

impl Segment<'_> {
    fn parse(frame: &[u8]) -> Option<Segment<'_>> {
        let packet = frame.get(ETHERNET_HEADER..)?;
        let header = usize::from(packet.first()? & 0x0f) * 4;
        let (ip, tcp) = (packet.get(..header)?, packet.get(header..usize::from(be16(packet, 2)?))?);
        let is_ours = be16(frame, 12)? == ETHERTYPE_IPV4 && ip.get(9)? == &TCP && ip.get(12..16)? == HOST.octets();
        let payload = tcp.len().checked_sub(usize::from(tcp.get(12)? >> 4) * 4)? as u32;
        is_ours.then_some(Segment {
            destination_mac: frame.get(..6)?.try_into().ok()?,
            ip,
            tcp,
            port: be16(tcp, 0)?,
            sequence: be32(tcp, 4)?,
            acknowledgement: be32(tcp, 8)?,
            flags: *tcp.get(13)?,
            payload,
        })
    }

    /// Whether the checksums are right and the packet is whole.
    fn is_valid(&self) -> bool {
        const FRAGMENTED: u16 = 0x3fff;
        internet_checksum(&[self.ip]) == 0
            && self.ip.get(16..20) == Some(&GUEST.octets())
            && be16(self.ip, 6).is_some_and(|fragment| fragment & FRAGMENTED == 0)
            && transport_checksum(HOST, GUEST, TCP, self.tcp) == 0
    }

    fn next_sequence(&self) -> u32 {
        let flags = u32::from(self.flags & SYN != 0) + u32::from(self.flags & FIN != 0);
        self.sequence.wrapping_add(self.payload).wrapping_add(flags)
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
