//! Live connections, and the sequence numbers that they have reached: read off the wire, so that a forged segment can
//! be the very next one.

use std::collections::HashMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;

use super::wire::{ETHERNET_HEADER, ETHERTYPE_IPV4, FIN, Mac, SYN, TCP};
use crate::client::Client;
use crate::namespace::{HOST, TAP};
use crate::packet::{PacketSocket, Receive};

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
                if let Some((mac, flow)) = parse(frame) {
                    guest_mac = Some(mac);
                    seen.insert(flow.port, flow);
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

    /// One of the connections, to forge a segment for. Its numbers can be advanced by what was forged.
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

/// The flow after a segment from this side, and the address that it went to.
fn parse(frame: &[u8]) -> Option<(Mac, Flow)> {
    let be16 = |at: usize| Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?));
    let be32 = |at: usize| Some(u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?));
    let ip = ETHERNET_HEADER;
    if be16(12)? != ETHERTYPE_IPV4 || frame.get(ip + 9)? != &TCP || frame.get(ip + 12..ip + 16)? != HOST.octets() {
        return None;
    }
    let tcp = ip + usize::from(frame[ip] & 0x0f) * 4;
    let (header, flags) = (usize::from(frame.get(tcp + 12)? >> 4) * 4, *frame.get(tcp + 13)?);
    let payload = (ip + usize::from(be16(ip + 2)?)).checked_sub(tcp + header)?;
    let taken = payload as u32 + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
    let flow = Flow { port: be16(tcp)?, sequence: be32(tcp + 4)?.wrapping_add(taken), acknowledgement: be32(tcp + 8)? };
    Some((frame[..6].try_into().ok()?, flow))
}
