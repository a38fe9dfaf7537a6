//! What watchers are told of: items that had to go.

use super::layout::Addr;
use super::{Handle, Reservation};
use crate::watch::{Event, Kind, Reporter};

/// The client whose request an eviction is told of as: nobody's.
const NOBODY: u32 = 0;

impl Handle {
    /// Tells of evictions from now on.
    pub fn report_evictions_to(&mut self, reporter: Reporter) {
        self.reporter = Some(reporter);
    }

    /// Tells of an item that is evicted.
    #[inline]
    pub(super) fn report_eviction(&self, addr: Addr) {
        if let Some(reporter) = &self.reporter
            && reporter.board().audience().wants(Kind::Eviction)
        {
            self.tell_of_eviction(reporter, addr);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_of_eviction(&self, reporter: &Reporter, addr: Addr) {
        let arena = &self.shared.arena;
        let (access, exptime) = (arena.access(addr), arena.exptime(addr));
        let ttl = if exptime == 0 { -1 } else { i64::from(exptime) - i64::from(self.now) };
        let idle = self.now.saturating_sub(access.second());
        let (key, size) = (arena.key(addr), arena.value_len(addr) as u32);
        reporter.tell(NOBODY, &Event::Eviction { key, is_fetched: access.is_fetched(), ttl, idle, size });
    }

    /// When an item expires that is not published yet; 0: never.
    pub fn exptime(&self, reservation: &Reservation) -> u32 {
        self.shared.arena.exptime(reservation.addr)
    }
}
