use clap::Parser as _;

use super::*;

const HOST: Resources = Resources { cores: 2, free_port: 50_000 };

fn settings(line: &str) -> Result<Settings, Refusal> {
    Settings::new(&Options::try_parse_from(line.split_ascii_whitespace()).unwrap(), HOST)
}

fn refusal(line: &str) -> (u8, String) {
    let refusal = settings(line).unwrap_err();
    (refusal.code, refusal.to_string())
}

fn addresses(list: &[SocketAddrV4]) -> Vec<String> {
    list.iter().map(SocketAddrV4::to_string).collect()
}

#[test]
fn without_options_it_is_memcacheds_defaults_on_one_core() {
    let settings = settings("").unwrap();
    let expected =
        "port=11211 udp-port=0 memory-limit=64 max-item-size=1048576 conn-limit=1024 listen-backlog=1024 protocol=auto";
    assert_eq!(settings.words, expected);
    assert_eq!((settings.cores, settings.notes.len()), (1, 0));
    assert_eq!(addresses(&settings.listen.tcp), ["127.0.0.1:11211"]);
    assert!((72..128).contains(&settings.machine_mib), "{}", settings.machine_mib);
}

#[test]
fn options_are_bundled_abbreviated_and_overridden_as_getopt_has_it() {
    let settings =
        settings("-Mvv -m64 --memory-l=128 -p 1 --port 11300 -o hashpower=20,no_lru_crawler -o modern extra").unwrap();
    assert!(settings.words.starts_with("port=11300 udp-port=0 memory-limit=128 "), "{}", settings.words);
    assert!(settings.words.ends_with(" disable-evictions console=debug"), "{}", settings.words);
    assert_eq!(settings.notes, ["ignored: extra"]);
    assert!(Options::try_parse_from(["--memory=64"]).is_err(), "ambiguous");
}

#[test]
fn exit_codes_are_memcacheds() {
    let usage = [
        "-m 0",
        "-m abc",
        "-m 1",
        "-p 99999",
        "-U 99999",
        "-I 512",
        "-I 33m",
        "-B foo",
        "-s /run/a",
        "-Z",
        "-S",
        "-e /run/a",
    ];
    for line in usage {
        assert_eq!(refusal(line).0, EX_USAGE, "{line}");
    }
    for line in
        ["-t 0", "-c 0", "-c -1", "-R 0", "-R abc", "-f 1.0", "-n 0", "-o foo", "-o hashpower=99", "-Y /nowhere"]
    {
        assert_eq!(refusal(line).0, EXIT_FAILURE, "{line}");
    }
    for line in ["-l nonsense.invalid", "-l ::1", "-l 127.0.0.1:x"] {
        assert_eq!(refusal(line).0, EX_OSERR, "{line}");
    }
}

#[test]
fn item_sizes_are_bounded_as_by_memcached_and_by_the_appliance() {
    assert!(settings("-I 1k").unwrap().words.contains("max-item-size=1024 "));
    assert!(settings("-m 2 -I 1m").is_ok());
    assert_eq!(
        refusal("-m 2 -I 2m"),
        (EX_USAGE, "Cannot set item size limit higher than 1/2 of memory max.".to_owned())
    );
    assert!(refusal("-m 4096 -I 1025m").1.contains("max-item-size"));
}

#[test]
fn threads_are_cores_as_far_as_there_are_any() {
    assert_eq!(settings("-t 2").unwrap().cores, 2);
    let many = settings("-t 64").unwrap();
    assert_eq!(many.cores, 2);
    assert_eq!(many.notes, ["-t 64: this machine has 2 cores, so 2 serve"]);
}

#[test]
fn it_listens_at_each_address() {
    let listen = settings("-l 127.0.0.1,127.0.0.2:11400 -l localhost -p 11300 -U 11301").unwrap().listen;
    assert_eq!(addresses(&listen.tcp), ["127.0.0.1:11300", "127.0.0.2:11400", "127.0.0.1:11300"]);
    assert_eq!(addresses(&listen.udp), ["127.0.0.1:11301", "127.0.0.2:11400", "127.0.0.1:11301"]);
    let listen = settings("-p 0 -U 11301").unwrap().listen;
    assert_eq!(addresses(&listen.tcp), ["127.0.0.1:50000"], "for readiness");
}

#[test]
fn the_file_of_users_has_one() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let with = |text: &str| {
        fs::write(file.path(), text).unwrap();
        settings(&format!("-Y {}", file.path().display()))
    };
    assert!(with("alice:secret\n").unwrap().words.contains(" auth-token=alice:secret"));
    for bad in ["", "alice\n", "alice:\n", ":secret\n", "alice:a b\n", "a:b\nc:d\n"] {
        assert_eq!(with(bad).unwrap_err().code, EXIT_FAILURE, "{bad}");
    }
}

#[test]
fn more_connections_take_a_larger_machine() {
    let mib = |line| settings(line).unwrap().machine_mib;
    assert!(mib("-c 100000") > mib("") + 1000);
    assert!(mib("-m 1024") > 1024 + 16);
}
