//! A comparison that every machine with memcached can make: over loopback.

use std::time::Duration;

use image::{BuildId, Image};

use super::*;
use crate::load::Protocol;
use crate::peers::{Appliance, Cores, Kind, Route};

/// No case of these tests boots it.
fn images() -> Images {
    let image = Image { bytes: Vec::new(), build_id: BuildId([0; 20]) };
    let appliance = Appliance { image, baked: String::new(), append: String::new() };
    Images { appliance, echo: Err("no echo".to_owned()), reflector: Err("no reflector".to_owned()) }
}

fn options() -> Options {
    let sla = "99:100000".parse().unwrap();
    Options {
        workloads: vec![Preset::Usr],
        peers: vec![Peer { kind: Kind::Memcached, route: Route::Loopback, accel: None }],
        rounds: 2,
        figures: Figures::PeakAndUnloaded,
        time: Duration::from_millis(150),
        warmup: Duration::from_millis(20),
        connections: 4,
        depth: 2,
        records: 500,
        memory_mib: 64,
        protocol: Protocol::Text,
        sla: Bounds { native: sla, tcg: sla, pieces: 3 },
        cores: Cores { server: 1, servers: 1, client: 0 },
        value_bytes: None,
        requests_per_connection: None,
        batch: None,
    }
}

fn has_two_cores() -> bool {
    let two = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    if !two {
        eprintln!("skipped: client and server need a core each");
    }
    two
}

/// Servers that were given so much memory: each test gives them an amount of its own.
fn servers(memory_mib: u32) -> usize {
    let wanted = format!("memcached -t 1 -m {memory_mib} ");
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.replace('\0', " ").contains(&wanted)).count()
}

#[test]
fn memcached_is_measured_and_gone() {
    if !has_two_cores() {
        return;
    }
    let options = Options { memory_mib: 65, ..options() };
    let (mut heard, mut seen) = (Vec::new(), 0);
    let listen = |what| {
        heard.push(what);
        seen = seen.max(servers(65));
    };
    let found = compare(&[options], &images(), &AtomicBool::new(false), listen).unwrap();
    assert!(found.failed.is_empty(), "{:?}", found.failed);
    let [row] = &found.rows[..] else { panic!("{:?}", found.rows) };
    assert_eq!((row.workload.as_str(), row.peer.as_str(), row.wire.as_str()), ("usr", "memcached", "loopback"));
    assert_eq!((row.accel.as_str(), row.rounds, row.rps_at_sla), ("native", 2, None));
    assert!(row.rps_peak > 0.0 && row.rps_peak_spread[0] <= row.rps_peak && row.rps_peak <= row.rps_peak_spread[1]);
    assert!(row.p99_unloaded_us.is_some_and(|us| us > 1.0) && row.p99_unloaded_us > row.p50_unloaded_us);
    assert!(row.server_cycles_per_request.is_some_and(|cycles| cycles > 1000.0), "{row:?}");
    assert!(row.version.starts_with("memcached 1.") && row.flags.contains("-t 1"));
    assert!(heard[0].starts_with("round 1 of 2: memcached/loopback/native usr, 4 connections, depth 2"), "{heard:?}");
    assert_eq!((seen, servers(65)), (1, 0), "one at a time, and none afterwards");
}

#[test]
fn what_cannot_run_is_named_and_the_rest_goes_on() {
    if !has_two_cores() {
        return;
    }
    let mut options = Options { rounds: 1, figures: Figures::Peak, ..options() };
    let echo = Peer { kind: Kind::TcpEcho, route: Route::VhostUser, accel: Some(orchestrator::Accel::Tcg) };
    options.peers.insert(0, echo);
    let deeper = Options { depth: 3, ..options.clone() };
    let found = compare(&[options, deeper], &images(), &AtomicBool::new(false), |_| {}).unwrap();
    let failed: Vec<(Peer, &str)> = found.failed.iter().map(|failure| (failure.peer, failure.why.as_str())).collect();
    assert_eq!(failed, [(echo, "no echo"), (echo, "no echo")]);
    assert!(found.failed[1].to_string().contains("(usr, 4 connections, depth 3)"), "{}", found.failed[1]);
    assert_eq!(found.rows.iter().map(|row| row.depth).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_row_is_known_by_what_was_asked_for() {
    let wanted = Options { rounds: 1, connections: 16, records: 1000, time: Duration::from_secs(1), ..options() };
    let round = row_tests::round(5e4, 6e4);
    let row = row_tests::blank("usr", "memcached", "loopback", "native").with_rounds(&[round]).unwrap();
    let row = Row { depth: 2, ..row };
    assert!(wanted.asks_for(&row));
    assert!(!Options { rounds: 2, ..wanted.clone() }.asks_for(&row));
    assert!(!Options { batch: Some(8), ..wanted.clone() }.asks_for(&row));
    assert!(!wanted.asks_for(&Row { wire: "tap".to_owned(), ..row }));
    let both = Options { workloads: vec![Preset::Etc, Preset::Usr], ..wanted };
    assert_eq!(both.split().iter().map(|alone| alone.workloads[0]).collect::<Vec<_>>(), both.workloads);
}

#[test]
fn an_interrupt_ends_it_and_the_server() {
    if !has_two_cores() {
        return;
    }
    let interrupted = AtomicBool::new(false);
    let stop = |what: String| interrupted.store(what.ends_with("closed loop"), Ordering::Relaxed);
    let options = Options { figures: Figures::All, memory_mib: 66, ..options() };
    let found = compare(&[options], &images(), &interrupted, stop).unwrap();
    assert!(found.rows.is_empty() && found.failed.is_empty(), "{found:?}");
    assert_eq!(servers(66), 0);
}

#[test]
fn nonsense_is_refused_before_anything_starts() {
    let refusal = |options: Options| compare(&[options], &images(), &AtomicBool::new(false), |_| {}).unwrap_err();
    let cores = |server, client| Cores { server, servers: 1, client };
    assert_eq!(refusal(Options { cores: cores(0, 0), ..options() }), OptionsError::SameCore);
    let far = refusal(Options { cores: cores(4096, 0), ..options() });
    assert!(matches!(far, OptionsError::NoSuchCore { wanted: 4096, .. }));
    let many = refusal(Options { cores: Cores { server: 1, servers: 4096, client: 0 }, ..options() });
    if has_two_cores() {
        assert!(many.to_string().starts_with("4096 cores of the server from core 1 on: this host has "), "{many}");
    }
    assert!(matches!(refusal(Options { rounds: 0, ..options() }), OptionsError::Nothing(_)));
    assert!(matches!(refusal(Options { peers: Vec::new(), ..options() }), OptionsError::Nothing(_)));
    if has_two_cores() {
        assert!(refusal(Options { depth: 0, ..options() }).to_string().contains("a depth of 0"));
    }
    assert!(workload("udp").unwrap_err().contains("etc, etc75, usr"));
}
