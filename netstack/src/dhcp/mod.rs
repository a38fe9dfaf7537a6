//! A DHCP client (RFC 2131): gets an address, keeps it, and says when it is gone.
//!
//! ```text
//! Selecting --OFFER--> Requesting --ACK--> Bound --T1--> renewing --T2--> rebinding --expiry--> Selecting
//!     ^---- NAK, no answer ----'             ^---- ACK -----'----------------'
//! ```
//!
//! Left out: INIT-REBOOT, DECLINE after an address conflict, RELEASE, and all options but mask, router and times.

mod message;

use core::time::Duration;

use netdrv::pktbuf::PktBuf;

use crate::address::Address;
use crate::counters::DropReason;
use crate::interface::Interface;
use crate::keys::Keys;
use crate::time::Instant;
use crate::udp::Ports;
use message::{Answer, Kind, Lease, Request};

const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;

/// The ports of a server's answers.
pub(crate) const PORTS: Ports = Ports { src: SERVER_PORT, dst: CLIENT_PORT };

/// Requests without an answer before discovery begins anew.
const REQUESTS: u32 = 4;
/// The first and the last delay between messages (RFC 2131, section 4.1, but quicker to begin with), before jitter.
const FIRST_DELAY_SECONDS: u64 = 1;
const LAST_DELAY_SECONDS: u64 = 64;
/// The least time between renewals (section 4.4.5).
const RENEWAL_DELAY: Duration = Duration::from_secs(60);

/// The client.
pub(crate) struct Client {
    state: State,
    /// When to send, or to change state.
    deadline: Instant,
    /// Messages of this state sent so far.
    tries: u32,
    xid: u32,
    /// When this acquisition or renewal began.
    began: Instant,
    keys: Keys,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Selecting,
    Requesting(Lease),
    Bound(Bound),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound {
    lease: Lease,
    rebind: Instant,
    expiry: Instant,
}

/// What has become of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// As before.
    None,
    /// It is ours, perhaps again.
    Acquired(Address),
    /// It is no longer ours.
    Lost,
}

impl Client {
    /// A client that begins at once.
    pub(crate) fn new(mut keys: Keys, now: Instant) -> Client {
        let xid = keys.next_u64() as u32;
        Client { state: State::Selecting, deadline: now, tries: 0, xid, began: now, keys }
    }

    /// When [`poll`](Client::poll) has something to do.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Sends what is due.
    pub(crate) fn poll(&mut self, iface: &mut Interface, now: Instant) -> Change {
        if now < self.deadline {
            return Change::None;
        }
        match self.state {
            State::Selecting => self.send(Kind::Discover, iface, now),
            State::Requesting(_) if self.tries >= REQUESTS => {
                self.restart(now);
                self.send(Kind::Discover, iface, now);
            }
            State::Requesting(lease) => self.send(Kind::Request(lease), iface, now),
            State::Bound(bound) if now >= bound.expiry => {
                iface.counters.dhcp_expired += 1;
                self.restart(now);
                return Change::Lost;
            }
            State::Bound(bound) => self.extend(bound, iface, now),
        }
        Change::None
    }

    /// Takes a message from the server's port.
    pub(crate) fn receive(&mut self, buf: &PktBuf, iface: &mut Interface, now: Instant) -> Result<Change, DropReason> {
        let Some(answer) = message::parse(buf.bytes(), iface.mac, self.xid) else {
            return Err(|c| &mut c.drop_dhcp_unexpected);
        };
        match (self.state, answer) {
            (State::Selecting, Answer::Offer(lease)) => {
                self.state = State::Requesting(lease);
                self.tries = 0;
                self.send(Kind::Request(lease), iface, now);
                Ok(Change::None)
            }
            (State::Requesting(_) | State::Bound(_), Answer::Ack(lease)) => {
                iface.counters.dhcp_leases += 1;
                self.bind(lease, now);
                Ok(Change::Acquired(lease.address))
            }
            (State::Requesting(_) | State::Bound(_), Answer::Nak) => {
                iface.counters.dhcp_naks += 1;
                let lost = matches!(self.state, State::Bound(_));
                self.restart(now + Duration::from_secs(FIRST_DELAY_SECONDS));
                Ok(if lost { Change::Lost } else { Change::None })
            }
            _ => Err(|c| &mut c.drop_dhcp_unexpected),
        }
    }

    fn restart(&mut self, at: Instant) {
        self.state = State::Selecting;
        (self.deadline, self.began, self.tries) = (at, at, 0);
        self.xid = self.keys.next_u64() as u32;
    }

    fn bind(&mut self, lease: Lease, now: Instant) {
        let bound = Bound { lease, rebind: now + lease.rebind, expiry: now + lease.duration };
        self.state = State::Bound(bound);
        (self.deadline, self.tries) = (now + lease.renew, 0);
    }

    /// Asks for more time: the server until T2, then everybody (RFC 2131, section 4.4.5).
    fn extend(&mut self, bound: Bound, iface: &mut Interface, now: Instant) {
        if self.tries == 0 {
            self.began = now;
            self.xid = self.keys.next_u64() as u32;
        }
        let (kind, until) = if now < bound.rebind {
            (Kind::Renew(bound.lease), bound.rebind)
        } else {
            (Kind::Rebind(bound.lease), bound.expiry)
        };
        self.send(kind, iface, now);
        self.deadline = (now + (until.since(now) / 2).max(RENEWAL_DELAY)).min(until);
    }

    /// Sends a message and sets the time of the next: doubling, with a quarter of jitter either way.
    fn send(&mut self, kind: Kind, iface: &mut Interface, now: Instant) {
        let seconds = now.since(self.began).as_secs().min(u16::MAX.into()) as u16;
        message::send(Request { kind, xid: self.xid, seconds }, iface, now);
        let delay = Duration::from_secs((FIRST_DELAY_SECONDS << self.tries.min(8)).min(LAST_DELAY_SECONDS));
        let jitter = (self.keys.next_u64() % 512) as u32;
        self.deadline = now + delay * 3 / 4 + delay * jitter / 1024;
        self.tries += 1;
    }
}
