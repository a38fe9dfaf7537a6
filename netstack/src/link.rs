//! The link: our addresses on it, our neighbors, and ARP (RFC 826).

use core::net::Ipv4Addr;

use netdrv::nic::Batch;
use netdrv::pktbuf::{PktBuf, Pool};
use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr};

use crate::address::Address;
use crate::counters::{Counters, DropCounter};
use crate::ethernet::{Mac, Payload, Station};
use crate::neighbor::{Lookup, NeighborCache};
use crate::time::Instant;

/// Bytes of an ARP packet for Ethernet and IPv4.
const ARP_LEN: usize = 28;
/// Replies that wait for egress at most.
const REPLIES: usize = 32;

/// Where frames go at egress.
pub(crate) struct Sink<'a> {
    batch: &'a mut Batch,
    room: usize,
    /// Frames that went.
    pub(crate) sent: u64,
}

impl<'a> Sink<'a> {
    /// Takes at most `room` frames.
    pub(crate) fn new(batch: &'a mut Batch, room: usize) -> Sink<'a> {
        Sink { batch, room, sent: 0 }
    }

    /// Whether one more frame fits.
    pub(crate) fn has_room(&self) -> bool {
        self.room > 0 && !self.batch.is_full()
    }

    /// Takes a frame, for which there must be room.
    pub(crate) fn push(&mut self, frame: PktBuf) {
        self.room = self.room.saturating_sub(1);
        self.sent += u64::from(self.batch.push_back(frame).is_ok());
    }
}

/// The way of a packet to a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    /// Our IPv4 address and the peer's.
    pub(crate) local: Ipv4Addr,
    pub(crate) remote: Ipv4Addr,
    /// Our end of the link, and the next hop's Ethernet address.
    pub(crate) from: Station,
    pub(crate) to: Mac,
}

/// The link.
pub(crate) struct Link {
    station: Station,
    address: Option<Address>,
    neighbors: NeighborCache,
    replies: heapless::Deque<PktBuf, REPLIES>,
    pool: &'static Pool,
}

impl Link {
    pub(crate) fn new(station: Station, pool: &'static Pool) -> Link {
        let neighbors = NeighborCache::new();
        Link { station, address: None, neighbors, replies: heapless::Deque::new(), pool }
    }

    /// Our end.
    pub(crate) fn station(&self) -> Station {
        self.station
    }

    /// Our address, if we have one.
    pub(crate) fn address(&self) -> Option<Address> {
        self.address
    }

    /// Takes an address, and tells the neighbors (RFC 5227, section 3), or gives it up.
    pub(crate) fn set_address(&mut self, address: Option<Address>, counters: &mut Counters) {
        self.address = address;
        if let Some(Address { ip, .. }) = address {
            self.send_arp(ArpOperation::Request, Mac::BROADCAST, ip, counters);
        }
    }

    /// The way to `remote`; `None` while the next hop's address is not known, which is then asked for.
    pub(crate) fn route(&mut self, remote: Ipv4Addr, now: Instant, counters: &mut Counters) -> Option<Route> {
        let own = self.address?;
        let hop = own.next_hop(remote)?;
        match self.neighbors.lookup(hop, now, counters) {
            Lookup::Known(to) => Some(Route { local: own.ip, remote, from: self.station, to }),
            Lookup::Asked => None,
            Lookup::Ask => {
                counters.arp_requests += 1;
                self.send_arp(ArpOperation::Request, Mac::BROADCAST, hop, counters);
                None
            }
        }
    }

    /// Queues a frame that answers another; one too many is dropped and counted.
    pub(crate) fn reply(&mut self, frame: PktBuf, counters: &mut Counters) {
        if self.replies.push_back(frame).is_err() {
            counters.drop_reply_queue_full += 1;
        }
    }

    /// Whether replies wait.
    pub(crate) fn has_replies(&self) -> bool {
        !self.replies.is_empty()
    }

    /// Sends the replies.
    pub(crate) fn output(&mut self, sink: &mut Sink<'_>) {
        while sink.has_room() {
            let Some(frame) = self.replies.pop_front() else { return };
            sink.push(frame);
        }
    }

    /// Takes an ARP packet. Says whether a neighbor became known.
    pub(crate) fn arp_arrives(&mut self, packet: &[u8], now: Instant, counters: &mut Counters) -> bool {
        let repr = ArpPacket::new_checked(packet).and_then(|packet| ArpRepr::parse(&packet));
        let Ok(ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: mac,
            source_protocol_addr: ip,
            target_protocol_addr: target,
            ..
        }) = repr
        else {
            counters.drop_arp_malformed += 1;
            return false;
        };
        if let Err(reason) = self.check_arp(mac, ip, target, counters) {
            counters.count(reason);
            return false;
        }
        match operation {
            ArpOperation::Request => {
                self.neighbors.learn(ip, mac, now, counters);
                counters.arp_replies += 1;
                self.send_arp(ArpOperation::Reply, mac, ip, counters);
                true
            }
            ArpOperation::Reply if self.neighbors.is_expected(ip) => {
                self.neighbors.learn(ip, mac, now, counters);
                true
            }
            ArpOperation::Reply => {
                counters.drop_arp_unsolicited += 1;
                false
            }
            ArpOperation::Unknown(_) => {
                counters.drop_arp_malformed += 1;
                false
            }
        }
    }

    /// Whether an ARP packet is about our address and from a station that can be a neighbor.
    fn check_arp(&self, mac: Mac, ip: Ipv4Addr, target: Ipv4Addr, counters: &mut Counters) -> Result<(), DropCounter> {
        let Some(own) = self.address else { return Err(|c| &mut c.drop_arp_not_for_us) };
        if ip == own.ip {
            counters.arp_conflicts += u64::from(mac != self.station.mac);
            return Err(|c| &mut c.drop_arp_bad_sender);
        }
        if target != own.ip {
            return Err(|c| &mut c.drop_arp_not_for_us);
        }
        let plausible = mac.is_unicast() && own.is_on_link(ip) && !own.is_broadcast(ip) && !ip.is_unspecified();
        if plausible { Ok(()) } else { Err(|c| &mut c.drop_arp_bad_sender) }
    }

    fn send_arp(&mut self, operation: ArpOperation, to: Mac, target: Ipv4Addr, counters: &mut Counters) {
        let Some(own) = self.address else { return };
        let repr = ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: self.station.mac,
            source_protocol_addr: own.ip,
            target_hardware_addr: if to.is_broadcast() { Mac([0; 6]) } else { to },
            target_protocol_addr: target,
        };
        let mut bytes = [0; ARP_LEN];
        repr.emit(&mut ArpPacket::new_unchecked(&mut bytes[..]));
        let frame = self.pool.alloc().and_then(|mut frame| {
            frame.extend_from_slice(&bytes)?;
            self.station.prepend(&mut frame, to, Payload::Arp)?;
            Some(frame)
        });
        match frame {
            Some(frame) => self.reply(frame, counters),
            None => counters.tx_no_buffer += 1,
        }
    }
}
