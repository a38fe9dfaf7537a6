//! Peers that are installed, started and ended.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use image::Image;

use super::*;

const CORES: Cores = Cores { server: 0, servers: 1, client: 0 };
const NEEDS: Needs = Needs { memory_mib: 64, connections: 16, cores: 1 };

/// No peer of these tests boots it.
fn no_appliance() -> Appliance {
    let image = Image { bytes: Vec::new(), build_id: image::BuildId([0; 20]) };
    Appliance { image, baked: String::new(), append: String::new() }
}

fn run(name: &str, reach: &Reach) -> Result<Server, PeerError> {
    let peer = name.parse::<Wanted>().unwrap().resolve(orchestrator::Accel::Tcg);
    start(&peer, &NEEDS, CORES, reach, &no_appliance(), "", &AtomicBool::new(false))
}

fn exists(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[test]
fn memcached_answers_and_is_gone_afterwards() {
    let mut server = run("memcached/loopback", &Reach::Loopback).unwrap();
    let pid = server.pid();
    server.check().unwrap();
    assert!(server.version.starts_with("memcached 1."), "{}", server.version);
    assert!(server.command_line.contains("-t 1 -m 64 "), "{}", server.command_line);
    assert!(server.boot.answered_ms.is_some_and(|ms| ms > 0.0) && server.boot.resident_bytes > 1 << 20);
    assert!(exists(pid) && server.cpu_time().is_ok());
    drop(server);
    assert!(!exists(pid));
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let program = host::memcached(&NEEDS, address).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut child = Child::start(&program.path, &program.arguments, folder.path().join("log")).unwrap();
    let error = loop {
        if let Err(error) = child.check() {
            break error.to_string();
        }
    };
    assert!(error.contains("failed to listen") || error.contains("in use"), "{error}");
}

#[test]
fn redis_answers_where_it_is_installed() {
    match run("redis/loopback", &Reach::Loopback) {
        Ok(server) => assert!(server.version.starts_with("Redis server"), "{}", server.version),
        Err(PeerError::Missing(what)) => eprintln!("skipped: {what}"),
        Err(error) => panic!("{error}"),
    }
}
