//! `stats items` and `stats slabs`: the log as if it were one slab class, for tools that add classes up.

use super::super::super::server::Server;
use super::{Value, Visit};

/// Visits each line of `stats items`; there are none while there are no items.
pub(super) fn visit_items(server: &Server, visit: &mut Visit<'_>) {
    if server.store.is_empty() {
        return;
    }
    let counters = server.store.counters();
    visit("items:1:number", Value::Number(server.store.len() as u64));
    visit("items:1:mem_requested", Value::Number(server.store.live_bytes()));
    visit("items:1:evicted", Value::Number(counters.evictions));
    visit("items:1:outofmemory", Value::Number(server.all_counters().store_no_memory));
    visit("items:1:reclaimed", Value::Number(counters.reclaimed));
    visit("items:1:expired_unfetched", Value::Number(counters.expired_unfetched));
    visit("items:1:evicted_unfetched", Value::Number(counters.evicted_unfetched));
}

/// Visits each line of `stats slabs`.
pub(super) fn visit_slabs(server: &Server, visit: &mut Visit<'_>) {
    let counters = server.all_counters();
    visit("1:used_chunks", Value::Number(server.store.len() as u64));
    visit("1:mem_requested", Value::Number(server.store.live_bytes()));
    visit("1:get_hits", Value::Number(counters.get_hits));
    visit("1:cmd_set", Value::Number(counters.cmd_set));
    visit("1:delete_hits", Value::Number(counters.delete_hits));
    visit("1:incr_hits", Value::Number(counters.incr_hits));
    visit("1:decr_hits", Value::Number(counters.decr_hits));
    visit("1:cas_hits", Value::Number(counters.cas_hits));
    visit("1:cas_badval", Value::Number(counters.cas_badval));
    visit("1:touch_hits", Value::Number(counters.touch_hits));
    visit("active_slabs", Value::Number(1));
    visit("total_malloced", Value::Number(server.store.capacity() as u64));
}
