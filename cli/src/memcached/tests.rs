//! Every option of memcached's is known, and its fate is documented.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::*;

/// Recorded from `memcached -h` of 1.6.18, and from its parser where the help is silent: each option with a value that it takes.
const RECORDED: &str = include_str!("../../fixtures/memcached-1.6.18-options.txt");

const HOST: Resources = Resources { cores: 4, free_port: 50_000 };

/// The options recorded: their arguments on a command line.
fn recorded() -> impl Iterator<Item = &'static str> {
    RECORDED.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

/// The name of an option that stands in the table: without its value, and without its long form.
fn name_of(line: &str) -> String {
    let mut words = line.split([' ', '=']);
    match (words.next(), words.next()) {
        (Some("-o"), Some(suboption)) => format!("-o {suboption}"),
        (Some(name), _) => name.to_owned(),
        (None, _) => String::new(),
    }
}

/// The rows of the table in `docs/options.md`: option, key, fate.
fn documented() -> Vec<(String, String, String)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/options.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `-"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let option = cells[1].trim_matches('`').split("`, `").next().unwrap();
        (option.to_owned(), cells[2].to_owned(), cells[3].to_owned())
    })
    .collect()
}

#[test]
fn the_table_has_every_option_and_no_other() {
    let table: Vec<String> = documented().into_iter().map(|(option, ..)| option).collect();
    let unique: BTreeSet<&String> = table.iter().collect();
    assert_eq!(unique.len(), table.len(), "an option stands twice");
    let known: BTreeSet<String> = recorded().map(name_of).collect();
    let documented: BTreeSet<String> = table.iter().cloned().collect();
    assert_eq!(documented, known);
}

#[test]
fn the_table_says_what_becomes_of_each() {
    let keys: BTreeSet<String> = abi::config::KEYS.iter().map(|key| format!("`{key}`")).collect();
    for (option, key, fate) in documented() {
        let line = recorded().find(|line| name_of(line) == option).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let parsed = Options::try_parse_from(&words);
        let accepted = match parsed {
            Err(error) => error.kind() == ErrorKind::DisplayHelp,
            Ok(options) => Settings::new(&options, HOST).is_ok(),
        };
        let is_refused = fate.starts_with("refused");
        assert!(is_refused || fate.starts_with("supported") || fate.starts_with("accepted"), "{option}: {fate}");
        assert_eq!(accepted, !is_refused, "{option}: {fate}");
        assert!(key.is_empty() || keys.contains(&key), "{option}: {key} is no key");
        assert!(key.is_empty() || fate.starts_with("supported"), "{option} has a key, and is not supported");
    }
}

#[test]
fn a_key_of_the_table_is_set_by_its_option() {
    for (option, key, _) in documented().into_iter().filter(|(_, key, _)| !key.is_empty()) {
        let line = recorded().find(|line| name_of(line) == option).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let settings = Settings::new(&Options::try_parse_from(&words).unwrap(), HOST).unwrap();
        let key = key.trim_matches('`');
        let is_set = |word: &str| word.split('=').next() == Some(key);
        assert!(settings.words.split(' ').any(is_set), "{option}: {key} is not in {}", settings.words);
    }
}

#[test]
fn long_options_are_memcacheds() {
    for line in RECORDED.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| line.starts_with("--")) {
        let parsed = Options::try_parse_from([line]);
        let known = parsed.map_or_else(|error| error.kind() != ErrorKind::UnknownArgument, |_| true);
        assert!(known, "{line}");
    }
}
