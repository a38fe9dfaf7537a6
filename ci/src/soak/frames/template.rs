//! Valid frames of every kind that the appliance knows, and some that it does not.

use std::net::Ipv4Addr;

use fastrand::Rng;

use super::flow::Flow;
use crate::namespace::{GUEST, HOST};
use crate::soak::wire::{
    ACK, BROADCAST, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_VLAN, FIN, ICMP, Ipv4, Mac, PSH, RST, SYN, TCP, Tcp, UDP,
    URG, arp, ethernet, icmp, udp,
};

/// The largest IPv4 payload behind a header without options, in bytes.
const MOST: usize = 1480;

/// Where frames go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) host_mac: Mac,
    pub(super) guest_mac: Mac,
    /// The TCP port that is served.
    pub(super) port: u16,
}

impl Target {
    fn ipv4(&self, packet: &[u8]) -> Vec<u8> {
        ethernet(self.guest_mac, self.host_mac, ETHERTYPE_IPV4, packet)
    }
}

/// A valid frame, at random.
pub(super) fn frame(target: &Target, flow: &Flow, rng: &mut Rng) -> Vec<u8> {
    match rng.u8(..100) {
        0..8 => target.arp(rng),
        8..16 => target.echo(rng),
        16..20 => target.icmp_error(flow, rng),
        20..26 => target.dhcp(rng),
        26..32 => target.datagram(rng),
        32..44 => target.syn(rng),
        44..70 => target.data(flow, rng),
        70..78 => target.control(flow, rng),
        78..84 => target.stray(rng),
        84..92 => target.fragment(flow, rng),
        92..96 => target.vlan(flow, rng),
        _ => target.foreign(rng),
    }
}

fn bytes(rng: &mut Rng, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; rng.usize(..=most)];
    rng.fill(&mut bytes);
    bytes
}

/// This side, or a neighbor that does not exist, or anybody.
fn source(rng: &mut Rng) -> Ipv4Addr {
    match rng.u8(..10) {
        0..6 => HOST,
        6..9 => Ipv4Addr::new(10, 77, 0, rng.u8(3..=254)),
        _ => Ipv4Addr::from(rng.u32(..)),
    }
}

fn ipv4(source: Ipv4Addr, protocol: u8, rng: &mut Rng) -> Ipv4<'static> {
    const DONT_FRAGMENT: u16 = 0x4000;
    // Router alert, record route, and a list that begins with its end (RFC 791, section 3.1).
    const OPTIONS: [&[u8]; 3] = [&[148, 4, 0, 0], &[7, 7, 4, 0, 0, 0, 0, 0], &[0, 0, 0, 0]];
    let options = if rng.u8(..20) == 0 { OPTIONS[rng.usize(..3)] } else { &[] };
    let identification = rng.u16(..);
    Ipv4 { source, destination: GUEST, protocol, identification, fragment: DONT_FRAGMENT, options }
}

impl Target {
    fn arp(&self, rng: &mut Rng) -> Vec<u8> {
        let sender = match rng.u8(..4) {
            0 => (self.host_mac, HOST),
            _ => (self.host_mac, Ipv4Addr::new(10, 77, 0, rng.u8(3..=254))),
        };
        let (destination, packet) = match rng.u8(..3) {
            0 => (BROADCAST, arp(1, sender, ([0; 6], GUEST))),
            1 => (self.guest_mac, arp(2, sender, (self.guest_mac, GUEST))),
            _ => (BROADCAST, arp(1, sender, ([0; 6], sender.1))),
        };
        ethernet(destination, self.host_mac, ETHERTYPE_ARP, &packet)
    }

    fn echo(&self, rng: &mut Rng) -> Vec<u8> {
        let message = icmp(8, 0, rng.u32(..).to_be_bytes(), &bytes(rng, MOST - 8));
        let ip = Ipv4 { options: &[], ..ipv4(source(rng), ICMP, rng) };
        self.ipv4(&ip.packet(&message))
    }

    /// Destination unreachable or time exceeded, about a segment that the appliance may have sent.
    fn icmp_error(&self, flow: &Flow, rng: &mut Rng) -> Vec<u8> {
        let quoted = Tcp {
            source: self.port,
            destination: flow.port,
            sequence: flow.acknowledgement,
            acknowledgement: flow.sequence,
            flags: ACK,
            window: 1000,
            options: &[],
        };
        let about =
            Ipv4 { source: GUEST, destination: HOST, ..ipv4(GUEST, TCP, rng) }.packet(&quoted.segment(&[])[..8]);
        let (kind, code) = [(3, 1), (3, 3), (3, 4), (11, 0), (5, 1)][rng.usize(..5)];
        let message = icmp(kind, code, rng.u32(..).to_be_bytes(), &about);
        self.ipv4(&ipv4(source(rng), ICMP, rng).packet(&message))
    }

    /// An offer or acknowledgement of a DHCP server (RFC 2131).
    fn dhcp(&self, rng: &mut Rng) -> Vec<u8> {
        let mut message = vec![2, 1, 6, 0];
        message.extend(rng.u32(..).to_be_bytes());
        message.extend([0; 8]);
        message.extend(GUEST.octets());
        message.extend(HOST.octets());
        message.extend([0; 4]);
        message.extend(self.guest_mac);
        message.extend([0; 10 + 64 + 128]);
        message.extend([99, 130, 83, 99]);
        message.extend([53, 1, [2, 5, 6][rng.usize(..3)], 54, 4]);
        message.extend(HOST.octets());
        message.extend([51, 4, 0, 0, 0x0e, 0x10, 1, 4, 255, 255, 255, 0, 3, 4]);
        message.extend(HOST.octets());
        message.push(255);
        let (mac, destination) = if rng.bool() { (BROADCAST, Ipv4Addr::BROADCAST) } else { (self.guest_mac, GUEST) };
        let ip = Ipv4 { destination, ..ipv4(HOST, UDP, rng) };
        ethernet(mac, self.host_mac, ETHERTYPE_IPV4, &ip.packet_with_checksum(udp(67, 68, &message), 6))
    }

    fn datagram(&self, rng: &mut Rng) -> Vec<u8> {
        let port = if rng.bool() { self.port } else { rng.u16(..) };
        let datagram = udp(rng.u16(..), port, &bytes(rng, 1400));
        self.ipv4(&ipv4(source(rng), UDP, rng).packet_with_checksum(datagram, 6))
    }

    fn syn(&self, rng: &mut Rng) -> Vec<u8> {
        // MSS 1460, SACK permitted, timestamps, a NOP, window scale 7.
        const OPTIONS: &[u8] = &[2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
        let segment = Tcp {
            source: rng.u16(1024..),
            destination: self.port,
            sequence: rng.u32(..),
            acknowledgement: 0,
            flags: SYN,
            window: 64240,
            options: &OPTIONS[..[0, 4, OPTIONS.len()][rng.usize(..3)]],
        };
        let ip = ipv4(source(rng), TCP, rng);
        self.ipv4(&ip.packet_with_checksum(segment.segment(&[]), Tcp::CHECKSUM))
    }

    /// A segment of a live connection.
    fn segment_of(&self, flow: Flow, flags: u8, payload: &[u8], rng: &mut Rng) -> Vec<u8> {
        let segment = Tcp {
            source: flow.port,
            destination: self.port,
            sequence: flow.sequence,
            acknowledgement: flow.acknowledgement,
            flags,
            window: rng.u16(..),
            options: &[],
        };
        let ip = Ipv4 { options: &[], ..ipv4(HOST, TCP, rng) };
        self.ipv4(&ip.packet_with_checksum(segment.segment(payload), Tcp::CHECKSUM))
    }

    /// Requests, right and wrong, on a live connection: the next segment, an earlier one or a later one.
    fn data(&self, flow: &Flow, rng: &mut Rng) -> Vec<u8> {
        const REQUESTS: [&[u8]; 10] = [
            b"get flow0\r\n",
            b"gets flow0 flow1 flow2 nothing\r\n",
            b"set forged 0 0 6\r\nforged\r\n",
            b"set forged 0 0 100000\r\n",
            b"append forged 0 0 1 noreply\r\nx\r\n",
            b"cas forged 0 0 1 1\r\nx\r\n",
            b"incr forged 1\r\n",
            b"stats\r\n",
            b"touch forged 1\r\n",
            b"delete forged\r\n",
        ];
        let payload = match rng.u8(..4) {
            0 => bytes(rng, 1460),
            1 => REQUESTS[rng.usize(..REQUESTS.len())].repeat(rng.usize(1..=20)),
            _ => REQUESTS[rng.usize(..REQUESTS.len())].to_vec(),
        };
        let mut sent = *flow;
        match rng.u8(..12) {
            0..6 => {}
            6 => sent.sequence = sent.sequence.wrapping_add(rng.u32(..3000)),
            7 => sent.sequence = sent.sequence.wrapping_sub(rng.u32(..3000)),
            8 => sent.sequence = sent.sequence.wrapping_add(rng.u32(..)),
            9 => sent.acknowledgement = sent.acknowledgement.wrapping_add(rng.u32(..)),
            // What the appliance has sent in reply to earlier ones, or part of it.
            _ => sent.acknowledgement = sent.acknowledgement.wrapping_add(rng.u32(..3000)),
        }
        let urgent = if rng.u8(..50) == 0 { URG } else { 0 };
        self.segment_of(sent, ACK | PSH | urgent, &payload, rng)
    }

    /// FIN, RST, SYN, a bare acknowledgement or all flags on a live connection, mostly beside the window: those within it end
    /// the connection.
    fn control(&self, flow: &Flow, rng: &mut Rng) -> Vec<u8> {
        let mut sent = *flow;
        if rng.u8(..100) > 0 {
            sent.sequence = sent.sequence.wrapping_add(rng.u32(..));
        }
        let flags = [FIN | ACK, RST, RST | ACK, SYN, SYN | ACK, ACK, 0, 0xff][rng.usize(..8)];
        self.segment_of(sent, flags, &[], rng)
    }

    /// A segment of no connection.
    fn stray(&self, rng: &mut Rng) -> Vec<u8> {
        let flow = Flow { port: rng.u16(..), sequence: rng.u32(..), acknowledgement: rng.u32(..) };
        let payload = bytes(rng, 100);
        let target = Target { port: if rng.bool() { self.port } else { rng.u16(..) }, ..*self };
        target.segment_of(flow, rng.u8(..), &payload, rng)
    }

    /// A fragment of a segment: first, middle or last.
    fn fragment(&self, flow: &Flow, rng: &mut Rng) -> Vec<u8> {
        const MORE_FRAGMENTS: u16 = 0x2000;
        let fragment = match rng.u8(..3) {
            0 => MORE_FRAGMENTS,
            1 => MORE_FRAGMENTS | rng.u16(1..0x2000),
            _ => rng.u16(1..0x2000),
        };
        let segment = Tcp {
            source: flow.port,
            destination: self.port,
            sequence: flow.sequence,
            acknowledgement: flow.acknowledgement,
            flags: ACK,
            window: 1000,
            options: &[],
        };
        let ip = Ipv4 { fragment, ..ipv4(HOST, TCP, rng) };
        self.ipv4(&ip.packet_with_checksum(segment.segment(&bytes(rng, 1400)), Tcp::CHECKSUM))
    }

    /// A frame with a VLAN tag (IEEE 802.1Q).
    fn vlan(&self, flow: &Flow, rng: &mut Rng) -> Vec<u8> {
        let inner = self.segment_of(*flow, ACK, b"get flow0\r\n", rng);
        let tagged = [&rng.u16(..).to_be_bytes()[..], &inner[12..]].concat();
        ethernet(self.guest_mac, self.host_mac, ETHERTYPE_VLAN, &tagged)
    }

    /// Protocols that the appliance does not have: IPv6, IEEE 802.3 lengths, other hosts' frames, anything.
    fn foreign(&self, rng: &mut Rng) -> Vec<u8> {
        const ETHERTYPE_IPV6: u16 = 0x86dd;
        let (destination, ethertype) = match rng.u8(..4) {
            0 => ([0x33, 0x33, 0, 0, 0, 1], ETHERTYPE_IPV6),
            1 => (BROADCAST, rng.u16(..1500)),
            2 => ([2, 0, 0, 0, 0, rng.u8(..)], ETHERTYPE_IPV4),
            _ => (self.guest_mac, rng.u16(..)),
        };
        ethernet(destination, self.host_mac, ethertype, &bytes(rng, 1500))
    }
}
