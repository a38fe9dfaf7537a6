//! One word of a configuration: a key with its value.

use super::{
    Address, AuthToken, CasUse, ClusterNodes, Config, ConfigError, CongestionControl, Ecn, Evictions, KEYS, Level,
    OnCrash, Permission, Protocol, SelfTest, StageClock,
};

/// Values of an enumerated key, by name.
type Names<T> = &'static [(&'static str, T)];

const ON_CRASH: Names<OnCrash> = &[("exit", OnCrash::Exit), ("halt", OnCrash::Halt), ("reboot", OnCrash::Reboot)];
const LEVELS: Names<Level> =
    &[("error", Level::Error), ("warn", Level::Warn), ("info", Level::Info), ("debug", Level::Debug)];
const SELF_TESTS: Names<SelfTest> = &[
    ("write-text", SelfTest::WriteText),
    ("execute-data", SelfTest::ExecuteData),
    ("null-read", SelfTest::NullRead),
    ("stack-overflow", SelfTest::StackOverflow),
    ("divide-by-zero", SelfTest::DivideByZero),
    ("panic", SelfTest::Panic),
    ("ud2", SelfTest::Ud2),
];
const STAGE_CLOCKS: Names<StageClock> = &[("cycles", StageClock::Cycles), ("alone", StageClock::Alone)];
const CONGESTION_CONTROLS: Names<CongestionControl> =
    &[("cubic", CongestionControl::Cubic), ("newreno", CongestionControl::NewReno)];
const ECN: Names<Ecn> = &[("yes", Ecn::Offered), ("no", Ecn::Never)];
const SWITCH: Names<Evictions> = &[("yes", Evictions::Disabled), ("no", Evictions::Enabled)];

const DISABLED: Names<Permission> = &[("yes", Permission::Denied), ("no", Permission::Granted)];
const ENABLED: Names<Permission> = &[("yes", Permission::Granted), ("no", Permission::Denied)];

const CAS: Names<CasUse> = &[("yes", CasUse::Disabled), ("no", CasUse::Enabled)];
const PROTOCOLS: Names<Protocol> =
    &[("auto", Protocol::Auto), ("ascii", Protocol::Ascii), ("binary", Protocol::Binary)];

/// Smallest `max-item-size`, as memcached's.
const MIN_ITEM_SIZE: u64 = 1 << 10;
/// Largest `max-item-size`. Larger than half of the item memory, it is beyond what can be stored.
const MAX_ITEM_SIZE: u64 = 128 << 20;

/// Applies one `key=value` word. A key without `=` has the empty value, which only a switch takes, as `yes`.
pub(super) fn apply_word<'a>(config: &mut Config, word: &'a str) -> Result<(), ConfigError<'a>> {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    let Some(&key) = KEYS.iter().find(|known| **known == key) else {
        return Err(ConfigError::UnknownKey { key, nearest: nearest(key, KEYS.iter().copied()) });
    };
    let bad = |expected| ConfigError::BadValue { key, value, expected };
    match key {
        "port" => config.port = number(value, 1, 65535).ok_or(bad("a port from 1 to 65535"))? as u16,
        "udp-port" => config.udp_port = number(value, 0, 65535).ok_or(bad("a port from 0 to 65535"))? as u16,
        "http-port" => config.http_port = number(value, 0, 65535).ok_or(bad("a port from 0 to 65535"))? as u16,
        "auth-token" => {
            let token =
                AuthToken::new(value).ok_or(bad("a user and a password, as user:password, of up to 128 bytes"))?;
            config.auth_token = Some(token);
        }
        "cluster-nodes" => {
            let expected = "a version and up to 16 servers, as 1:host|192.0.2.1|11211,..., in 512 bytes";
            config.cluster_nodes = Some(ClusterNodes::new(value).ok_or(bad(expected))?);
        }
        "protocol" => config.protocol = named(key, value, PROTOCOLS)?,
        "disable-cas" => config.cas = named(key, or_yes(value), CAS)?,
        "idle-timeout" => {
            config.idle_timeout_s = number(value, 0, 86_400).ok_or(bad("seconds from 0 to 86400"))? as u32;
        }
        "memory-limit" => {
            let mib = number(value, 1, 1 << 24).ok_or(bad("a number of MiB from 1 to 16777216"))?;
            config.memory_limit_mib = Some(mib as u32);
        }
        "conn-limit" => {
            config.conn_limit =
                number(value, 1, 1 << 20).ok_or(bad("a number of connections from 1 to 1048576"))? as u32;
        }
        "max-item-size" => {
            let size = bytes(value).filter(|size| (MIN_ITEM_SIZE..=MAX_ITEM_SIZE).contains(size));
            config.max_item_size = size.ok_or(bad("a size from 1k to 128m"))? as u32;
        }
        "disable-evictions" => config.evictions = named(key, or_yes(value), SWITCH)?,
        "disable-flush-all" => config.flush_all = named(key, or_yes(value), DISABLED)?,
        "disable-dumping" => config.dumping = named(key, or_yes(value), DISABLED)?,
        "disable-watch" => config.watching = named(key, or_yes(value), DISABLED)?,
        "enable-shutdown" => config.shutdown = named(key, or_yes(value), ENABLED)?,
        "ip" if value == "dhcp" => config.address = Address::Dhcp,
        "ip" => config.address = address(value).ok_or(bad("'dhcp' or an address with its prefix, as 192.0.2.7/24"))?,
        "gateway" => config.gateway = Some(value.parse().map_err(|_| bad("an IPv4 address, as 192.0.2.1"))?),
        "vlan" => config.vlan = Some(number(value, 1, 4094).ok_or(bad("a VLAN from 1 to 4094"))? as u16),
        "listen-backlog" => {
            config.listen_backlog =
                number(value, 1, 1 << 20).ok_or(bad("a number of connections from 1 to 1048576"))? as u32;
        }
        "congestion-control" => config.congestion_control = named(key, value, CONGESTION_CONTROLS)?,
        "ecn" => config.ecn = named(key, value, ECN)?,
        "keepalive" => {
            config.keepalive_s = number(value, 0, 86_400).ok_or(bad("seconds from 0 to 86400"))? as u32;
        }
        "console" => config.console = named(key, value, LEVELS)?,
        "on-crash" => config.on_crash = named(key, value, ON_CRASH)?,
        "batch" => config.batch = number(value, 1, 64).ok_or(bad("a number of packets from 1 to 64"))? as u16,
        "spin" => config.spin_us = number(value, 0, 1_000_000).ok_or(bad("microseconds from 0 to 1000000"))? as u32,
        "threads" => config.threads = Some(number(value, 1, 64).ok_or(bad("a number of cores from 1 to 64"))? as u16),
        "stage-clock" => config.stage_clock = named(key, value, STAGE_CLOCKS)?,
        "exercise" => {
            config.exercise = number(value, 0, 100_000).ok_or(bad("a number of moves from 0 to 100000"))? as u32;
        }
        "selftest" => config.selftest = Some(named(key, value, SELF_TESTS)?),
        "selftest-core" => config.selftest_core = number(value, 0, 63).ok_or(bad("a core from 0 to 63"))? as u16,
        _ => unreachable!("every entry of KEYS has an arm"),
    }
    Ok(())
}

/// A decimal number within `low..=high`: digits only, no sign.
fn number(value: &str, low: u64, high: u64) -> Option<u64> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    value.parse().ok().filter(|n| digits && (low..=high).contains(n))
}

/// A number of bytes, with an optional `k` or `m`.
fn bytes(value: &str) -> Option<u64> {
    let (digits, shift) = match value.as_bytes().last()? {
        b'k' | b'K' => (&value[..value.len() - 1], 10),
        b'm' | b'M' => (&value[..value.len() - 1], 20),
        _ => (value, 0),
    };
    Some(number(digits, 0, 1 << 32)? << shift)
}

/// An address with its prefix, that a host can have.
fn address(value: &str) -> Option<Address> {
    let (ip, prefix) = value.split_once('/')?;
    let ip: core::net::Ipv4Addr = ip.parse().ok()?;
    let usable = !ip.is_unspecified() && !ip.is_broadcast() && !ip.is_multicast() && !ip.is_loopback();
    let prefix = number(prefix, 1, 32)? as u8;
    usable.then_some(Address::Static { ip, prefix })
}

/// A switch's value: alone, it is on.
fn or_yes(value: &str) -> &str {
    if value.is_empty() { "yes" } else { value }
}

/// The value with this name.
fn named<'a, T: Copy>(key: &'static str, value: &'a str, names: Names<T>) -> Result<T, ConfigError<'a>> {
    let found = names.iter().find(|(name, _)| *name == value);
    found.map(|(_, known)| *known).ok_or_else(|| {
        let nearest = nearest(value, names.iter().map(|(name, _)| *name));
        ConfigError::UnknownValue { key, value, nearest }
    })
}

/// The candidate that `word` abbreviates, else the one with the smallest edit distance; the first of several.
fn nearest(word: &str, candidates: impl Iterator<Item = &'static str>) -> &'static str {
    let distance = |candidate: &&str| match candidate.starts_with(word) && !word.is_empty() {
        true => 0,
        false => edit_distance(word.as_bytes(), candidate.as_bytes()),
    };
    candidates.min_by_key(distance).unwrap_or("")
}

/// Levenshtein distance over the first 32 bytes of each word: more than any valid word has.
fn edit_distance(a: &[u8], b: &[u8]) -> usize {
    const LONGEST: usize = 32;
    let (a, b) = (&a[..a.len().min(LONGEST)], &b[..b.len().min(LONGEST)]);
    let mut row: [usize; LONGEST + 1] = core::array::from_fn(|i| i);
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
