//! What all sessions of a core share.

use alloc::sync::Arc;

use super::counters::{ConnectionBlock, ConnectionCounters, CounterBlock, Counters, Tallies, Tally};
use super::report::Report;
use super::roster::{Doing, Roster};
use super::settings::Settings;
use crate::store::{FIRST_SECOND, Handle, Miss};

/// Seconds from which on an expiry time is a date: 30 days.
const MAX_RELATIVE: i64 = 60 * 60 * 24 * 30;

/// A second of the store's clock that has passed already.
const LONG_AGO: u32 = 1;

/// Bytes that memcached adds to an item's key and value: header, CAS value, the NUL behind the key, the line end.
const ITEM_OVERHEAD: usize = 48 + 8 + 1 + 2;

/// Bytes that memcached adds for flags other than 0.
const FLAGS_BYTES: usize = 4;

/// How a machine is powered off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// At the end of the turn.
    Now,
    /// When the answers that are on their way have left.
    Gracefully,
}

/// Counters of the layers below the protocol.
pub trait Dataplane {
    /// Calls `visit` with each name and value.
    fn visit(&self, visit: &mut dyn FnMut(&str, u64));
}

/// What all sessions of a core share: its access to the store, its counters, its clock.
pub struct Server {
    /// The items.
    pub store: Handle,
    /// What was asked and found on this core.
    pub counters: Arc<CounterBlock>,
    /// Connections of this core, kept by the caller.
    pub connections: Arc<ConnectionBlock>,
    /// Who they are with, kept by the caller, too.
    pub roster: Arc<Roster>,
    /// What watchers are told.
    pub report: Report,
    tallies: Arc<Tallies>,
    /// Whether the store is on its way to another limit of its memory, for the caller to go on with.
    pub is_adjusting: bool,
    /// How the machine is to be powered off, once a client has asked for that.
    pub ending: Option<Ending>,
    /// What does not change.
    pub settings: Settings,
    uptime: u32,
    unix_seconds: u64,
}

impl Server {
    /// The server of core `core`, which has its counts in `tallies`, over `store`.
    pub fn new(mut store: Handle, settings: Settings, tallies: Arc<Tallies>, core: usize) -> Server {
        let tally = tallies.cores[core].clone();
        let Tally { counters, connections, roster } = tally;
        let report = Report::new(&tallies, core);
        store.report_evictions_to(report.reporter().clone());
        Server {
            store,
            counters,
            connections,
            roster,
            report,
            tallies,
            is_adjusting: false,
            ending: None,
            settings,
            uptime: 0,
            unix_seconds: 0,
        }
    }

    /// What was asked and found on all cores.
    pub fn all_counters(&self) -> Counters {
        self.tallies.counters()
    }

    /// Connections of all cores.
    pub fn all_connections(&self) -> ConnectionCounters {
        self.tallies.connections()
    }

    /// Begins to count anew what is asked and found.
    pub(super) fn reset_counters(&self) {
        self.tallies.reset();
    }

    /// Sets the clocks: seconds since the start, which never go back, and wall-clock time, which may.
    #[inline]
    pub fn set_time(&mut self, uptime: u32, unix_seconds: u64) {
        self.unix_seconds = unix_seconds;
        if uptime > self.uptime {
            self.uptime = uptime;
            self.store.set_now(uptime.saturating_add(FIRST_SECOND));
        }
    }

    /// Whether there are answers on other cores that wait for their clients.
    pub fn is_waited_for_elsewhere(&self) -> bool {
        let mut others = self.tallies.cores.iter().filter(|core| !Arc::ptr_eq(&core.roster, &self.roster));
        others.any(|core| core.roster.any_does(Doing::Writing))
    }

    /// The connections of each core.
    pub(super) fn rosters(&self) -> &[Tally] {
        &self.tallies.cores
    }

    /// How many watchers there are.
    pub(super) fn watchers(&self) -> u64 {
        self.tallies.board.audience().watchers()
    }

    /// Seconds since the start.
    pub fn uptime(&self) -> u32 {
        self.uptime
    }

    /// Wall-clock time, in seconds since 1970.
    pub(super) fn unix_seconds(&self) -> u64 {
        self.unix_seconds
    }

    /// A client's expiry time on the store's clock (protocol.txt, "Expiration times"): 0 is never, a negative one has passed,
    /// up to 30 days count from now, others are dates.
    pub(super) fn expiry(&self, exptime: i64) -> u32 {
        match exptime {
            0 => 0,
            ..0 => LONG_AGO,
            1..=MAX_RELATIVE => self.store.now().saturating_add(exptime as u32),
            _ => match exptime.unsigned_abs().checked_sub(self.unix_seconds) {
                None | Some(0) => LONG_AGO,
                Some(ahead) => self.store.now().saturating_add(ahead.min(u64::from(u32::MAX)) as u32),
            },
        }
    }

    /// Whether an item is within the limit, by memcached's count.
    pub(super) fn fits(&self, key_len: usize, flags: u32, value_len: usize) -> bool {
        Server::item_size(key_len, flags, value_len) <= self.settings.max_item_size as usize
    }

    /// Bytes of an item, by memcached's count.
    pub(super) fn item_size(key_len: usize, flags: u32, value_len: usize) -> usize {
        let flags_len = if flags == 0 { 0 } else { FLAGS_BYTES };
        ITEM_OVERHEAD + flags_len + key_len + value_len
    }

    /// Counts a `get` that found nothing.
    pub(super) fn count_miss(&mut self, miss: Miss) {
        self.counters.get_misses.add(1);
        match miss {
            Miss::Absent => {}
            Miss::Expired => self.counters.get_expired.add(1),
            Miss::Flushed => self.counters.get_flushed.add(1),
        }
    }
}
