//! Segments and the frames around them, through smoltcp's wire formats.

use core::net::Ipv4Addr;

use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, TcpOption, TcpPacket,
    TcpSeqNumber,
};

use super::{IP, ISN, MAC, PEER_IP, PEER_MAC, PORT};

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;

/// A segment. The peer's sequence numbers count from its [`ISN`], ours from our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seg {
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) window: u16,
    pub(crate) data: Vec<u8>,
    pub(crate) mss: Option<u16>,
    pub(crate) shift: Option<u8>,
    pub(crate) sack_permitted: bool,
    /// Value and echo. Ours count from the value on our SYN.
    pub(crate) stamps: Option<(u32, u32)>,
    /// Blocks, numbered as what they acknowledge.
    pub(crate) sack: Vec<(u32, u32)>,
    /// Options as bytes, behind the others; of the peer only.
    pub(crate) raw_options: Vec<u8>,
}

/// A segment without payload.
pub(crate) fn seg(flags: u8, seq: u32, ack: u32) -> Seg {
    Seg {
        flags,
        seq,
        ack,
        window: u16::MAX,
        data: Vec::new(),
        mss: None,
        shift: None,
        sack_permitted: false,
        stamps: None,
        sack: Vec::new(),
        raw_options: Vec::new(),
    }
}

/// An ACK with payload.
pub(crate) fn data(seq: u32, ack: u32, data: impl AsRef<[u8]>) -> Seg {
    Seg { data: data.as_ref().to_vec(), ..seg(ACK, seq, ack) }
}

impl Seg {
    pub(crate) fn window(self, window: u16) -> Seg {
        Seg { window, ..self }
    }

    pub(crate) fn flags(self, flags: u8) -> Seg {
        Seg { flags, ..self }
    }

    pub(crate) fn stamps(self, value: u32, echo: u32) -> Seg {
        Seg { stamps: Some((value, echo)), ..self }
    }

    pub(crate) fn sack(self, blocks: &[(u32, u32)]) -> Seg {
        Seg { sack: blocks.to_vec(), ..self }
    }

    pub(crate) fn raw_options(self, bytes: &[u8]) -> Seg {
        Seg { raw_options: bytes.to_vec(), ..self }
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// An ARP packet in its frame: `operation` 1 asks, 2 answers.
pub(crate) fn arp(operation: u16, mac: [u8; 6], ip: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let to = if operation == 1 { [255; 6] } else { MAC };
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, operation as u8];
    packet.extend([&mac[..], &ip.octets(), &[0; 6], &target.octets()].concat());
    ethernet(to, mac, EthernetProtocol::Arp, &packet)
}

pub(crate) fn ethernet(to: [u8; 6], from: [u8; 6], protocol: EthernetProtocol, payload: &[u8]) -> Vec<u8> {
    let mut frame = EthernetFrame::new_unchecked(vec![0; 14 + payload.len()]);
    frame.set_dst_addr(EthernetAddress(to));
    frame.set_src_addr(EthernetAddress(from));
    frame.set_ethertype(protocol);
    frame.payload_mut().copy_from_slice(payload);
    frame.into_inner()
}

/// An IPv4 packet in its frame, from the peer to us.
pub(crate) fn ipv4(protocol: IpProtocol, src: Ipv4Addr, dst: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let mut packet = Ipv4Packet::new_unchecked(vec![0; 20 + payload.len()]);
    packet.set_version(4);
    packet.set_header_len(20);
    packet.set_total_len(20 + payload.len() as u16);
    packet.set_hop_limit(64);
    packet.set_next_header(protocol);
    packet.set_src_addr(src);
    packet.set_dst_addr(dst);
    packet.payload_mut().copy_from_slice(payload);
    packet.fill_checksum();
    ethernet(MAC, PEER_MAC, EthernetProtocol::Ipv4, &packet.into_inner())
}

/// A segment in its frame, from `port` of the peer; `iss` is our initial sequence number.
pub(crate) fn build(segment: &Seg, port: u16, iss: u32) -> Vec<u8> {
    build_from(PEER_IP, segment, port, iss)
}

/// A segment from `ip`, in a frame of the peer.
pub(crate) fn build_from(ip: Ipv4Addr, segment: &Seg, port: u16, iss: u32) -> Vec<u8> {
    build_between(ip, segment, (port, PORT), iss)
}

/// The same, to any port of ours.
pub(crate) fn build_between(ip: Ipv4Addr, segment: &Seg, (from, to): (u16, u16), iss: u32) -> Vec<u8> {
    let options = options_of(segment, iss);
    let len = options.len();
    let mut packet = TcpPacket::new_unchecked(vec![0; 20 + len + segment.data.len()]);
    packet.set_src_port(from);
    packet.set_dst_port(to);
    packet.set_seq_number(TcpSeqNumber(ISN.wrapping_add(segment.seq) as i32));
    packet.set_ack_number(TcpSeqNumber(iss.wrapping_add(segment.ack) as i32));
    packet.set_header_len(20 + len as u8);
    packet.set_window_len(segment.window);
    let mut bytes = packet.into_inner();
    bytes[13] = segment.flags;
    bytes[20..20 + len].copy_from_slice(&options);
    bytes[20 + len..].copy_from_slice(&segment.data);
    let mut packet = TcpPacket::new_unchecked(bytes);
    packet.fill_checksum(&IpAddress::Ipv4(ip), &IpAddress::Ipv4(IP));
    ipv4(IpProtocol::Tcp, ip, IP, &packet.into_inner())
}

fn options_of(segment: &Seg, iss: u32) -> Vec<u8> {
    let mut options = Vec::new();
    let mut push = |option: TcpOption<'_>| {
        let mut bytes = vec![0; option.buffer_len()];
        option.emit(&mut bytes);
        options.extend(bytes);
    };
    segment.mss.into_iter().for_each(|mss| push(TcpOption::MaxSegmentSize(mss)));
    segment.shift.into_iter().for_each(|shift| push(TcpOption::WindowScale(shift)));
    segment.sack_permitted.then(|| push(TcpOption::SackPermitted));
    segment.stamps.into_iter().for_each(|(tsval, tsecr)| push(TcpOption::TimeStamp { tsval, tsecr }));
    if !segment.sack.is_empty() {
        let at = |n: usize| segment.sack.get(n).map(|(start, end)| (start.wrapping_add(iss), end.wrapping_add(iss)));
        push(TcpOption::SackRange([at(0), at(1), at(2)]));
    }
    options.extend(&segment.raw_options);
    options.resize(options.len().next_multiple_of(4), 0);
    options
}

/// Reads a frame of ours, checking all of it; numbers as on the wire, and ports: from and to. `None` if it is no TCP.
pub(crate) fn read(frame: &[u8]) -> Option<(Seg, (u16, u16))> {
    let frame = EthernetFrame::new_checked(frame).unwrap();
    let packet =
        (frame.ethertype() == EthernetProtocol::Ipv4).then(|| Ipv4Packet::new_checked(frame.payload()).unwrap())?;
    assert!(packet.verify_checksum());
    if packet.next_header() != IpProtocol::Tcp {
        return None;
    }
    assert_eq!((frame.dst_addr().0, packet.src_addr(), packet.dst_addr()), (PEER_MAC, IP, PEER_IP));
    let tcp = TcpPacket::new_checked(packet.payload()).unwrap();
    assert!(tcp.verify_checksum(&IpAddress::Ipv4(IP), &IpAddress::Ipv4(PEER_IP)));
    let mut seg = Seg { window: tcp.window_len(), data: tcp.payload().to_vec(), ..seg(packet.payload()[13], 0, 0) };
    let mut options = tcp.options();
    while !options.is_empty() {
        let (rest, option) = TcpOption::parse(options).unwrap();
        match option {
            TcpOption::MaxSegmentSize(value) => seg.mss = Some(value),
            TcpOption::WindowScale(value) => seg.shift = Some(value),
            TcpOption::SackPermitted => seg.sack_permitted = true,
            TcpOption::TimeStamp { tsval, tsecr } => seg.stamps = Some((tsval, tsecr)),
            TcpOption::SackRange(_) => seg.sack = blocks(options),
            TcpOption::NoOperation | TcpOption::EndOfList => {}
            TcpOption::Unknown { .. } => panic!("an option nobody knows"),
        }
        options = rest;
    }
    (seg.seq, seg.ack) = (tcp.seq_number().0 as u32, tcp.ack_number().0 as u32);
    Some((seg, (tcp.src_port(), tcp.dst_port())))
}

/// All blocks of the SACK option that `options` begin with: smoltcp reads no more than three.
fn blocks(options: &[u8]) -> Vec<(u32, u32)> {
    let word = |at: usize| u32::from_be_bytes(options[at..at + 4].try_into().unwrap());
    (2..usize::from(options[1]))
        .step_by(8)
        .map(|at| (word(at).wrapping_sub(ISN), word(at + 4).wrapping_sub(ISN)))
        .collect()
}
