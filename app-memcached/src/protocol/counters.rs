//! What memcached counts, on all cores.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::roster::Roster;
use crate::count::counts;
use crate::watch::Board;

counts! {
    /// Requests by kind and outcome. Names are those of `stats`.
    #[expect(missing_docs, reason = "memcached's doc/protocol.txt, \"General-purpose statistics\", defines each")]
    pub struct Counters, CounterBlock {
        cmd_get,
        cmd_set,
        cmd_flush,
        cmd_touch,
        cmd_meta,
        get_hits,
        get_misses,
        get_expired,
        get_flushed,
        delete_hits,
        delete_misses,
        incr_hits,
        incr_misses,
        decr_hits,
        decr_misses,
        cas_hits,
        cas_misses,
        cas_badval,
        touch_hits,
        touch_misses,
        auth_cmds,
        auth_errors,
        store_too_large,
        store_no_memory,
        /// Large values that could not be sent because too many were being sent already.
        get_no_memory,
        /// Walks over all items that were asked for, items looked at by them, and expired ones removed.
        lru_crawler_starts,
        crawler_items_checked,
        crawler_reclaimed,
        /// Events that watchers could be told of, kept by the board; lines that they were sent, and lines that they were too slow for.
        log_worker_written,
        log_watcher_sent,
        log_watcher_skipped,
    }
}

counts! {
    /// Connections and their bytes, kept by the layer that has them.
    pub struct ConnectionCounters, ConnectionBlock {
        /// Open now.
        current,
        /// Accepted since the start.
        total,
        /// Refused because all places were taken.
        rejected,
        /// Closed because they had sent nothing for too long.
        idle_kicks,
        /// Request bytes taken.
        bytes_read,
        /// Reply bytes given to the stack.
        bytes_written,
        /// Aborted because a command line did not end.
        closed_long_line,
        /// Aborted because there were no packet buffers for their input.
        closed_no_buffers,
        /// Times that a reply waited for packet buffers.
        waited_for_buffers,
        /// Datagrams with requests.
        udp_requests,
        /// Datagrams without a frame, without a request, or of a message that has more of them.
        udp_malformed,
        /// Datagrams whose answer has too many of them.
        udp_too_large,
        /// Datagrams that were not answered because there were no packet buffers.
        udp_no_buffers,
    }
}

/// The counts of all cores, and what they tell watchers.
pub struct Tallies {
    pub(super) cores: Box<[Tally]>,
    /// What watchers read.
    pub(super) board: Arc<Board>,
    /// What the requests had come to at the last `stats reset`.
    reset: CounterBlock,
}

/// The counts of one core.
#[derive(Clone)]
pub(super) struct Tally {
    pub(super) counters: Arc<CounterBlock>,
    pub(super) connections: Arc<ConnectionBlock>,
    pub(super) roster: Arc<Roster>,
}

impl Tallies {
    /// Zeros for `cores` cores, each with at most `places` connections.
    pub fn new(cores: usize, places: usize) -> Arc<Tallies> {
        let tally =
            || Tally { counters: Arc::default(), connections: Arc::default(), roster: Arc::new(Roster::new(places)) };
        let board = Board::new(cores);
        let cores = (0..cores).map(|_| tally()).collect();
        Arc::new(Tallies { cores, board, reset: CounterBlock::default() })
    }

    /// Requests since the last reset.
    pub(super) fn counters(&self) -> Counters {
        let mut reset = Counters::default();
        self.reset.add_to(&mut reset);
        self.sum().since(&reset)
    }

    /// Requests since the start.
    fn sum(&self) -> Counters {
        let mut sum = Counters { log_worker_written: self.board.told(), ..Counters::default() };
        self.cores.iter().for_each(|core| core.counters.add_to(&mut sum));
        sum
    }

    /// Connections.
    pub(super) fn connections(&self) -> ConnectionCounters {
        let mut sum = ConnectionCounters::default();
        self.cores.iter().for_each(|core| core.connections.add_to(&mut sum));
        sum
    }

    /// Begins to count requests anew.
    pub(super) fn reset(&self) {
        self.reset.set_to(&self.sum());
    }
}
