//! Every frame that leaves is well formed, right in its checksums, and carries what the application sent.

use smoltcp::wire::{
    ArpPacket, DhcpPacket, DhcpRepr, EthernetFrame, EthernetProtocol, Icmpv4Packet, IpAddress, IpProtocol, Ipv4Packet,
    TcpPacket, UdpPacket,
};

use crate::app::{App, pattern_from};
use crate::peer::{CALLED_PORT, Handshake, Peer};
use crate::wire::{ACK, FIN, MAC, MAX_FRAME, PEER_IP, RST, SYN};

/// Whether a SYN and a FIN count in sequence space.
fn control_len(flags: u8) -> u32 {
    u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0)
}

/// Checks a frame of the stack, and tells the peer what it says.
pub(crate) fn frame(bytes: &[u8], peer: &mut Peer, app: &mut App) {
    assert!(bytes.len() <= MAX_FRAME, "a frame of {} bytes", bytes.len());
    let frame = EthernetFrame::new_checked(bytes).expect("a whole header");
    assert_eq!(frame.src_addr().0, MAC);
    let to = frame.dst_addr();
    match frame.ethertype() {
        EthernetProtocol::Arp => {
            let packet = ArpPacket::new_checked(frame.payload()).expect("a whole ARP packet");
            assert_eq!(packet.source_hardware_addr(), MAC);
            assert!(to.is_broadcast() || to.is_unicast());
        }
        EthernetProtocol::Ipv4 => packet(frame.payload(), to.is_broadcast(), peer, app),
        other => panic!("a frame of type {other}"),
    }
}

fn packet(bytes: &[u8], is_broadcast: bool, peer: &mut Peer, app: &mut App) {
    let packet = Ipv4Packet::new_checked(bytes).expect("a whole IPv4 packet");
    assert_eq!(usize::from(packet.total_len()), bytes.len());
    assert!(packet.verify_checksum(), "IPv4 checksum");
    let (src, dst) = (IpAddress::Ipv4(packet.src_addr()), IpAddress::Ipv4(packet.dst_addr()));
    match packet.next_header() {
        IpProtocol::Tcp => {
            let segment = TcpPacket::new_checked(packet.payload()).expect("a whole segment");
            assert!(segment.verify_checksum(&src, &dst), "TCP checksum");
            let group = is_broadcast || packet.dst_addr().is_multicast() || packet.dst_addr().is_broadcast();
            assert!(!group, "a segment to {dst}");
            if packet.dst_addr() == PEER_IP {
                tcp(&segment, packet.payload()[13], peer, app);
            }
        }
        IpProtocol::Udp => {
            let datagram = UdpPacket::new_checked(packet.payload()).expect("a whole datagram");
            assert!(datagram.verify_checksum(&src, &dst), "UDP checksum");
            if (datagram.src_port(), datagram.dst_port()) == (68, 67) {
                let message = DhcpPacket::new_checked(datagram.payload()).expect("a whole DHCP message");
                DhcpRepr::parse(&message).expect("a right DHCP message");
            }
        }
        IpProtocol::Icmp => {
            let message = Icmpv4Packet::new_checked(packet.payload()).expect("a whole ICMP message");
            assert!(message.verify_checksum(), "ICMP checksum");
        }
        other => panic!("a packet of protocol {other}"),
    }
}

fn tcp(segment: &TcpPacket<&[u8]>, flags: u8, peer: &mut Peer, app: &mut App) {
    let Some(port) = peer.find(segment.dst_port()) else { return };
    let (seq, ack) = (segment.seq_number().0 as u32, segment.ack_number().0 as u32);
    if flags & RST != 0 {
        assert!(segment.payload().is_empty(), "a reset with payload");
        return;
    }
    if flags & (SYN | ACK) == SYN {
        assert!(port.number == CALLED_PORT && segment.payload().is_empty(), "a call of nobody's");
        return port.is_called(segment.src_port(), seq);
    }
    assert_ne!(flags & ACK, 0, "only a reset and a call have no ACK");
    if segment.src_port() != port.remote {
        assert_eq!(port.number, CALLED_PORT, "a segment from port {}", segment.src_port());
        return; // what lingers of an earlier call
    }
    if flags & SYN != 0 {
        assert!(segment.payload().is_empty(), "a SYN-ACK with payload");
        port.is_offered(Handshake { iss: seq, isn: ack.wrapping_sub(1) }, segment.options());
    } else {
        port.sees_timestamp(segment.options());
    }
    let len = segment.payload().len();
    if let Some(handshake) = port.established.filter(|_| len > 0) {
        let at = seq.wrapping_sub(handshake.iss).wrapping_sub(1);
        if let Some(connection) = app.connection(port.number) {
            let end = at.wrapping_add(len as u32);
            assert!(end <= connection.sent, "sent up to {end} of {}", connection.sent);
        }
        assert_eq!(segment.payload(), pattern_from(at, len), "sent at {at}");
    }
    let end = seq.wrapping_add(len as u32).wrapping_add(control_len(flags));
    port.sees(end, ack, segment.window_len());
}
