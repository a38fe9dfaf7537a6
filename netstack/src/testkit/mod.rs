//! What the tests share: a stack with a virtual clock, and a peer that is a script. The peer's frames are built and ours are
//! read by smoltcp's wire formats, so that two mistakes cannot cancel each other.

mod segment;

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use netdrv::nic::{Batch, TxChecksum};
use netdrv::pktbuf::{PktBuf, Pool, PoolMemory};
use netdrv::testkit::offload::sent_frames;

use crate::app::{Call, Calls, Event, Events, Flow, Reason};
use crate::counters::Counters;
use crate::stack::{Addressing, Config, CongestionControl, Stack, TcpSettings};
use crate::time::Instant;
pub(crate) use segment::*;

pub(crate) const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(crate) const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub(crate) const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const PEER_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const PORT: u16 = 11211;
/// The peer's initial sequence number: the circle closes early in a connection.
pub(crate) const ISN: u32 = u32::MAX - 2;
const BUFFERS: usize = 512;

/// An event without its buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Saw {
    Knock,
    Connected { credit: u32 },
    Recv(Vec<u8>),
    Sent { acked: u32, credit: u32 },
    PeerClosed,
    Dead(Reason),
    UdpRecv { local_port: u16, remote: SocketAddrV4, payload: Vec<u8> },
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
    /// Our port.
    pub(crate) local_port: u16,
    /// The timestamp on our SYN.
    pub(crate) clock: u32,
    /// Whether the peer answers no ARP while time passes.
    pub(crate) is_deaf: bool,
    /// Frames the ring takes per egress.
    pub(crate) room: usize,
}

impl Kit {
    /// A stack with a static address that knows the peer.
    pub(crate) fn new() -> Kit {
        Kit::of(|_| {}).introduced()
    }

    fn introduced(self) -> Kit {
        let mut kit = self;
        kit.frame(&arp(1, PEER_MAC, PEER_IP, IP));
        kit.frames();
        kit
    }

    /// A stack in a VLAN that knows nobody.
    pub(crate) fn in_vlan(vlan: u16) -> Kit {
        Kit::of(|config| config.vlan = Some(vlan))
    }

    pub(crate) fn with(address: Addressing, conn_limit: usize) -> Kit {
        Kit::of(|config| (config.address, config.conn_limit) = (address, conn_limit))
    }

    /// A stack with a static address that knows nobody, with a configuration changed by `change`.
    pub(crate) fn of(change: impl FnOnce(&mut Config<'_>)) -> Kit {
        let pool = Pool::leak(PoolMemory::leak(BUFFERS));
        let now = Instant::from_nanos(1_000_000_000);
        let mut config = Config {
            mac: MAC,
            vlan: None,
            mtu: 1500,
            tx_checksum: TxChecksum::Device,
            tso: None,
            address: Addressing::Static { ip: IP, prefix: 24, gateway: None },
            listen: &[PORT],
            udp: &[PORT],
            conn_limit: 8,
            congestion_control: CongestionControl::default(),
            tcp: TcpSettings::default(),
            seed: *b"sixteen bytes ok",
        };
        change(&mut config);
        let flow = Flow { index: 0, generation: 0 };
        let stack = Some(Stack::new(config, pool, now));
        Kit {
            stack,
            pool,
            now,
            events: Events::new(),
            flow,
            iss: 0,
            port: 40_000,
            local_port: PORT,
            clock: 0,
            is_deaf: false,
            room: 64,
        }
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

    /// A connection that the app has accepted, opened by this SYN.
    pub(crate) fn opened(syn: Seg) -> Kit {
        Kit::opened_with(syn, TxChecksum::Device)
    }

    /// The same, where so completes checksums.
    pub(crate) fn opened_with(syn: Seg, tx_checksum: TxChecksum) -> Kit {
        let mut kit = Kit::of(|config| config.tx_checksum = tx_checksum).introduced();
        let stamps = syn.stamps;
        kit.recv(syn);
        kit.out();
        kit.recv(Seg { stamps: stamps.map(|(value, _)| (value, 0)), ..seg(ACK, 1, 1) });
        assert_eq!(kit.saw(), [Saw::Knock]);
        kit.call(Call::Accept { flow: kit.flow, cookie: 7 });
        kit.saw();
        kit
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
        self.buffer_arrives(self.buffer(bytes));
    }

    /// A frame arrives in its buffer.
    pub(crate) fn buffer_arrives(&mut self, frame: PktBuf) {
        let mut batch = Batch::new();
        batch.push_back(frame).unwrap();
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
        let stamps = segment.stamps.map(|(value, echo)| (value, echo.wrapping_add(self.clock)));
        build_between(PEER_IP, &Seg { stamps, ..segment.clone() }, (self.port, self.local_port), self.iss)
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
        self.call(Call::Send { flow: self.flow, payload, done: 0 });
    }

    pub(crate) fn close(&mut self) {
        self.call(Call::Close { flow: self.flow });
    }

    /// Frames that leave now, as a device puts them on the wire.
    pub(crate) fn frames(&mut self) -> Vec<Vec<u8>> {
        self.frames_held().iter().flat_map(|frame| sent_frames(frame).unwrap()).collect()
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
        let (mut seg, (local_port, port)) = read(frame)?;
        if seg.has(SYN) {
            self.iss = seg.seq;
            self.local_port = local_port;
            self.clock = seg.stamps.map_or(0, |(value, _)| value);
        }
        assert_eq!(port, self.port);
        // A reset without a connection carries numbers of the segment it answers.
        seg.seq = seg.seq.wrapping_sub(self.iss);
        seg.stamps = seg.stamps.map(|(value, echo)| (value.wrapping_sub(self.clock), echo));
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
                Event::Knock { flow, remote, .. } => {
                    assert_eq!(*remote.ip(), PEER_IP);
                    self.flow = flow;
                    Saw::Knock
                }
                Event::Connected { flow, credit, .. } => {
                    self.flow = flow;
                    Saw::Connected { credit }
                }
                Event::Recv { payload, .. } => Saw::Recv(payload.bytes().to_vec()),
                Event::Sent { acked, credit, .. } => Saw::Sent { acked, credit },
                Event::PeerClosed { .. } => Saw::PeerClosed,
                Event::Dead { reason, .. } => Saw::Dead(reason),
                Event::UdpRecv { local_port, remote, payload } => {
                    Saw::UdpRecv { local_port, remote, payload: payload.bytes().to_vec() }
                }
            });
        }
        saw
    }

    /// Bytes acknowledged and further credit since the last time, whether it was worth telling or not; nothing else may have
    /// happened.
    pub(crate) fn credited(&mut self) -> (u32, u32) {
        let index = self.flow.index;
        let untold = self.stack().tcp_mut().all_news(index);
        self.saw().into_iter().fold(untold, |(acked, credit), saw| match saw {
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
