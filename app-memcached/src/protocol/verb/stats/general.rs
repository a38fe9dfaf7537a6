//! The general-purpose statistics.

use super::super::super::server::Server;
use super::super::version::VERSION;
use super::{Value, Visit};

/// What is counted and never happens: who comes when all places are taken is told so at once, as by memcached's `maxconns_fast`, so
/// that no listener stops; and no connection is made to wait for the others (`-R`).
const NEVER: [&str; 3] = ["listen_disabled_num", "time_in_listen_disabled_us", "conn_yields"];

/// Visits each line, in memcached's order.
pub(super) fn visit(server: &Server, visit: &mut Visit<'_>) {
    visit_process(server, visit);
    visit_requests(server, visit);
    visit_store(server, visit);
}

fn visit_process(server: &Server, visit: &mut Visit<'_>) {
    let connections = server.all_connections();
    visit("pid", Value::Number(1));
    visit("uptime", Value::Number(server.uptime().into()));
    visit("time", Value::Number(server.unix_seconds()));
    visit("version", Value::Text(VERSION));
    visit("pointer_size", Value::Number(64));
    visit("max_connections", Value::Number(server.settings.conn_limit.into()));
    visit("curr_connections", Value::Number(connections.current));
    visit("total_connections", Value::Number(connections.total));
    visit("rejected_connections", Value::Number(connections.rejected));
    if server.settings.dialect.idle_timeout_s != 0 {
        visit("idle_kicks", Value::Number(connections.idle_kicks));
    }
    visit("accepting_conns", Value::Number(u64::from(connections.current < server.settings.conn_limit.into())));
    for never in NEVER {
        visit(never, Value::Number(0));
    }
    visit("threads", Value::Number(server.settings.threads.into()));
    visit("bytes_read", Value::Number(connections.bytes_read));
    visit("bytes_written", Value::Number(connections.bytes_written));
    visit("closed_long_line", Value::Number(connections.closed_long_line));
    visit("closed_no_buffers", Value::Number(connections.closed_no_buffers));
    visit("waited_for_buffers", Value::Number(connections.waited_for_buffers));
    visit("udp_requests", Value::Number(connections.udp_requests));
    visit("udp_malformed", Value::Number(connections.udp_malformed));
    visit("udp_too_large", Value::Number(connections.udp_too_large));
    visit("udp_no_buffers", Value::Number(connections.udp_no_buffers));
}

fn visit_requests(server: &Server, visit: &mut Visit<'_>) {
    let counters = server.all_counters();
    let lines = [
        ("cmd_get", counters.cmd_get),
        ("cmd_set", counters.cmd_set),
        ("cmd_flush", counters.cmd_flush),
        ("cmd_touch", counters.cmd_touch),
        ("cmd_meta", counters.cmd_meta),
        ("get_hits", counters.get_hits),
        ("get_misses", counters.get_misses),
        ("get_expired", counters.get_expired),
        ("get_flushed", counters.get_flushed),
        ("delete_misses", counters.delete_misses),
        ("delete_hits", counters.delete_hits),
        ("incr_misses", counters.incr_misses),
        ("incr_hits", counters.incr_hits),
        ("decr_misses", counters.decr_misses),
        ("decr_hits", counters.decr_hits),
        ("cas_misses", counters.cas_misses),
        ("cas_hits", counters.cas_hits),
        ("cas_badval", counters.cas_badval),
        ("touch_hits", counters.touch_hits),
        ("touch_misses", counters.touch_misses),
        ("auth_cmds", counters.auth_cmds),
        ("auth_errors", counters.auth_errors),
        ("store_too_large", counters.store_too_large),
        ("store_no_memory", counters.store_no_memory),
        ("get_no_memory", counters.get_no_memory),
        ("lru_crawler_starts", counters.lru_crawler_starts),
        ("crawler_items_checked", counters.crawler_items_checked),
        ("crawler_reclaimed", counters.crawler_reclaimed),
        // What watchers do not read in time counts as skipped: no event waits for them.
        ("log_worker_dropped", 0),
        ("log_worker_written", counters.log_worker_written),
        ("log_watcher_skipped", counters.log_watcher_skipped),
        ("log_watcher_sent", counters.log_watcher_sent),
        ("log_watchers", server.watchers()),
    ];
    for (name, value) in lines {
        visit(name, Value::Number(value));
    }
}

fn visit_store(server: &Server, visit: &mut Visit<'_>) {
    let store = &server.store;
    let counters = store.counters();
    let (hash_bytes, hash_power) = store.index_size();
    let lines = [
        ("limit_maxbytes", store.limit() as u64),
        ("hash_power_level", hash_power.into()),
        ("hash_bytes", (hash_bytes + store.overflow_size().used) as u64),
        // It grows bucket by bucket, without a time in which there are two tables.
        ("hash_is_expanding", 0),
        ("bytes", store.live_bytes()),
        ("curr_items", store.len() as u64),
        ("total_items", counters.total_items),
        ("expired_unfetched", counters.expired_unfetched),
        ("evicted_unfetched", counters.evicted_unfetched),
        ("evictions", counters.evictions),
        ("reclaimed", counters.reclaimed),
        ("cleaned_segments", counters.cleaned_segments),
        ("moved_bytes", counters.moved_bytes),
        ("pinned_segments", store.pinned_segments() as u64),
    ];
    for (name, value) in lines {
        visit(name, Value::Number(value));
    }
}
