//! Frames from their fields, checksums included. Written with smoltcp's wire formats, which our stack does not use for
//! what it sends over IPv4.

use std::net::Ipv4Addr;

use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, TcpPacket, TcpSeqNumber,
    UdpPacket,
};

pub(crate) const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(crate) const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub(crate) const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const PEER_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// The port that the stack listens on.
pub(crate) const PORT: u16 = 11211;
/// The MTU of the link, and the longest frame.
pub(crate) const MTU: usize = 1500;
pub(crate) const MAX_FRAME: usize = MTU + 14;

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

/// A TCP segment from the peer.
#[derive(Clone, Debug)]
pub(crate) struct Segment<'a> {
    pub(crate) port: u16,
    /// The stack's port.
    pub(crate) to: u16,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    /// At most 40 bytes; padded to a multiple of four by zeros.
    pub(crate) options: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl Segment<'_> {
    /// The frame that carries it.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let header_len = 20 + self.options.len().min(40).next_multiple_of(4);
        let room = MTU - 20 - header_len;
        let payload = &self.payload[..self.payload.len().min(room)];
        let mut packet = TcpPacket::new_unchecked(vec![0; header_len + payload.len()]);
        packet.set_src_port(self.port);
        packet.set_dst_port(self.to);
        packet.set_seq_number(TcpSeqNumber(self.seq as i32));
        packet.set_ack_number(TcpSeqNumber(self.ack as i32));
        packet.set_header_len(header_len as u8);
        packet.set_window_len(self.window);
        let mut bytes = packet.into_inner();
        bytes[13] = self.flags;
        bytes[20..20 + self.options.len().min(40)].copy_from_slice(&self.options[..self.options.len().min(40)]);
        bytes[header_len..].copy_from_slice(payload);
        ip_frame((PEER_IP, IP), IpProtocol::Tcp, bytes)
    }
}

/// An IPv4 packet from `addresses.0` to `addresses.1` in a frame from the peer, the checksum of its payload put right as
/// far as there is room for one.
pub(crate) fn ip_frame(addresses: (Ipv4Addr, Ipv4Addr), protocol: IpProtocol, payload: Vec<u8>) -> Vec<u8> {
    let payload = with_checksum(addresses, protocol, payload);
    let mut packet = Ipv4Packet::new_unchecked(vec![0; 20 + payload.len()]);
    packet.set_version(4);
    packet.set_header_len(20);
    packet.set_total_len((20 + payload.len()) as u16);
    packet.set_hop_limit(64);
    packet.set_next_header(protocol);
    packet.set_src_addr(addresses.0);
    packet.set_dst_addr(addresses.1);
    packet.payload_mut().copy_from_slice(&payload);
    packet.fill_checksum();
    let to = if addresses.1.is_broadcast() { [255; 6] } else { MAC };
    ethernet(to, PEER_MAC, EthernetProtocol::Ipv4, &packet.into_inner())
}

fn with_checksum(addresses: (Ipv4Addr, Ipv4Addr), protocol: IpProtocol, mut payload: Vec<u8>) -> Vec<u8> {
    let (src, dst) = (IpAddress::Ipv4(addresses.0), IpAddress::Ipv4(addresses.1));
    match protocol {
        IpProtocol::Tcp if payload.len() >= 20 => TcpPacket::new_unchecked(&mut payload[..]).fill_checksum(&src, &dst),
        IpProtocol::Udp if payload.len() >= 8 => {
            let len = payload.len() as u16;
            let mut datagram = UdpPacket::new_unchecked(&mut payload[..]);
            datagram.set_len(len);
            datagram.fill_checksum(&src, &dst);
        }
        IpProtocol::Icmp if payload.len() >= 4 => {
            payload[2..4].fill(0);
            let sum = internet_checksum(&payload);
            payload[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        _ => {}
    }
    payload
}

/// RFC 1071.
fn internet_checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    let sum = (sum >> 16) + (sum & 0xffff);
    !(sum + (sum >> 16)) as u16
}

/// An Ethernet frame.
pub(crate) fn ethernet(to: [u8; 6], from: [u8; 6], protocol: EthernetProtocol, payload: &[u8]) -> Vec<u8> {
    let mut frame = EthernetFrame::new_unchecked(vec![0; 14 + payload.len()]);
    frame.set_dst_addr(EthernetAddress(to));
    frame.set_src_addr(EthernetAddress(from));
    frame.set_ethertype(protocol);
    frame.payload_mut().copy_from_slice(payload);
    frame.into_inner()
}

/// An ARP packet in its frame: `operation` 1 asks, 2 answers.
pub(crate) fn arp(operation: u16, sender: ([u8; 6], Ipv4Addr), target: ([u8; 6], Ipv4Addr)) -> Vec<u8> {
    let to = if operation == 1 { [255; 6] } else { MAC };
    let head = [&[0, 1, 8, 0, 6, 4][..], &operation.to_be_bytes()].concat();
    let body = [&sender.0[..], &sender.1.octets(), &target.0, &target.1.octets()].concat();
    ethernet(to, sender.0, EthernetProtocol::Arp, &[head, body].concat())
}
