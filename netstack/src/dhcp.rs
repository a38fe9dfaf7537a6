//! The DHCP client (RFC 2131): gets a lease, extends it, and gives it up when it runs out.

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;

use netdrv::nic::TxChecksum;
use netdrv::pktbuf::{PktBuf, Pool};
use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr};

use crate::address::Address;
use crate::counters::Counters;
use crate::ethernet::{Mac, Payload};
use crate::ipv4::{self, protocol};
use crate::keys::Keys;
use crate::link::Link;
use crate::time::Instant;
use crate::udp;

const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;
/// Largest message that we send.
const MESSAGE_BYTES: usize = 548;
/// What we ask for: subnet mask and router.
const PARAMETERS: &[u8] = &[1, 3];
/// Between two messages at first, and at most (section 4.1); jitter is added.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(64);
/// Requests for one offer before it is given up.
const MAX_REQUESTS: u8 = 4;
/// A lease without a duration counts as this, and a shorter one is not believed.
const DEFAULT_LEASE_S: u32 = 3600;
const SHORTEST_LEASE_S: u32 = 60;

/// What a server granted or offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lease {
    address: Address,
    server: Ipv4Addr,
    /// When it is to be extended, and when it ends.
    renew_at: Instant,
    ends_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Looking for servers.
    Selecting,
    /// Taking up an offer.
    Requesting(Lease),
    /// Having a lease.
    Bound(Lease),
    /// Having a lease and extending it.
    Renewing(Lease),
}

/// The client.
pub(crate) struct Dhcp {
    state: State,
    transaction: u32,
    tries: u8,
    /// When the next message is due.
    next_at: Instant,
}

/// What a message or the passing of time changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// A lease was obtained.
    Obtained(Address),
    /// The lease ended.
    Lost,
}

impl Dhcp {
    /// Begins to look for a server at `now`.
    pub(crate) fn new(keys: &mut Keys, now: Instant) -> Dhcp {
        Dhcp { state: State::Selecting, transaction: keys.next_u64() as u32, tries: 0, next_at: now }
    }

    /// When [`expire`](Dhcp::expire) has something to do.
    pub(crate) fn next_deadline(&self) -> Instant {
        match self.state {
            State::Bound(lease) => lease.renew_at,
            State::Renewing(lease) => self.next_at.min(lease.ends_at),
            _ => self.next_at,
        }
    }

    /// Sends what is due.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        keys: &mut Keys,
        link: &mut Link,
        pool: &'static Pool,
        counters: &mut Counters,
    ) -> Change {
        if now < self.next_deadline() {
            return Change::None;
        }
        let mut change = Change::None;
        match self.state {
            State::Requesting(_) if self.tries >= MAX_REQUESTS => self.restart(keys),
            State::Bound(lease) => {
                self.state = State::Renewing(lease);
                self.tries = 0;
                self.transaction = keys.next_u64() as u32;
            }
            State::Renewing(lease) if now >= lease.ends_at => {
                counters.dhcp_expired += 1;
                self.restart(keys);
                change = Change::Lost;
            }
            _ => {}
        }
        self.send(link, pool, counters);
        self.next_at = now + self.retry_after(keys);
        self.tries = self.tries.saturating_add(1);
        change
    }

    /// Takes a datagram to our port.
    pub(crate) fn input(
        &mut self,
        message: &[u8],
        now: Instant,
        keys: &mut Keys,
        link: &Link,
        counters: &mut Counters,
    ) -> Change {
        let packet = DhcpPacket::new_checked(message);
        let repr = packet.as_ref().ok().and_then(|packet| DhcpRepr::parse(packet).ok());
        let expected = |repr: &DhcpRepr<'_>| {
            repr.transaction_id == self.transaction && repr.client_hardware_address == link.station().mac
        };
        let Some(repr) = repr.filter(expected) else {
            counters.drop_dhcp_unexpected += 1;
            return Change::None;
        };
        match (self.state, repr.message_type) {
            (State::Selecting, DhcpMessageType::Offer) => {
                if let Some(offer) = lease(&repr, now) {
                    self.state = State::Requesting(offer);
                    self.tries = 0;
                    self.next_at = now;
                    return Change::None;
                }
            }
            (State::Requesting(asked) | State::Renewing(asked), DhcpMessageType::Ack) => {
                if let Some(granted) = lease(&repr, now)
                    && granted.address.ip == asked.address.ip
                {
                    counters.dhcp_leases += 1;
                    self.state = State::Bound(granted);
                    return Change::Obtained(granted.address);
                }
            }
            (State::Requesting(_) | State::Renewing(_), DhcpMessageType::Nak) => {
                counters.dhcp_naks += 1;
                let had_lease = matches!(self.state, State::Renewing(_));
                self.restart(keys);
                self.next_at = now + FIRST_RETRY;
                return if had_lease { Change::Lost } else { Change::None };
            }
            _ => {}
        }
        counters.drop_dhcp_unexpected += 1;
        Change::None
    }

    fn restart(&mut self, keys: &mut Keys) {
        self.state = State::Selecting;
        self.transaction = keys.next_u64() as u32;
        self.tries = 0;
    }

    /// Doubles from a second to about a minute, plus or minus a tenth. The first answer of a quick server takes no wait at all.
    fn retry_after(&self, keys: &mut Keys) -> Duration {
        let backoff = (FIRST_RETRY * 2u32.pow(self.tries.min(6).into())).min(LAST_RETRY);
        let jitter = keys.next_u64() % (backoff.as_nanos() as u64 / 5);
        backoff * 9 / 10 + Duration::from_nanos(jitter)
    }

    fn send(&self, link: &mut Link, pool: &'static Pool, counters: &mut Counters) {
        let (message_type, requested_ip, server, client_ip) = match self.state {
            State::Selecting => (DhcpMessageType::Discover, None, None, Ipv4Addr::UNSPECIFIED),
            State::Requesting(offer) => {
                (DhcpMessageType::Request, Some(offer.address.ip), Some(offer.server), Ipv4Addr::UNSPECIFIED)
            }
            State::Bound(lease) | State::Renewing(lease) => (DhcpMessageType::Request, None, None, lease.address.ip),
        };
        let repr = DhcpRepr {
            message_type,
            transaction_id: self.transaction,
            secs: 0,
            client_hardware_address: link.station().mac,
            client_ip,
            your_ip: Ipv4Addr::UNSPECIFIED,
            server_ip: Ipv4Addr::UNSPECIFIED,
            router: None,
            subnet_mask: None,
            relay_agent_ip: Ipv4Addr::UNSPECIFIED,
            broadcast: client_ip.is_unspecified(),
            requested_ip,
            client_identifier: Some(link.station().mac),
            server_identifier: server,
            parameter_request_list: Some(PARAMETERS),
            dns_servers: None,
            max_size: Some(MESSAGE_BYTES as u16 + 28),
            lease_duration: None,
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        match build(&repr, client_ip, link, pool) {
            Some(frame) => {
                counters.dhcp_sent += 1;
                link.reply(frame, counters);
            }
            None => counters.tx_no_buffer += 1,
        }
    }
}

/// The lease in a server's message; `None` if it cannot be used.
fn lease(repr: &DhcpRepr<'_>, now: Instant) -> Option<Lease> {
    let ip = repr.your_ip;
    let usable = !ip.is_unspecified() && !ip.is_broadcast() && !ip.is_multicast() && !ip.is_loopback();
    let mask = repr.subnet_mask.unwrap_or(Ipv4Addr::new(255, 255, 255, 0)).to_bits();
    if !usable || mask.leading_ones() + mask.trailing_zeros() < 32 || mask == 0 {
        return None;
    }
    let address = Address { ip, prefix: mask.leading_ones() as u8, gateway: repr.router };
    let seconds = repr.lease_duration.unwrap_or(DEFAULT_LEASE_S).max(SHORTEST_LEASE_S);
    let renew = repr.renew_duration.unwrap_or(seconds / 2).clamp(SHORTEST_LEASE_S / 2, seconds);
    Some(Lease {
        address,
        server: repr.server_identifier?,
        renew_at: now + Duration::from_secs(renew.into()),
        ends_at: now + Duration::from_secs(seconds.into()),
    })
}

/// The frame of a message: to all stations, as the server's address need not be known.
fn build(repr: &DhcpRepr<'_>, src: Ipv4Addr, link: &Link, pool: &'static Pool) -> Option<PktBuf> {
    let mut frame = pool.alloc()?;
    let datagram = frame.append(udp::HEADER_LEN + repr.buffer_len())?;
    datagram.fill(0);
    repr.emit(&mut DhcpPacket::new_unchecked(&mut datagram[udp::HEADER_LEN..])).ok()?;
    let dst = SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT);
    udp::emit(datagram, SocketAddrV4::new(src, CLIENT_PORT), dst, TxChecksum::Software);
    let len = frame.len();
    ipv4::emit(frame.prepend(ipv4::HEADER_LEN)?.first_chunk_mut()?, src, Ipv4Addr::BROADCAST, protocol::UDP, len);
    link.station().prepend(&mut frame, Mac::BROADCAST, Payload::Ipv4)?;
    Some(frame)
}

/// Whether a datagram is for the client, by its ports.
pub(crate) fn is_for_client(datagram: &[u8]) -> bool {
    const PORTS: [u8; 4] = [0, SERVER_PORT as u8, 0, CLIENT_PORT as u8];
    datagram.starts_with(&PORTS)
}
