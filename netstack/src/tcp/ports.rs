//! Local ports of connections that we open (RFC 6056, section 3.3.4: double hash).
//!
//! Ports to one peer follow each other, so that none is used again soon; where they begin is a secret for each peer.

use alloc::boxed::Box;
use core::net::SocketAddrV4;

use siphasher::sip::SipHasher24;

use crate::keys::Keys;

/// The ports to choose from, and how many there are.
const FIRST: u16 = 32_768;
const COUNT: u32 = 1 + u16::MAX as u32 - FIRST as u32;
/// Ports that are tried for one connection at most.
const MOST_TRIES: u16 = 4096;
/// Peers that share no counter, more or less.
const COUNTERS: usize = 64;

/// Whether a connection from the first address to the second would be received by this core.
pub type IsOurs = Box<dyn Fn(SocketAddrV4, SocketAddrV4) -> bool>;

/// The choice of ports.
pub(super) struct Ports {
    offsets: SipHasher24,
    counters: [u16; COUNTERS],
    is_ours: Option<IsOurs>,
}

impl Ports {
    pub(super) fn new(keys: &mut Keys) -> Ports {
        Ports { offsets: keys.strong_hasher(), counters: [0; COUNTERS], is_ours: None }
    }

    /// From now on only ports are chosen whose connections are received by this core.
    pub(super) fn restrict(&mut self, is_ours: IsOurs) {
        self.is_ours = Some(is_ours);
    }

    /// A port for a connection from `local`, whose port means nothing, to `remote`: one that `is_free`.
    pub(super) fn choose(
        &mut self,
        mut local: SocketAddrV4,
        remote: SocketAddrV4,
        is_free: impl Fn(u16) -> bool,
    ) -> Option<u16> {
        let mut bytes = [0; 10];
        bytes[..4].copy_from_slice(&local.ip().octets());
        bytes[4..8].copy_from_slice(&remote.ip().octets());
        bytes[8..].copy_from_slice(&remote.port().to_be_bytes());
        let hash = self.offsets.hash(&bytes);
        let (offset, counter) = (hash as u16, &mut self.counters[(hash >> 32) as usize % COUNTERS]);
        for _ in 0..MOST_TRIES {
            let port = FIRST + ((u32::from(offset) + u32::from(*counter)) % COUNT) as u16;
            *counter = counter.wrapping_add(1);
            local.set_port(port);
            let is_ours = self.is_ours.as_ref().is_none_or(|is_ours| is_ours(local, remote));
            if is_ours && is_free(port) {
                return Some(port);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;
    use std::collections::HashSet;

    use super::*;

    const LOCAL: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 0);

    fn remote(n: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), n)
    }

    #[test]
    fn ports_follow_each_other_from_a_secret_beginning() {
        let first = |seed: u8, n| Ports::new(&mut Keys::new(&[seed; 16])).choose(LOCAL, remote(n), |_| true);
        let beginnings: HashSet<_> = (0..4).flat_map(|seed| [first(seed, 1), first(seed, 2)]).collect();
        assert_eq!(beginnings.len(), 8);
        let mut ports = Ports::new(&mut Keys::new(&[0; 16]));
        let mut seen = HashSet::new();
        for _ in 0..COUNT {
            let port = ports.choose(LOCAL, remote(1), |_| true).unwrap();
            assert!(port >= FIRST && seen.insert(port), "none twice in a round");
        }
    }

    #[test]
    fn ports_in_use_and_of_other_cores_are_left_out() {
        let mut ports = Ports::new(&mut Keys::new(&[0; 16]));
        ports.restrict(Box::new(|local, remote| local.port() % 4 == 1 && remote.port() == 7));
        for _ in 0..100 {
            let port = ports.choose(LOCAL, remote(7), |port| port % 8 == 1).unwrap();
            assert_eq!(port % 8, 1);
        }
        assert_eq!(ports.choose(LOCAL, remote(8), |_| true), None);
        assert_eq!(ports.choose(LOCAL, remote(7), |_| false), None);
    }
}
