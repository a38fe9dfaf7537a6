//! A whole stack on a virtual clock, with a transmit ring that may be full and the application.

use std::time::Duration;

use netdrv::nic::{BATCH, Batch, TxChecksum};
use netdrv::pktbuf::{PktBuf, Pool, PoolMemory};
use netstack::app::{Calls, Events};
use netstack::stack::{Addressing, Config, CongestionControl, EcnUse, Stack, TcpSettings};
use netstack::time::Instant;

use crate::app::{Admission, App, Reading, Stream};
use crate::check;
use crate::peer::Peer;
use crate::wire::{ACK, IP, MAC, MTU, PEER_IP, PEER_MAC, PORT, SYN, Segment, arp};

const BUFFERS: usize = 512;
/// Connections that the app may have.
const CONNECTIONS: usize = 8;
/// Turns that one operation may take before the clock jumps.
const MOST_TURNS: usize = 2_000;
/// Turns in which the clock stands still, or turns without end that one frame causes.
const TOO_MANY: usize = 1_000;
/// Longer than any timer of a connection that nobody answers.
const LONG: Duration = Duration::from_secs(3 * 3600);

thread_local! {
    /// The pool of all stacks of a thread, one after the other: it lives for ever.
    static POOL: &'static Pool = Pool::leak(PoolMemory::leak(BUFFERS));
}

/// What becomes of the frames that the stack sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ring {
    /// They are on the wire at once.
    Drains,
    /// They stay in the ring, which takes so many.
    Holds(usize),
}

/// Whether the peer answers requests for its Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Neighbor {
    Answers,
    Silent,
}

/// A stack and all that is around it.
pub(crate) struct Host {
    stack: Stack,
    pool: &'static Pool,
    now: Instant,
    events: Events,
    calls: Calls,
    ring: Vec<PktBuf>,
    pub(crate) app: App,
    pub(crate) peer: Peer,
    pub(crate) mode: Ring,
    pub(crate) neighbor: Neighbor,
    /// The last DHCP message of the stack, from its UDP payload on.
    pub(crate) asked: Vec<u8>,
}

impl Host {
    /// A stack with a static address that knows the peer.
    pub(crate) fn new(congestion_control: CongestionControl) -> Host {
        let mut host = Host::with(Addressing::Static { ip: IP, prefix: 24, gateway: None }, congestion_control);
        host.arrives(&arp(1, (PEER_MAC, PEER_IP), ([0; 6], IP)));
        host
    }

    /// A stack with its address from `address`.
    pub(crate) fn with(address: Addressing, congestion_control: CongestionControl) -> Host {
        let pool = POOL.with(|pool| *pool);
        assert_eq!(pool.available(), pool.capacity(), "a stack that was dropped kept buffers");
        let now = Instant::from_nanos(1_000_000_000);
        let config = Config {
            mac: MAC,
            mtu: MTU as u16,
            vlan: None,
            tx_checksum: TxChecksum::Software,
            tso: None,
            address,
            listen: &[PORT],
            udp: &[PORT],
            conn_limit: CONNECTIONS,
            congestion_control,
            // A backlog so small that SYNs are soon answered by cookies.
            tcp: TcpSettings { syn_backlog: 2, ecn: EcnUse::Offered, ..TcpSettings::default() },
            seed: *b"sixteen bytes ok",
        };
        Host {
            stack: Stack::new(config, pool, now),
            pool,
            now,
            events: Events::new(),
            calls: Calls::new(),
            ring: Vec::new(),
            app: App::new(),
            peer: Peer::new(),
            mode: Ring::Drains,
            neighbor: Neighbor::Answers,
            asked: Vec::new(),
        }
    }

    /// A clock for the peer's timestamps, in milliseconds.
    pub(crate) fn clock_ms(&self) -> u32 {
        (self.now.as_micros() / 1000) as u32
    }

    /// The address that the stack has.
    pub(crate) fn address(&self) -> Option<netstack::address::Address> {
        self.stack.address()
    }

    /// A frame of any content arrives.
    pub(crate) fn anything_arrives(&mut self, frame: &[u8]) {
        self.peer.injects_anything();
        self.app.expect_anything(|_| true);
        self.arrives(frame);
    }

    /// A segment of the peer arrives.
    pub(crate) fn segment_arrives(&mut self, segment: &Segment<'_>, stream: Stream) {
        self.peer.injects(segment, stream);
        if stream == Stream::Anything {
            self.app.expect_anything(|port| port == segment.port);
        }
        self.arrives(&segment.frame());
    }

    /// A frame arrives, if the pool has a buffer for it, and a turn follows.
    pub(crate) fn arrives(&mut self, frame: &[u8]) {
        let mut batch = Batch::new();
        if let Some(mut buffer) = self.pool.alloc()
            && buffer.extend_from_slice(&frame[..frame.len().min(1900)]).is_some()
        {
            let _ = batch.push_back(buffer);
        }
        self.turn(batch);
    }

    /// The application, or what it was told to do, gets a turn.
    pub(crate) fn acts(&mut self) {
        self.turn(Batch::new());
    }

    /// Lets time pass, timer by timer.
    pub(crate) fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        let mut at_once = 0;
        for _ in 0..MOST_TURNS {
            let Some(next) = self.stack.next_deadline(self.now).filter(|next| *next <= end) else { break };
            at_once = if next <= self.now { at_once + 1 } else { 0 };
            assert!(at_once < TOO_MANY, "a timer that is due again and again");
            self.now = next.max(self.now);
            self.turn(Batch::new());
        }
        self.now = end;
        self.turn(Batch::new());
    }

    /// The stages of a turn, as the appliance's shard has them.
    fn turn(&mut self, mut batch: Batch) {
        if self.mode == Ring::Drains {
            self.ring.clear();
        }
        self.stack.expire(self.now, &mut self.events);
        for round in 0.. {
            assert!(round < TOO_MANY, "a turn without end");
            self.stack.ingress(&mut batch, self.now, &mut self.events);
            let (app, peer) = (&mut self.app, &mut self.peer);
            app.run(self.pool, &mut self.events, &mut self.calls, |remote| peer.knocks(remote));
            self.stack.execute(&mut self.calls, self.now, &mut self.events);
            if batch.is_empty() && self.events.is_empty() && self.calls.is_empty() && !self.app.has_calls() {
                break;
            }
        }
        self.send();
        assert_eq!(self.stack.counters().app_violations, 0, "the app kept to the contract");
    }

    /// Sends what the stack has and the ring takes.
    fn send(&mut self) {
        let mut requests = Vec::new();
        for round in 0.. {
            assert!(round < TOO_MANY, "output without end");
            let room = match self.mode {
                Ring::Drains => BATCH,
                Ring::Holds(frames) => frames.saturating_sub(self.ring.len()),
            };
            let mut batch = Batch::new();
            self.stack.egress(self.now, room, &mut batch, &mut self.events);
            assert!(batch.len() <= room, "more frames than the ring takes");
            if batch.is_empty() {
                break;
            }
            while let Some(frame) = batch.pop_front() {
                let bytes = whole(&frame);
                check::frame(&bytes, &mut self.peer, &mut self.app);
                self.notes(&bytes, &mut requests);
                if self.mode != Ring::Drains {
                    self.ring.push(frame);
                }
            }
        }
        if self.neighbor == Neighbor::Answers {
            requests.iter().for_each(|reply| self.arrives(reply));
        }
    }

    /// Answers for requests after the peer's Ethernet address go to `replies`; a DHCP message is kept.
    fn notes(&mut self, frame: &[u8], replies: &mut Vec<Vec<u8>>) {
        let is_request = frame.len() >= 42 && frame[12..14] == [8, 6] && frame[20..22] == [0, 1];
        if is_request && frame[38..42] == PEER_IP.octets() {
            let own = (MAC, [frame[28], frame[29], frame[30], frame[31]].into());
            replies.push(arp(2, (PEER_MAC, PEER_IP), own));
        }
        if frame.len() > 42 && frame[12..14] == [8, 0] && frame[23] == 17 && frame[34..38] == [0, 68, 0, 67] {
            self.asked = frame[42..].to_vec();
        }
    }

    /// Ends an input: once everything is aborted and time has passed, all buffers are back, and a stranger is served, if the
    /// address that the input has left is the one known here, in a network where the stranger can be answered.
    pub(crate) fn finish(mut self) {
        self.settle();
        assert_eq!(self.pool.available(), self.pool.capacity(), "lost packet buffers");
        if self.address().is_some_and(|own| own.ip == IP && own.next_hop(PEER_IP) == Some(PEER_IP)) {
            self.serve_a_stranger();
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.mode = Ring::Drains;
        self.app.admission = Admission::AtOnce;
        self.app.reading = Reading::Yes;
        self.turn(Batch::new());
        self.app.abort_all();
        for _ in 0..3 {
            self.wait(LONG);
        }
        assert!(self.app.is_idle(), "a connection that does not end");
    }

    fn serve_a_stranger(&mut self) {
        self.neighbor = Neighbor::Answers;
        self.app.greeting = 100;
        self.arrives(&arp(1, (PEER_MAC, PEER_IP), ([0; 6], IP)));
        self.peer = Peer::new();
        let (number, isn) = (self.peer.port(0).number, 7_777_777);
        let syn = Segment {
            port: number,
            to: PORT,
            seq: isn,
            ack: 0,
            flags: SYN,
            window: 60_000,
            options: &[],
            payload: &[],
        };
        self.segment_arrives(&syn, Stream::Pattern);
        let port = self.peer.port(0).clone();
        assert_eq!(port.expected, isn.wrapping_add(1), "a SYN that is not answered");
        let payload = port.payload(port.expected, 100);
        let request = Segment { seq: port.expected, ack: port.reached, flags: ACK, payload: &payload, ..syn };
        self.segment_arrives(&request, Stream::Pattern);
        let received = self.app.connection(number).map(|connection| (connection.received, connection.sent));
        assert_eq!(received, Some((100, 100)), "a stranger who is not served");
        assert_eq!(self.peer.port(0).expected, isn.wrapping_add(101), "what is not acknowledged");
    }
}

/// The bytes of a frame, as the device sends them.
fn whole(frame: &PktBuf) -> Vec<u8> {
    let attachment = frame.attachment().unwrap_or_default();
    assert_eq!(attachment.segmentation, None, "the device cuts nothing");
    let body = attachment.body.map(|body| body.bytes().to_vec()).unwrap_or_default();
    [frame.bytes(), &body].concat()
}
