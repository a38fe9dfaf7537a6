//! What a run needs of a host, whichever stack it has.

use std::net::Ipv4Addr;

use netdrv::testkit::link::Side;

use super::scenario::Role;

/// A host.
pub(super) trait Host {
    /// Does what there is to do. Returns 0 if that was nothing.
    fn turn(&mut self, now_ns: u64) -> usize;

    /// When it wants its next turn, if nothing else happens.
    fn deadline_ns(&mut self, now_ns: u64) -> Option<u64>;

    /// Whether nothing is left of any connection.
    fn is_idle(&self) -> bool;

    /// Whether everything is as it was at the beginning.
    fn check(&self) -> Result<(), String>;

    /// Says what it has done.
    fn report(&self, out: &mut String);
}

/// Where a host is.
pub(super) struct Place {
    pub(super) side: Side,
    pub(super) mac: [u8; 6],
    pub(super) ip: Ipv4Addr,
}

impl Place {
    /// The client is on the left.
    pub(super) fn of(role: Role) -> Place {
        match role {
            Role::Client => Place { side: Side::Left, mac: [2, 0, 0, 0, 0, 1], ip: Ipv4Addr::new(10, 0, 0, 1) },
            Role::Server => Place { side: Side::Right, mac: [2, 0, 0, 0, 0, 2], ip: Ipv4Addr::new(10, 0, 0, 2) },
        }
    }
}
