//! What follows `-o`: memcached's extended options.

use super::refusal::{EXIT_FAILURE, Refusal};

/// The value that a suboption takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    /// None. One that is given is ignored, as by memcached.
    None,
    /// A number of at least the first and at most the second.
    Number(u64, u64),
    /// A number with a fraction.
    Fraction,
    /// One of these.
    Word(&'static [&'static str]),
}

/// What becomes of a suboption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It sets this key of the appliance.
    Key(&'static str),
    /// Nothing.
    Accepted,
    /// It is refused, because of this.
    Refused(&'static str),
}

const NUMBER: Value = Value::Number(0, u32::MAX as u64);
const PERCENT: Value = Value::Number(1, 80);
/// 2^12 to 2^32 buckets.
const HASH_POWER: Value = Value::Number(12, 32);
/// "very dangerous option": memcached takes no less.
const TAIL_REPAIR_S: Value = Value::Number(10, u32::MAX as u64);
const HASHES: Value = Value::Word(&["jenkins", "murmur3", "xxh3"]);
const IDLE_S: Value = Value::Number(0, 86_400);

/// By name. What begins with `ext_` or `ssl_` is refused as a whole.
const SUBOPTIONS: &[(&str, Value, Fate)] = &[
    ("maxconns_fast", Value::None, Fate::Accepted),
    ("no_maxconns_fast", Value::None, Fate::Accepted),
    ("hashpower", HASH_POWER, Fate::Accepted),
    ("no_hashexpand", Value::None, Fate::Accepted),
    ("slab_reassign", Value::None, Fate::Accepted),
    ("no_slab_reassign", Value::None, Fate::Accepted),
    ("slab_automove", NUMBER, Fate::Accepted),
    ("no_slab_automove", Value::None, Fate::Accepted),
    ("slab_automove_ratio", Value::Fraction, Fate::Accepted),
    ("slab_automove_window", NUMBER, Fate::Accepted),
    ("slab_automove_freeratio", Value::Fraction, Fate::Accepted),
    ("slab_chunk_max", NUMBER, Fate::Accepted),
    ("no_chunked_items", Value::None, Fate::Accepted),
    ("tail_repair_time", TAIL_REPAIR_S, Fate::Accepted),
    ("hash_algorithm", HASHES, Fate::Accepted),
    ("lru_crawler", Value::None, Fate::Accepted),
    ("no_lru_crawler", Value::None, Fate::Accepted),
    ("lru_crawler_sleep", NUMBER, Fate::Accepted),
    ("lru_crawler_tocrawl", NUMBER, Fate::Accepted),
    ("lru_maintainer", Value::None, Fate::Accepted),
    ("no_lru_maintainer", Value::None, Fate::Accepted),
    ("hot_lru_pct", PERCENT, Fate::Accepted),
    ("warm_lru_pct", PERCENT, Fate::Accepted),
    ("hot_max_factor", Value::Fraction, Fate::Accepted),
    ("warm_max_factor", Value::Fraction, Fate::Accepted),
    ("temporary_ttl", NUMBER, Fate::Accepted),
    ("track_sizes", Value::None, Fate::Accepted),
    ("idle_timeout", IDLE_S, Fate::Key("idle-timeout")),
    ("watcher_logbuf_size", NUMBER, Fate::Accepted),
    ("worker_logbuf_size", NUMBER, Fate::Accepted),
    ("read_buf_mem_limit", NUMBER, Fate::Accepted),
    ("resp_obj_mem_limit", NUMBER, Fate::Accepted),
    ("inline_ascii_resp", Value::None, Fate::Accepted),
    ("no_inline_ascii_resp", Value::None, Fate::Accepted),
    ("drop_privileges", Value::None, Fate::Accepted),
    ("no_drop_privileges", Value::None, Fate::Accepted),
    ("modern", Value::None, Fate::Accepted),
    ("no_modern", Value::None, Fate::Accepted),
    ("sock_cookie_id", NUMBER, Fate::Refused("the appliance has no sockets that a filter could see")),
];

/// Suboptions of what the appliance does not have, by how they begin.
const REFUSED: &[(&str, &str)] = &[("ext_", "the appliance has no storage but memory"), ("ssl_", "there is no TLS")];

/// The word of the appliance's configuration that a suboption stands for, if any.
pub(super) fn word(suboption: &str) -> Result<Option<String>, Refusal> {
    let refuse = |why: String| Err(Refusal::new(EXIT_FAILURE, why));
    let (name, value) = suboption.split_once('=').map_or((suboption, None), |(name, value)| (name, Some(value)));
    if let Some((_, why)) = REFUSED.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        return refuse(format!("-o {name} is not available: {why}"));
    }
    let Some((_, takes, fate)) = SUBOPTIONS.iter().find(|(known, ..)| *known == name) else {
        return refuse(format!("Illegal suboption \"{suboption}\""));
    };
    match (*takes, value) {
        (Value::None, _) => {}
        (_, None) => return refuse(format!("Missing argument for {name}")),
        (takes, Some(value)) if !takes.fits(value) => {
            return refuse(format!("-o {name}: '{value}' is not {}", takes.expected()));
        }
        _ => {}
    }
    match *fate {
        Fate::Key(key) => Ok(value.map(|value| format!("{key}={value}"))),
        Fate::Accepted => Ok(None),
        Fate::Refused(why) => refuse(format!("-o {name} is not available: {why}")),
    }
}

impl Value {
    fn fits(self, text: &str) -> bool {
        match self {
            Value::None => true,
            Value::Number(least, most) => text.parse().is_ok_and(|number: u64| (least..=most).contains(&number)),
            Value::Fraction => text.parse().is_ok_and(|number: f64| number >= 0.0),
            Value::Word(words) => words.contains(&text),
        }
    }

    fn expected(self) -> String {
        match self {
            Value::None => "expected".to_owned(),
            Value::Number(least, most) => format!("a number from {least} to {most}"),
            Value::Fraction => "a number".to_owned(),
            Value::Word(words) => format!("one of {}", words.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_as_memcached_checks_them() {
        let refused = |suboption| word(suboption).unwrap_err();
        for suboption in
            ["hashpower", "hashpower=99", "hashpower=abc", "tail_repair_time=5", "hash_algorithm=foo", "idle_timeout"]
        {
            assert_eq!(refused(suboption).code, EXIT_FAILURE, "{suboption}");
        }
        assert_eq!(refused("foo").to_string(), "Illegal suboption \"foo\"");
        assert!(refused("ext_path=/mnt/a:1G").to_string().contains("no storage"));
        assert_eq!(word("hashpower=20"), Ok(None));
        assert_eq!(word("idle_timeout=60"), Ok(Some("idle-timeout=60".to_owned())));
    }
}
