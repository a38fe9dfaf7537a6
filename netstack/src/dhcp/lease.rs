//! What a server offers or grants (RFC 2132).

use core::net::Ipv4Addr;
use core::time::Duration;

use smoltcp::wire::{DhcpPacket, DhcpRepr};

use crate::address::Address;
use crate::ipv4;
use crate::stack::LEAST_MTU;
use crate::time::Instant;

/// Option codes.
pub(super) mod option {
    pub(in crate::dhcp) const SUBNET_MASK: u8 = 1;
    pub(in crate::dhcp) const ROUTERS: u8 = 3;
    pub(in crate::dhcp) const INTERFACE_MTU: u8 = 26;
    pub(in crate::dhcp) const CLASSLESS_ROUTES: u8 = 121;
}

/// A lease without a duration counts as this.
const DEFAULT_LEASE_S: u32 = 3600;
/// A lease that never ends (RFC 2131, section 3.3).
const INFINITE_S: u32 = u32::MAX;
/// The prefix of a lease without a subnet mask.
const DEFAULT_MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);

/// A lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) address: Address,
    /// The largest IP packet of the network, if the server says.
    pub(super) mtu: Option<u16>,
    pub(super) server: Ipv4Addr,
    /// `None` if it never ends.
    pub(super) times: Option<Times>,
}

/// When a lease is extended, and when it ends (RFC 2131, section 4.4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// T1: its server is asked.
    pub(super) renew_at: Instant,
    /// T2: any server is asked.
    pub(super) rebind_at: Instant,
    pub(super) ends_at: Instant,
}

impl Lease {
    /// The lease in a server's message; `None` if it cannot be used.
    pub(super) fn read(packet: &DhcpPacket<&[u8]>, repr: &DhcpRepr<'_>, now: Instant) -> Option<Lease> {
        let ip = repr.your_ip;
        let mask = repr.subnet_mask.unwrap_or(DEFAULT_MASK).to_bits();
        let contiguous = mask.leading_ones() + mask.trailing_zeros() >= 32 && mask != 0;
        let mut address = Address { ip, prefix: mask.leading_ones() as u8, gateway: None };
        let usable = ipv4::is_host(ip) && !address.is_broadcast(ip) && !address.is_network(ip);
        if !usable || !contiguous {
            return None;
        }
        address.gateway = router(packet, &address);
        Some(Lease {
            address,
            mtu: find(packet, option::INTERFACE_MTU).and_then(mtu),
            server: repr.server_identifier.filter(|server| ipv4::is_host(*server))?,
            times: times(repr, now)?,
        })
    }
}

/// When the lease ends, and the times before: the server's, where they are in order, or the RFC's. `None` for a lease of no
/// time at all.
fn times(repr: &DhcpRepr<'_>, now: Instant) -> Option<Option<Times>> {
    let after = |seconds: u64| now + Duration::from_secs(seconds);
    match repr.lease_duration.unwrap_or(DEFAULT_LEASE_S) {
        0 => None,
        INFINITE_S => Some(None),
        seconds => {
            let seconds = u64::from(seconds);
            let (t1, t2) = (repr.renew_duration.map(u64::from), repr.rebind_duration.map(u64::from));
            let rebind = t2.filter(|t2| *t2 < seconds).unwrap_or(seconds * 7 / 8);
            let renew = t1.filter(|t1| *t1 < rebind).unwrap_or((seconds / 2).min(rebind));
            Some(Some(Times { renew_at: after(renew), rebind_at: after(rebind), ends_at: after(seconds) }))
        }
    }
}

/// The router: of the default route among the classless static routes if there are any (RFC 3442: the routers do not count then),
/// else the first of the routers that is on our link. Where our network is ourselves alone, as in some clouds, any will do.
fn router(packet: &DhcpPacket<&[u8]>, own: &Address) -> Option<Ipv4Addr> {
    let is_usable = |router: &Ipv4Addr| {
        let on_link = own.prefix == 32 || own.is_on_link(*router);
        on_link && own.could_be_host(*router)
    };
    match find(packet, option::CLASSLESS_ROUTES) {
        Some(routes) => default_router(routes).filter(is_usable),
        None => addresses(find(packet, option::ROUTERS)?).find(is_usable),
    }
}

/// The router of the default route in an option of RFC 3442: a list of prefix length, as many bytes of the prefix as that takes,
/// and a router.
fn default_router(mut routes: &[u8]) -> Option<Ipv4Addr> {
    loop {
        let (&prefix, rest) = routes.split_first()?;
        let (_, rest) = rest.split_at_checked(usize::from(prefix).div_ceil(8))?;
        let (router, rest) = rest.split_first_chunk::<4>()?;
        if prefix == 0 {
            return Some(Ipv4Addr::from_octets(*router));
        }
        routes = rest;
    }
}

fn addresses(list: &[u8]) -> impl Iterator<Item = Ipv4Addr> {
    list.as_chunks::<4>().0.iter().map(|octets| Ipv4Addr::from_octets(*octets))
}

/// A network's MTU, unless it is too small to be believed.
fn mtu(data: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(data.try_into().ok()?)).filter(|mtu| *mtu >= LEAST_MTU)
}

fn find<'a>(packet: &'a DhcpPacket<&[u8]>, code: u8) -> Option<&'a [u8]> {
    packet.options().find(|option| option.kind == code).map(|option| option.data)
}
