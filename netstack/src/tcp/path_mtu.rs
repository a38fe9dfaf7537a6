//! Path MTUs (RFC 1191): how large a segment a path takes, as far as routers have said.
//!
//! A path is believed to be narrow for ten minutes (section 6.3); then the full MSS is tried again, which shows whether it still
//! is. What one connection has learned is kept for the next to the same host, in a table of bounded size.

use core::net::Ipv4Addr;
use core::time::Duration;

use super::Tcp;
use super::header::HEADER_LEN;
use super::options::TIMESTAMPS_LEN;
use crate::ipv4;
use crate::keys::{Keys, SetHash};
use crate::stack::LEAST_MTU;
use crate::time::Instant;

/// How long a path is believed to be narrow.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);

const SET_BITS: u32 = 5;
const WAYS: usize = 4;

/// The MSS of a connection while its path is narrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reduced {
    /// Without the path's limit.
    pub(super) full_mss: u16,
    pub(super) until: Instant,
}

/// The payload of a segment of which all headers and the payload take `mtu` bytes.
pub(super) fn mss_of(mtu: u16, timestamps: bool) -> u16 {
    let options = if timestamps { TIMESTAMPS_LEN } else { 0 };
    mtu.saturating_sub((ipv4::HEADER_LEN + HEADER_LEN + options) as u16)
}

#[derive(Clone, Copy)]
struct Path {
    remote: Ipv4Addr,
    mtu: u16,
    until: Instant,
}

/// Narrow paths.
pub(super) struct Paths {
    sets: [[Option<Path>; WAYS]; 1 << SET_BITS],
    hash: SetHash,
}

impl Paths {
    pub(super) fn new(keys: &mut Keys) -> Paths {
        Paths { sets: [[None; WAYS]; 1 << SET_BITS], hash: SetHash::new(keys, SET_BITS) }
    }

    /// The MTU of the path to `remote` and until when it is believed, if it is known to be narrow.
    pub(super) fn get(&self, remote: Ipv4Addr, now: Instant) -> Option<(u16, Instant)> {
        let set = &self.sets[self.hash.of(remote)];
        let path = set.iter().flatten().find(|path| path.remote == remote && now < path.until)?;
        Some((path.mtu, path.until))
    }

    /// Notes a narrow path, in the place of the one of its set that is believed least long.
    pub(super) fn insert(&mut self, remote: Ipv4Addr, mtu: u16, until: Instant) {
        let set = &mut self.sets[self.hash.of(remote)];
        let same = set.iter().position(|path| path.is_some_and(|path| path.remote == remote));
        let oldest = (0..WAYS).min_by_key(|way| set[*way].map(|path| path.until)).unwrap_or(0);
        set[same.unwrap_or(oldest)] = Some(Path { remote, mtu, until });
    }
}

impl Tcp {
    /// Changes the largest IP packet of the network, for connections opened from now on: at least [`LEAST_MTU`].
    pub(crate) fn set_mtu(&mut self, mtu: u16) {
        self.mss = mss_of(mtu.max(LEAST_MTU), false);
    }

    /// Limits the MSS of a new connection to what is known of its path.
    pub(super) fn limit_to_path(&mut self, index: u32, now: Instant) {
        let Some(tcb) = self.tcbs[index as usize].as_mut() else { return };
        let Some((mtu, until)) = self.paths.get(tcb.key.remote_ip(), now) else { return };
        let (mss, full_mss) = (mss_of(mtu, tcb.timestamps.is_some()), tcb.send.mss);
        if mss < full_mss {
            tcb.send.mss = mss;
            tcb.send.reduced = Some(Reduced { full_mss, until });
        }
    }

    /// Tries a path with full segments again, if it was believed to be narrow for long enough.
    pub(super) fn widen_path(&mut self, index: u32, now: Instant) {
        let Some(tcb) = self.tcb(index) else { return };
        if let Some(Reduced { full_mss, until }) = tcb.send.reduced
            && until <= now
        {
            tcb.send.mss = full_mss;
            tcb.send.reduced = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_few_and_forgotten() {
        let mut paths = Paths::new(&mut Keys::new(&[1; 16]));
        let at = |n: u32| (Ipv4Addr::from_bits(n), Instant::from_nanos(1000 + u64::from(n)));
        for n in 0..10_000 {
            let (ip, until) = at(n);
            paths.insert(ip, 1400, until);
            assert_eq!(paths.get(ip, Instant::ZERO), Some((1400, until)));
        }
        let kept = (0..10_000).filter(|n| paths.get(at(*n).0, Instant::ZERO).is_some()).count();
        assert!(kept <= WAYS << SET_BITS, "{kept}");
        let (ip, until) = at(9999);
        paths.insert(ip, 1300, until);
        assert_eq!((paths.get(ip, Instant::ZERO), paths.get(ip, until)), (Some((1300, until)), None));
    }
}
