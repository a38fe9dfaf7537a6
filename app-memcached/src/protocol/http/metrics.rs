//! The metrics, in Prometheus' text format 0.0.4. Names are those that memcached_exporter gives to the same statistics; what memcached
//! does not have begins with `memstorm_`.

use core::fmt::Write as _;

use heapless::String;

use super::super::counters::{ConnectionCounters, Counters};
use super::super::output::Output;
use super::super::server::{Dataplane, Server};
use super::super::step::REPLY_ROOM;
use super::super::verb::version::VERSION;
use super::response::{Body, write_end, write_part};
use crate::store::StoreCounters;

/// What is measured, and how it may change.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "counter", help }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: "gauge", help }
}

/// What the values are taken from.
struct Source<'a> {
    server: &'a Server,
    requests: Counters,
    connections: ConnectionCounters,
    store: StoreCounters,
}

type Value = fn(&Source<'_>) -> u64;

/// Families of one sample.
const SINGLE: &[(Family, Value)] = &[
    (gauge("memcached_up", "Whether the server answers."), |_| 1),
    (counter("memcached_uptime_seconds", "Seconds since the start."), |s| s.server.uptime().into()),
    (gauge("memcached_time_seconds", "Seconds since 1970, by the server's clock."), |s| s.server.unix_seconds()),
    (gauge("memcached_max_connections", "Connections allowed at a time."), |s| s.server.settings.conn_limit.into()),
    (gauge("memcached_current_connections", "Open connections."), |s| s.connections.current),
    (counter("memcached_connections_total", "Connections accepted."), |s| s.connections.total),
    (counter("memcached_connections_rejected_total", "Connections refused: all places were taken."), |s| {
        s.connections.rejected
    }),
    (counter("memcached_connections_listener_disabled_total", "Times that a listener stopped: never."), |_| 0),
    (counter("memcached_connections_yielded_total", "Times that a connection had to wait for others: never."), |_| 0),
    (gauge("memcached_accepting_connections", "Whether there are places for connections."), |s| {
        u64::from(s.connections.current < s.server.settings.conn_limit.into())
    }),
    (counter("memcached_read_bytes_total", "Bytes of requests taken."), |s| s.connections.bytes_read),
    (counter("memcached_written_bytes_total", "Bytes of replies sent."), |s| s.connections.bytes_written),
    (gauge("memcached_current_bytes", "Bytes of the items held."), |s| s.server.store.live_bytes()),
    (gauge("memcached_limit_bytes", "Bytes that items may take."), |s| s.server.store.limit() as u64),
    (gauge("memcached_current_items", "Items held."), |s| s.server.store.len() as u64),
    (counter("memcached_items_total", "Items stored."), |s| s.store.total_items),
    (counter("memcached_items_evicted_total", "Live items dropped to make room."), |s| s.store.evictions),
    (counter("memcached_items_reclaimed_total", "Expired items whose memory was taken back."), |s| s.store.reclaimed),
    (counter("memcached_item_too_large_total", "Items refused: larger than allowed."), |s| s.requests.store_too_large),
    (counter("memcached_item_no_memory_total", "Items refused: no memory."), |s| s.requests.store_no_memory),
    (counter("memcached_lru_crawler_starts_total", "Walks over all items."), |s| s.requests.lru_crawler_starts),
    (counter("memcached_lru_crawler_items_checked_total", "Items that walks have looked at."), |s| {
        s.requests.crawler_items_checked
    }),
    (counter("memcached_lru_crawler_reclaimed_total", "Expired items that walks have removed."), |s| {
        s.requests.crawler_reclaimed
    }),
    (counter("memstorm_items_evicted_unfetched_total", "Live items dropped that were never read."), |s| {
        s.store.evicted_unfetched
    }),
    (counter("memstorm_items_expired_unfetched_total", "Expired items that were never read."), |s| {
        s.store.expired_unfetched
    }),
    (counter("memstorm_meta_commands_total", "Meta commands."), |s| s.requests.cmd_meta),
    (gauge("memstorm_threads", "Cores that serve."), |s| s.server.settings.threads.into()),
    (gauge("memstorm_hash_bytes", "Bytes of the index."), |s| s.server.store.index_size().0 as u64),
    (counter("memstorm_cleaned_segments_total", "Segments that the cleaners freed."), |s| s.store.cleaned_segments),
    (counter("memstorm_moved_bytes_total", "Bytes of items that the cleaners copied."), |s| s.store.moved_bytes),
    (gauge("memstorm_pinned_segments", "Segments that clients hold."), |s| s.server.store.pinned_segments() as u64),
    (counter("memstorm_connections_closed_long_line_total", "Connections closed: a command line did not end."), |s| {
        s.connections.closed_long_line
    }),
    (counter("memstorm_connections_closed_no_buffers_total", "Connections closed: no buffers for their input."), |s| {
        s.connections.closed_no_buffers
    }),
    (counter("memstorm_waited_for_buffers_total", "Times that a reply waited for buffers."), |s| {
        s.connections.waited_for_buffers
    }),
    (counter("memstorm_udp_requests_total", "Datagrams with requests."), |s| s.connections.udp_requests),
];

const COMMANDS: Family = counter("memcached_commands_total", "Requests by command and outcome.");

/// Labels and values of the requests.
const BY_COMMAND: &[(&str, &str, Value)] = &[
    ("get", "hit", |s| s.requests.get_hits),
    ("get", "miss", |s| s.requests.get_misses),
    ("set", "hit", |s| {
        // `cas` is counted as `set`, too.
        let cas = s.requests.cas_hits + s.requests.cas_misses + s.requests.cas_badval;
        s.requests.cmd_set.saturating_sub(cas)
    }),
    ("cas", "hit", |s| s.requests.cas_hits),
    ("cas", "miss", |s| s.requests.cas_misses),
    ("cas", "badval", |s| s.requests.cas_badval),
    ("delete", "hit", |s| s.requests.delete_hits),
    ("delete", "miss", |s| s.requests.delete_misses),
    ("incr", "hit", |s| s.requests.incr_hits),
    ("incr", "miss", |s| s.requests.incr_misses),
    ("decr", "hit", |s| s.requests.decr_hits),
    ("decr", "miss", |s| s.requests.decr_misses),
    ("touch", "hit", |s| s.requests.touch_hits),
    ("touch", "miss", |s| s.requests.touch_misses),
    ("flush", "hit", |s| s.requests.cmd_flush),
];

const VERSIONS: Family = gauge("memcached_version", "The version, as a label.");
const DATAPLANE: Family =
    Family { name: "memstorm_dataplane", kind: "untyped", help: "What `stats dataplane` says, by its names." };

/// A sample with what stands before it.
type Text = String<{ REPLY_ROOM / 2 }>;

/// Sends the samples from number `sent` on that there is room for, and counts them there. Whether those were the last.
pub(super) fn send(
    sent: &mut u32,
    body: Body,
    server: &Server,
    dataplane: &dyn Dataplane,
    out: &mut impl Output,
) -> bool {
    let (mut number, mut is_full) = (0, false);
    visit(server, dataplane, &mut |family, place, labels, value| {
        is_full |= out.room() < REPLY_ROOM;
        if number == *sent && !is_full {
            write_part(&text(family, place, labels, value), body, out);
            *sent += 1;
        }
        number += 1;
    });
    is_full |= out.room() < REPLY_ROOM;
    if !is_full {
        write_end(body, out);
    }
    !is_full
}

/// What is called for each sample: its family, its place there, labels, value.
type Visit<'a> = dyn FnMut(&Family, Place, &[(&str, &str)], u64) + 'a;

/// Where a sample is in its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    First,
    Further,
}

fn visit(server: &Server, dataplane: &dyn Dataplane, visit: &mut Visit<'_>) {
    let (requests, connections) = (server.all_counters(), server.all_connections());
    let source = Source { server, requests, connections, store: server.store.counters() };
    visit(&VERSIONS, Place::First, &[("version", VERSION)], 1);
    for (family, value) in SINGLE {
        visit(family, Place::First, &[], value(&source));
    }
    let mut place = Place::First;
    for (command, status, value) in BY_COMMAND {
        visit(&COMMANDS, place, &[("command", command), ("status", status)], value(&source));
        place = Place::Further;
    }
    let mut place = Place::First;
    dataplane.visit(&mut |name, value| {
        visit(&DATAPLANE, place, &[("name", name)], value);
        place = Place::Further;
    });
}

fn text(family: &Family, place: Place, labels: &[(&str, &str)], value: u64) -> Text {
    let mut text = Text::new();
    // Names and helps are ours, and fit; those of the dataplane are words.
    let written = write_sample(&mut text, family, place, labels, value);
    debug_assert!(written.is_ok(), "{labels:?} does not fit");
    text
}

fn write_sample(
    text: &mut Text,
    Family { name, kind, help }: &Family,
    place: Place,
    labels: &[(&str, &str)],
    value: u64,
) -> core::fmt::Result {
    if place == Place::First {
        write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n")?;
    }
    text.write_str(name)?;
    for (i, (label, is)) in labels.iter().enumerate() {
        write!(text, "{}{label}=\"{is}\"", if i == 0 { '{' } else { ',' })?;
    }
    writeln!(text, "{} {value}", if labels.is_empty() { "" } else { "}" })
}
