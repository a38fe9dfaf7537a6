//! `stats settings`

use super::super::super::dialect::{CasUse, Speech};
use super::super::super::server::Server;
use super::{Value, Visit};
use crate::store::WhenFull;

/// Visits each line.
pub(super) fn visit(server: &Server, visit: &mut Visit<'_>) {
    let settings = &server.settings;
    let cas = match settings.dialect.cas {
        CasUse::Enabled => "yes",
        CasUse::Disabled => "no",
    };
    let speech = match settings.dialect.speech {
        Speech::Auto => "auto-negotiate",
        Speech::Ascii => "ascii",
        Speech::Binary => "binary",
    };
    let evictions = match settings.when_full {
        WhenFull::Evict => "on",
        WhenFull::Refuse => "off",
    };
    visit("maxbytes", Value::Number(server.store.limit() as u64));
    visit("maxconns", Value::Number(settings.conn_limit.into()));
    visit("tcpport", Value::Number(settings.port.into()));
    visit("udpport", Value::Number(settings.udp_port.into()));
    visit("inter", Value::Text("NULL"));
    visit("verbosity", Value::Number(0));
    visit("evictions", Value::Text(evictions));
    visit("domain_socket", Value::Text("NULL"));
    visit("shutdown_command", Value::Text(yes_or_no(settings.permissions.shutdown)));
    visit("num_threads", Value::Number(settings.threads.into()));
    visit("num_threads_per_udp", Value::Number(settings.threads.into()));
    visit("stat_key_prefix", Value::Text(":"));
    visit("detail_enabled", Value::Text("no"));
    visit("cas_enabled", Value::Text(cas));
    visit("binding_protocol", Value::Text(speech));
    visit("auth_enabled_sasl", Value::Text("no"));
    visit("auth_enabled_ascii", Value::Text(yes_or_no(settings.auth.is_some())));
    visit("item_size_max", Value::Number(settings.max_item_size.into()));
    visit("maxconns_fast", Value::Text("yes"));
    visit("flush_enabled", Value::Text(yes_or_no(settings.permissions.flush_all)));
    visit("dump_enabled", Value::Text(yes_or_no(settings.permissions.dumping)));
    visit("hash_algorithm", Value::Text("nh"));
    visit("lru_crawler", Value::Text("no"));
    visit("lru_maintainer_thread", Value::Text("no"));
    visit("lru_segmented", Value::Text("no"));
    visit("slab_reassign", Value::Text("no"));
    visit("slab_automove", Value::Number(0));
    visit("temp_lru", Value::Text("no"));
    visit("idle_timeout", Value::Number(settings.dialect.idle_timeout_s.into()));
    visit("track_sizes", Value::Text("no"));
    visit("ssl_enabled", Value::Text("no"));
}

fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}
