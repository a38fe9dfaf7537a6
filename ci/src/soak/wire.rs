//! Headers, from their fields to bytes. Every frame made here is valid, checksums included.

use std::net::Ipv4Addr;

use crate::checksum::internet_checksum;

pub(super) type Mac = [u8; 6];

pub(super) const ETHERNET_HEADER: usize = 14;
pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(super) const ETHERTYPE_ARP: u16 = 0x0806;
pub(super) const ETHERTYPE_VLAN: u16 = 0x8100;
pub(super) const BROADCAST: Mac = [0xff; 6];

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;
pub(super) const URG: u8 = 0x20;

/// An Ethernet II frame.
pub(super) fn ethernet(destination: Mac, source: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&destination[..], &source, &ethertype.to_be_bytes(), payload].concat()
}

/// An ARP packet for IPv4 over Ethernet (RFC 826).
pub(super) fn arp(operation: u16, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Vec<u8> {
    let head = [0, 1, 0x08, 0x00, 6, 4];
    [&head[..], &operation.to_be_bytes(), &sender.0, &sender.1.octets(), &target.0, &target.1.octets()].concat()
}

/// An IPv4 packet (RFC 791).
#[derive(Clone, Copy, Debug)]
pub(super) struct Ipv4<'a> {
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
    pub(super) protocol: u8,
    pub(super) identification: u16,
    /// The flags, and the offset in units of 8 bytes.
    pub(super) fragment: u16,
    /// Of a length that is a multiple of 4.
    pub(super) options: &'a [u8],
}

impl Ipv4<'_> {
    pub(super) fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let header = 20 + self.options.len();
        let mut bytes = vec![0x40 | (header / 4) as u8, 0];
        bytes.extend(((header + payload.len()) as u16).to_be_bytes());
        bytes.extend(self.identification.to_be_bytes());
        bytes.extend(self.fragment.to_be_bytes());
        bytes.extend([64, self.protocol, 0, 0]);
        bytes.extend(self.source.octets());
        bytes.extend(self.destination.octets());
        bytes.extend(self.options);
        let checksum = internet_checksum(&[&bytes]);
        bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    /// The packet with a transport checksum written into `payload` at `offset`.
    pub(super) fn packet_with_checksum(&self, mut payload: Vec<u8>, offset: usize) -> Vec<u8> {
        let checksum = transport_checksum(self.source, self.destination, self.protocol, &payload);
        payload[offset..offset + 2].copy_from_slice(&checksum.to_be_bytes());
        self.packet(&payload)
    }
}

/// The checksum of a TCP segment or UDP datagram, whose own field is zero.
pub(super) fn transport_checksum(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> u16 {
    let length = (payload.len() as u16).to_be_bytes();
    let pseudo_header = [&source.octets()[..], &destination.octets(), &[0, protocol], &length].concat();
    internet_checksum(&[&pseudo_header, payload])
}

/// An ICMP message (RFC 792), checksum included.
pub(super) fn icmp(kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, code, 0, 0][..], &rest, payload].concat();
    let checksum = internet_checksum(&[&message]);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message
}

/// A UDP datagram (RFC 768), without its checksum, which lies at offset 6.
pub(super) fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len()) as u16;
    [&source.to_be_bytes()[..], &destination.to_be_bytes(), &length.to_be_bytes(), &[0, 0], payload].concat()
}

/// A TCP segment (RFC 9293).
#[derive(Clone, Copy, Debug)]
pub(super) struct Tcp<'a> {
    pub(super) source: u16,
    pub(super) destination: u16,
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    /// Of a length that is a multiple of 4.
    pub(super) options: &'a [u8],
}

impl Tcp<'_> {
    /// Offset of the checksum.
    pub(super) const CHECKSUM: usize = 16;

    /// The segment, without its checksum.
    pub(super) fn segment(&self, payload: &[u8]) -> Vec<u8> {
        let offset = ((20 + self.options.len()) / 4) as u8;
        let mut bytes = Vec::with_capacity(20 + self.options.len() + payload.len());
        bytes.extend(self.source.to_be_bytes());
        bytes.extend(self.destination.to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.acknowledgement.to_be_bytes());
        bytes.extend([offset << 4, self.flags]);
        bytes.extend(self.window.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.options);
        bytes.extend(payload);
        bytes
    }
}
