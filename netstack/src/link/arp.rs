//! ARP (RFC 826), and the defence of our address (RFC 5227).

use core::net::Ipv4Addr;
use core::time::Duration;

use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr};

use super::Link;
use crate::counters::{Counters, DropCounter};
use crate::ethernet::{Mac, Payload};
use crate::neighbor::{Held, Overdue};
use crate::stack::Voice;
use crate::time::Instant;

/// Bytes of an ARP packet for Ethernet and IPv4.
const ARP_LEN: usize = 28;

/// RFC 5227, section 1.1: an address is announced twice, and defended not more often than this.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// Our claim to our address.
pub(super) struct Claim {
    /// When the second announcement is due.
    announce_at: Option<Instant>,
    /// Until when a conflict is not answered.
    silent_until: Instant,
}

impl Claim {
    pub(super) fn new() -> Claim {
        Claim { announce_at: None, silent_until: Instant::ZERO }
    }

    /// The address was announced for the first time.
    pub(super) fn begin(&mut self, now: Instant) {
        self.announce_at = Some(now + ANNOUNCE_INTERVAL);
    }
}

/// What an ARP packet says of its sender.
struct Sender {
    ip: Ipv4Addr,
    mac: Mac,
}

impl Link {
    /// Takes an ARP packet. Says whether a neighbor became known.
    pub(crate) fn arp_arrives(&mut self, packet: &[u8], now: Instant, counters: &mut Counters) -> bool {
        let repr = ArpPacket::new_checked(packet).and_then(|packet| ArpRepr::parse(&packet));
        let Ok(ArpRepr::EthernetIpv4 {
            operation: operation @ (ArpOperation::Request | ArpOperation::Reply),
            source_hardware_addr: mac,
            source_protocol_addr: ip,
            target_protocol_addr: target,
            ..
        }) = repr
        else {
            counters.drop_arp_malformed += 1;
            return false;
        };
        let sender = Sender { ip, mac };
        let learned = match self.check_arp(&sender, now, counters) {
            Ok(own) if target != own => self.overhear(&sender, target, now, counters),
            Ok(_) if operation == ArpOperation::Request => {
                if self.voice == Voice::Speaks {
                    counters.arp_replies += 1;
                    self.send_arp(ArpOperation::Reply, mac, ip, counters);
                }
                Ok(self.neighbors.learn(ip, mac, now, counters))
            }
            Ok(_) if self.neighbors.is_expected(ip) => Ok(self.neighbors.learn(ip, mac, now, counters)),
            Ok(_) => Err((|c| &mut c.drop_arp_unsolicited) as DropCounter),
            Err(reason) => Err(reason),
        };
        match learned {
            Ok(Some(held)) => {
                self.release(held, mac, counters);
                true
            }
            Ok(None) => false,
            Err(reason) => {
                counters.count(reason);
                false
            }
        }
    }

    /// Asks again who does not answer, gives up those who have not, and repeats the announcement of our address.
    pub(crate) fn expire(&mut self, now: Instant, counters: &mut Counters) {
        while let Some(overdue) = self.neighbors.overdue(now, counters) {
            if let Overdue::Ask(ip) = overdue {
                self.ask(ip, Mac::BROADCAST, counters);
            }
        }
        if self.claim.announce_at.is_some_and(|at| at <= now) {
            self.claim.announce_at = None;
            self.announce(counters);
        }
    }

    /// Whether [`expire`](Link::expire) has something to do.
    #[inline]
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let is_past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        is_past(self.neighbors.next_deadline()) || is_past(self.claim.announce_at)
    }

    /// When [`expire`](Link::expire) has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        [self.neighbors.next_deadline(), self.claim.announce_at].into_iter().flatten().min()
    }

    /// Tells everybody that our address is ours (RFC 5227, section 2.3).
    pub(super) fn announce(&mut self, counters: &mut Counters) {
        if let Some(own) = self.address {
            self.send_arp(ArpOperation::Request, Mac::BROADCAST, own.ip, counters);
        }
    }

    /// Asks for the Ethernet address of `ip`: all stations, or the one that had it.
    pub(super) fn ask(&mut self, ip: Ipv4Addr, whom: Mac, counters: &mut Counters) {
        counters.arp_requests += 1;
        self.send_arp(ArpOperation::Request, whom, ip, counters);
    }

    /// Our address, if the sender can be a neighbor.
    fn check_arp(&mut self, sender: &Sender, now: Instant, counters: &mut Counters) -> Result<Ipv4Addr, DropCounter> {
        let Some(own) = self.address else { return Err(|c| &mut c.drop_arp_not_for_us) };
        if sender.ip == own.ip {
            if sender.mac != self.station.mac && self.voice == Voice::Speaks {
                self.defend(now, counters);
            }
            return Err(|c| &mut c.drop_arp_bad_sender);
        }
        let &Sender { ip, mac } = sender;
        let station = mac.is_unicast() && mac != Mac([0; 6]);
        if station && own.could_be_neighbor(ip) { Ok(own.ip) } else { Err(|c| &mut c.drop_arp_bad_sender) }
    }

    /// Another station uses our address: say that it is ours, but not so often that two who both do so fill the network
    /// (RFC 5227, section 2.4, c: a server that gave way would be a server that anybody can stop).
    fn defend(&mut self, now: Instant, counters: &mut Counters) {
        counters.arp_conflicts += 1;
        if now >= self.claim.silent_until {
            self.claim.silent_until = now + DEFEND_INTERVAL;
            counters.arp_defences += 1;
            self.announce(counters);
        }
    }

    /// An ARP packet that is not for us: only a neighbor's announcement of an address that we know changes anything (RFC 826,
    /// the merge flag).
    fn overhear(
        &mut self,
        sender: &Sender,
        target: Ipv4Addr,
        now: Instant,
        counters: &mut Counters,
    ) -> Result<Option<Held>, DropCounter> {
        if target == sender.ip && self.neighbors.update(sender.ip, sender.mac, now) {
            counters.arp_announcements += 1;
            return Ok(None);
        }
        Err(|c| &mut c.drop_arp_not_for_us)
    }

    /// Sends what waited for a neighbor.
    fn release(&mut self, mut held: Held, to: Mac, counters: &mut Counters) {
        while let Some(packet) = held.pop_front() {
            self.send_to(to, packet, counters);
        }
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
