//! What memcached counts.

/// Requests by kind and outcome. Names are those of `stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "memcached's doc/protocol.txt, \"General-purpose statistics\", defines each")]
pub struct Counters {
    pub cmd_get: u64,
    pub cmd_set: u64,
    pub cmd_flush: u64,
    pub cmd_touch: u64,
    pub get_hits: u64,
    pub get_misses: u64,
    pub get_expired: u64,
    pub get_flushed: u64,
    pub delete_hits: u64,
    pub delete_misses: u64,
    pub incr_hits: u64,
    pub incr_misses: u64,
    pub decr_hits: u64,
    pub decr_misses: u64,
    pub cas_hits: u64,
    pub cas_misses: u64,
    pub cas_badval: u64,
    pub touch_hits: u64,
    pub touch_misses: u64,
    pub store_too_large: u64,
    pub store_no_memory: u64,
    /// Large values that could not be sent because too many were being sent already.
    pub get_no_memory: u64,
}

/// Connections and their bytes, kept by the layer that has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounters {
    /// Open now.
    pub current: u64,
    /// Accepted since the start.
    pub total: u64,
    /// Refused because all places were taken.
    pub rejected: u64,
    /// Request bytes taken.
    pub bytes_read: u64,
    /// Reply bytes given to the stack.
    pub bytes_written: u64,
    /// Aborted because a command line did not end.
    pub closed_long_line: u64,
    /// Aborted because there were no packet buffers for their input.
    pub closed_no_buffers: u64,
    /// Times that a reply waited for packet buffers.
    pub waited_for_buffers: u64,
}
