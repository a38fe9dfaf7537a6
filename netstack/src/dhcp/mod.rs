//! The DHCP client (RFC 2131): gets a lease, extends it, and gives it up when it runs out.
//!
//! ```text
//! Selecting -offer-> Requesting -ack-> Bound -T1-> Renewing -T2-> Rebinding -end-> Selecting
//!     ^ nak, no answer |                 ^ ack ------'---------------'   | nak
//!     '----------------'---------------------------------------------------'
//! ```

mod lease;
mod message;

use core::net::Ipv4Addr;
use core::time::Duration;

use netdrv::pktbuf::Pool;
use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr};

use crate::address::Address;
use crate::counters::Counters;
use crate::keys::Keys;
use crate::link::Link;
use crate::time::Instant;
use lease::{Lease, Times};
use message::Message;

const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;
/// Between two messages at first, and at most (section 4.1); jitter is added.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(64);
/// Between two messages that extend a lease, at least (section 4.4.5).
const LEAST_EXTENSION_RETRY: Duration = Duration::from_secs(60);
/// Requests for one offer before it is given up.
const MAX_REQUESTS: u8 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Looking for servers, preferably for the address that we had.
    Selecting(Option<Ipv4Addr>),
    /// Taking up an offer.
    Requesting(Lease),
    /// Having a lease.
    Bound(Lease),
    /// Having a lease and asking its server to extend it.
    Renewing(Lease, Times),
    /// Having a lease and asking all servers to extend it.
    Rebinding(Lease, Times),
}

/// The client.
pub(crate) struct Dhcp {
    state: State,
    transaction: u32,
    /// When the search, or the extension, began.
    since: Instant,
    tries: u8,
    /// When the next message is due.
    next_at: Instant,
}

/// What a message or the passing of time changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// A lease was obtained or extended.
    Obtained {
        /// The address.
        address: Address,
        /// The largest IP packet of the network, if the server says.
        mtu: Option<u16>,
    },
    /// The lease ended.
    Lost,
}

impl Dhcp {
    /// Begins to look for a server at `now`.
    pub(crate) fn new(keys: &mut Keys, now: Instant) -> Dhcp {
        let transaction = keys.next_u64() as u32;
        Dhcp { state: State::Selecting(None), transaction, since: now, tries: 0, next_at: now }
    }

    /// When [`expire`](Dhcp::expire) has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match self.state {
            State::Selecting(_) | State::Requesting(_) => Some(self.next_at),
            State::Bound(lease) => lease.times.map(|times| times.renew_at),
            State::Renewing(_, times) => Some(self.next_at.min(times.rebind_at)),
            State::Rebinding(_, times) => Some(self.next_at.min(times.ends_at)),
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
        if self.next_deadline().is_none_or(|deadline| now < deadline) {
            return Change::None;
        }
        let mut change = Change::None;
        match self.state {
            State::Requesting(_) if self.tries >= MAX_REQUESTS => self.begin(State::Selecting(None), now, keys),
            State::Bound(lease) => {
                if let Some(times) = lease.times {
                    self.begin(State::Renewing(lease, times), now, keys);
                }
            }
            State::Renewing(lease, times) | State::Rebinding(lease, times) if times.ends_at <= now => {
                counters.dhcp_expired += 1;
                self.begin(State::Selecting(Some(lease.address.ip)), now, keys);
                change = Change::Lost;
            }
            State::Renewing(lease, times) if times.rebind_at <= now => {
                self.state = State::Rebinding(lease, times);
            }
            _ => {}
        }
        self.send(now, link, pool, counters);
        self.next_at = now + self.retry_after(now, keys);
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
        let change = self.answer(message, now, keys, link, counters);
        change.unwrap_or_else(|| {
            counters.drop_dhcp_unexpected += 1;
            Change::None
        })
    }

    /// What an answer changes; `None` if it is none to what was asked.
    fn answer(
        &mut self,
        message: &[u8],
        now: Instant,
        keys: &mut Keys,
        link: &Link,
        counters: &mut Counters,
    ) -> Option<Change> {
        let packet = DhcpPacket::new_checked(message).ok()?;
        let repr = DhcpRepr::parse(&packet).ok()?;
        if repr.transaction_id != self.transaction || repr.client_hardware_address != link.station().mac {
            return None;
        }
        let asked = match self.state {
            State::Selecting(_) => {
                let offer = Lease::read(&packet, &repr, now).filter(|_| repr.message_type == DhcpMessageType::Offer)?;
                self.state = State::Requesting(offer);
                self.tries = 0;
                self.next_at = now;
                return Some(Change::None);
            }
            State::Bound(_) => return None,
            State::Requesting(asked) | State::Renewing(asked, _) => {
                repr.server_identifier.filter(|server| *server == asked.server)?;
                asked
            }
            State::Rebinding(asked, _) => asked,
        };
        match repr.message_type {
            DhcpMessageType::Ack => {
                let granted = Lease::read(&packet, &repr, now)?;
                if granted.address.ip != asked.address.ip {
                    return None;
                }
                counters.dhcp_leases += 1;
                self.state = State::Bound(granted);
                Some(Change::Obtained { address: granted.address, mtu: granted.mtu })
            }
            DhcpMessageType::Nak => {
                counters.dhcp_naks += 1;
                let had_lease = !matches!(self.state, State::Requesting(_));
                self.begin(State::Selecting(None), now, keys);
                self.next_at = now + FIRST_RETRY;
                Some(if had_lease { Change::Lost } else { Change::None })
            }
            _ => None,
        }
    }

    /// Enters a state that begins a transaction.
    fn begin(&mut self, state: State, now: Instant, keys: &mut Keys) {
        self.state = state;
        self.transaction = keys.next_u64() as u32;
        self.since = now;
        self.tries = 0;
    }

    /// Doubles from a second to about a minute, plus or minus a tenth; when extending a lease, half of what is left until
    /// something else is to be done.
    fn retry_after(&self, now: Instant, keys: &mut Keys) -> Duration {
        let until = match self.state {
            State::Renewing(_, times) => times.rebind_at,
            State::Rebinding(_, times) => times.ends_at,
            _ => {
                let backoff = (FIRST_RETRY * 2u32.pow(self.tries.min(6).into())).min(LAST_RETRY);
                let jitter = keys.next_u64() % (backoff.as_nanos() as u64 / 5);
                return backoff * 9 / 10 + Duration::from_nanos(jitter);
            }
        };
        (until.since(now) / 2).max(LEAST_EXTENSION_RETRY)
    }

    fn send(&self, now: Instant, link: &mut Link, pool: &'static Pool, counters: &mut Counters) {
        let mut message = Message {
            kind: DhcpMessageType::Request,
            transaction: self.transaction,
            seconds: now.since(self.since).as_secs().min(u16::MAX.into()) as u16,
            client_ip: Ipv4Addr::UNSPECIFIED,
            requested_ip: None,
            server: None,
        };
        match self.state {
            State::Selecting(preferred) => {
                message.kind = DhcpMessageType::Discover;
                message.requested_ip = preferred;
            }
            State::Requesting(offer) => {
                message.requested_ip = Some(offer.address.ip);
                message.server = Some(offer.server);
            }
            State::Bound(lease) | State::Renewing(lease, _) | State::Rebinding(lease, _) => {
                message.client_ip = lease.address.ip;
            }
        }
        let station = link.station();
        let sent = match self.state {
            State::Renewing(lease, _) => message
                .packet(station.mac, lease.server, pool)
                .map(|packet| link.send(lease.server, packet, now, counters)),
            _ => message.broadcast(station, pool).map(|frame| link.reply(frame, counters)),
        };
        match sent {
            Some(()) => counters.dhcp_sent += 1,
            None => counters.tx_no_buffer += 1,
        }
    }
}

/// Whether a datagram is for the client, by its ports.
pub(crate) fn is_for_client(datagram: &[u8]) -> bool {
    const PORTS: [u8; 4] = [0, SERVER_PORT as u8, 0, CLIENT_PORT as u8];
    datagram.starts_with(&PORTS)
}
