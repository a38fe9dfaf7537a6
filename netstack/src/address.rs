//! The host's IPv4 address and what follows from it.

use core::net::Ipv4Addr;

use crate::ipv4;

/// An address, its network, and the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The host's address.
    pub ip: Ipv4Addr,
    /// Length of the network prefix, in bits, at most 32.
    pub prefix: u8,
    /// The router to other networks.
    pub gateway: Option<Ipv4Addr>,
}

impl Address {
    /// Whether `ip` is in our network.
    pub(crate) fn is_on_link(&self, ip: Ipv4Addr) -> bool {
        (ip.to_bits() ^ self.ip.to_bits()) & self.mask() == 0
    }

    /// Whether `ip` means all hosts of our network.
    pub(crate) fn is_broadcast(&self, ip: Ipv4Addr) -> bool {
        ip.is_broadcast() || (self.prefix < 31 && ip.to_bits() == self.ip.to_bits() | !self.mask())
    }

    /// Whether `ip` is the network itself: in use as a broadcast address long ago, and no host's (RFC 1122, section 3.2.1.3).
    pub(crate) fn is_network(&self, ip: Ipv4Addr) -> bool {
        self.prefix < 31 && ip.to_bits() == self.ip.to_bits() & self.mask()
    }

    /// Whether `ip` could be another host on our link, as far as its number tells; a router may lie beyond our network (RFC 3442).
    pub(crate) fn could_be_neighbor(&self, ip: Ipv4Addr) -> bool {
        (self.is_on_link(ip) || self.gateway == Some(ip)) && self.could_be_host(ip)
    }

    /// Whether `ip` could be another host.
    pub(crate) fn could_be_host(&self, ip: Ipv4Addr) -> bool {
        ipv4::is_host(ip) && ip != self.ip && !self.is_network(ip) && !self.is_broadcast(ip)
    }

    /// The neighbor that a packet to `ip` goes to first; `None` if there is no way.
    pub fn next_hop(&self, ip: Ipv4Addr) -> Option<Ipv4Addr> {
        if self.is_on_link(ip) { Some(ip) } else { self.gateway }
    }

    fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_at_their_limits() {
        let at = |prefix| Address { ip: Ipv4Addr::new(10, 1, 2, 3), prefix, gateway: Some(Ipv4Addr::new(10, 1, 2, 1)) };
        let far = Ipv4Addr::new(192, 168, 0, 1);
        assert_eq!(at(0).next_hop(far), Some(far));
        assert_eq!(at(24).next_hop(far), Some(Ipv4Addr::new(10, 1, 2, 1)));
        assert_eq!(at(32).next_hop(Ipv4Addr::new(10, 1, 2, 4)), Some(Ipv4Addr::new(10, 1, 2, 1)));
        assert!(at(24).is_broadcast(Ipv4Addr::new(10, 1, 2, 255)));
        assert!(at(24).is_network(Ipv4Addr::new(10, 1, 2, 0)) && !at(31).is_network(Ipv4Addr::new(10, 1, 2, 2)));
        assert!(!at(31).is_broadcast(Ipv4Addr::new(10, 1, 2, 3)));
        assert!(at(200).is_on_link(at(200).ip));
    }
}
