//! Who is connected to one core, for `stats conns` on any: kept by the core that has the connections, read by all.

use alloc::boxed::Box;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Doing {
    /// It waits for a request, or for the rest of one.
    Reading = 1,
    /// Its replies wait for room.
    Writing = 2,
    /// It will be gone once its peer has closed, too.
    Closing = 3,
    /// It is told what happens.
    Watching = 4,
}

/// Where a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Listener {
    /// memcached's port.
    Memcached = 0,
    /// The port for HTTP.
    Http = 1,
}

/// What is known of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The peer.
    pub remote: SocketAddrV4,
    /// Where it came in.
    pub listener: Listener,
    /// What it does.
    pub doing: Doing,
    /// The second of the uptime in which it sent something last.
    pub heard: u32,
}

/// The number of where datagrams come in.
pub(super) const DATAGRAMS: u32 = 1;

/// Numbers of the listening ports: those of connections come after them.
pub(super) const LISTENERS: u32 = 3;

/// The number of a connection for all to see, of its number on one of so many cores.
pub(super) fn number(place: u32, core: u32, cores: u32) -> u32 {
    LISTENERS.saturating_add(place.saturating_mul(cores)).saturating_add(core)
}

/// The connections of one core, by numbers that the core gives.
#[derive(Debug)]
pub struct Roster {
    entries: Box<[Entry]>,
    /// Numbers that were ever given are below.
    used: AtomicU32,
}

/// One connection.
#[derive(Debug, Default)]
struct Entry {
    /// Address, port, listener, what it does; 0: there is none.
    who: AtomicU64,
    heard: AtomicU32,
}

const DOING: u64 = 0xff;
const LISTENER_SHIFT: u32 = 8;
const PORT_SHIFT: u32 = 16;
const ADDRESS_SHIFT: u32 = 32;

impl Roster {
    /// For numbers below `places`.
    pub(super) fn new(places: usize) -> Roster {
        Roster { entries: (0..places).map(|_| Entry::default()).collect(), used: AtomicU32::new(0) }
    }

    /// Bytes for each of the places.
    pub const fn bytes_per_place() -> usize {
        size_of::<Entry>()
    }

    /// Enters a connection.
    pub fn enter(&self, number: u32, seen: Seen) {
        let Some(entry) = self.entries.get(number as usize) else { return };
        let address = u64::from(seen.remote.ip().to_bits()) << ADDRESS_SHIFT;
        let port = u64::from(seen.remote.port()) << PORT_SHIFT;
        let listener = (seen.listener as u64) << LISTENER_SHIFT;
        entry.heard.store(seen.heard, Ordering::Relaxed);
        entry.who.store(address | port | listener | seen.doing as u64, Ordering::Release);
        self.used.fetch_max(number + 1, Ordering::Relaxed);
    }

    /// Notes that a connection has sent something in second `now` of the uptime.
    #[inline]
    pub fn hear(&self, number: u32, now: u32) {
        if let Some(entry) = self.entries.get(number as usize) {
            entry.heard.store(now, Ordering::Relaxed);
        }
    }

    /// Notes what a connection does from now on.
    pub fn note(&self, number: u32, doing: Doing) {
        if let Some(entry) = self.entries.get(number as usize) {
            let who = entry.who.load(Ordering::Relaxed);
            entry.who.store(who & !DOING | doing as u64, Ordering::Relaxed);
        }
    }

    /// Strikes out a connection.
    pub fn leave(&self, number: u32) {
        if let Some(entry) = self.entries.get(number as usize) {
            entry.who.store(0, Ordering::Relaxed);
        }
    }

    /// The connection of this number, if there is one.
    pub fn get(&self, number: u32) -> Option<Seen> {
        let entry = self.entries.get(number as usize)?;
        let who = entry.who.load(Ordering::Acquire);
        let doing = match who & DOING {
            0 => return None,
            1 => Doing::Reading,
            2 => Doing::Writing,
            3 => Doing::Closing,
            _ => Doing::Watching,
        };
        Some(Seen {
            remote: SocketAddrV4::new(Ipv4Addr::from_bits((who >> ADDRESS_SHIFT) as u32), (who >> PORT_SHIFT) as u16),
            listener: if who >> LISTENER_SHIFT & 1 == 0 { Listener::Memcached } else { Listener::Http },
            doing,
            heard: entry.heard.load(Ordering::Relaxed),
        })
    }

    /// Whether any of the connections does this. Looks at each.
    pub(super) fn any_does(&self, doing: Doing) -> bool {
        (0..self.used()).any(|number| self.get(number).is_some_and(|seen| seen.doing == doing))
    }

    /// The least number that was never given.
    pub(super) fn used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_entered_is_seen() {
        let roster = Roster::new(3);
        let remote = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 7), 65535);
        let seen = Seen { remote, listener: Listener::Http, doing: Doing::Reading, heard: 5 };
        roster.enter(1, seen);
        assert_eq!((roster.get(0), roster.get(1), roster.get(2), roster.used()), (None, Some(seen), None, 2));
        roster.note(1, Doing::Writing);
        roster.hear(1, 9);
        assert_eq!(roster.get(1), Some(Seen { doing: Doing::Writing, heard: 9, ..seen }));
        roster.leave(1);
        assert_eq!((roster.get(1), roster.used()), (None, 2));
        roster.enter(3, seen);
        assert_eq!((roster.get(3), roster.used()), (None, 2), "there is no such place");
    }
}
