//! What the tests share: a stack with a virtual clock, and a peer that is a script. The peer's frames are built and ours are
//! read by smoltcp's wire formats, so that two mistakes cannot cancel each other.

use core::net::Ipv4Addr;
use core::time::Duration;

use netdrv::nic::{Batch, TxChecksum};
use netdrv::pktbuf::{PktBuf, Pool, PoolMemory};
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, TcpOption, TcpPacket,
    TcpSeqNumber,
};

use crate::app::{Call, Calls, Event, Events, Flow, Reason};
use crate::counters::Counters;
use crate::stack::{Addressing, Config, Stack};
use crate::time::Instant;

pub(crate) const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(crate) const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub(crate) const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const PEER_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const PORT: u16 = 11211;
/// The peer's initial sequence number: the circle closes early in a connection.
pub(crate) const ISN: u32 = u32::MAX - 2;
const BUFFERS: usize = 512;

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
}

/// A segment without payload.
pub(crate) fn seg(flags: u8, seq: u32, ack: u32) -> Seg {
    Seg { flags, seq, ack, window: u16::MAX, data: Vec::new(), mss: None, shift: None }
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

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// An event without its buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Saw {
    Knock,
    Connected { credit: u32 },
    Recv(Vec<u8>),
    Sent { acked: u32, credit: u32 },
    PeerClosed,
    Dead(Reason),
}

/// A stack, its clock, and what the app has of it.
pub(crate) struct Kit {
    pub(crate) stack: Option<Stack>,
    pub(crate) pool: &'static Pool,
    pub(crate) now: Instant,
    pub(crate) events: Events,
    /// The connection that knocked last.
    pub(crate) flow: Flow,
    /// Our initial sequence number, and the peer's port.
    pub(crate) iss: u32,
    pub(crate) port: u16,
    /// Whether the peer answers no ARP while time passes.
    pub(crate) is_deaf: bool,
    /// Frames the ring takes per egress.
    pub(crate) room: usize,
}

impl Kit {
    /// A stack with a static address that knows the peer.
    pub(crate) fn new() -> Kit {
        let mut kit = Kit::with(Addressing::Static { ip: IP, prefix: 24, gateway: None }, 8);
        kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
        kit.frames();
        kit
    }

    pub(crate) fn with(address: Addressing, conn_limit: usize) -> Kit {
        let pool = Pool::leak(PoolMemory::leak(BUFFERS));
        let now = Instant::from_nanos(1_000_000_000);
        let tx_checksum = TxChecksum::Software;
        let config = Config {
            mac: MAC,
            mtu: 1500,
            tx_checksum,
            address,
            listen: &[PORT],
            conn_limit,
            seed: *b"sixteen bytes ok",
        };
        let flow = Flow { index: 0, generation: 0 };
        let stack = Some(Stack::new(config, pool, now));
        Kit { stack, pool, now, events: Events::new(), flow, iss: 0, port: 40_000, is_deaf: false, room: 64 }
    }

    /// A connection that the app has accepted; the peer offers `window` and `mss`, unscaled.
    pub(crate) fn connected(window: u16, mss: u16) -> Kit {
        let mut kit = Kit::new();
        kit.connect(window, mss);
        kit
    }

    pub(crate) fn connect(&mut self, window: u16, mss: u16) -> u32 {
        self.recv(Seg { mss: Some(mss), ..seg(SYN, 0, 0) }.window(window));
        let out = self.out();
        assert_eq!((out.len(), out[0].flags), (1, SYN | ACK));
        self.recv(seg(ACK, 1, 1).window(window));
        assert_eq!(self.saw(), [Saw::Knock]);
        self.call(Call::Accept { flow: self.flow, cookie: 7 });
        let [Saw::Connected { credit }] = self.saw()[..] else { panic!("not connected") };
        credit
    }

    pub(crate) fn stack(&mut self) -> &mut Stack {
        self.stack.as_mut().unwrap()
    }

    pub(crate) fn counters(&self) -> Counters {
        *self.stack.as_ref().unwrap().counters()
    }

    /// A buffer with `bytes`.
    pub(crate) fn buffer(&self, bytes: &[u8]) -> PktBuf {
        let mut buffer = self.pool.alloc().unwrap();
        buffer.extend_from_slice(bytes).unwrap();
        buffer
    }

    /// A frame arrives.
    pub(crate) fn frame(&mut self, bytes: &[u8]) {
        let mut batch = Batch::new();
        batch.push_back(self.buffer(bytes)).unwrap();
        let now = self.now;
        self.stack.as_mut().unwrap().ingress(&mut batch, now, &mut self.events);
        assert!(batch.is_empty(), "no room for events");
    }

    /// A segment of the peer arrives.
    pub(crate) fn recv(&mut self, segment: Seg) {
        let frame = self.build(&segment);
        self.frame(&frame);
    }

    pub(crate) fn build(&self, segment: &Seg) -> Vec<u8> {
        build(segment, self.port, self.iss)
    }

    /// The app calls.
    pub(crate) fn call(&mut self, call: Call) {
        let mut calls = Calls::new();
        calls.push_back(call).unwrap();
        let now = self.now;
        self.stack.as_mut().unwrap().execute(&mut calls, now, &mut self.events);
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let payload = self.buffer(bytes.as_ref());
        self.call(Call::Send { flow: self.flow, payload });
    }

    pub(crate) fn close(&mut self) {
        self.call(Call::Close { flow: self.flow });
    }

    /// Frames that leave now.
    pub(crate) fn frames(&mut self) -> Vec<Vec<u8>> {
        self.frames_held().into_iter().map(|frame| frame.bytes().to_vec()).collect()
    }

    /// Frames that leave now and stay in the ring.
    pub(crate) fn frames_held(&mut self) -> Vec<PktBuf> {
        let mut batch = Batch::new();
        let (now, room) = (self.now, self.room);
        self.stack.as_mut().unwrap().egress(now, room, &mut batch, &mut self.events);
        core::iter::from_fn(|| batch.pop_front()).collect()
    }

    /// Segments that leave now.
    pub(crate) fn out(&mut self) -> Vec<Seg> {
        let frames = self.frames();
        frames.iter().filter_map(|frame| self.read(frame)).collect()
    }

    fn read(&mut self, frame: &[u8]) -> Option<Seg> {
        let (mut seg, port) = read(frame)?;
        if seg.has(SYN) {
            self.iss = seg.seq;
        }
        assert_eq!(port, self.port);
        // A reset without a connection carries numbers of the segment it answers.
        seg.seq = seg.seq.wrapping_sub(self.iss);
        seg.ack = if seg.has(ACK) { seg.ack.wrapping_sub(ISN) } else { 0 };
        Some(seg)
    }

    /// Lets time pass, timer by timer; returns what was sent, and when it was, in milliseconds from now.
    pub(crate) fn wait(&mut self, span: Duration) -> Vec<(u64, Seg)> {
        let (start, end) = (self.now, self.now + span);
        let mut sent = Vec::new();
        while let Some(next) = self.next_deadline().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            if !self.is_deaf {
                self.frame(&arp(2, PEER_MAC, PEER_IP, IP));
            }
            self.expire();
            let at = self.now.since(start).as_millis() as u64;
            sent.extend(self.out().into_iter().map(|seg| (at, seg)));
        }
        self.now = end;
        self.expire();
        sent
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.stack.as_ref().unwrap().next_deadline(self.now)
    }

    pub(crate) fn expire(&mut self) {
        let now = self.now;
        self.stack.as_mut().unwrap().expire(now, &mut self.events);
    }

    /// What the app was told since the last time.
    pub(crate) fn saw(&mut self) -> Vec<Saw> {
        let mut saw = Vec::new();
        while let Some(event) = self.events.pop_front() {
            saw.push(match event {
                Event::Knock { flow, remote } => {
                    assert_eq!(*remote.ip(), PEER_IP);
                    self.flow = flow;
                    Saw::Knock
                }
                Event::Connected { credit, .. } => Saw::Connected { credit },
                Event::Recv { payload, .. } => Saw::Recv(payload.bytes().to_vec()),
                Event::Sent { acked, credit, .. } => Saw::Sent { acked, credit },
                Event::PeerClosed { .. } => Saw::PeerClosed,
                Event::Dead { reason, .. } => Saw::Dead(reason),
            });
        }
        saw
    }

    /// Bytes acknowledged and further credit since the last time; nothing else may have happened.
    pub(crate) fn credited(&mut self) -> (u32, u32) {
        self.saw().into_iter().fold((0, 0), |(acked, credit), saw| match saw {
            Saw::Sent { acked: more, credit: further } => (acked + more, credit + further),
            other => panic!("{other:?}"),
        })
    }

    /// The payload that the app got since the last time.
    pub(crate) fn received(&mut self) -> Vec<u8> {
        let recv = |saw| if let Saw::Recv(bytes) = saw { bytes } else { Vec::new() };
        self.saw().into_iter().flat_map(recv).collect()
    }
}

impl Drop for Kit {
    /// Whatever a test did: an hour after the last connection was aborted, every slot and every buffer is free.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.call(Call::Abort { flow: self.flow });
        self.frames();
        self.now = self.now + Duration::from_secs(3600);
        for _ in 0..100 {
            self.expire();
            self.events.clear();
            self.frames();
            self.now = self.now + Duration::from_secs(60);
        }
        assert_eq!(self.pool.available(), self.pool.capacity(), "lost packet buffers");
        assert_eq!(self.stack().tcp().connections(), 0, "lost connections");
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
    let mut options = [0; 8];
    let mut len = 0;
    if let Some(mss) = segment.mss {
        TcpOption::MaxSegmentSize(mss).emit(&mut options);
        len = 4;
    }
    if let Some(shift) = segment.shift {
        TcpOption::WindowScale(shift).emit(&mut options[len..]);
        len += 4;
    }
    let mut packet = TcpPacket::new_unchecked(vec![0; 20 + len + segment.data.len()]);
    packet.set_src_port(port);
    packet.set_dst_port(PORT);
    packet.set_seq_number(TcpSeqNumber(ISN.wrapping_add(segment.seq) as i32));
    packet.set_ack_number(TcpSeqNumber(iss.wrapping_add(segment.ack) as i32));
    packet.set_header_len(20 + len as u8);
    packet.set_window_len(segment.window);
    let mut bytes = packet.into_inner();
    bytes[13] = segment.flags;
    bytes[20..20 + len].copy_from_slice(&options[..len]);
    bytes[20 + len..].copy_from_slice(&segment.data);
    let mut packet = TcpPacket::new_unchecked(bytes);
    packet.fill_checksum(&IpAddress::Ipv4(PEER_IP), &IpAddress::Ipv4(IP));
    ipv4(IpProtocol::Tcp, PEER_IP, IP, &packet.into_inner())
}

/// Reads a frame of ours, checking all of it; numbers as on the wire. `None` if it is no TCP.
pub(crate) fn read(frame: &[u8]) -> Option<(Seg, u16)> {
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
    let (mut mss, mut shift, mut options) = (None, None, tcp.options());
    while !options.is_empty() {
        let (rest, option) = TcpOption::parse(options).unwrap();
        match option {
            TcpOption::MaxSegmentSize(value) => mss = Some(value),
            TcpOption::WindowScale(value) => shift = Some(value),
            _ => {}
        }
        options = rest;
    }
    let (seq, ack) = (tcp.seq_number().0 as u32, tcp.ack_number().0 as u32);
    let data = tcp.payload().to_vec();
    Some((Seg { flags: packet.payload()[13], seq, ack, window: tcp.window_len(), data, mss, shift }, tcp.dst_port()))
}
