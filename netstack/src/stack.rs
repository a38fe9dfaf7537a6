//! The stack of one core, as the runtime sees it: the stages of a turn.

mod cores;

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use netdrv::nic::{Batch, TxChecksum};
use netdrv::pktbuf::{PktBuf, Pool};

use crate::address::Address;
use crate::app::{Call, Calls, Event, Events};
use crate::counters::Counters;
use crate::dhcp::{self, Change, Dhcp};
use crate::ethernet::{self, Mac, Payload, Station};
use crate::icmp::{self, Icmp};
use crate::ipv4::{self, protocol};
use crate::keys::Keys;
use crate::link::{Link, Route, Sink};
use crate::tcp::{self, Addresses, Arrival, MOST_EVENTS, Tcp, Work};
pub use crate::tcp::{CongestionControl, EcnUse, IsOurs, Keepalive, TcpSettings};
use crate::time::Instant;
use crate::udp::{self, Datagram, Udp};

pub(crate) use cores::Voice;
pub use cores::{Connection, Departure, Held, Identity, NoDeparture, Place, Share};

/// When what waits for a packet buffer is tried again, if nothing else happens.
const RETRY: Duration = Duration::from_millis(1);

/// The least MTU of a link that IPv4 runs over (RFC 791, section 3.1), in bytes.
pub const LEAST_MTU: u16 = 576;

/// How the stack gets its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// From a DHCP server.
    Dhcp,
    /// This one.
    Static {
        /// The address.
        ip: Ipv4Addr,
        /// Length of the network prefix, in bits.
        prefix: u8,
        /// The router to other networks.
        gateway: Option<Ipv4Addr>,
    },
    /// From the first core, by [`Stack::follow`].
    Follow,
}

/// What a stack is made for.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// Ethernet address.
    pub mac: [u8; 6],
    /// The VLAN to be in, 1 to 4094; `None` for that of untagged frames.
    pub vlan: Option<u16>,
    /// Largest IP packet of the link, in bytes, at least [`LEAST_MTU`].
    pub mtu: u16,
    /// Who completes TCP's checksums.
    pub tx_checksum: TxChecksum,
    /// The largest TCP payload of a frame that the device cuts, in bytes; `None` if it cuts none.
    pub tso: Option<u32>,
    /// Where the address comes from.
    pub address: Addressing,
    /// TCP ports to listen on.
    pub listen: &'a [u16],
    /// UDP ports that the app listens on and sends from.
    pub udp: &'a [u16],
    /// Connections that the app may have at a time.
    pub conn_limit: usize,
    /// How TCP adapts to the path.
    pub congestion_control: CongestionControl,
    /// How TCP behaves.
    pub tcp: TcpSettings,
    /// Randomness for sequence numbers, hashes and transaction ids.
    pub seed: [u8; 16],
}

/// The stack of one core.
pub struct Stack {
    link: Link,
    /// What the link takes; the network may take less.
    link_mtu: u16,
    dhcp: Option<Dhcp>,
    tcp: Tcp,
    udp: Udp,
    icmp: Icmp,
    keys: Keys,
    counters: Counters,
    pool: &'static Pool,
    /// The MTU in use.
    mtu: u16,
    /// Segments of flow groups that other cores have.
    strays: Batch,
}

impl Stack {
    /// Makes a stack; all memory is allocated here. Headers are written into buffers of `pool`.
    pub fn new(config: Config<'_>, pool: &'static Pool, now: Instant) -> Stack {
        Stack::with(config, None, pool, now)
    }

    fn with(config: Config<'_>, share: Option<Share>, pool: &'static Pool, now: Instant) -> Stack {
        let mut keys = Keys::new(&config.seed);
        // First, as TCP's secrets have to be the same on all cores.
        let tcp = Tcp::new(&config, share, &mut keys, pool, now);
        let station = Station { mac: Mac(config.mac), vlan: config.vlan };
        let link = Link::new(station, Voice::of(config.address), &mut keys, pool);
        let dhcp = (config.address == Addressing::Dhcp).then(|| Dhcp::new(&mut keys, now));
        let mtu = config.mtu.max(LEAST_MTU);
        let udp = Udp::new(config.udp, mtu, config.tx_checksum);
        let (icmp, counters, strays) = (Icmp::new(mtu), Counters::default(), Batch::new());
        let mut stack = Stack { link, link_mtu: mtu, mtu, dhcp, tcp, udp, icmp, keys, counters, pool, strays };
        if let Addressing::Static { ip, prefix, gateway } = config.address {
            stack.take_address(Some(Address { ip, prefix, gateway }), now);
        }
        stack
    }

    /// Local ports of connections that the app opens are from now on chosen such that `is_ours(local, remote)`: that this core
    /// receives what the peer sends.
    pub fn choose_ports_by(&mut self, is_ours: IsOurs) {
        self.tcp.choose_ports_by(is_ours);
    }

    /// The address, once there is one.
    pub fn address(&self) -> Option<Address> {
        self.link.address()
    }

    /// What the stack has done.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Connections that the stack keeps, half-open and lingering ones included. Looks at every slot: for tests and tools.
    pub fn connections(&self) -> usize {
        self.tcp.connections()
    }

    /// When the stack wants its next turn, if nothing else happens.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let output = (self.tcp.has_output() || self.link.has_output()).then_some(now + RETRY);
        let input = self.tcp.has_input().then_some(now);
        let dhcp = self.dhcp.as_ref().and_then(Dhcp::next_deadline);
        [self.tcp.next_deadline(), self.link.next_deadline(), dhcp, output, input].into_iter().flatten().min()
    }

    /// Handles the timers that are due, as far as `events` has room. Returns how many.
    pub fn expire(&mut self, now: Instant, events: &mut Events) -> usize {
        if self.link.is_due(now) || self.dhcp.is_some() {
            self.expire_around(now);
        }
        if self.tcp.is_timer_due(now) { self.expire_connections(now, events) } else { 0 }
    }

    /// Handles the timers of what is around TCP.
    #[inline(never)]
    fn expire_around(&mut self, now: Instant) {
        self.link.expire(now, &mut self.counters);
        if let Some(dhcp) = &mut self.dhcp {
            let change = dhcp.expire(now, &mut self.keys, &mut self.link, self.pool, &mut self.counters);
            self.address_changes(change, now);
        }
    }

    #[inline(never)]
    fn expire_connections(&mut self, now: Instant, events: &mut Events) -> usize {
        let mut expired = 0;
        while has_room(events) {
            let mut work = Work { now, counters: &mut self.counters, events };
            if !self.tcp.expire_one(&mut work) {
                break;
            }
            expired += 1;
        }
        expired
    }

    /// Takes frames from the front of `batch`, until it is empty or `events` might not have room: then the app has to run,
    /// and the rest comes after it. So does what comes behind a batch of strays, which have to be taken.
    pub fn ingress(&mut self, batch: &mut Batch, now: Instant, events: &mut Events) {
        let mut looked_at = 0;
        while (!batch.is_empty() || self.tcp.has_input()) && has_room(events) && !self.strays.is_full() {
            if self.tcp.has_input() {
                self.tcp.deliver_more(&mut Work { now, counters: &mut self.counters, events });
                continue;
            }
            if looked_at == 0 {
                self.tcp.look_ahead(batch.iter());
                looked_at = tcp::GROUP;
            }
            looked_at -= 1;
            let Some(frame) = batch.pop_front() else { return };
            self.counters.rx_frames += 1;
            self.frame_arrives(frame, now, events);
        }
    }

    /// Carries out calls from the front of `calls`, until it is empty or `events` might not have room.
    pub fn execute(&mut self, calls: &mut Calls, now: Instant, events: &mut Events) {
        while has_room(events) {
            let Some(call) = calls.pop_front() else { return };
            let mut work = Work { now, counters: &mut self.counters, events };
            match call {
                Call::Send { flow, payload, done } => self.tcp.send(flow, payload, done, &mut work),
                Call::RecvDone { flow, bytes } => self.tcp.received(flow, bytes, &mut work),
                call => self.rare_call(call, now, events),
            }
        }
    }

    #[inline(never)]
    fn rare_call(&mut self, call: Call, now: Instant, events: &mut Events) {
        let mut work = Work { now, counters: &mut self.counters, events };
        match call {
            Call::UdpSend { local_port, remote, payload } => {
                let datagram = Datagram { local_port, remote, payload };
                self.udp.send(datagram, &mut self.link, now, work.counters);
            }
            Call::Connect { cookie, remote } => self.tcp.connect(cookie, remote, self.link.address(), &mut work),
            call => self.tcp.call(call, &mut work),
        }
    }

    /// Adds what there is to send to the back of `batch`: at most `room` frames, what the transmit ring takes. Call it again
    /// after the batch was submitted, until it adds nothing.
    pub fn egress(&mut self, now: Instant, room: usize, batch: &mut Batch, events: &mut Events) {
        let mut sink = Sink::new(batch, room);
        self.link.output(&mut sink);
        let mut work = Work { now, counters: &mut self.counters, events };
        self.tcp.output(&mut self.link, &mut sink, &mut work);
        self.link.output(&mut sink); // requests for neighbors that TCP needs
        self.counters.tx_frames += sink.sent;
    }

    #[cfg(test)]
    pub(crate) fn tcp_mut(&mut self) -> &mut Tcp {
        &mut self.tcp
    }

    #[cfg(test)]
    pub(crate) fn tcp(&self) -> &Tcp {
        &self.tcp
    }

    /// Takes a frame: as a segment that was expected, or else the general way.
    fn frame_arrives(&mut self, frame: PktBuf, now: Instant, events: &mut Events) {
        let mut work = Work { now, counters: &mut self.counters, events };
        let frame = match self.link.recipient() {
            Some(own) => match self.tcp.take_expected(frame, own, &mut work) {
                Ok(()) => return,
                Err(frame) => frame,
            },
            None => frame,
        };
        self.any_frame_arrives(frame, now, events);
    }

    #[inline(never)]
    fn any_frame_arrives(&mut self, mut frame: PktBuf, now: Instant, events: &mut Events) {
        let header = match self.link.station().parse(frame.bytes()) {
            Ok(header) => header,
            Err(reason) => return self.counters.count(reason),
        };
        frame.trim_front(header.len);
        match header.payload {
            Payload::Arp => {
                if self.link.arp_arrives(frame.bytes(), now, &mut self.counters) {
                    self.tcp.neighbor_learned();
                }
            }
            Payload::Ipv4 => self.packet_arrives(frame, &header, now, events),
        }
    }

    fn packet_arrives(&mut self, mut packet: PktBuf, frame: &ethernet::Header, now: Instant, events: &mut Events) {
        let ip = match ipv4::parse(packet.bytes()) {
            Ok(ip) => ip,
            Err(reason) => return self.counters.count(reason),
        };
        packet.truncate(ip.total_len);
        if ip.protocol == protocol::UDP && self.is_for_dhcp(&packet, &ip, now) {
            return;
        }
        let Some(own) = self.link.address() else { return self.counters.count(|c| &mut c.drop_ip_no_address) };
        if let Err(reason) = ip.is_unicast_for(&own, frame.cast) {
            return self.counters.count(reason);
        }
        match ip.protocol {
            protocol::TCP => {
                packet.trim_front(ip.header_len);
                self.segment_arrives(packet, &ip, frame, now, events);
            }
            protocol::UDP => self.datagram_arrives(packet, &ip, frame.from, now, events),
            protocol::ICMP => {
                let out = &mut icmp::Out { now, pool: self.pool, counters: &mut self.counters };
                let message = &packet.bytes()[ip.header_len..];
                if let Some(error) = self.icmp.input(message, &ip, frame.from, &mut self.link, out) {
                    self.tcp.icmp_error(&error, &mut Work { now, counters: &mut self.counters, events });
                }
            }
            _ => {
                self.counters.drop_ip_unknown_protocol += 1;
                self.unreachable(icmp::Code::Protocol, &packet, &ip, frame.from, now);
            }
        }
    }

    fn segment_arrives(
        &mut self,
        segment: PktBuf,
        ip: &ipv4::Header,
        frame: &ethernet::Header,
        now: Instant,
        events: &mut Events,
    ) {
        let begin = segment.headroom().saturating_sub(ip.header_len + frame.len);
        let addresses = Addresses { remote: ip.src, local: ip.dst, mark: ip.mark };
        let mut work = Work { now, counters: &mut self.counters, events };
        match self.tcp.input(addresses, segment, &mut work) {
            Arrival::Done => {}
            Arrival::Stray { segment } => self.stray(segment, begin),
            Arrival::Answer(answer) => {
                let route = Route { local: ip.dst, remote: ip.src, from: self.link.station(), to: frame.from };
                match self.tcp.build_answer(route, answer) {
                    Some(frame) => self.link.reply(frame, &mut self.counters),
                    None => self.counters.tx_no_buffer += 1,
                }
            }
        }
    }

    /// Takes a packet with a datagram for the app.
    fn datagram_arrives(
        &mut self,
        mut packet: PktBuf,
        ip: &ipv4::Header,
        from: Mac,
        now: Instant,
        events: &mut Events,
    ) {
        let header = match udp::parse(&packet.bytes()[ip.header_len..], ip, packet.checksum()) {
            Ok(header) => header,
            Err(reason) => return self.counters.count(reason),
        };
        if !self.udp.is_bound(header.dst_port) {
            self.counters.drop_udp_no_port += 1;
            return self.unreachable(icmp::Code::Port, &packet, ip, from, now);
        }
        packet.truncate(ip.header_len + header.len);
        packet.trim_front(ip.header_len + udp::HEADER_LEN);
        self.counters.udp_in += 1;
        let remote = SocketAddrV4::new(ip.src, header.src_port);
        let event = Event::UdpRecv { local_port: header.dst_port, remote, payload: packet };
        let _ = events.push_back(event); // room: MOST_EVENTS
    }

    /// Takes a packet that is for the DHCP client, from anybody and to any address: answers come before there is one. Says
    /// whether it was.
    fn is_for_dhcp(&mut self, packet: &PktBuf, ip: &ipv4::Header, now: Instant) -> bool {
        let Some(dhcp) = &mut self.dhcp else { return false };
        let datagram = &packet.bytes()[ip.header_len..];
        if !dhcp::is_for_client(datagram) {
            return false;
        }
        match udp::parse(datagram, ip, packet.checksum()) {
            Ok(header) => {
                let message = &datagram[udp::HEADER_LEN..header.len];
                let change = dhcp.input(message, now, &mut self.keys, &self.link, &mut self.counters);
                self.address_changes(change, now);
            }
            Err(reason) => self.counters.count(reason),
        }
        true
    }

    fn unreachable(&mut self, code: icmp::Code, packet: &PktBuf, ip: &ipv4::Header, to: Mac, now: Instant) {
        let out = &mut icmp::Out { now, pool: self.pool, counters: &mut self.counters };
        self.icmp.unreachable(code, packet.bytes(), ip, to, &mut self.link, out);
    }

    fn address_changes(&mut self, change: Change, now: Instant) {
        match change {
            Change::None => {}
            Change::Obtained { address, mtu } => {
                self.take_mtu(mtu.unwrap_or(u16::MAX).min(self.link_mtu));
                if self.link.address() != Some(address) {
                    self.take_address(Some(address), now);
                }
            }
            Change::Lost => {
                self.take_address(None, now);
                self.tcp.address_lost();
            }
        }
    }
}

/// Whether one more frame, call or timer may cause its events.
fn has_room(events: &Events) -> bool {
    events.capacity() - events.len() >= MOST_EVENTS
}
